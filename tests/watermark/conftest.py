"""Small clips to mark, and what becomes of them."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import write_mp4
from numpy.typing import NDArray
from scipy import ndimage

from media import Planes
from provenance.watermark import DEFAULT_STRENGTH, Detection, Detector, Embedder, mark_file

Luma = list[NDArray[np.uint8]]

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


def textured(width: int = 512, height: int = 384, frames: int = 24) -> Luma:
    """Like foliage under a panning camera: luma planes, uint8[height, width]."""
    rng = np.random.default_rng(8)
    wide = np.zeros((height, width + 2 * frames), np.float32)
    for sigma, level in ((1, 10), (3, 20), (12, 30)):
        layer = ndimage.gaussian_filter(rng.normal(size=wide.shape).astype(np.float32), sigma)
        wide += level * layer / layer.std()
    picture = np.clip(128 + wide, 0, 255).astype(np.uint8)
    return [np.ascontiguousarray(picture[:, 2 * t : 2 * t + width]) for t in range(frames)]


def picture(y: NDArray[np.uint8]) -> Planes:
    """A grey picture with this luma."""
    height, width = ((side + 1) // 2 for side in y.shape)
    grey = np.full((height, width), 128, np.uint8)
    return np.ascontiguousarray(y), grey, grey


def marked_planes(
    planes: Iterable[NDArray[np.uint8]],
    payload: int = PAYLOAD,
    strength: float = DEFAULT_STRENGTH,
    key: bytes = KEY,
) -> Luma:
    embedder: Embedder | None = None
    marked = []
    for index, y in enumerate(planes):
        embedder = embedder or Embedder(y.shape[1], y.shape[0], payload, key, strength=strength)
        marked.append(embedder.embed(picture(y), Fraction(index, RATE))[0])
    return marked


def detect(planes: Iterable[NDArray[np.uint8]], key: bytes = KEY) -> Detection:
    detector = Detector()
    for index, y in enumerate(planes):
        detector.update(picture(y), Fraction(index, RATE))
    return detector.finish([key])


def luma_of(path: Path) -> Luma:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


@pytest.fixture(scope="session")
def rendered_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of smooth 512x384 at 12 frames a second, with sound."""
    path = tmp_path_factory.mktemp("watermark") / "rendered.mp4"
    return write_mp4(path, rendered(), rate=RATE, sound=True, crf=12)


@pytest.fixture(scope="session")
def marked_clip(rendered_clip: Path) -> Path:
    path = rendered_clip.with_name("marked.mp4")
    mark_file(rendered_clip, path, payload=PAYLOAD, key=KEY)
    return path


@pytest.fixture(scope="session")
def marked_luma(marked_clip: Path) -> Luma:
    """The marked clip as a player shows it."""
    return luma_of(marked_clip)


@pytest.fixture(scope="session")
def textured_luma() -> Luma:
    return textured()


@pytest.fixture(scope="session")
def marked_textured_luma(textured_luma: Luma) -> Luma:
    return marked_planes(textured_luma)
