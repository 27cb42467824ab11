"""Which of a home's keys are worth a search, by what the ledger says; and which marks it contradicts."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from flows_media import textured
from numpy.typing import NDArray

from media.digest import StreamDigest
from provenance.fingerprint import QUERY_RATE_HZ, RECORD_RATE_HZ, ClipFingerprint, Fingerprinter
from provenance.ledger import Asset, ClipRecord, FingerprintMatch, Ledger, Mark, connect
from provenance.pictures import Seen, epochs_to_try, without_forged
from provenance.watermark import MAX_EPOCH, NEWEST_EPOCHS, SCHEME, Detection, MarkKeys, Segment

MASTER = bytes(range(32))
NEWEST_OF_40 = tuple(range(40, 40 - NEWEST_EPOCHS, -1))


def pictures(seed: int, frames: int = 6) -> ClipFingerprint:
    chance = np.random.default_rng(seed)
    return ClipFingerprint(
        times=np.arange(frames) / 2,
        hashes=chance.integers(0, 256, (frames, 32), dtype=np.uint8),
        qualities=np.full(frames, 100),
        thumbnails=np.zeros((frames, 64, 64), np.uint8),
    )


def record(ledger: Ledger, key: str, details: dict[str, Any] | None, shown: ClipFingerprint) -> int:
    """A clip with these pictures and a mark with these details, or without a mark; returns its id."""
    run = ledger.reserve_run(key, {"key": key})
    name = hashlib.sha256(key.encode()).digest()
    marks = () if details is None else (Mark(SCHEME, run.clip_id, details),)
    streams = StreamDigest({"video/0/packets": name})
    asset = Asset(name, 1, "video/mp4")
    ledger.record_clip(ClipRecord(key, asset, "ai", streams, marks=marks, fingerprint=shown))
    return run.clip_id


@pytest.fixture
def home_ledger(sqlite_url: str) -> Iterator[Ledger]:
    with connect(sqlite_url, create=True) as opened:
        yield opened


def test_the_epoch_of_a_mark_is_read_from_its_details(ledger: Ledger) -> None:
    assert ledger.latest_mark_epoch() == 0
    said: list[tuple[dict[str, Any], int]] = [
        ({"epoch": 7, "strength": 1.0}, 7),
        ({"strength": 1.0}, 0),  # from before there were epochs
        ({"epoch": "seven"}, 0),
        ({"epoch": -1}, 0),
        ({"epoch": None}, 0),
        ({"epoch": 9}, 9),
        ({"epoch": 2}, 2),  # marked by a home that came back from an old backup
    ]
    ids = [record(ledger, f"run {i}", details, pictures(i)) for i, (details, _) in enumerate(said)]
    linked = record(ledger, "an edit", None, pictures(99))
    found = ledger.mark_epochs(SCHEME, [*ids, linked, 2**64 - 1])
    assert found == dict(zip(ids, (epoch for _, epoch in said), strict=True))
    assert ledger.mark_epochs("another.scheme", ids) == ledger.mark_epochs(SCHEME, []) == {}
    assert ledger.latest_mark_epoch() == 9


def test_without_a_ledger_the_newest_are_tried() -> None:
    assert epochs_to_try(MarkKeys(MASTER, 2), pictures(1), None) == (2, 1, 0)
    assert epochs_to_try(MarkKeys(MASTER, 40), pictures(1), None) == NEWEST_OF_40


def test_a_home_with_few_epochs_tries_all(home_ledger: Ledger) -> None:
    record(home_ledger, "a", {"epoch": 1}, pictures(1))
    assert epochs_to_try(MarkKeys(MASTER, 3), pictures(1), home_ledger) == (3, 2, 1, 0)


def test_the_epoch_of_a_look_alike_is_tried_first(home_ledger: Ledger) -> None:
    record(home_ledger, "a", {"epoch": 5}, pictures(1))
    record(home_ledger, "b", {"epoch": 38}, pictures(2))
    keys = MarkKeys(MASTER, 40)
    assert epochs_to_try(keys, pictures(1), home_ledger) == (5, *NEWEST_OF_40)
    assert epochs_to_try(keys, pictures(2), home_ledger) == (38, 40, 39, *NEWEST_OF_40[3:])
    assert epochs_to_try(keys, pictures(3), home_ledger) == NEWEST_OF_40  # it looks like no recorded clip


@pytest.mark.parametrize("turned", [np.fliplr, np.flipud, np.rot90, lambda y: np.rot90(y, 3)])
def test_a_mirrored_or_turned_copy_leads_to_its_record(
    home_ledger: Ledger, turned: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    luma = list(textured(18)[..., 1])

    def seen(rate_hz: float, pictures: list[NDArray[Any]]) -> ClipFingerprint:
        fingerprinter = Fingerprinter(rate_hz)
        for index, picture in enumerate(pictures):
            fingerprinter.update(picture, index / 12)
        return fingerprinter.finish()

    record(home_ledger, "a", {"epoch": 5}, seen(RECORD_RATE_HZ, luma))
    copy = seen(QUERY_RATE_HZ, [turned(picture) for picture in luma])
    assert epochs_to_try(MarkKeys(MASTER, 40), copy, home_ledger)[0] == 5


def test_a_long_clip_asks_the_ledger_no_more_than_a_short_one(
    home_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    near = Ledger.nearest_fingerprints

    def counted(ledger: Ledger, hashes: NDArray[np.uint8]) -> list[FingerprintMatch]:
        asked.append(len(hashes))
        return near(ledger, hashes)

    monkeypatch.setattr(Ledger, "nearest_fingerprints", counted)
    hour = pictures(1, 1000)
    record(home_ledger, "a", {"epoch": 5}, pictures(1, 1000))
    assert epochs_to_try(MarkKeys(MASTER, 40), hour, home_ledger)[0] == 5
    assert asked[0] <= 8 * 2 * 64


def test_flat_pictures_lead_nowhere(home_ledger: Ledger) -> None:
    record(home_ledger, "a", {"epoch": 5}, pictures(1))
    flat = ClipFingerprint(pictures(1).times, pictures(1).hashes, np.zeros(6, int), pictures(1).thumbnails)
    assert epochs_to_try(MarkKeys(MASTER, 40), flat, home_ledger) == NEWEST_OF_40


def test_an_edit_without_a_mark_of_its_own_leads_to_the_clip_that_it_is_of(home_ledger: Ledger) -> None:
    record(home_ledger, "marked", {"epoch": 5}, pictures(1))
    for number in range(6):
        record(home_ledger, f"edit {number}", None, pictures(1))
    assert epochs_to_try(MarkKeys(MASTER, 40), pictures(1), home_ledger)[0] == 5


def test_many_look_alikes_do_not_make_a_long_search(home_ledger: Ledger) -> None:
    for epoch in range(12):
        record(home_ledger, f"version {epoch}", {"epoch": epoch}, pictures(1))
    tried = epochs_to_try(MarkKeys(MASTER, 40), pictures(1), home_ledger)
    assert len(tried) == len(set(tried)) == NEWEST_EPOCHS + 4
    assert tried[4:] == NEWEST_OF_40


def test_an_epoch_that_cannot_be_is_no_lead(home_ledger: Ledger) -> None:
    record(home_ledger, "a", {"epoch": MAX_EPOCH + 1}, pictures(1))
    assert epochs_to_try(MarkKeys(MASTER, 40), pictures(1), home_ledger) == NEWEST_OF_40


def test_a_ledger_that_is_ahead_of_the_keys_is_followed(home_ledger: Ledger) -> None:
    record(home_ledger, "a", {"epoch": 3}, pictures(1))
    assert epochs_to_try(MarkKeys(MASTER, 0), pictures(9), home_ledger) == (3, 2, 1, 0)
    record(home_ledger, "b", {"epoch": 40}, pictures(2))
    assert epochs_to_try(MarkKeys(MASTER, 0), pictures(2), home_ledger) == (40, 0)


# Forged marks


def seen_with(key_index: int | None, *parts: int | None) -> Seen:
    """A detection whose seconds carry these payloads, read with one of the keys of epochs 4 and 3."""
    segments = tuple(
        Segment(float(i), i + 1.0, "not_found" if one is None else "marked", one, 1e-9)
        for i, one in enumerate(parts)
    )
    read = [one for one in parts if one is not None]
    whole = max(read, key=read.count) if read else None
    state: Any = "marked" if read else "not_found"
    return Seen(pictures(1), Detection(state, whole, 1e-9, segments, key_index=key_index), (4, 3))


def test_marks_of_the_epoch_of_their_clips_are_believed(home_ledger: Ledger) -> None:
    ours = record(home_ledger, "ours", {"epoch": 3}, pictures(1))
    unknown = ours ^ 1
    for seen in (
        seen_with(1, ours, None),
        seen_with(1, ours, unknown),
        seen_with(None, None),
        Seen(pictures(1)),
    ):
        assert without_forged(seen, home_ledger) is seen


def test_a_mark_of_another_epoch_than_its_clip_counts_for_nothing(home_ledger: Ledger) -> None:
    later = record(home_ledger, "later", {"epoch": 4}, pictures(1))
    seen = without_forged(seen_with(1, later, None), home_ledger)
    assert seen.forged == (later,)
    assert seen.detection is not None
    assert (seen.detection.state, seen.detection.payload) == ("present_unreadable", None)
    assert [(one.state, one.payload) for one in seen.detection.segments] == [
        ("present_unreadable", None),
        ("not_found", None),
    ]


def test_a_forged_part_does_not_take_the_others_with_it(home_ledger: Ledger) -> None:
    ours = record(home_ledger, "ours", {"epoch": 3}, pictures(1))
    later = record(home_ledger, "later", {"epoch": 4}, pictures(2))
    seen = without_forged(seen_with(1, later, later, ours), home_ledger)
    assert seen.forged == (later,)
    assert seen.detection is not None
    assert (seen.detection.state, seen.detection.payload) == ("marked", ours)
    assert [one.payload for one in seen.detection.segments] == [None, None, ours]
