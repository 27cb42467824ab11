"""The perceptual fingerprint of a clip: PDQ hashes and thumbnails of a few frames a second."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.pdq import MIN_SIDE, SIDE, pdq, reduce_luma

# A query samples more densely than a record: then a clip that was trimmed by part of a second, or re-timed,
# still has a frame within 1/16 s of each recorded one, however fast the picture moves.
RECORD_RATE_HZ = 2.0
QUERY_RATE_HZ = 8.0
MIN_FRAMES = 3
# A clip shorter than this has fewer than MIN_FRAMES regular samples, so it is sampled more densely at first.
_DENSE_UNTIL_S = MIN_FRAMES / RECORD_RATE_HZ
_DENSE_STEP_S = 1 / 12


@dataclass(frozen=True, slots=True)
class ClipFingerprint:
    """Sampled frames of a clip.

    `times` float64 [N] in seconds, `hashes` uint8 [N,32] and `qualities` int64 [N] (0..100) of PDQ, and luma
    `thumbnails` uint8 [N,64,64], from which turned and cropped views can be told.
    """

    times: NDArray[np.float64]
    hashes: NDArray[np.uint8]
    qualities: NDArray[np.int64]
    thumbnails: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(slots=True)
class Fingerprinter:
    """Takes a clip's frames one by one, in order, so that one decode can feed others too."""

    rate_hz: float = RECORD_RATE_HZ
    _times: list[float] = field(default_factory=list)
    _regular: list[bool] = field(default_factory=list)
    _hashes: list[NDArray[np.uint8]] = field(default_factory=list)
    _qualities: list[int] = field(default_factory=list)
    _thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)
    _start: float | None = None
    _next_regular: float = 0.0
    _next_dense: float = 0.0

    def update(self, y: NDArray[Any], time: float) -> None:
        """Offers one frame: luma [H,W] 0..255, presentation time in seconds. Most frames cost nothing.

        A picture too small for PDQ has no hash, so a clip of such pictures has an empty fingerprint.
        """
        if min(y.shape) < MIN_SIDE:
            return
        if self._start is None:
            self._start = time
        age = time - self._start + 1e-6  # times such as 0.5 s arrive a rounding error early
        regular = age >= self._next_regular
        dense = age >= self._next_dense and age < _DENSE_UNTIL_S
        if not (regular or dense):
            return
        if regular:
            # On the grid, not one step after this frame: else a slow frame rate would stretch every step.
            self._next_regular = (np.floor(age * self.rate_hz) + 1) / self.rate_hz
        self._next_dense = age + _DENSE_STEP_S
        small = reduce_luma(y)
        digest, quality = pdq(small)
        self._times.append(time)
        self._regular.append(bool(regular))
        self._hashes.append(digest)
        self._qualities.append(quality)
        self._thumbnails.append(np.clip(np.rint(small), 0, 255).astype(np.uint8))

    def finish(self) -> ClipFingerprint:
        """The fingerprint: `rate_hz` frames a second, at least three where the clip has them."""
        kept = np.flatnonzero(self._regular)
        if len(kept) < MIN_FRAMES:
            count = min(MIN_FRAMES, len(self._times))
            kept = np.linspace(0, len(self._times) - 1, count).round().astype(int)
        return ClipFingerprint(
            times=np.array(self._times, dtype=np.float64)[kept],
            hashes=np.array(self._hashes, dtype=np.uint8).reshape(-1, 32)[kept],
            qualities=np.array(self._qualities, dtype=np.int64)[kept],
            thumbnails=np.array(self._thumbnails, dtype=np.uint8).reshape(-1, SIDE, SIDE)[kept],
        )
