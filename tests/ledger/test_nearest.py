"""The look-up finds exactly the frames that comparing every frame finds."""

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.ledger import nearest
from provenance.ledger.nearest import Bands, FingerprintIndex, every_within


def near_and_far(chance: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Recorded hashes, and queries 0..40 bits away from some of them."""
    recorded = chance.integers(0, 256, (3000, 32), dtype=np.uint8)
    recorded[1500:] = recorded[:1500] ^ (chance.integers(0, 256, (1500, 32)) < 8).astype(np.uint8)
    bits = np.unpackbits(recorded[:41], axis=1)
    for distance, row in enumerate(bits):
        row[chance.choice(256, distance, replace=False)] ^= 1
    return recorded, np.packbits(bits, axis=1)


def pairs(found: nearest.Found) -> list[tuple[int, int, int]]:
    return sorted(zip(*(column.tolist() for column in found), strict=True))


@pytest.mark.parametrize("distance", [0, 15, 16, 31])
def test_bands_find_all_within_31_bits_and_no_other(distance: int) -> None:
    recorded, queries = near_and_far(np.random.default_rng(distance))
    expected = pairs(every_within(recorded, queries, distance))
    assert len(expected) > distance
    assert pairs(Bands(recorded).within(queries, distance)) == expected


def test_31_flips_spread_as_badly_as_can_be_are_found() -> None:
    recorded = np.zeros((1, 32), np.uint8)
    bits = np.zeros((16, 16), np.uint8)
    bits[:, :2] = 1
    bits[9, 1] = 0  # two flips in every band but one
    query = np.packbits(bits.ravel())[None]
    assert pairs(Bands(recorded).within(query, 31)) == [(0, 0, 31)]


def test_faiss_and_numpy_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    recorded, queries = near_and_far(np.random.default_rng(7))
    by_faiss = nearest._by_faiss(recorded, queries, 40)
    assert by_faiss is not None
    monkeypatch.setattr(nearest, "_by_faiss", lambda *_: None)
    assert pairs(by_faiss) == pairs(every_within(recorded, queries, 40))


def test_frames_added_after_the_bands_were_built_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_WORTH_BANDS", 1000)
    recorded, queries = near_and_far(np.random.default_rng(3))
    index = FingerprintIndex()
    for part in (slice(0, 2800), slice(2800, 3000)):
        numbers = np.arange(3000)[part]
        index.add(numbers.astype(np.uint64), numbers / 2, recorded[part])
    found = index.within(np.concatenate([queries, recorded[-1:]]), 31)
    assert (2999, 41, 0) in [(one.clip_id, one.query_index, one.distance) for one in found]
    assert [one.distance for one in found] == sorted(one.distance for one in found)
