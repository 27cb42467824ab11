"""CPU milliseconds, one thread, median of repeats, on a made film; decoding is left out everywhere."""

import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from statistics import median

import cv2

from benchmarks.watermark.clips import Clip, film
from benchmarks.watermark.encoders import as_published
from benchmarks.watermark.methods import (
    BASELINES,
    PAYLOAD_BITS,
    Clipproof,
    bgr_of,
    detected,
    package_class,
    secrets_of,
)
from provenance.watermark import Embedder

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
TARGETS = {
    "embed, ms per picture": {"720p": 3.0, "1080p": 6.0},
    "detect undistorted, ms per picture of a 3 s clip at 24 fps": {"720p": 2.0, "1080p": 2.0},
    "detect, no mark (full search), s": {"720p": 2.0, "1080p": 2.0},
}
_SECONDS = 3.0
_REPEATS = 5
_BASELINE_REPEATS = 3


def cpu_s(work: Callable[[], object], repeats: int = _REPEATS) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return median(taken)


def speed(strength: float) -> dict[str, dict[str, float]]:
    """name: {size: value}."""
    cv2.setNumThreads(1)
    rows: dict[str, dict[str, float]] = {}
    for size_name, size in SIZES.items():
        for name, value in _at(size, strength).items():
            rows.setdefault(name, {})[size_name] = value
    return rows


def _at(size: tuple[int, int], strength: float) -> dict[str, float]:
    source = film(_SECONDS, size, Fraction(24)).held()
    key, payload = secrets_of("speed")
    method = Clipproof(key, payload, strength)
    embed, detect, search = TARGETS
    values = {embed: 1000 * cpu_s(lambda: _embed(source, key, payload), 3) / len(source.pictures)}
    published = as_published(method.mark(source).clip)
    values[detect] = (
        1000 * median(detected(published, [key])[1] for _ in range(_REPEATS)) / len(source.pictures)
    )
    values[search] = median(detected(source, [key])[1] for _ in range(3))
    pictures = [bgr_of(picture) for picture in source.pictures[:2]]
    for name in BASELINES:
        coder = package_class(name)([index % 2 for index in range(PAYLOAD_BITS)], PAYLOAD_BITS)
        for verb, work in (("embed", coder.encode), ("read", coder.decode)):
            seconds = cpu_s(partial(_for_each, work, pictures), _BASELINE_REPEATS)
            values[f"{name} {verb}, ms per picture"] = 1000 * seconds / len(pictures)
    return values


def _for_each(work: Callable[[object], object], pictures: Sequence[object]) -> None:
    for picture in pictures:
        work(picture)


def _embed(source: Clip, key: bytes, payload: int) -> None:
    """One clip from its first to its last picture, the making of its pattern included."""
    embedder = Embedder(*source.size, payload, key)
    for index, planes in enumerate(source.pictures):
        embedder.embed(planes, index / source.rate)
