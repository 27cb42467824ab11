"""Which parts of a clip carry which payload, once the pose of the mark is known."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from provenance.watermark import ecc
from provenance.watermark.evidence import (
    FALSE_ALARM,
    HOPELESS,
    LOG_PAYLOADS,
    Cells,
    Signal,
    correlation,
    log_tail,
    probability,
)
from provenance.watermark.pose import Pose, sample
from provenance.watermark.response import Response

State = Literal["marked", "present_unreadable", "not_found"]

_CLEAR = 4.5  # standard deviations in favour of a payload that the clip is already known to carry
_MOST_LEVEL = 4.0  # so that a dim scene is not held to the standard of a bright one
_CHANGE_COST = 5.0  # nats: a part of its own must explain e⁵ times more


@dataclass(frozen=True)
class Segment:
    """A part of a clip. Seconds from the clip's first frame; `payload` only where `state` is "marked"."""

    start_s: float
    end_s: float
    state: State
    payload: int | None
    p_value: float


def seconds_by_payload(parts: Iterable[Segment]) -> dict[int, float]:
    """How long each payload lasts."""
    seconds: dict[int, float] = {}
    for part in parts:
        if part.payload is not None:
            seconds[part.payload] = seconds.get(part.payload, 0.0) + part.end_s - part.start_s
    return seconds


@dataclass(frozen=True, eq=False)
class Strip:
    """The cells of a clip's hops (short, equal spans of time) under one pose and key, multiplied by their
    signs and by what their layer is worth.
    """

    pilot: Signal  # [hops, n]
    data: Signal  # [hops, m]
    coded_bit: NDArray[np.int32]  # [m]

    def __len__(self) -> int:
        return len(self.pilot)

    def z(self, payload: int | None, start: int, end: int) -> float:
        """Correlation of hops start to end with a payload, or with the pilot: other payloads share the
        pilot, so it says nothing for this one.
        """
        if payload is None:
            return correlation(self.pilot[start:end].sum(axis=0))
        chips = self.data[start:end].sum(axis=0)
        return correlation(chips * ecc.encode(payload)[self.coded_bit])


def strip(hops: list[Response], pose: Pose, layout: tuple[Cells, ...], worth: list[float]) -> Strip:
    """The strip of a clip; worth: the weight of each layer's samples."""
    pilots, datas, bits = [], [], []
    for index, (layer, weight) in enumerate(zip(layout, worth, strict=True)):
        pilot, data = (
            [sample(hop, index, pose, places) for hop in hops] for places in (layer.pilot, layer.data)
        )
        in_picture = [np.any(values, axis=0) for values in (pilot, data)]
        pilots.append((np.stack(pilot) * layer.pilot_signs * weight)[:, in_picture[0]])
        datas.append((np.stack(data) * layer.data_signs * weight)[:, in_picture[1]])
        bits.append(layer.data_bits[in_picture[1]])
    return Strip(np.concatenate(pilots, axis=1), np.concatenate(datas, axis=1), np.concatenate(bits))


def payloads_by_window(hops: Strip, window: int) -> dict[int, float]:
    """Payloads that windows of `window` hops prove by themselves, with ln of their bound (all windows
    counted).
    """
    starts = range(max(1, len(hops) - window + 1))
    # Windows whose pilot says nothing are not decoded: their payload could not be proven.
    hopeful = [start for start in starts if hops.z(None, start, start + window) > HOPELESS]
    if not hopeful:
        return {}
    sums = np.stack([hops.data[start : start + window].sum(axis=0) for start in hopeful])
    soft = np.stack([np.bincount(hops.coded_bit, row, ecc.CODED_BITS) for row in sums]).astype(np.float32)
    found: dict[int, float] = {}
    for payload, chips in zip(ecc.decode(soft), sums, strict=True):
        if payload is None:
            continue
        z = correlation(chips * ecc.encode(payload)[hops.coded_bit])
        log_p = log(len(starts)) + LOG_PAYLOADS + log_tail(z)
        if log_p < log(FALSE_ALARM):
            found[payload] = min(log_p, found.get(payload, 0.0))
    return found


def segments(hops: Strip, payloads: list[int], edges_s: list[float]) -> tuple[Segment, ...]:
    """The clip cut into parts of one state each; edges_s: the hops' borders in seconds, one more than hops.

    A part's p-value counts every possible start, end and payload; a part that does not reach FALSE_ALARM is
    not claimed to carry what its neighbours carry.
    """
    log_runs = 2 * log(len(hops)) + log(len(payloads) + 1)
    parts: list[Segment] = []
    for start, end, best in _runs(_likeliest_path(hops, payloads)):
        claims = [payloads[best], None] if best < len(payloads) else [None] if best == len(payloads) else []
        state: State = "not_found"
        payload, p_value = None, 1.0
        for claim in claims:
            bound = probability(log_runs + log_tail(hops.z(claim, start, end)))
            if bound < FALSE_ALARM:
                state = "present_unreadable" if claim is None else "marked"
                payload, p_value = claim, bound
                break
        if parts and (parts[-1].state, parts[-1].payload) == (state, payload):
            merged = parts.pop()
            parts.append(Segment(merged.start_s, edges_s[end], state, payload, min(p_value, merged.p_value)))
        else:
            parts.append(Segment(edges_s[start], edges_s[end], state, payload, p_value))
    return tuple(parts)


def _likeliest_path(hops: Strip, payloads: list[int]) -> NDArray[np.int64]:
    """For each hop the index of the best state: payloads in order, then the pilot alone, then nothing.

    A hidden Markov model: a hop's correlation is normal around `level` where its state holds, else around
    0, and each change of state costs _CHANGE_COST.
    """
    candidates: list[int | None] = [*payloads, None]
    gains = np.zeros((len(candidates) + 1, len(hops)))
    for state, candidate in enumerate(candidates):
        own = np.array([hops.z(candidate, hop, hop + 1) for hop in range(len(hops))])
        level = _level(hops, candidate)
        gains[state] = own * level - level**2 / 2 if level else -np.inf
    score = gains[:, 0].copy()
    came_from = np.empty(gains.shape, dtype=np.int64)
    for hop in range(1, len(hops)):
        best = int(score.argmax())
        stay = score >= score[best] - _CHANGE_COST
        came_from[:, hop] = np.where(stay, np.arange(len(score)), best)
        score = np.where(stay, score, score[best] - _CHANGE_COST) + gains[:, hop]
    path = np.empty(len(hops), dtype=np.int64)
    path[-1] = score.argmax()
    for hop in range(len(hops) - 1, 0, -1):
        path[hop - 1] = came_from[path[hop], hop]
    return path


def _level(hops: Strip, candidate: int | None) -> float:
    """What a hop that carries the candidate correlates with it, from the shortest windows that speak
    clearly; 0 where none does.
    """
    length = 1
    while length <= len(hops):
        highest = max(hops.z(candidate, start, start + length) for start in range(len(hops) - length + 1))
        if highest >= _CLEAR:
            return float(min(_MOST_LEVEL, highest / length**0.5))
        length *= 2
    return 0.0


def _runs(path: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    borders = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    return [(start, end, int(path[start])) for start, end in pairwise(borders)]
