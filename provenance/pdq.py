"""PDQ, the 256-bit perceptual hash of a picture, in numpy.

H. Dalal et al., "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (Facebook, 2019).
Luma is tent-filtered and sampled to 64×64, its 16×16 lowest cosine terms (without DC) are compared with their
median, and each comparison is a bit. Hashes are 32 bytes in the order of the reference's hex text.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # of the reduced picture
TERMS = 16  # cosine terms kept on each axis
BITS = TERMS * TERMS
MIN_SIDE = 5  # smaller pictures have no hash

# What `dihedral_hashes` does to a picture, as numpy would; index 0 is the picture itself.
TRANSFORMS = (
    "identity",
    "mirrored",  # np.fliplr
    "flipped",  # np.flipud
    "rotated_180",
    "transposed",  # picture.T
    "rotated_90",  # np.rot90, counter-clockwise
    "rotated_270",
    "anti_transposed",
)


def pdq(y: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """Hash (uint8 [32]) and quality (0..100, below 50 is too flat to be trusted) of luma [H,W], 0..255.

    Raises `ValueError` for a picture smaller than 5×5.
    """
    small = reduce_luma(y)
    return _bits_above_median(_low_cosines(small)), quality(small)


def reduce_luma(y: NDArray[Any]) -> NDArray[np.float32]:
    """Luma [H,W] reduced to float32 [64,64]: two box filters (a tent) and a sample, on each axis."""
    if y.ndim != 2 or min(y.shape) < MIN_SIDE:
        raise ValueError(f"PDQ needs luma [H,W] of at least {MIN_SIDE}×{MIN_SIDE}, not {y.shape}")
    luma: NDArray[np.float32] = np.asarray(y, dtype=np.float32)
    if y.shape == (SIDE, SIDE):
        return luma
    rows, columns = _tent(y.shape[0]), _tent(y.shape[1])
    return np.asarray(rows @ luma @ columns.T, dtype=np.float32)


def quality(small: NDArray[np.float32]) -> int:
    """The reference's gradient measure of a reduced picture: 0 (flat) to 100."""
    total = 0
    for axis in (0, 1):
        # Cut to whole per cents before they are summed, so that faint noise counts nothing.
        total += int(np.abs(np.trunc(np.diff(small, axis=axis) * np.float32(100) / np.float32(255))).sum())
    return min(total // 90, 100)


def dihedral_hashes(small: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Hashes uint8 [8,32] of a reduced picture and its mirror images and right-angle turns (`TRANSFORMS`).

    A mirrored axis changes the sign of its odd cosine terms, so one transform gives all eight.
    """
    terms = _low_cosines(small)
    odd = np.where(np.arange(TERMS) % 2 == 0, -1, 1).astype(np.float32)  # term 0 here is frequency 1
    mirrored, flipped = terms * odd[None, :], terms * odd[:, None]
    turned = mirrored * odd[:, None]
    eight = (terms, mirrored, flipped, turned, terms.T, mirrored.T, flipped.T, turned.T)
    return np.stack([_bits_above_median(picture) for picture in eight])


def distances(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Hamming distances (0..256) of hashes uint8 [N,32] and [M,32], as [N,M]."""
    wide_a = np.ascontiguousarray(a, dtype=np.uint8).view(np.uint64)
    wide_b = np.ascontiguousarray(b, dtype=np.uint8).view(np.uint64)
    result = np.zeros((len(wide_a), len(wide_b)), dtype=np.int64)
    for word in range(wide_a.shape[1]):
        result += np.bitwise_count(wide_a[:, None, word] ^ wide_b[None, :, word])
    return result


@functools.lru_cache(maxsize=16)
def _tent(length: int) -> NDArray[np.float32]:
    """The linear map [64,length] that filters an axis twice with a box of 1/128 of it and samples it."""
    window = -(-length // (2 * SIDE))
    before, after = window - (window + 2) // 2, (window + 2) // 2 - 1
    centre = np.arange(length)
    low = np.maximum(centre - before, 0)
    high = np.minimum(centre + after, length - 1) + 1
    weights = np.zeros((length, SIDE))
    weights[((np.arange(SIDE) + 0.5) * length / SIDE).astype(int), np.arange(SIDE)] = 1
    for _ in range(2):
        # One box filter: each weight is spread evenly over its window, as steps up and down, then summed.
        share = weights / (high - low)[:, None]
        steps = np.zeros((length + 1, SIDE))
        np.add.at(steps, low, share)
        np.add.at(steps, high, -share)
        weights = np.cumsum(steps, axis=0)[:length]
    return np.ascontiguousarray(weights.T, dtype=np.float32)


@functools.cache
def _cosines() -> NDArray[np.float32]:
    frequency, sample = np.arange(1, TERMS + 1)[:, None], np.arange(SIDE)[None, :]
    matrix = np.sqrt(2 / SIDE) * np.cos(np.pi / (2 * SIDE) * frequency * (2 * sample + 1))
    return np.asarray(matrix, dtype=np.float32)


def _low_cosines(small: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_cosines() @ small @ _cosines().T, dtype=np.float32)


def _bits_above_median(terms: NDArray[np.float32]) -> NDArray[np.uint8]:
    flat = terms.ravel()
    median = np.partition(flat, BITS // 2 - 1)[BITS // 2 - 1]  # the lower of the middle two, as the reference
    return np.packbits(flat[::-1] > median)
