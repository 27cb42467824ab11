"""The fingerprint of a clip's sound, and whether two sounds are the same.

J. Haitsma, T. Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): the sign of how the energy
difference of neighbouring bands changes from one moment to the next. Beside each bit stands whether it can be
relied on: in silence, and in a steady tone, the signs are those of rounding noise and say nothing.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 5512  # of the samples: the bands end at 2 kHz, which the lowest bit rates of any codec keep
STEP_S = 128 / RATE_HZ
_WINDOW, _HOP, _BANDS = 2048, 128, 32
_LOW_HZ, _HIGH_HZ = 300.0, 2000.0
_CHANGE = 0.06  # of the energies compared: a smaller change is not relied on
_SILENCE = 1e-7  # energy a sample: -70 dB of full scale

BLOCK = 128  # sub-fingerprints that are compared at once: three seconds
# Error rates of reliable bits, calibrated on made speech and music: docs/recovery.md.
SAME_SOUND = 0.20  # re-encoded sounds stay below 0.01
OTHER_SOUND = 0.28  # at the best of all places; strangers have 0.31 or more
MIN_BITS = 400  # reliable bits of a block, below which it says nothing
_MOST_BLOCKS = 12
_DRIFT_S = 0.3  # sound that lies this far from where the pictures put it was moved


@dataclass(frozen=True, slots=True, eq=False)
class SoundFingerprint:
    """One sub-fingerprint every STEP_S: `bits` uint32 [N], `reliable` uint32 [N] (which bits count).

    `start_s`: when the first begins, after the clip's first picture.
    """

    bits: NDArray[np.uint32]
    reliable: NDArray[np.uint32]
    start_s: float = 0.0

    def __len__(self) -> int:
        return len(self.bits)

    def part(self, start_s: float, end_s: float) -> "SoundFingerprint":
        """The sub-fingerprints of a span of the clip, seconds after its first picture."""
        first, last = (max(0, round((at - self.start_s) / STEP_S)) for at in (start_s, end_s))
        return SoundFingerprint(
            self.bits[first:last], self.reliable[first:last], self.start_s + first * STEP_S
        )

    @property
    def speaks(self) -> bool:
        """Whether there is enough in it to be told from another sound."""
        return int(np.bitwise_count(self.reliable).sum()) >= MIN_BITS


@dataclass(frozen=True, slots=True)
class SoundFinding:
    """What became of a recorded clip's sound.

    `same` (`offset_s`: how much later than in the record it plays), `swapped`, `removed`, `added`,
    `partly` (some of it is the record's), `not_comparable` (with the reason). `error_rate`: the median over
    blocks of three seconds, of reliable bits; unrelated sounds have 0.5.
    """

    state: Literal["same", "partly", "swapped", "removed", "added", "absent", "not_comparable"]
    reason: str = ""
    offset_s: float | None = None
    error_rate: float | None = None


def sound_fingerprint(samples: NDArray[np.float32], start_s: float = 0.0) -> SoundFingerprint:
    """The fingerprint of mono samples float32 [N] at RATE_HZ; empty where they are shorter than 0.4 s."""
    frames = (len(samples) - _WINDOW) // _HOP + 1
    if frames < 2:
        return SoundFingerprint(np.zeros(0, np.uint32), np.zeros(0, np.uint32), start_s)
    energies = np.empty((frames, _BANDS + 1))
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    for first in range(0, frames, 512):  # a bound on memory: an hour has 155,000 windows
        block = windows[first : first + 512] * _hann()
        spectra = np.abs(np.fft.rfft(block, axis=1)) ** 2 / _WINDOW**2
        energies[first : first + 512] = spectra @ _bands()
    differences = energies[:, :-1] - energies[:, 1:]
    change = differences[1:] - differences[:-1]
    level = energies[:, :-1] + energies[:, 1:]
    level = level[1:] + level[:-1]
    reliable = (np.abs(change) > _CHANGE * level) & (level > _SILENCE)
    return SoundFingerprint(_packed(change > 0), _packed(reliable), start_s)


def compare_sound(
    query: SoundFingerprint | None,
    record: SoundFingerprint | None,
    *,
    span: tuple[float, float],
    offset_s: float | None,
    speed: float,
) -> SoundFinding:
    """What became of the record's sound in a span of the query, whose pictures show the record from
    `offset_s + speed × time` on; None where the pictures do not say.
    """
    heard = None if query is None else query.part(*span)
    kept = record
    if record is not None and offset_s is not None:
        kept = record.part(offset_s + speed * span[0], offset_s + speed * span[1])
    if record is None:
        return SoundFinding("added" if heard is not None and heard.speaks else "absent")
    if not record.speaks:
        return SoundFinding("not_comparable", "the recorded sound is silent or too even")
    if heard is None or not heard.speaks:
        if kept is None or not kept.speaks:
            return SoundFinding("not_comparable", "the record is silent here")
        return SoundFinding("removed")
    if not 0.97 < speed < 1.03:
        return SoundFinding("not_comparable", f"it plays at {speed:.2f} times the speed")
    findings = [found for block in _blocks(heard) if (found := _place(block, record)) is not None]
    if not findings:
        return SoundFinding("not_comparable", "too little sound")
    rates = np.array([rate for rate, _, _ in findings])
    median = float(np.median(rates))
    same = rates <= SAME_SOUND
    if same.any():
        late = None
        if offset_s is not None:
            moved = [offset_s + speed * start - at for rate, start, at in findings if rate <= SAME_SOUND]
            late = float(np.median(moved))
            late = 0.0 if abs(late) < _DRIFT_S else round(late, 2)
        return SoundFinding("same" if same.mean() > 0.8 else "partly", "", late, median)
    if (rates >= OTHER_SOUND).all():
        return SoundFinding("swapped", "", None, median)
    return SoundFinding("not_comparable", "too damaged to tell", None, median)


def _blocks(heard: SoundFingerprint) -> list[SoundFingerprint]:
    """At most _MOST_BLOCKS blocks spread over a sound; a shorter sound is one block."""
    count = max(1, min(_MOST_BLOCKS, len(heard) // BLOCK))
    starts = np.linspace(0, max(0, len(heard) - BLOCK), count).astype(int)
    return [
        SoundFingerprint(
            heard.bits[at : at + BLOCK], heard.reliable[at : at + BLOCK], heard.start_s + at * STEP_S
        )
        for at in starts.tolist()
    ]


def _place(block: SoundFingerprint, record: SoundFingerprint) -> tuple[float, float, float] | None:
    """The lowest error rate of a block at any place of the record, and both start times; None where it or
    the record says too little.
    """
    length = len(block)
    if length < 2 or len(record) < length:
        # A record that is shorter than the block, as at its end: compare the other way round.
        if len(record) < 2 or length < 2:
            return None
        found = _place(record, block)
        return None if found is None else (found[0], found[2], found[1])
    # Half of the block may lie before the record or after it, where nothing counts.
    beyond = length // 2
    bits = np.lib.stride_tricks.sliding_window_view(np.pad(record.bits, beyond), length)
    both = np.lib.stride_tricks.sliding_window_view(np.pad(record.reliable, beyond), length)
    best: tuple[float, float, float] | None = None
    for first in range(0, len(bits), 4096):  # a bound on memory
        counted = both[first : first + 4096] & block.reliable
        wrong = np.bitwise_count((bits[first : first + 4096] ^ block.bits) & counted).sum(axis=1)
        total = np.bitwise_count(counted).sum(axis=1)
        enough = total >= MIN_BITS
        if not enough.any():
            continue
        rates = np.where(enough, wrong / np.maximum(total, 1), 1.0)
        at = int(rates.argmin())
        if best is None or rates[at] < best[0]:
            best = (float(rates[at]), block.start_s, record.start_s + (first + at - beyond) * STEP_S)
    return best


def _packed(flags: NDArray[np.bool_]) -> NDArray[np.uint32]:
    return np.packbits(flags, axis=1).view(">u4").ravel().astype(np.uint32)


@functools.cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(_WINDOW).astype(np.float32)


@functools.cache
def _bands() -> NDArray[np.float64]:
    """Which share of each spectral line [1025] belongs to each of 33 bands, equal in the logarithm."""
    edges = np.geomspace(_LOW_HZ, _HIGH_HZ, _BANDS + 2) * _WINDOW / RATE_HZ
    line = np.arange(_WINDOW // 2 + 1)[:, None]
    covered = np.minimum(edges[None, 1:], line + 1) - np.maximum(edges[None, :-1], line)
    return np.asarray(np.maximum(covered, 0.0), dtype=np.float64)
