"""Recorded frames near a picture, over all PDQ hashes in memory.

Multi-index hashing (M. Norouzi, A. Punjani, D. Fleet, "Fast Search in Hamming Space with Multi-Index Hashing",
CVPR 2012): two hashes within 31 of 256 bits differ by at most one bit in at least one of 16 bands of 16 bits
(16 bands of two flips each would be 32). So all frames that share a band with the query, up to one flip, are
looked at and no other: exact, and a few thousand of a million.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, LargeBinary, select, type_coerce

from provenance.ledger.records import FingerprintMatch
from provenance.ledger.schema import fingerprint
from provenance.pdq import distances

# Flat frames have hashes of noise, near those of any other flat frame (the reference advises the same bound).
MIN_QUALITY = 50
EXACT_WITHIN = 31  # bits, of the banded search; beyond it every frame is compared
_BANDS, _VALUES = 16, 1 << 16
_FLIPS = np.concatenate([[0], 1 << np.arange(16)]).astype(np.uint16)
_WORTH_BANDS = 20_000  # frames, below which comparing all is faster than the tables
_TAIL = 0.1  # of the banded frames: newer ones are compared one by one until they are so many
_QUERIES = 64  # at once: a bound on memory


class FingerprintIndex:
    """All usable hashes of one ledger. Reads only what was added since it last looked.

    Memory: 48 bytes a frame, and 64 more for the bands (8.4 MB for their starts): 120 MB a million frames.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_id = 0
        self._clip_ids = np.zeros(0, dtype=np.uint64)
        self._times = np.zeros(0, dtype=np.float64)
        self._hashes = np.zeros((0, 32), dtype=np.uint8)
        self._bands: Bands | None = None

    def refresh(self, connection: Connection) -> None:
        """Adds new rows. They never change, and one writer at a time makes ids grow in commit order."""
        columns = fingerprint.c
        query = (
            # Raw bytes: a million values pass no Python code each.
            select(
                columns.id,
                type_coerce(columns.clip_id, LargeBinary),
                columns.time_s,
                type_coerce(columns.pdq, LargeBinary),
                columns.quality,
            )
            .where(columns.id > self._last_id)
            .order_by(columns.id)
        )
        with self._lock:
            ids, clip_ids, times, hashes = [self._last_id], [], [], []
            for row_id, clip_id, time_s, pdq, quality in connection.execute(query).yield_per(50_000):
                ids[0] = row_id
                if quality >= MIN_QUALITY:
                    clip_ids.append(clip_id)
                    times.append(time_s)
                    hashes.append(pdq)
            self._last_id = ids[0]
            if hashes:
                self.add(
                    np.frombuffer(b"".join(clip_ids), ">u8").astype(np.uint64),
                    np.array(times, dtype=np.float64),
                    np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32),
                )

    def add(
        self, clip_ids: NDArray[np.uint64], times: NDArray[np.float64], hashes: NDArray[np.uint8]
    ) -> None:
        """Adds frames: clip ids [N], seconds [N], hashes uint8 [N,32]."""
        self._clip_ids = np.concatenate([self._clip_ids, clip_ids])
        self._times = np.concatenate([self._times, times])
        self._hashes = np.concatenate([self._hashes, hashes])
        banded = len(self._bands) if self._bands is not None else 0
        if len(self._hashes) >= _WORTH_BANDS and len(self._hashes) - banded > _TAIL * banded:
            self._bands = Bands(self._hashes)

    def within(self, hashes: NDArray[np.uint8], max_distance: int) -> list[FingerprintMatch]:
        """Recorded frames within `max_distance` bits of the query hashes uint8 [N,32]; nearest first."""
        bands = self._bands if max_distance <= EXACT_WITHIN else None
        banded = len(bands) if bands is not None else 0
        asked, frames, bits = every_within(self._hashes[banded:], hashes, max_distance)
        frames = frames + banded
        if bands is not None:
            more = bands.within(hashes, max_distance)
            asked, frames, bits = (
                np.concatenate(pair) for pair in zip((asked, frames, bits), more, strict=True)
            )
        order = np.lexsort((self._times[frames], self._clip_ids[frames], asked, bits))
        return [
            FingerprintMatch(clip_id, query_index, distance, time_s)
            for clip_id, query_index, distance, time_s in zip(
                self._clip_ids[frames[order]].tolist(),
                asked[order].tolist(),
                bits[order].tolist(),
                self._times[frames[order]].tolist(),
                strict=True,
            )
        ]


