"""Marks that other generators leave with the package `invisible-watermark`: dwtDct and dwtDctSvd.

Both hide bits in the U plane: its Haar approximation is cut into 4x4 blocks, block k carries bit k mod
length, and one value of the block is moved to a quarter (0) or three quarters (1) of a step of 36. That
value is the block's largest element but the first (dwtDct, no DCT in spite of its name) or its largest
singular value (dwtDctSvd). The package's decoder answers with bits for any picture, so a presence statistic
is made here; the decoding itself is numpy, as the package imports torch. Any crop, resize or flip puts
these marks out of reach.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.evidence import FALSE_ALARM

Method = Literal["dwtDct", "dwtDctSvd"]
METHODS: tuple[Method, ...] = ("dwtDct", "dwtDctSvd")
LENGTHS = tuple(range(32, 144, 8))

_STEP = 36.0
_BLOCK = 4
_HAAR = 0.5**0.5
_MIN_AREA = 256 * 256  # the package marks nothing smaller
_FEWEST_CHANGES = 0.25  # of neighbouring bits; half is what a payload has
_REPEATS = 0.9
_READABLE = 0.95  # share of bits on which two halves of the blocks agree


def _bits(value: int, length: int) -> NDArray[np.bool_]:
    return np.array([value >> shift & 1 for shift in range(length - 1, -1, -1)], dtype=np.bool_)


def _text(text: str) -> NDArray[np.bool_]:
    return _bits(int.from_bytes(text.encode(), "big"), 8 * len(text))


KNOWN = {
    "Stable Diffusion 1": _text("StableDiffusionV1"),
    "Stable Diffusion 2": _text("SDV2"),
    "Stable Diffusion XL": _bits(0b101100111110110010010000011110111011000110011110, 48),
}


@dataclass(frozen=True)
class ThirdPartyMark:
    """A foreign mark that is there.

    payload_hex: the bits as read, first bit highest, right-padded to whole bytes; trust it where `state` is
    "marked". p_value: chance of so much agreement in an unmarked clip (bits taken as independent; all
    methods, lengths and known payloads counted). known_as: the generator whose fixed payload this is.
    """

    method: Method
    payload_hex: str
    length: int
    p_value: float
    state: Literal["marked", "present_unreadable"]
    known_as: str | None = None


def read_third_party(rgb_frames: Sequence[NDArray[np.uint8]]) -> tuple[ThirdPartyMark, ...]:
    """The marks of `invisible-watermark` in uint8[H, W, 3] frames of one size; four frames are enough.

    Frames at the size at which they were published: a scaled frame never shows a mark.
    """
    if not rgb_frames or rgb_frames[0].shape[0] * rgb_frames[0].shape[1] < _MIN_AREA:
        return ()
    found = []
    blocks = [blocks_of(u_plane(frame)) for frame in rgb_frames]
    per_row = rgb_frames[0].shape[1] // 4 * 4 // (2 * _BLOCK)
    for method in METHODS:
        # Frames of one clip look alike: they sharpen the votes, and are not counted as further evidence.
        ones = np.mean([votes(of_frame, method) for of_frame in blocks], axis=0)
        found += _known_marks(ones, method) or _unknown_marks(ones, per_row, method)
    return tuple(found)


def u_plane(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The U plane of an RGB frame cropped to multiples of four, as OpenCV's fixed-point BGR2YUV has it."""
    height, width = (side // 4 * 4 for side in rgb.shape[:2])
    red, green, blue = (rgb[:height, :width, channel].astype(np.int32) for channel in range(3))
    luma = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14
    u = ((blue - luma) * 8061 + (128 << 14) + 8192) >> 14
    return np.asarray(np.clip(u, 0, 255), dtype=np.uint8)


def blocks_of(u: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The 4x4 blocks of the Haar approximation in reading order, float64[blocks, 4, 4]."""
    wide = u.astype(np.float64)
    # In two passes, as a wavelet library rounds: values on the border between two bits fall to the same
    # side.
    tall = _HAAR * wide[0::2] + _HAAR * wide[1::2]
    haar = _HAAR * tall[:, 0::2] + _HAAR * tall[:, 1::2]
    rows, columns = (side // _BLOCK for side in haar.shape)
    cut = haar[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    return cut.transpose(0, 2, 1, 3).reshape(-1, _BLOCK, _BLOCK)


def votes(blocks: NDArray[np.float64], method: Method) -> NDArray[np.bool_]:
    """For each block whether it votes for a one."""
    if method == "dwtDct":
        flat = blocks.reshape(len(blocks), -1)
        place = np.argmax(np.abs(flat[:, 1:]), axis=1) + 1
        value = np.abs(flat[np.arange(len(flat)), place])
    else:
        value = np.linalg.svd(blocks, compute_uv=False)[:, 0]
    upper_half: NDArray[np.bool_] = value % _STEP > _STEP / 2
    return upper_half


def decode(ones: NDArray[np.floating], length: int) -> NDArray[np.bool_]:
    """The bits, first to last, from the blocks' votes (0 to 1, in reading order): a majority for each."""
    at = np.arange(len(ones)) % length
    share = np.bincount(at, ones, length) / np.maximum(1, np.bincount(at, minlength=length))
    bits: NDArray[np.bool_] = share * 255 > 127
    return bits


def _known_marks(ones: NDArray[np.floating], method: Method) -> list[ThirdPartyMark]:
    found = []
    for name, payload in KNOWN.items():
        bits = decode(ones, len(payload))
        agreeing = int((bits == payload).sum())
        tail = _agreement_tail(agreeing, len(payload))
        p_value = min(1.0, tail * len(KNOWN) * len(METHODS))
        if p_value < FALSE_ALARM:
            found.append(ThirdPartyMark(method, _hex(payload), len(payload), p_value, "marked", name))
    return found


def _unknown_marks(ones: NDArray[np.floating], per_row: int, method: Method) -> list[ThirdPartyMark]:
    """A mark of any payload: the left and the right half of the picture vote for the same bits.

    Content is alike above and below, less so left and right: halves by rows gave false alarms on 2 of 150
    unmarked clips, all at lengths that put a bit always into the same columns. Such lengths are not judged.
    The test is Fisher's, so that a plane that says "one" nearly everywhere proves nothing; and bits that
    change as seldom as a smooth picture does are not taken for a payload.
    """
    right = np.arange(len(ones)) % per_row >= per_row / 2
    candidates: list[tuple[bool, float, int]] = []
    for length in LENGTHS:
        at = np.arange(len(ones)) % length
        counts = [np.bincount(at[side], minlength=length) for side in (~right, right)]
        if min(count.min() for count in counts) == 0:
            continue
        first, second = (
            np.bincount(at[side], ones[side], length) / count > 0.5
            for side, count in zip((~right, right), counts, strict=True)
        )
        if (first[1:] != first[:-1]).mean() < _FEWEST_CHANGES or _repeats(decode(ones, length)):
            continue
        tail = _fisher_tail(first, second)
        p_value = min(1.0, tail * len(LENGTHS) * len(METHODS))
        if p_value < FALSE_ALARM:
            # At a wrong length the halves agree on what it has in common with the right one, and no further.
            unread = float((first == second).mean()) < _READABLE
            candidates.append((unread, p_value, length))
    if not candidates:
        return []
    unread, p_value, length = min(candidates)
    payload_hex = _hex(decode(ones, length))
    return [
        ThirdPartyMark(method, payload_hex, length, p_value, "present_unreadable" if unread else "marked")
    ]


def _repeats(bits: NDArray[np.bool_]) -> bool:
    """Whether bits nearly repeat a shorter run: a payload read at another length shows what the two have in
    common.
    """
    periods = (period for period in range(1, len(bits) // 2 + 1) if len(bits) % period == 0)
    return any((bits == np.resize(bits[:period], len(bits))).mean() > _REPEATS for period in periods)


def _agreement_tail(agreeing: int, length: int) -> float:
    """P(at least so many of `length` fair bits agree)."""
    ways = sum(comb(length, count) for count in range(agreeing, length + 1))
    return float(ways / 2**length)


def _fisher_tail(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Fisher's exact test: P(at least so many common ones), given how many ones either side has."""
    length, ones, others = len(first), int(first.sum()), int(second.sum())
    common = int((first & second).sum())
    ways = sum(comb(ones, k) * comb(length - ones, others - k) for k in range(common, min(ones, others) + 1))
    return float(ways / comb(length, others))


def _hex(bits: Iterable[np.bool_]) -> str:
    return np.packbits(np.array(list(bits), dtype=np.bool_)).tobytes().hex()
