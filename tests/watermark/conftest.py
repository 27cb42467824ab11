"""Small clips to mark, and what becomes of them. A clip is a list of yuv420p pictures."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import write_mp4
from numpy.typing import NDArray
from scipy import ndimage

from media import Planes, open_clip, yuv420p_of_rgb
from provenance.watermark import DEFAULT_LEVELS, Detection, Detector, Embedder, Levels, mark_file
from provenance.watermark.strength import choose

Clip = list[Planes]

KEY = bytes(range(32))
PAYLOAD = 0x0123456789ABCDEF
RATE = 12


def rendered(width: int = 512, height: int = 384, frames: int = 24) -> NDArray[np.uint8]:
    """Like computer graphics: a graded sky, a plain floor, shaded balls that move; uint8[frames, h, w, 3]."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    horizon = 0.6 * height
    sky = np.array([90, 150, 220]) + (y / horizon)[..., None] * np.array([100, 60, 10])
    backdrop = np.where((y < horizon)[..., None], sky, np.array([110, 95, 70]))
    balls = [
        (rng.uniform(0, width), rng.uniform(0, height), rng.uniform(30, 70), rng.uniform(40, 230, 3))
        for _ in range(3)
    ]
    clip = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        picture = backdrop.copy()
        for left, top, radius, colour in balls:
            dx, dy = x - left - 4 * t, y - top - 2 * t
            cover = np.clip(radius - np.hypot(dx, dy) + 0.5, 0, 1)[..., None]
            shade = np.clip(1 - 0.6 * np.hypot(dx + radius / 3, dy + radius / 3) / radius, 0.2, 1)[..., None]
            picture = picture * (1 - cover) + cover * colour * shade
        clip[t] = np.clip(picture, 0, 255)
    return clip


def coloured(rgb: NDArray[np.uint8]) -> Clip:
    """RGB pictures, uint8[frames, h, w, 3], as a clip."""
    return [yuv420p_of_rgb(picture) for picture in rgb]


def textured(width: int = 512, height: int = 384, frames: int = 24) -> list[NDArray[np.uint8]]:
    """Like foliage under a panning camera: luma planes, uint8[height, width]."""
    return _panned(height, width, 2, frames, {1: 10, 3: 20, 12: 30}, seed=8)


def foliage(width: int = 512, height: int = 384, frames: int = 24) -> Clip:
    """The textured luma with coarser hues that pan along."""
    blue, red = (_panned(height // 2, width // 2, 1, frames, {2: 3, 8: 10}, seed=seed) for seed in (9, 10))
    return list(zip(textured(width, height, frames), blue, red, strict=True))


def _panned(
    height: int, width: int, step: int, frames: int, grains: dict[float, float], *, seed: int
) -> list[NDArray[np.uint8]]:
    """Noise that moves by `step` px a frame; grains: levels by the width of their blur, px."""
    rng = np.random.default_rng(seed)
    wide = np.zeros((height, width + step * frames), np.float32)
    for sigma, level in grains.items():
        layer = ndimage.gaussian_filter(rng.normal(size=wide.shape).astype(np.float32), sigma)
        wide += level * layer / layer.std()
    picture = np.clip(128 + wide, 0, 255).astype(np.uint8)
    return [np.ascontiguousarray(picture[:, step * t : step * t + width]) for t in range(frames)]


def plain(level: int = 120, width: int = 384, height: int = 256, *, blue: int = 128) -> Planes:
    """A picture of one colour."""
    half = ((height + 1) // 2, (width + 1) // 2)
    return (
        np.full((height, width), level, np.uint8),
        np.full(half, blue, np.uint8),
        np.full(half, 128, np.uint8),
    )


def in_grey(clip: Iterable[Planes]) -> Clip:
    return [(y, np.full_like(u, 128), np.full_like(v, 128)) for y, u, v in clip]


def hues_alone(clip: Iterable[Planes]) -> Clip:
    return [(np.full_like(y, 128), u, v) for y, u, v in clip]


def at(strength: float) -> Levels:
    """The default levels times a factor."""
    return Levels(DEFAULT_LEVELS.luma * strength, DEFAULT_LEVELS.chroma * strength)


def marked(
    clip: Iterable[Planes],
    payload: int = PAYLOAD,
    *,
    key: bytes = KEY,
    levels: Levels = DEFAULT_LEVELS,
) -> Clip:
    """The clip with a mark, not encoded."""
    embedder: Embedder | None = None
    done = []
    for index, picture in enumerate(clip):
        height, width = picture[0].shape
        embedder = embedder or Embedder(width, height, payload, key, levels=levels)
        done.append(embedder.embed(picture, Fraction(index, RATE)))
    return done


def detect(clip: Iterable[Planes], *keys: bytes, rate: float = RATE) -> Detection:
    detector = Detector()
    for index, picture in enumerate(clip):
        detector.update(picture, index / Fraction(rate))
    return detector.finish(keys or (KEY,))


def decoded(path: Path) -> Clip:
    """A file's pictures as a player shows them."""
    with open_clip(path, pixel_format="yuv420p") as clip:
        return [frame.yuv for frame in clip]


@pytest.fixture(scope="session")
def rendered_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of smooth 512x384 at 12 frames a second, with sound."""
    path = tmp_path_factory.mktemp("watermark") / "rendered.mp4"
    return write_mp4(path, rendered(), rate=RATE, sound=True, crf=12)


@pytest.fixture(scope="session")
def marked_file(rendered_file: Path) -> Path:
    path = rendered_file.with_name("marked.mp4")
    mark_file(rendered_file, path, payload=PAYLOAD, key=KEY)
    return path


@pytest.fixture(scope="session")
def rendered_clip(rendered_file: Path) -> Clip:
    return decoded(rendered_file)


@pytest.fixture(scope="session")
def marked_clip(marked_file: Path) -> Clip:
    return decoded(marked_file)


@pytest.fixture(scope="session")
def textured_clip() -> Clip:
    return foliage()


@pytest.fixture(scope="session")
def marked_texture(textured_clip: Clip) -> Clip:
    """As strong as a file with these pictures would be marked; not encoded."""
    return marked(textured_clip, levels=choose(textured_clip, RATE, PAYLOAD, KEY).levels)
