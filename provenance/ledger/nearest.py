"""Recorded frames near a picture, by brute force over all PDQ hashes in memory."""

import threading

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from provenance.ledger.records import FingerprintMatch
from provenance.ledger.schema import fingerprint
from provenance.pdq import distances

# Flat frames have hashes of noise, near those of any other flat frame (the reference advises the same bound).
MIN_QUALITY = 50


class FingerprintIndex:
    """All usable hashes of one ledger, 48 bytes a frame. Reads only what was added since it last looked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_id = 0
        self._clip_ids = np.zeros(0, dtype=np.uint64)
        self._times = np.zeros(0, dtype=np.float64)
        self._hashes = np.zeros((0, 32), dtype=np.uint8)

    def refresh(self, connection: Connection) -> None:
        """Adds new rows. They never change, and one writer at a time makes ids grow in commit order."""
        with self._lock:
            rows = connection.execute(
                select(
                    fingerprint.c.id,
                    fingerprint.c.clip_id,
                    fingerprint.c.time_s,
                    fingerprint.c.pdq,
                    fingerprint.c.quality,
                )
                .where(fingerprint.c.id > self._last_id)
                .order_by(fingerprint.c.id)
            ).all()
            usable = [row for row in rows if row.quality >= MIN_QUALITY]
            if rows:
                self._last_id = rows[-1].id
            if usable:
                clip_ids = np.array([row.clip_id for row in usable], dtype=np.uint64)
                times = np.array([row.time_s for row in usable], dtype=np.float64)
                hashes = np.frombuffer(b"".join(row.pdq for row in usable), np.uint8).reshape(-1, 32)
                self._clip_ids = np.concatenate([self._clip_ids, clip_ids])
                self._times = np.concatenate([self._times, times])
                self._hashes = np.concatenate([self._hashes, hashes])

    def within(self, hashes: NDArray[np.uint8], max_distance: int) -> list[FingerprintMatch]:
        """Recorded frames within `max_distance` bits of the query hashes uint8 [N,32]; nearest first."""
        matches = []
        for query_index, query in enumerate(hashes):
            distance = distances(query[None], self._hashes)[0]
            for found in np.flatnonzero(distance <= max_distance):
                matches.append(
                    FingerprintMatch(
                        clip_id=int(self._clip_ids[found]),
                        query_index=query_index,
                        distance=int(distance[found]),
                        time_s=float(self._times[found]),
                    )
                )
        return sorted(matches, key=lambda match: (match.distance, match.query_index, match.clip_id))
