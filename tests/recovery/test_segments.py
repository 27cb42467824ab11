"""A clip whose metadata are gone is brought home piece by piece."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flows.home import Home
from flows.marking import Marked
from media import Planes
from provenance.verify import Verification, verify_clip
from provenance.watermark import Embedder

from .conftest import RATE, as_planes, encoded, filmed

Verify = Callable[[Path], Verification]
Pictures = list[list[Planes]]


def told(report: Verification) -> list[tuple[str, str | None]]:
    return [(one["known_by"], one["clip_id"]) for one in report.to_dict()["segments"]]


def test_a_compilation_is_taken_apart(
    clips: list[Marked], pictures: Pictures, verified: Verify, tmp_path: Path
) -> None:
    a, b, c = pictures
    foreign = as_planes(filmed(9, 2.0))
    # c 1.0..3.5 s, foreign 2 s, a 0.5..3 s, b 1.25..4 s
    joined = c[24:84] + foreign + a[12:72] + b[30:]
    report = verified(encoded(tmp_path / "compilation.mp4", joined))
    assert (report.verdict, report.exit_code) == ("recovered_derived", 6)
    ids = [clip.clip_id for clip in clips]
    ours = "mark_and_pictures"
    assert told(report) == [(ours, ids[2]), ("neither", None), (ours, ids[0]), (ours, ids[1])]
    segments = report.to_dict()["segments"]
    assert [one["start_s"] for one in segments] == pytest.approx([0.0, 2.5, 4.5, 7.0], abs=0.5)
    assert segments[-1]["end_s"] == pytest.approx(len(joined) / RATE, abs=0.5)
    places = [one["record_start_s"] for one in segments if one["clip_id"]]
    assert places == pytest.approx([1.0, 0.5, 1.25], abs=0.5)
    assert "from 3 recorded clips" in report.summary


def test_a_mark_transplanted_into_one_segment_is_a_conflict(
    home: Home, clips: list[Marked], pictures: Pictures, verified: Verify, tmp_path: Path
) -> None:
    embedder = Embedder(640, 512, int(clips[1].clip_id, 16), home.keys.mark_key)
    foreign = as_planes(filmed(8, 3.0))
    forged = [embedder.embed(picture, index / RATE) for index, picture in enumerate(foreign)]
    report = verified(encoded(tmp_path / "forged.mp4", pictures[0][:72] + forged))
    assert (report.verdict, report.exit_code) == ("watermark_conflict", 1)
    finding = next(one for one in report.evidence if one.check == "fingerprint")
    assert finding.state == "fails"
    assert clips[1].clip_id in finding.summary
    assert report.segments[0].is_recovered


def test_a_trimmed_and_faster_copy_says_where_and_how_fast(
    clips: list[Marked], pictures: Pictures, verified: Verify, tmp_path: Path
) -> None:
    faster = [pictures[1][round(at)] for at in np.arange(12, 95, 1.25)]
    report = verified(encoded(tmp_path / "faster.mp4", faster))
    assert (report.verdict, report.to_dict()["clip_id"]) == ("recovered_derived", clips[1].clip_id)
    (segment,) = report.to_dict()["segments"]
    assert segment["speed"] == pytest.approx(1.25, abs=0.08)
    assert segment["record_start_s"] == pytest.approx(0.5, abs=0.3)


def test_black_leader_and_a_still_between_segments_belong_to_nobody(
    clips: list[Marked], pictures: Pictures, verified: Verify, tmp_path: Path
) -> None:
    black = as_planes(np.zeros((1, 512, 640, 3), np.uint8)) * 36
    still = as_planes(filmed(7, 0.1)[:1]) * 36
    report = verified(encoded(tmp_path / "leader.mp4", black + pictures[0][:72] + still + pictures[2][24:]))
    assert report.verdict == "recovered_derived"
    known = told(report)
    ids = [clip.clip_id for clip in clips]
    assert known == [
        ("neither", None),
        ("mark_and_pictures", ids[0]),
        ("neither", None),
        ("mark_and_pictures", ids[2]),
    ]


def test_pictures_alone_are_a_lead_and_no_recovery(
    home: Home, clips: list[Marked], pictures: Pictures, tmp_path: Path
) -> None:
    path = encoded(tmp_path / "copy.mp4", pictures[0])
    report = verify_clip(path, trust=home.trust, ledger=home.ledger, keys=None)
    assert (report.verdict, report.exit_code) == ("unsigned", 3)
    assert told(report) == [("pictures", clips[0].clip_id)]
    finding = next(one for one in report.evidence if one.check == "fingerprint")
    assert finding.details["leads"] == [clips[0].clip_id]
    assert "a lead, not a proof" in finding.summary
