"""Where in a recorded clip the pictures of another lie, and at what speed: a vote over offset and speed.

A picture of the query that lies near a recorded one votes for every straight line `record time = offset + speed
× query time` through both. The line with most recorded pictures on it wins; what it explains is a span, and the
rest votes again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from provenance.fingerprint import ClipFingerprint
from provenance.pdq import TRANSFORMS, dihedral_hashes, distances

MATCH_DISTANCE = 64  # of 256 bits, as in provenance.agreement
MIN_QUALITY = 50
# Calibrated with benchmarks/fingerprint.py (docs/recovery.md): strangers score less.
MIN_SCORE = 1.5
MIN_PICTURES = 3
_SPEEDS = np.unique(np.concatenate([[1.0, 0.5, 2.0], np.geomspace(0.7, 1.43, 37)]))
_GRAIN_S = 1 / 16
_NEAR_S = 0.13  # a query samples every 1/8 s
_GAP_S = 1.3  # between recorded pictures, two of which may be flat or drowned
_MOST_SPANS = 4
_UNIT_SPEED_BONUS = 1.02  # a still picture fits any speed: the plain one is meant


@dataclass(frozen=True, slots=True)
class Span:
    """Query seconds `start_s`..`end_s` show the record from `offset_s + speed × time` on.

    `score`: the sum over recorded pictures of how much nearer than chance (0..1) the query comes; strangers
    stay below MIN_SCORE. `pictures`: how many recorded pictures matched.
    """

    start_s: float
    end_s: float
    offset_s: float
    speed: float
    score: float
    pictures: int
    transform: str = "identity"

    @property
    def record_start_s(self) -> float:
        return self.offset_s + self.speed * self.start_s

    @property
    def record_end_s(self) -> float:
        return self.offset_s + self.speed * self.end_s


def align(query: ClipFingerprint, record: ClipFingerprint) -> tuple[Span, ...]:
    """The spans of the query that show the record, in order of time; none where it is a stranger's.

    Needs three recorded pictures in the query: some one and a half seconds. A single shorter clip is compared
    by `provenance.agreement` alone.
    """
    told, known = query.qualities >= MIN_QUALITY, record.qualities >= MIN_QUALITY
    if not told.any() or not known.any():
        return ()
    transform, apart = _nearest_view(query, record)
    # 0 at MATCH_DISTANCE and beyond, 1 where equal: a moving picture is nearest at its own time.
    near = np.clip(1 - apart / MATCH_DISTANCE, 0, 1) * told[:, None] * known[None, :]
    spans: list[Span] = []
    for _ in range(_MOST_SPANS):
        span = _best_span(near, query.times, record.times, TRANSFORMS[transform])
        if span is None:
            break
        spans.append(span)
        near = near * ~((query.times >= span.start_s) & (query.times <= span.end_s))[:, None]
    return tuple(sorted(spans, key=lambda span: span.start_s))


def _nearest_view(query: ClipFingerprint, record: ClipFingerprint) -> tuple[int, NDArray[np.int64]]:
    """The mirrored or turned view of the query that comes nearest, and its distances [Q,R]."""
    views = np.stack([dihedral_hashes(small.astype(np.float32)) for small in query.thumbnails], axis=1)
    views[0] = query.hashes  # the thumbnails are rounded
    every = [distances(hashes, record.hashes) for hashes in views]
    matching = [int((apart.min(axis=1) <= MATCH_DISTANCE).sum()) for apart in every]
    best = int(np.argmax(matching))
    return best, every[best]


def _best_span(
    near: NDArray[np.float64], asked: NDArray[np.float64], kept: NDArray[np.float64], transform: str
) -> Span | None:
    rows, columns = np.nonzero(near)
    if not len(rows):
        return None
    weights = near[rows, columns]
    best: tuple[float, float, float] | None = None  # height, offset, speed
    for speed in _SPEEDS.tolist():
        offsets = kept[columns] - speed * asked[rows]
        low = float(offsets.min())
        slots = np.round((offsets - low) / _GRAIN_S).astype(np.int64)
        # One vote a recorded picture and slot, the nearest: a long still picture is not many witnesses.
        votes = np.zeros((int(slots.max()) + 1, len(kept)))
        np.maximum.at(votes, (slots, columns), weights)
        wide = np.maximum(votes, np.maximum(_shifted(votes, 1), _shifted(votes, -1))).sum(axis=1)
        heights = wide + 0.01 * votes.sum(axis=1)  # among equals the one in the middle
        top = int(heights.argmax())
        height = float(heights[top]) * (_UNIT_SPEED_BONUS if speed == 1.0 else 1.0)
        if best is None or height > best[0]:
            best = (height, low + top * _GRAIN_S, speed)
    assert best is not None
    _, offset, speed = best
    on_line = np.abs(offset + speed * asked[rows] - kept[columns]) <= _NEAR_S * max(speed, 1.0)
    return _longest(rows[on_line], columns[on_line], weights[on_line], asked, (offset, speed), transform)


def _longest(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.float64],
    asked: NDArray[np.float64],
    line: tuple[float, float],
    transform: str,
) -> Span | None:
    """The run of pictures on a line without a long gap that scores highest, if that is more than chance."""
    offset, speed = line
    order = np.argsort(asked[rows], kind="stable")
    rows, columns, weights = rows[order], columns[order], weights[order]
    breaks = np.flatnonzero(np.diff(asked[rows]) > _GAP_S / min(speed, 1.0)) + 1
    best: Span | None = None
    for run in np.split(np.arange(len(rows)), breaks):
        if not len(run):
            continue
        witnesses: dict[int, float] = {}
        for column, weight in zip(columns[run].tolist(), weights[run].tolist(), strict=True):
            witnesses[column] = max(witnesses.get(column, 0.0), weight)
        score = sum(witnesses.values())
        if len(witnesses) < MIN_PICTURES or score < MIN_SCORE or (best and score <= best.score):
            continue
        start, end = float(asked[rows[run[0]]]), float(asked[rows[run[-1]]])
        best = Span(start, end, offset, speed, round(score, 3), len(witnesses), transform)
    return best


def _shifted(votes: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    moved = np.zeros_like(votes)
    if by > 0:
        moved[by:] = votes[:-by]
    else:
        moved[:by] = votes[-by:]
    return moved
