"""Clips in memory: those of a folder, and three that are made here so that the bench runs anywhere."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import overload

import cv2
import numpy as np
from numpy.typing import NDArray

from media import MediaError, Planes, open_clip, probe

VIDEO = {".mp4", ".webm", ".mkv", ".mov", ".gif", ".avi"}

Floats = NDArray[np.float32]
Change = Callable[[Planes, int], Planes]  # a picture and its index


@dataclass(frozen=True)
class Clip:
    """Pictures in yuv420p (uint8, even sides) at a constant rate. `pictures` may be computed when they are asked
    for: an attack on a clip of which a reader takes every second picture costs half."""

    name: str
    rate: Fraction
    pictures: Sequence[Planes]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.pictures[0][0].shape
        return width, height

    @property
    def seconds(self) -> float:
        return float(len(self.pictures) / self.rate)

    def each(self, change: Change) -> "Clip":
        old = self.pictures
        return Clip(self.name, self.rate, Computed(len(old), lambda index: change(old[index], index)))

    def picked(self, indices: Sequence[int], rate: Fraction | None = None) -> "Clip":
        return Clip(self.name, rate or self.rate, [self.pictures[index] for index in indices])

    def held(self) -> "Clip":
        """All pictures computed."""
        return Clip(self.name, self.rate, list(self.pictures))


class Computed(Sequence[Planes]):
    """Pictures that are made each time they are asked for."""

    def __init__(self, count: int, at: Callable[[int], Planes]) -> None:
        self._count, self._at = count, at

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Planes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Planes]: ...
    def __getitem__(self, index: int | slice) -> Planes | Sequence[Planes]:
        indices = range(self._count)[index]
        return self._at(indices) if isinstance(indices, int) else [self._at(one) for one in indices]


@dataclass(frozen=True)
class Candidate:
    """A clip that the bench may take; path: None for one that is made here."""

    name: str
    source: str
    path: Path | None = None

    def load(self, seconds: float) -> Clip:
        """The first seconds, cut to even sides. Raises media.MediaError."""
        if self.path is None:
            return MADE[self.name](seconds)
        with open_clip(self.path, pixel_format="yuv420p", end_s=seconds) as reader:
            rate = (reader.probe.frame_rate or Fraction(24)).limit_denominator(1001)
            count = max(1, round(seconds * rate))
            pictures = [even(frame.yuv) for frame in islice(reader, count)]
        if not pictures:
            raise ValueError(f"{self.path}: no picture in the first {seconds:g} s")
        return Clip(self.name, rate, pictures)


def even(picture: Planes) -> Planes:
    """The picture without its last column or row where its sides are odd."""
    height, width = (side // 2 for side in picture[0].shape)
    y, u, v = picture
    return y[: 2 * height, : 2 * width], u[:height, :width], v[:height, :width]


def candidates(
    folder: Path,
    *,
    manifest: Path | None = None,
    split: str | None = None,
    min_short_side: int = 0,
    per_source: int | None = None,
    limit: int | None = None,
) -> list[Candidate]:
    """The clips of a folder, in turns by source (the manifest's, or the folder that a clip lies in), so that few clips
    cover many sources. Files that do not open are left out."""
    by_source: dict[str, list[Candidate]] = defaultdict(list)
    for name, source in _listed(manifest, split) if manifest else _found(folder):
        by_source[source].append(Candidate(name, source, folder / name))
    wide_enough = [
        islice(filter(lambda one: _short_side(one) >= min_short_side, those), per_source)
        for _, those in sorted(by_source.items())
    ]
    in_turns = chain.from_iterable(zip_longest(*wide_enough))
    return list(islice((one for one in in_turns if one is not None), limit))


def _listed(manifest: Path, split: str | None) -> Iterator[tuple[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if split is None or row["split"] == split:
                yield row["path"], row["source"]


def _found(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO:
            name = path.relative_to(folder)
            yield str(name), str(name.parent)


def _short_side(candidate: Candidate) -> int:
    assert candidate.path is not None
    try:
        found = probe(candidate.path)
    except MediaError:
        return -1
    return min(found.width, found.height)


# ---------------------------------------------------------------- made here


def planes_of(rgb: NDArray[np.uint8]) -> Planes:
    """uint8[height, width, 3] as yuv420p (BT.601, limited range)."""
    height, width = rgb.shape[0], rgb.shape[1]
    flat = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2YUV_I420).ravel()
    y, u, v = np.split(flat, [height * width, height * width * 5 // 4])
    half = height // 2, width // 2
    return y.reshape(height, width), u.reshape(half), v.reshape(half)


def rgb_of(picture: Planes) -> NDArray[np.uint8]:
    """The reverse of planes_of."""
    y = picture[0]
    flat = np.concatenate([np.ascontiguousarray(plane).ravel() for plane in picture])
    return np.asarray(cv2.cvtColor(flat.reshape(-1, y.shape[1]), cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)


def _cloud(rng: np.random.Generator, height: int, width: int, octaves: Sequence[int]) -> Floats:
    """Smooth noise of unit variance with features of these sizes, px, larger ones stronger."""
    field = np.zeros((height, width), np.float32)
    for octave in octaves:
        small = rng.normal(size=(max(2, height // octave), max(2, width // octave))).astype(np.float32)
        field += octave**0.7 * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    unit: Floats = (field - field.mean()) / field.std()
    return unit


def rendered_scene(seconds: float) -> Clip:
    """Flat surfaces and shaded balls, 512x512, 12 fps: what a small generator makes."""
    size, rate = 512, Fraction(12)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    backdrop = np.stack([90 + 60 * y / size, 140 + 40 * y / size, 220 - 60 * y / size], axis=-1)

    def at(index: int) -> Planes:
        scene = backdrop
        for left, top, radius, colour in ((120, 160, 60, (220, 60, 40)), (330, 300, 90, (60, 190, 90))):
            dx, dy = x - left - 5 * (index % 36), y - top - 2 * (index % 36)
            cover = np.clip(radius - np.hypot(dx, dy), 0, 1)[..., None]
            shade = np.clip(1 - np.hypot(dx + radius / 3, dy + radius / 3) / radius / 1.6, 0.2, 1)[..., None]
            scene = scene * (1 - cover) + cover * shade * np.array(colour)
        return planes_of(np.clip(scene, 0, 255).astype(np.uint8))

    return Clip("rendered scene", rate, [at(index) for index in range(max(1, round(seconds * rate)))])


def moving_texture(seconds: float) -> Clip:
    """Foliage under a panning camera, 512x512, 12 fps."""
    size, rate, rng = 512, Fraction(12), np.random.default_rng(5)
    count = max(1, round(seconds * rate))
    wide = np.clip(128 + 45 * _cloud(rng, size, size + 2 * count, (1, 2, 4, 16)), 0, 255)
    tint = np.array([1.0, 0.95, 0.8])
    rgb = (wide[..., None] * tint).astype(np.uint8)
    return Clip("moving texture", rate, [planes_of(rgb[:, 2 * t : 2 * t + size]) for t in range(count)])


def film(
    seconds: float, size: tuple[int, int] = (1280, 720), rate: Fraction = Fraction(24), seed: int = 11
) -> Clip:
    """Like film: a cut each second, a pan at a speed of its own in each shot, soft and sharp parts, a disc that
    crosses, a vignette, new grain in every picture; computed when asked for.
    """
    width, height = size
    count, shot_length, reach = max(1, round(seconds * rate)), max(1, round(rate)), width // 4
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j].astype(np.float32)
    vignette = 1 - 0.45 * (x * x + y * y)

    @cache
    def shot(number: int) -> tuple[Planes, NDArray[np.float64]]:
        """Its scenery, wider than the picture by its reach, and five numbers of its own in 0..1."""
        rng = np.random.default_rng([seed, number])
        wide = width + reach
        depth = _cloud(rng, height, wide, (8, 32, 128))
        detail = _cloud(rng, height, wide, (1, 2, 4, 8)) * np.clip(0.6 + depth, 0.05, 1.2)
        light = rng.uniform(70, 140) + rng.uniform(25, 45) * np.sign(depth - 0.4) + 14 * depth + 12 * detail
        hues = [rng.uniform(114, 142) + 6 * _cloud(rng, height // 2, wide // 2, (16, 64)) for _ in "uv"]
        luma, u, v = (np.clip(plane, 16, 240).astype(np.uint8) for plane in (light, *hues))
        return (luma, u, v), rng.uniform(size=5)

    def at(index: int) -> Planes:
        number, frame = divmod(index, shot_length)
        (light, u, v), (pace, across, down, drift, tone) = shot(number)
        progress = frame / shot_length
        left = int(pace * progress * reach) // 2 * 2
        half = slice(left // 2, (left + width) // 2)
        luma = light[:, left : left + width].copy()
        centre = int(width * (across + 0.2 * progress * (drift - 0.5))), int(height * down)
        cv2.circle(luma, centre, round(height * 0.14), int(60 + 130 * tone), -1, cv2.LINE_AA)
        cv2.setRNGSeed(seed + index)
        grain = cv2.randn(np.empty((height, width), np.float32), 0, 2.5)
        graded = np.clip(luma * vignette + grain, 16, 240).astype(np.uint8)
        return graded, u[:, half].copy(), v[:, half].copy()

    return Clip("film", rate, Computed(count, at))


MADE: dict[str, Callable[[float], Clip]] = {
    "rendered scene": rendered_scene,
    "moving texture": moving_texture,
    "film": lambda seconds: film(seconds).held(),
}


def made_here() -> list[Candidate]:
    return [Candidate(name, "made here") for name in MADE]
