"""What the encoder learns from: frames of clips in the detector's normal form, and captioned pictures."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detector.corpus import MAX_WINDOWS, Entry
from detector.errors import TrainingDataError
from detector.normal_form import PREPROCESS_ID, normalise_clip, to_rgb
from media import MediaError, atomic_path, file_digest

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClipFrames:
    """Frames of one clip, memory-mapped uint8 [T, 256, 256, 3]: the windows that tell something, in order."""

    entry: Entry
    frames: U8


@dataclass(frozen=True)
class Pairs:
    """Pictures uint8 [N, S, S, 3] and a sentence on each in English and in Chinese."""

    pictures: U8
    en: tuple[str, ...]
    zh: tuple[str, ...]


def cached_frames(clip: Path, cache: Path) -> U8:
    """The frames of a file in normal form, uint8 [T, 256, 256, 3]; decoded on first use.

    T is 0 where no window of the clip tells anything. Raises the errors of `media`.
    """
    key = hashlib.sha256(f"{file_digest(clip).hex()} {PREPROCESS_ID} {MAX_WINDOWS}".encode()).hexdigest()
    stored = cache / f"{key[:32]}.npy"
    if not stored.is_file():
        windows = [w for w in normalise_clip(clip, max_windows=MAX_WINDOWS).windows if not w.fault]
        rgb = [to_rgb(*window.planes()) for window in windows]
        with atomic_path(stored) as temporary:
            np.save(temporary, np.concatenate(rgb) if rgb else np.zeros((0, 256, 256, 3), np.uint8))
    mapped: U8 = np.load(stored, mmap_mode="r")
    return mapped


def load_clips(
    entries: Iterable[Entry], folder: Path, cache: Path, progress: Callable[[str], None]
) -> list[ClipFrames]:
    """The frames of the entries' files; files that cannot be read or tell nothing are left out and named."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = []
    for entry in entries:
        try:
            frames = cached_frames(folder / entry.path, cache)
        except MediaError as error:
            progress(f"{entry.path} is left out: {type(error).__name__}")
            continue
        if len(frames):
            clips.append(ClipFrames(entry, frames))
    if len(clips) < 2:
        raise TrainingDataError(
            f"{folder}: {len(clips)} usable clips, at least 2 are needed",
            hint="Check that the manifest's paths lie in that folder and that its split `fit` is not empty.",
        )
    return clips


def load_pairs(folder: Path) -> Pairs:
    """All `pairs-*.npz` of a folder, as `generator.spacetime.pairs` writes them."""
    try:
        parts = [np.load(path) for path in sorted(folder.glob("pairs-*.npz"))]
        if not parts:
            raise FileNotFoundError(f"no pairs-*.npz in {folder}")
        return Pairs(
            np.concatenate([part["pictures"] for part in parts]),
            tuple(str(text) for part in parts for text in part["en"]),
            tuple(str(text) for part in parts for text in part["zh"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise TrainingDataError(
            f"captioned pictures cannot be read: {error}",
            hint=f"Render them: python -m generator.spacetime.pairs --out {folder}",
        ) from error
