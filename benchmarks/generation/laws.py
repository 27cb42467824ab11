"""Laws of motion read from tracks, of pixels or of layouts alike: world units, seconds, radians.

Every function takes what it can see and returns NaN where it sees too little; the share of clips that give
a number is reported beside the number.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from generator.spacetime.physics import FPS

Array = NDArray[np.float64]

EARTH: Final = 4.0
LOW: Final = 1.2
"""Gravities of the world in world units / s²; a test holds them to the simulation."""
ELASTICITY: Final = 0.96
"""Share of the relative speed that a collision of the world leaves."""
_SHORTEST: Final = 6
"""Frames of free flight that a parabola is fitted to."""
_DROP: Final = 0.12
"""World units that the body must move in a flight: what lies still has no gravity to show."""


@dataclass(frozen=True)
class Flight:
    """A parabola y = y0 + v0 t - g t² / 2, t from frame ``first``; ``residual``: RMS of the fit."""

    first: int
    frames: int
    y0: float
    v0: float
    g: float
    residual: float

    @property
    def apex(self) -> float:
        """Highest y of the whole parabola."""
        return self.y0 + self.v0**2 / (2 * self.g) if self.g > 0 else math.nan


def flights(y: Array, fps: float = FPS) -> list[Flight]:
    """Free flights of heights ``y`` [T]; NaN where unseen.

    Cut at impacts, where the step turns from down to up, with the frame on either side: the frame of the
    impact lies on neither parabola, and with it g comes out 15 % low.
    """
    step = np.diff(y)
    turns = [t for t in range(1, len(step)) if step[t - 1] < 0 <= step[t]]
    lost = np.flatnonzero(~np.isfinite(y)).tolist()
    rests = [t for t in range(1, len(step)) if abs(step[t - 1]) < 2e-3 and abs(step[t]) < 2e-3]
    barred = np.zeros(len(y), bool)
    for t in turns:
        barred[max(0, t - 1) : t + 2] = True
    barred[lost] = True
    barred[-1:] = True  # whether the last frame is an impact, no frame behind it can tell
    barred[rests] = True
    found = []
    for first, end in _runs(~barred):
        part = y[first:end]
        if len(part) < _SHORTEST or float(np.ptp(part)) < _DROP:
            continue
        t = np.arange(len(part)) / fps
        design = np.stack([np.ones_like(t), t, -0.5 * t * t], 1)
        (y0, v0, g), *_ = np.linalg.lstsq(design, part, rcond=None)
        residual = float(np.sqrt(np.mean((design @ [y0, v0, g] - part) ** 2)))
        found.append(Flight(first, len(part), float(y0), float(v0), float(g), residual))
    return found


def gravity(y: Array, fps: float = FPS) -> tuple[float, float]:
    """(g, RMS residual) of the longest free flight; NaN, NaN without one."""
    best = max(flights(y, fps), key=lambda f: f.frames, default=None)
    return (best.g, best.residual) if best else (math.nan, math.nan)


def restitution(y: Array, floor: float, fps: float = FPS) -> float:
    """Median over bounces of the root of the ratio of two apexes' heights over ``floor``; NaN without two
    flights."""
    heights = [flight.apex - floor for flight in flights(y, fps)]
    ratios = [math.sqrt(after / before) for before, after in pairwise(heights) if min(before, after) > 0.01]
    return float(np.median(ratios)) if ratios else math.nan


def collision(x1: Array, x2: Array, m1: float, m2: float, fps: float = FPS) -> tuple[float, float]:
    """(change of momentum over the sum of its magnitudes, share of the relative speed kept) of the first
    collision of two bodies on a line; NaN, NaN without one.

    Speeds are of the lines through four frames before and behind it, not of the frame itself.
    """
    gap = x2 - x1
    closing = np.diff(gap)
    for t in range(4, len(closing) - 4):
        around = np.r_[x1[t - 4 : t + 6], x2[t - 4 : t + 6]]
        if len(around) < 20 or not np.isfinite(around).all():
            continue
        if closing[t - 1] < -2e-3 and closing[t + 1] > 0.3 * closing[t - 1] and gap[t] < 0.8:
            before, after = slice(t - 4, t), slice(t + 2, t + 6)
            v = [[_slope(x[part], fps) for x in (x1, x2)] for part in (before, after)]
            (a1, a2), (b1, b2) = v
            size = m1 * abs(a1) + m2 * abs(a2)
            if size < 1e-6 or a1 - a2 < 0.05:
                continue
            return abs(m1 * (b1 - a1) + m2 * (b2 - a2)) / size, (b2 - b1) / (a1 - a2)
    return math.nan, math.nan


def roll_variation(x: Array, fps: float = FPS) -> float:
    """Coefficient of variation of the speed of what rolls freely, turns at walls left out; NaN if it was
    seen in fewer than 12 steps."""
    v = (x[4:] - x[:-4]) / 4 * fps
    turning = np.zeros(len(v), bool)
    for t in range(len(v) - 1):
        if v[t] * v[t + 1] <= 0:
            turning[max(0, t - 4) : t + 6] = True
    speed = np.abs(v[~turning & np.isfinite(v)])
    return float(speed.std() / speed.mean()) if len(speed) >= 12 and speed.mean() > 0.02 else math.nan


def pivot(x: Array, y: Array, angle: Array) -> tuple[float, float, float]:
    """(x, y, length) of the rope of a body at (x, y) that hangs at ``angle`` from the vertical, by least
    squares."""
    one, zero = np.ones_like(x), np.zeros_like(x)
    design = np.r_[np.stack([one, zero, np.sin(angle)], 1), np.stack([zero, one, -np.cos(angle)], 1)]
    (px, py, length), *_ = np.linalg.lstsq(design, np.r_[x, y], rcond=None)
    return float(px), float(py), float(length)


@dataclass(frozen=True)
class Swing:
    """``period`` over that of a small swing of the rope's length; ``r2`` of the sinusoid; ``energy_drift``:
    change of the mean energy from the first half to the second, over their mean."""

    period: float
    r2: float
    energy_drift: float


def swing(angle: Array, length: float, g: float, fps: float = FPS) -> Swing:
    """A pendulum's angles [T] against the law of small swings; all NaN if more than a quarter is unseen."""
    seen = np.isfinite(angle)
    if seen.mean() < 0.75:
        return Swing(math.nan, math.nan, math.nan)
    t = np.arange(len(angle)) / fps
    small = 2 * math.pi * math.sqrt(length / g)
    best = (math.inf, math.nan)
    for ratio in np.geomspace(0.6, 1.7, 120):
        phase = 2 * math.pi * t[seen] / (small * ratio)
        design = np.stack([np.sin(phase), np.cos(phase)], 1)
        fit, *_ = np.linalg.lstsq(design, angle[seen], rcond=None)
        best = min(best, (float(np.sum((design @ fit - angle[seen]) ** 2)), float(ratio)))
    total = float(np.sum(angle[seen] ** 2))
    smooth = np.interp(t, t[seen], angle[seen])
    speed = (smooth[4:] - smooth[:-4]) / 4 * fps
    energy = 0.5 * (length * speed) ** 2 + g * length * (1 - np.cos(smooth[2:-2]))
    half = len(energy) // 2
    drift = (energy[half:].mean() - energy[:half].mean()) / max(energy.mean(), 1e-9)
    return Swing(best[1], 1 - best[0] / max(total, 1e-12), float(drift))


def _slope(x: Array, fps: float) -> float:
    return float(np.polyfit(np.arange(len(x)) / fps, x, 1)[0])


def _runs(good: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, behind the last) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[0, good.astype(int), 0]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
