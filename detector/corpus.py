"""Labelled clips on disk, and the features of their windows, cached by content."""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detector.encoders import Encoder
from detector.errors import TrainingDataError
from detector.examine import clip_obstacles, layout_of, window_features
from detector.features import VERSION, schema
from detector.features.trajectory import orientation_maps, pool
from detector.normal_form import (
    PREPROCESS_ID,
    RATE_RANGE,
    TARGET_RATE,
    Normalised,
    Window,
    normalise_at_rates,
)
from detector.pairs import VERSION as PAIRS_VERSION
from detector.pairs import paired_windows
from detector.protocols import Table
from media import file_digest

COLUMNS = ("path", "split", "label", "source", "group", "width", "height", "fps", "frames", "bytes")
EXTRA_RATES = (6.0, 11.0)
MAX_WINDOWS = 4
EXTRA_WINDOWS = 2


@dataclass(frozen=True)
class Entry:
    """A row of the manifest; `metadata` is width, height, frames a second, frames, bytes."""

    path: str
    split: str
    is_ai: bool
    source: str
    group: str
    metadata: tuple[float, ...]


@dataclass(frozen=True)
class Example:
    """One clip's features: `x` float32 [n, d] at the rate of an audit, `extra` [m, d] at other rates, `paired` [k, d]
    of a camera clip's first window after what generators do to pictures.

    `content` describes one frame and no motion; `survivors` is what the normal form leaves of the file
    (sampled rate, crop, bytes a frame); `obstacles` say why the clip cannot be judged.
    """

    entry: Entry
    sha256: str
    x: npt.NDArray[np.float32]
    extra: npt.NDArray[np.float32]
    paired: npt.NDArray[np.float32]
    content: npt.NDArray[np.float32]
    survivors: npt.NDArray[np.float32]
    obstacles: tuple[str, ...]


def read_manifest(path: Path) -> list[Entry]:
    """The rows of a manifest CSV; raises `TrainingDataError` where columns or values are missing."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path} cannot be read: {error}", hint="Name the manifest CSV.") from error
    missing = [c for c in COLUMNS if not rows or c not in rows[0]]
    if missing:
        raise TrainingDataError(
            f"{path}: no rows, or no column {', '.join(missing)}",
            hint=f"Columns needed: {', '.join(COLUMNS)}.",
        )
    entries = []
    for line, row in enumerate(rows, start=2):
        try:
            metadata = tuple(float(row[c]) for c in COLUMNS[5:])
        except (TypeError, ValueError) as error:
            raise TrainingDataError(f"{path}:{line}: {error}", hint="Sizes and rates are numbers.") from error
        if row["label"] not in ("ai", "real") or row["split"] not in ("fit", "report"):
            raise TrainingDataError(
                f"{path}:{line}: label {row['label']!r}, split {row['split']!r}",
                hint="label is ai or real; split is fit or report.",
            )
        entries.append(
            Entry(row["path"], row["split"], row["label"] == "ai", row["source"], row["group"], metadata)
        )
    return entries


def load_example(
    entry: Entry,
    clip: Path,
    cache: Path,
    families: tuple[str, ...],
    encoder: Encoder | None = None,
    rates: Sequence[float] = (TARGET_RATE,),
) -> Example:
    """The example of a clip, from the cache or made now; raises the errors of `media`.

    Pairs are made of camera clips of the fit split.
    """
    paired = entry.split == "fit" and not entry.is_ai
    sha256 = file_digest(clip).hex()
    key = [
        sha256,
        PREPROCESS_ID,
        VERSION,
        schema(families, layout_of(encoder)).digest,
        list(rates),
        MAX_WINDOWS,
        EXTRA_WINDOWS,
        PAIRS_VERSION if paired else 0,
    ]
    name = hashlib.sha256(json.dumps([key, encoder.digest if encoder else ""]).encode()).hexdigest()[:32]
    stored = cache / f"{name}.npz"
    if not stored.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        arrays = _measure(clip, families, encoder, rates, paired)
        temporary = stored.with_suffix(".part.npz")
        np.savez(temporary, allow_pickle=False, **arrays)
        temporary.replace(stored)
    with np.load(stored) as arrays:
        return Example(
            entry,
            sha256,
            arrays["x"],
            arrays["extra"],
            arrays["paired"],
            arrays["content"],
            arrays["survivors"],
            tuple(arrays["obstacles"].tolist()),
        )


def _measure(
    clip: Path, families: tuple[str, ...], encoder: Encoder | None, rates: Sequence[float], paired: bool
) -> dict[str, npt.NDArray[np.generic]]:
    main, *others = normalise_at_rates(clip, rates, max_windows=MAX_WINDOWS)
    usable = [w for w in main.windows if not w.fault]
    extra: list[Window] = []
    for other in others:
        if RATE_RANGE[0] <= other.rate <= RATE_RANGE[1]:
            extra += [w for w in other.windows if not w.fault][:EXTRA_WINDOWS]
    weight = sum(len(w.bitstream) for w in main.windows) / max(1, sum(w.frames for w in main.windows))
    return {
        "x": window_features(usable, families, encoder),
        "extra": window_features(extra, families, encoder),
        "paired": window_features(paired_windows(usable[0]) if paired and usable else [], families, encoder),
        "content": one_frame_content(main),
        "survivors": np.array([main.rate, main.crop_px, weight], np.float32),
        "obstacles": np.array(clip_obstacles(main), np.str_),
    }


def one_frame_content(normalised: Normalised) -> npt.NDArray[np.float32]:
    """What the middle frame of the first window shows, float32 [896]: thumbnail, colours, gradient
    orientations.
    """
    if not normalised.windows:
        return np.zeros(896, np.float32)
    luma, chroma = normalised.windows[0].planes()
    middle = len(luma) // 2
    frame = luma[middle].astype(np.float32)
    parts = (pool(frame, 16), pool(chroma[middle], 8), orientation_maps(pool(frame, 128)[None]))
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def table_of(examples: Sequence[Example], blocks: tuple[str, ...]) -> Table:
    """The windows of the examples as one table."""
    x, clip, scored, paired = [], [], [], []
    for k, example in enumerate(examples):
        for rows, at_audit_rate, processed in (
            (example.x, True, False),
            (example.extra, False, False),
            (example.paired, False, True),
        ):
            x.append(rows)
            clip.append(np.full(len(rows), k))
            scored.append(np.full(len(rows), at_audit_rate))
            paired.append(np.full(len(rows), processed))
    return Table(
        np.concatenate(x),
        blocks,
        np.concatenate(clip).astype(np.intp),
        np.concatenate(scored),
        np.concatenate(paired),
        *_labels(examples),
    )


def clip_table(examples: Sequence[Example], values: npt.NDArray[np.floating], block: str) -> Table:
    """One row a clip, for the controls that look at something else than motion."""
    count = len(examples)
    return Table(
        values.astype(np.float32),
        (block,) * values.shape[1],
        np.arange(count),
        np.ones(count, bool),
        np.zeros(count, bool),
        *_labels(examples),
    )


def _labels(
    examples: Sequence[Example],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    return (
        np.array([e.entry.is_ai for e in examples]),
        np.array([e.entry.source for e in examples]),
        np.array([e.entry.group for e in examples]),
    )
