"""Tiny clips made on the spot: textures that travel and textures that are redrawn in place."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from media import ClipWriter

Frames = Iterator[np.ndarray]


def texture(seed: int, height: int, width: int, sigma: float = 2.0) -> np.ndarray:
    """float32 luma around 128 with blobs of about `sigma` pixels."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    blobs = gaussian_filter(noise, sigma, mode="wrap")
    return np.asarray(128 + 45 * blobs / blobs.std(), np.float32)


def travelling(
    seed: int, frames: int, height: int = 160, width: int = 192, speed: float = 2.0, sigma: float = 2.0
) -> Frames:
    """A still texture under a moving camera."""
    canvas = texture(seed, 2 * height, 2 * width, sigma)
    for t in range(frames):
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        shift = speed * t
        yield map_coordinates(canvas, [y + 0.5 * shift, x + shift], order=1, mode="wrap")


def redrawn(seed: int, frames: int, height: int = 160, width: int = 192) -> Frames:
    """A texture that turns into another one in place: change without motion."""
    first, second = texture(seed, height, width), texture(seed + 1000, height, width)
    for t in range(frames):
        angle = t * np.pi / 14
        yield 128 + (first - 128) * np.cos(angle) + (second - 128) * np.sin(angle)


def write_clip(path: Path, frames: Frames, rate: int = 8, crf: float = 16.0) -> Path:
    """Writes float luma frames as a grey H.264 MP4."""
    writer = None
    for t, frame in enumerate(frames):
        luma = np.clip(frame, 16, 235).astype(np.uint8)
        if writer is None:
            height, width = luma.shape
            writer = ClipWriter(
                path, width=width, height=height, frame_rate=Fraction(rate), crf=crf, preset="veryfast"
            )
            writer.__enter__()
        grey = np.full((height // 2, width // 2), 128, np.uint8)
        writer.write((luma, grey, grey), Fraction(t, rate))
    assert writer is not None
    writer.__exit__(None, None, None)
    return path
