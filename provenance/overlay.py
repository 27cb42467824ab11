"""Whether one picture shows a window of another: what PDQ cannot see, because cropping moves every cosine.

Zero-mean normalised cross-correlation (J. P. Lewis, "Fast Normalized Cross-Correlation", 1995) over window
sizes and places, of fine detail only: pictures with the same broad light and shade are not the same picture.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.pdq import SIDE

# Smaller windows have too few samples left to tell pictures apart. 9:16 cut out of 16:9 leaves 20 columns of 64.
MIN_WINDOW = 18
MIN_WINDOW_AREA = 26 * 26
_STEPS = (*range(MIN_WINDOW, SIDE, 4), SIDE)
_COARSE_SIZES = [(h, w) for h in _STEPS for w in _STEPS if h * w >= MIN_WINDOW_AREA]
_REACH = 3  # samples around the best coarse size that are tried too
_BOX = 5
_RIM = _BOX // 2  # a window's outer samples, whose detail depends on what lies beyond it: a black border, say


@dataclass(frozen=True, slots=True)
class Overlay:
    """How well a picture fits a window of another: correlation -1..1; (top, left, height, width) 0..1."""

    correlation: float
    window: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Fit:
    correlation: float
    size: tuple[int, int]
    place: tuple[int, int]


def best_overlay(part: NDArray[np.uint8], wholes: NDArray[np.uint8]) -> Overlay:
    """Where `part` uint8 [64,64], shrunk, fits best into any of `wholes` uint8 [N,64,64], N ≥ 1."""
    targets = [_Target(whole) for whole in wholes]
    templates = _templates(part, _COARSE_SIZES)
    fits = [_best_fit(target, _COARSE_SIZES, templates) for target in targets]
    best = max(range(len(fits)), key=lambda index: fits[index].correlation)
    height, width = fits[best].size
    near = [
        (h, w)
        for h in range(max(height - _REACH, MIN_WINDOW), min(height + _REACH, SIDE) + 1)
        for w in range(max(width - _REACH, MIN_WINDOW), min(width + _REACH, SIDE) + 1)
        if h * w >= MIN_WINDOW_AREA
    ]
    fit = _best_fit(targets[best], near, _templates(part, near))
    (top, left), (height, width) = fit.place, fit.size
    return Overlay(fit.correlation, (top / SIDE, left / SIDE, height / SIDE, width / SIDE))


class _Target:
    """A picture to search in: its spectrum, and sums from which any window's mean and spread follow."""

    def __init__(self, whole: NDArray[np.uint8]) -> None:
        detail = _detail(whole.astype(np.float32))
        self.spectrum = np.fft.rfft2(detail)
        self._sums = _integral(detail)
        self._squares = _integral(detail**2)

    def spread(self, height: int, width: int) -> NDArray[np.float64]:
        """Standard deviation × √samples of every window of that size, without its rim."""
        inner = (height - 2 * _RIM, width - 2 * _RIM)
        total, power = _window_sums(self._sums, *inner), _window_sums(self._squares, *inner)
        every = np.sqrt(np.maximum(power - total**2 / (inner[0] * inner[1]), 1.0))
        return every[_RIM : SIDE - height + _RIM + 1, _RIM : SIDE - width + _RIM + 1]


def _templates(part: NDArray[np.uint8], sizes: list[tuple[int, int]]) -> NDArray[Any]:
    """Conjugate spectra [N,64,33] of the part at each size, without its rim, of zero mean and unit length."""
    padded = np.zeros((len(sizes), SIDE, SIDE), dtype=np.float32)
    luma = part.astype(np.float32)
    for template, (height, width) in zip(padded, sizes, strict=True):
        detail = _detail(np.asarray(_shrink(height) @ luma @ _shrink(width).T, dtype=np.float32))
        inner = detail[_RIM:-_RIM, _RIM:-_RIM] - detail[_RIM:-_RIM, _RIM:-_RIM].mean()
        template[_RIM : height - _RIM, _RIM : width - _RIM] = inner / max(float(np.linalg.norm(inner)), 1.0)
    return np.conj(np.fft.rfft2(padded))


def _best_fit(target: _Target, sizes: list[tuple[int, int]], templates: NDArray[Any]) -> _Fit:
    products = np.fft.irfft2(target.spectrum * templates, s=(SIDE, SIDE))
    best = _Fit(-1.0, sizes[0], (0, 0))
    for product, (height, width) in zip(products, sizes, strict=True):
        # Only places where the window lies inside: beyond them the product wraps around.
        inside = product[: SIDE - height + 1, : SIDE - width + 1] / target.spread(height, width)
        top, left = divmod(int(inside.argmax()), inside.shape[1])
        if inside[top, left] > best.correlation:
            best = _Fit(float(inside[top, left]), (height, width), (top, left))
    return best


def _detail(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture [H,W] less its 5×5 box mean, borders repeated."""
    height, width = picture.shape
    rows = np.pad(picture, ((_RIM, _RIM), (0, 0)), mode="edge")
    mean = sum(rows[down : down + height] for down in range(_BOX)) / np.float32(_BOX)
    columns = np.pad(mean, ((0, 0), (_RIM, _RIM)), mode="edge")
    mean = sum(columns[:, right : right + width] for right in range(_BOX)) / np.float32(_BOX)
    return np.asarray(picture - mean, dtype=np.float32)


def _integral(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.pad(picture.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _window_sums(integral: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    return (
        integral[height:, width:]
        - integral[:-height, width:]
        - integral[height:, :-width]
        + integral[:-height, :-width]
    )


@functools.cache
def _shrink(length: int) -> NDArray[np.float32]:
    """The linear map [length,64] that averages 64 samples over `length` equal areas."""
    edges = np.arange(length + 1) * SIDE / length
    sample = np.arange(SIDE)
    covered = np.minimum(edges[1:, None], sample + 1) - np.maximum(edges[:-1, None], sample)
    return np.asarray(np.maximum(covered, 0) * length / SIDE, dtype=np.float32)
