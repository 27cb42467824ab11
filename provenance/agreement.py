"""Whether two clips show the same pictures: by PDQ where it can tell, by overlay where a clip was cropped."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from provenance.fingerprint import RECORD_RATE_HZ, ClipFingerprint
from provenance.overlay import Overlay, best_overlay
from provenance.pdq import TRANSFORMS, dihedral_hashes, distances

# Calibrated with benchmarks/fingerprint.py; docs/ledger.md shows the distributions.
MATCH_DISTANCE = 64  # of 256 bits; frames of strangers are 88 or more apart
MATCHED_FRACTION = 0.5
SAME_PICTURE = 0.65  # correlation of an overlay; strangers reached 0.57
OTHER_PICTURE = 0.5
GOOD_QUALITY = 50  # the PDQ reference's advice; flatter frames have hashes of noise

_OVERLAY_QUERIES = 3
_OVERLAY_RECORDS = 8

# The view T of a query that matches the record means that the record was changed by the inverse of T.
_INVERSE = {"rotated_90": "rotated_270", "rotated_270": "rotated_90"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether two clips show the same pictures, and what was done to the record to make the query.

    `matched`: the part of the query's half seconds that have a frame in the record, 0..1, flat frames
    weighing less. `median_distance`: PDQ distance 0..256 of a half second's nearest frame. `transform`: one
    of `pdq.TRANSFORMS`. Where hashes did not suffice: `correlation` -1..1 of the best overlay, the median of
    three frames, and `window` (top, left, height, width, 0..1), which is what the query shows of the record
    when `cropped`, else what the record fills of the query (letterbox, picture in picture).
    """

    state: Literal["agree", "disagree", "unclear"]
    matched: float
    median_distance: float
    transform: str
    correlation: float | None = None
    window: tuple[float, float, float, float] | None = None
    cropped: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON, without what was not needed."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def agreement(query: ClipFingerprint, record: ClipFingerprint) -> Agreement:
    """Compares a query (best sampled at `QUERY_RATE_HZ`) with a record.

    `agree`: at least half of the query is in the record, whole, turned, mirrored, cropped or framed.
    `disagree`: neither hashes nor overlay find it there. `unclear`: in between, or pictures too flat to tell.
    """
    if not len(query) or not len(record):
        return Agreement("unclear", 0.0, 256.0, "identity")
    by_hash = _compare_hashes(query, record)
    queries, records = _spread(query, _OVERLAY_QUERIES), _spread(record, _OVERLAY_RECORDS)
    if by_hash.state == "agree" or not len(queries) or not len(records):
        return by_hash
    return _compare_overlays(queries, records, by_hash)


def _compare_hashes(query: ClipFingerprint, record: ClipFingerprint) -> Agreement:
    """The best of the eight views: `agree`, or `unclear`, as a crop fails here like a stranger."""
    views = np.stack([dihedral_hashes(small.astype(np.float32)) for small in query.thumbnails], axis=1)
    views[0] = query.hashes  # the thumbnails are rounded
    half_second = np.floor((query.times - query.times[0]) * RECORD_RATE_HZ + 1e-6).astype(int)
    members = [half_second == number for number in np.unique(half_second)]
    quality = np.array([query.qualities[member].max() for member in members])
    weight = np.minimum(quality, GOOD_QUALITY) / GOOD_QUALITY
    candidates = []
    for name, hashes in zip(TRANSFORMS, views, strict=True):
        nearest = distances(hashes, record.hashes).min(axis=1)
        distance = np.array([nearest[member].min() for member in members])
        matching = float(weight[distance <= MATCH_DISTANCE].sum())
        matched = matching / max(float(weight.sum()), 1e-9)
        # Less than one good frame in all: flat pictures match each other by chance.
        agrees = matched >= MATCHED_FRACTION and matching >= 1
        median = float(np.median(distance))
        state: Literal["agree", "unclear"] = "agree" if agrees else "unclear"
        candidates.append(Agreement(state, matched, median, _INVERSE.get(name, name)))
    return max(candidates, key=lambda one: (one.matched, -one.median_distance))


def _compare_overlays(
    queries: NDArray[np.uint8], records: NDArray[np.uint8], by_hash: Agreement
) -> Agreement:
    best = by_hash
    for transform, pictures in (("identity", queries), ("mirrored", queries[:, :, ::-1])):
        for cropped in (True, False):
            overlays = [
                best_overlay(picture, records) if cropped else _best_inside(records, picture)
                for picture in pictures
            ]
            # The middle one: a single shared frame, as in a splice, is not enough.
            correlation = float(np.median([overlay.correlation for overlay in overlays]))
            if best.correlation is None or correlation > best.correlation:
                best = replace(
                    by_hash,
                    transform=transform,
                    correlation=correlation,
                    window=max(overlays, key=lambda overlay: overlay.correlation).window,
                    cropped=cropped,
                )
            if correlation >= SAME_PICTURE:
                return replace(best, state="agree")
    other = best.correlation is not None and best.correlation < OTHER_PICTURE
    return replace(best, state="disagree" if other and by_hash.matched == 0 else "unclear")


def _best_inside(parts: NDArray[np.uint8], whole: NDArray[np.uint8]) -> Overlay:
    overlays = [best_overlay(part, whole[None]) for part in parts]
    return max(overlays, key=lambda overlay: overlay.correlation)


def _spread(fingerprint: ClipFingerprint, count: int) -> NDArray[np.uint8]:
    """At most `count` thumbnails with enough detail, spread over the clip."""
    detailed = fingerprint.thumbnails[fingerprint.qualities >= GOOD_QUALITY]
    kept = np.linspace(0, len(detailed) - 1, min(count, len(detailed))).round().astype(int)
    return np.asarray(detailed[kept], dtype=np.uint8)
