"""Pictures and clips drawn by formula, the same on every machine."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.fingerprint import ClipFingerprint, Fingerprinter

Luma = NDArray[np.uint8]
Draw = Callable[[int, int], Luma]
Clip = list[tuple[Luma, float]]

_WAVES = (
    (1, 2, 0.3),
    (2, 1, 1.1),
    (3, 4, 2.0),
    (5, 2, 0.7),
    (4, 7, 2.9),
    (8, 3, 1.9),
    (6, 9, 0.1),
    (11, 5, 2.2),
)


@pytest.fixture(scope="session")
def waves() -> Draw:
    """A picture of eight plane waves: detail at many scales, no symmetry."""

    def draw(height: int, width: int) -> Luma:
        rows, columns = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
        total = np.sum(
            [np.sin(2 * np.pi * (a * columns + b * rows) + c) / (a + b) for a, b, c in _WAVES], axis=0
        )
        return np.asarray(np.round(127.5 + 100 * total / np.abs(total).max()), dtype=np.uint8)

    return draw


@pytest.fixture(scope="session")
def scene() -> Callable[[int], Clip]:
    """A clip of 2 s at 12 Hz, 180×320, of blobs that drift over a textured ground; another seed, another scene."""

    @functools.cache
    def film(seed: int) -> Clip:
        chance = np.random.default_rng(seed)
        rows, columns = np.mgrid[0:180, 0:320].astype(np.float64)
        ground = np.zeros((180, 320))
        for cell in (6, 12, 30):
            coarse = chance.normal(0, 1, (180 // cell + 2, 320 // cell + 2))
            ground += 12 * np.kron(coarse, np.ones((cell, cell)))[:180, :320]
        blobs = chance.uniform((0, 0, -20, -20, 12, -70), (180, 320, 20, 20, 40, 70), (10, 6))
        clip = []
        for moment in np.arange(24) / 12:
            picture = 120 + ground
            for row, column, down, right, radius, height in blobs:
                distance = (rows - row - down * moment) ** 2 + (columns - column - right * moment) ** 2
                picture = picture + height * (distance < radius**2)
            clip.append((np.clip(picture, 0, 255).astype(np.uint8), float(moment)))
        return clip

    return film


@pytest.fixture(scope="session")
def fingerprint() -> Callable[..., ClipFingerprint]:
    """The fingerprint of a clip, at the rate of a record or another."""

    def take(clip: Clip, rate_hz: float = 2.0) -> ClipFingerprint:
        fingerprinter = Fingerprinter(rate_hz=rate_hz)
        for luma, moment in clip:
            fingerprinter.update(luma, moment)
        return fingerprinter.finish()

    return take
