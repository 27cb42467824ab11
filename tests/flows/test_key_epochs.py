"""A home goes on to new epochs: its old clips are found, and a leaked key of one epoch vouches for no other."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import transcode, write_mp4
from flows_media import textured
from numpy.typing import NDArray

from flows.home import Home, open_home
from flows.marking import AlreadyMarked, Marked, mark_clip
from flows.settings import Settings
from media import open_clip
from provenance.evidence import Evidence
from provenance.keys import KeyStore
from provenance.law import gather
from provenance.ledger import Ledger
from provenance.resolve import match_content
from provenance.verify import Verification, verify_clip
from provenance.watermark import MarkKeys, epochs, mark_file

NEWEST = 2  # each key that is not the right one costs a whole search
LATE = NEWEST + 1  # so that neither epoch 0 nor 1 is among the newest


@pytest.fixture(scope="module", autouse=True)
def few_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "NEWEST_EPOCHS", NEWEST)
        yield


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("epochs"))


@pytest.fixture(scope="module")
def first(settings: Settings, camera_original: Path) -> Marked:
    """A clip that was marked in epoch 0."""
    with open_home(settings) as home:
        return mark_clip(home, camera_original, settings.home / "first.mp4", source="camera")


@pytest.fixture(scope="module")
def copy(settings: Settings, first: Marked) -> Path:
    """What a platform makes of it."""
    return transcode(Path(first.path), settings.home / "copy.mp4", scale=0.75)


@pytest.fixture(scope="module")
def late_home(settings: Settings, first: Marked) -> Iterator[Home]:
    """The same home in a much later epoch."""
    KeyStore(settings.keys_folder).new_epoch(after=LATE - 1)
    with open_home(settings) as home:
        assert home.keys.mark_keys.epoch == LATE
        yield home


@pytest.fixture(scope="module")
def late_original(settings: Settings) -> Path:
    return write_mp4(settings.home / "late-original.mp4", textured(seed=21), crf=16)


@pytest.fixture(scope="module")
def late(late_home: Home, late_original: Path) -> Marked:
    """A clip that was marked in that epoch."""
    return mark_clip(late_home, late_original, late_home.settings.home / "late.mp4", source="camera")


def verified(home: Home, path: Path | str, *, ledger: bool = True) -> Verification:
    return verify_clip(path, trust=home.trust, ledger=home.ledger if ledger else None, keys=home.keys)


def shown(marked: Marked) -> NDArray[np.uint8]:
    with open_clip(marked.path, pixel_format="rgb24") as clip:
        return np.stack([frame.planes[0] for frame in clip])


def mark_of(report: Verification) -> Evidence:
    return next(one for one in report.evidence if one.check == "mark")


def recorded_epoch(ledger: Ledger, marked: Marked) -> object:
    row = ledger.clip(int(marked.clip_id, 16))
    assert row is not None
    (mark,) = row.marks
    return mark.details["epoch"]


def test_the_ledger_says_in_which_epoch_a_clip_was_marked(
    late_home: Home, first: Marked, late: Marked
) -> None:
    assert recorded_epoch(late_home.ledger, first) == 0
    assert recorded_epoch(late_home.ledger, late) == LATE
    assert late_home.ledger.latest_mark_epoch() == LATE


def test_a_copy_of_an_old_clip_is_found_through_the_record_that_it_looks_like(
    late_home: Home, first: Marked, copy: Path
) -> None:
    report = verified(late_home, copy)
    assert (report.verdict, report.to_dict()["clip_id"]) == ("recovered_derived", first.clip_id)
    mark = mark_of(report)
    assert (mark.state, mark.details["epoch"]) == ("found", 0)
    assert mark.details["epochs_tried"] == [0, *range(LATE, LATE - NEWEST, -1)]


def test_a_copy_of_a_new_clip_is_found_with_the_newest_key(
    late_home: Home, late: Marked, tmp_path: Path
) -> None:
    report = verified(late_home, transcode(Path(late.path), tmp_path / "copy.mp4"), ledger=False)
    assert mark_of(report).details["epoch"] == LATE
    assert mark_of(report).details["clip_id"] == late.clip_id


@pytest.mark.xfail(strict=True, reason="a detector reads a whole clip with the likeliest key")
def test_a_compilation_of_clips_of_two_epochs_is_taken_apart(
    late_home: Home, first: Marked, late: Marked, tmp_path: Path
) -> None:
    both = np.concatenate([shown(first), shown(late)])
    report = verified(late_home, write_mp4(tmp_path / "both.mp4", both, crf=18))
    assert [one.known_by for one in report.segments] == ["mark_and_pictures"] * 2
    assert {one["clip_id"] for one in report.to_dict()["segments"]} == {first.clip_id, late.clip_id}


def test_without_its_record_an_old_mark_is_not_found_and_the_report_says_what_was_tried(
    late_home: Home, copy: Path
) -> None:
    report = verified(late_home, copy, ledger=False)
    assert report.verdict == "unsigned"
    mark = mark_of(report)
    assert mark.state == "absent"
    assert f"the keys of {NEWEST} of {LATE + 1} epochs" in mark.summary
    assert mark.details["epoch"] is None


def test_the_resolution_service_finds_an_old_clip_by_its_mark(
    late_home: Home, first: Marked, copy: Path
) -> None:
    (match,) = match_content(copy, ledger=late_home.ledger, mark_keys=late_home.keys.mark_keys)
    assert (match.origin.clip_id, match.found_by) == (first.clip_id, "mark")


def test_an_old_clip_is_not_marked_again_but_linked(
    late_home: Home, first: Marked, copy: Path, tmp_path: Path
) -> None:
    again = mark_clip(late_home, copy, tmp_path / "again.mp4", source="camera")
    assert first.clip_id in again.notes[0]


def test_a_report_on_an_old_clip_reads_its_mark_with_the_key_of_its_epoch(
    late_home: Home, first: Marked
) -> None:
    row = late_home.ledger.clip(int(first.clip_id, 16))
    assert row is not None
    path = late_home.store.path(row.asset.sha256)
    seen = gather(row, path, late_home.trust, mark_keys=late_home.keys.mark_keys)
    assert seen.payload == row.clip_id


def test_keys_from_an_old_backup_still_find_what_was_marked_later(
    late_home: Home, late: Marked, tmp_path: Path
) -> None:
    """So does a process that loaded them before the last new epoch."""
    old = replace(late_home.keys, mark_keys=MarkKeys(late_home.keys.mark_keys.master, 1))
    path = transcode(Path(late.path), tmp_path / "copy.mp4")
    report = verify_clip(path, trust=late_home.trust, ledger=late_home.ledger, keys=old)
    assert (report.verdict, mark_of(report).details["epoch"]) == ("recovered_derived", LATE)


@pytest.fixture(scope="module")
def forged(late_home: Home, late: Marked, late_original: Path) -> Path:
    """Made by somebody who got the key of epoch 0: it names a clip of the late epoch, and shows its pictures."""
    path = late_home.settings.home / "forged.mp4"
    leaked = late_home.keys.mark_keys.of(0)
    mark_file(late_original, path, payload=int(late.clip_id, 16), key=leaked)
    return path


def test_a_mark_made_with_a_leaked_key_names_no_clip_of_another_epoch(
    late_home: Home, late: Marked, forged: Path
) -> None:
    # Its pictures lead to the late epoch alone; here the home has come only so far that epoch 0 is tried, too.
    early = replace(late_home.keys, mark_keys=MarkKeys(late_home.keys.mark_keys.master, 1))
    report = verify_clip(forged, trust=late_home.trust, ledger=late_home.ledger, keys=early)
    assert report.verdict == "unsigned"
    mark = mark_of(report)
    assert (mark.state, mark.details["epoch"], mark.details["clip_id"]) == ("fails", 0, None)
    assert mark.details["forged"] == [late.clip_id]
    assert "the key of epoch 0" in mark.summary
    (segment,) = report.segments
    assert segment.known_by == "pictures"  # a lead, as for any copy without a mark


def test_a_forged_mark_is_neither_resolved_nor_signed_on_top(
    late_home: Home, late: Marked, forged: Path, tmp_path: Path
) -> None:
    early = MarkKeys(late_home.keys.mark_keys.master, 1)
    (match,) = match_content(forged, ledger=late_home.ledger, mark_keys=early)
    assert match.found_by == "fingerprint"
    home = replace(late_home, keys=replace(late_home.keys, mark_keys=early))
    with pytest.raises(AlreadyMarked, match="cannot be read"):
        mark_clip(home, forged, tmp_path / "laundered.mp4", source="camera")