Found = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # query index, frame index, distance


class Bands:
    """Frames sorted by each of their 16 bands, with where each value of a band starts."""

    def __init__(self, hashes: NDArray[np.uint8]) -> None:
        self._wide = np.ascontiguousarray(hashes).view(np.uint64)
        keys = np.ascontiguousarray(hashes).view(np.uint16)
        self._order = np.stack(
            [np.argsort(keys[:, band], kind="stable").astype(np.int32) for band in range(_BANDS)]
        )
        counts = np.stack([np.bincount(keys[:, band], minlength=_VALUES) for band in range(_BANDS)])
        self._starts = np.concatenate([np.zeros((_BANDS, 1), np.int64), counts.cumsum(axis=1)], axis=1)

    def __len__(self) -> int:
        return len(self._wide)

    def within(self, hashes: NDArray[np.uint8], max_distance: int) -> Found:
        """All frames within `max_distance` ≤ EXACT_WITHIN bits of queries uint8 [N,32]."""
        parts = [
            self._some(hashes[first : first + _QUERIES], first, max_distance)
            for first in range(0, len(hashes), _QUERIES)
        ]
        if not parts:
            nothing = np.zeros(0, np.int64)
            return nothing, nothing, nothing
        asked, frames, bits = (np.concatenate(column) for column in zip(*parts, strict=True))
        return asked, frames, bits

    def _some(self, hashes: NDArray[np.uint8], first: int, max_distance: int) -> Found:
        queries = np.ascontiguousarray(hashes)
        keys = queries.view(np.uint16)[:, :, None] ^ _FLIPS  # [N,16,17]
        band = np.broadcast_to(np.arange(_BANDS)[None, :, None], keys.shape)
        starts = self._starts[band, keys]
        lengths = (self._starts[band, keys.astype(np.int64) + 1] - starts).ravel()
        # Every bucket's run of places in one go: each place is its bucket's start plus how far into it.
        ends = lengths.cumsum()
        into = np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)
        places = np.repeat((starts + band * len(self)).ravel(), lengths) + into
        frames = self._order.ravel()[places]
        asked = np.repeat(np.arange(len(queries)), lengths.reshape(len(queries), -1).sum(axis=1))
        wide = queries.view(np.uint64)
        # A first look at one of four words leaves few: no hash within the bound is further apart in it.
        near = np.flatnonzero(
            np.bitwise_count(self._wide[frames, 0] ^ wide[asked, 0]) <= min(max_distance, 64)
        )
        asked, frames = asked[near], frames[near]
        bits = np.bitwise_count(self._wide[frames] ^ wide[asked]).sum(axis=1, dtype=np.int64)
        kept = bits <= max_distance
        pairs, where = np.unique(asked[kept] * len(self) + frames[kept], return_index=True)
        asked, frames = np.divmod(pairs, len(self))  # a frame shares several bands with its query
        return asked + first, frames, bits[kept][where]


def every_within(recorded: NDArray[np.uint8], hashes: NDArray[np.uint8], max_distance: int) -> Found:
    """The same by comparing every frame; with faiss, where it is installed, some twenty times faster."""
    if not len(recorded) or not len(hashes):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    if len(recorded) >= _WORTH_BANDS and (found := _by_faiss(recorded, hashes, max_distance)) is not None:
        return found
    asked, frames, bits = [], [], []
    for number, query in enumerate(hashes):
        apart = distances(query[None], recorded)[0]
        near = np.flatnonzero(apart <= max_distance)
        asked.append(np.full(len(near), number))
        frames.append(near)
        bits.append(apart[near])
    return np.concatenate(asked), np.concatenate(frames), np.concatenate(bits)


def _by_faiss(recorded: NDArray[np.uint8], hashes: NDArray[np.uint8], max_distance: int) -> Found | None:
    try:
        import faiss
    except ImportError:
        return None
    index = faiss.IndexBinaryFlat(256)
    index.add(np.ascontiguousarray(recorded))
    # Its radius is exclusive.
    limits, bits, frames = index.range_search(np.ascontiguousarray(hashes), max_distance + 1)
    asked = np.repeat(np.arange(len(hashes)), (limits[1:] - limits[:-1]).astype(np.int64))
    return asked, frames.astype(np.int64), bits.astype(np.int64)
