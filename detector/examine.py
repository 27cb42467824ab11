"""What a head needs to know of a clip, measured once: windows, their features, and a few stills.

Decoding and features are nearly all of an audit's cost, and depend on the file, the normal form, the features
and the encoder alone. They are kept under that key, so that a clip is scored again by another head, or listed a
second time, without being opened.
"""

import hashlib
import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from detector.encoders import Encoder
from detector.features import extract, schema
from detector.features.embedding import Layout, embedding_features
from detector.normal_form import PREPROCESS_ID, Normalised, Window, normalise_clip, to_rgb
from media import Limits, atomic_path, file_digest

F32 = npt.NDArray[np.float32]

STILLS = 8
STILL_SIDE = 128
_BATCH = 16
"""Windows whose frames an encoder gets at once."""


@dataclass(frozen=True)
class Stretch:
    """When a window was, in seconds of the clip; `fault` says why it tells nothing ("" if it does)."""

    start_s: float
    end_s: float
    frames: int
    fault: str


@dataclass(frozen=True)
class Examination:
    """A clip in normal form, measured.

    `x` float32 [n, d]: the features of the windows without fault, in the order of the schema. `stills`: JPEG
    pictures of 128 x 128, at most 8, evenly spaced over the windows. `obstacles`: why the clip cannot be judged,
    in plain words. The rest as in `Normalised`.
    """

    sha256: str
    rate: float
    crop_px: float
    sampled: int
    decoded: int
    decode_errors: int
    duration_s: float
    obstacles: tuple[str, ...]
    windows: tuple[Stretch, ...]
    x: F32
    stills: tuple[bytes, ...]


def examine_clip(
    path: Path,
    *,
    families: tuple[str, ...],
    encoder: Encoder | None = None,
    cache: Path | None = None,
    max_windows: int = 64,
    limits: Limits | None = None,
) -> Examination:
    """Measures the clip at `path`, or reads it from the folder `cache`, where it is then kept.

    At most about `max_windows` windows are looked at, evenly spaced. Raises the errors of `media`. A damaged
    cache entry is made anew.
    """
    sha256 = file_digest(path).hex()
    if cache is None:
        return _measure(path, sha256, families, encoder, max_windows, limits)
    stored = _entry(cache, sha256, families, encoder, max_windows)
    found = _read(stored)
    if found is None:
        found = _measure(path, sha256, families, encoder, max_windows, limits)
        stored.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(stored) as temporary, temporary.open("wb") as file:
            _write(found, file)
    return found


def kept_examination(
    cache: Path, sha256: str, families: tuple[str, ...], encoder: Encoder | None, max_windows: int
) -> Examination | None:
    """What `cache` holds of the clip with that digest."""
    return _read(_entry(cache, sha256, families, encoder, max_windows))


def _entry(
    cache: Path, sha256: str, families: tuple[str, ...], encoder: Encoder | None, max_windows: int
) -> Path:
    features = schema(families, layout_of(encoder)).digest
    key = [sha256, PREPROCESS_ID, features, encoder and encoder.digest, max_windows]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return cache / name[:2] / f"{name[2:34]}.npz"


def layout_of(encoder: Encoder | None) -> Layout | None:
    """How the encoder looks at a window; None without an encoder."""
    return encoder.layout if encoder else None


def clip_obstacles(normalised: Normalised) -> tuple[str, ...]:
    """Why a clip cannot be judged, in plain words; empty if it can."""
    obstacles = [*normalised.limits]
    if normalised.windows and all(w.fault for w in normalised.windows):
        obstacles.append(f"nothing to judge: {'; '.join(sorted({w.fault for w in normalised.windows}))}")
    if normalised.decode_errors > normalised.decoded:
        obstacles.append(f"damaged: {normalised.decode_errors} packets do not decode")
    return tuple(obstacles)


def window_features(windows: Sequence[Window], families: tuple[str, ...], encoder: Encoder | None) -> F32:
    """float32 [n, d] of windows, in the order of `schema(families, layout_of(encoder))`."""
    rows: list[F32] = []
    for start in range(0, len(windows), _BATCH):
        planes = [window.planes() for window in windows[start : start + _BATCH]]
        made = [extract(luma, chroma, families) for luma, chroma in planes]
        if encoder is not None:
            frames = encoder.layout.frames
            seen = [np.linspace(0, len(luma) - 1, frames).astype(int) for luma, _ in planes]
            pictures = [to_rgb(y[k], uv[k]) for (y, uv), k in zip(planes, seen, strict=True)]
            embedded = encoder.embed(np.concatenate(pictures)).reshape(len(planes), frames, -1)
            made = [
                np.concatenate([own, embedding_features(path, encoder.layout)])
                for own, path in zip(made, embedded, strict=True)
            ]
        rows += made
    width = len(schema(families, layout_of(encoder)).names)
    return np.array(rows, np.float32).reshape(len(rows), width)


def _measure(
    path: Path,
    sha256: str,
    families: tuple[str, ...],
    encoder: Encoder | None,
    max_windows: int,
    limits: Limits | None,
) -> Examination:
    normalised = normalise_clip(path, max_windows=max_windows, limits=limits)
    windows = normalised.windows
    return Examination(
        sha256=sha256,
        rate=normalised.rate,
        crop_px=normalised.crop_px,
        sampled=normalised.sampled,
        decoded=normalised.decoded,
        decode_errors=normalised.decode_errors,
        duration_s=normalised.duration_s,
        obstacles=clip_obstacles(normalised),
        windows=tuple(Stretch(w.start_s, w.end_s, w.frames, w.fault) for w in windows),
        x=window_features([w for w in windows if not w.fault], families, encoder),
        stills=tuple(_still(windows[k]) for k in _spread(len(windows), STILLS)),
    )


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly spaced."""
    return [] if not count else np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()


def _still(window: Window) -> bytes:
    from PIL import Image

    luma, chroma = window.planes()
    middle = len(luma) // 2
    picture = Image.fromarray(to_rgb(luma[middle : middle + 1], chroma[middle : middle + 1])[0])
    sink = io.BytesIO()
    picture.resize((STILL_SIDE, STILL_SIDE), Image.Resampling.BOX).save(sink, "JPEG", quality=72)
    return sink.getvalue()


_NUMBERS = ("rate", "crop_px", "sampled", "decoded", "decode_errors", "duration_s")


def _write(found: Examination, file: Any) -> None:
    about = {name: getattr(found, name) for name in ("sha256", *_NUMBERS, "obstacles")}
    about["windows"] = [[w.start_s, w.end_s, w.frames, w.fault] for w in found.windows]
    about["stills"] = [len(still) for still in found.stills]
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(file, about=text, x=found.x, stills=np.frombuffer(b"".join(found.stills), np.uint8))


def _read(stored: Path) -> Examination | None:
    try:
        with np.load(io.BytesIO(stored.read_bytes())) as arrays:
            about, x, joined = json.loads(arrays["about"].tobytes()), arrays["x"], arrays["stills"].tobytes()
        ends = np.cumsum([0, *about["stills"]])
        return Examination(
            sha256=about["sha256"],
            **{name: about[name] for name in _NUMBERS},
            obstacles=tuple(about["obstacles"]),
            windows=tuple(Stretch(*w) for w in about["windows"]),
            x=x,
            stills=tuple(joined[a:b] for a, b in itertools.pairwise(ends)),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None  # not there, half written by a dying disk, or of an older layout: it is made anew
