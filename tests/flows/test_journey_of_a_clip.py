"""What can happen to a clip on its way, and what `verify` then says."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import remux, transcode, write_mp4
from flows_media import textured

from flows.home import Home
from flows.marking import BrokenPast, Marked, mark_clip
from media import UnsupportedMedia, file_digest, probe, stream_digest
from provenance.errors import UnreadableFile
from provenance.trust import TrustAnchors
from provenance.verify import Verification, verify_clip
from provenance.watermark import TooSmallToMark, mark_file
from provenance.watermark.errors import DepthNotSupported, SameFile


def verified(home: Home, path: Path | str) -> Verification:
    return verify_clip(path, trust=home.trust, ledger=home.ledger, keys=home.keys)


def finding(report: Verification, check: str) -> str:
    return next(one.state for one in report.evidence if one.check == check)


def test_its_own_home_trusts_it(home: Home, marked: Marked) -> None:
    report = verified(home, marked.path)
    assert (report.verdict, report.exit_code) == ("trusted", 0)
    assert report.to_dict()["clip_id"] == marked.clip_id
    assert {finding(report, check) for check in ("manifest", "streams", "sound")} == {"holds"}
    # It plays exactly what was recorded: decoding would say nothing new.
    assert {finding(report, check) for check in ("mark", "fingerprint")} == {"not_checked"}


def test_another_home_finds_it_valid_but_knows_nobody(stranger: Home, marked: Marked) -> None:
    report = verified(stranger, marked.path)
    assert (report.verdict, report.exit_code) == ("valid_untrusted", 6)
    assert finding(report, "mark") == "absent"


def test_sound_length_and_frame_rate_survive_marking(marked: Marked, camera_original: Path) -> None:
    before, after = probe(camera_original), probe(marked.path)
    assert after.audio_codecs == before.audio_codecs == ("aac",)
    assert (after.frame_rate, after.frame_count) == (before.frame_rate, before.frame_count)
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.001)
    changed = stream_digest(camera_original).differences(stream_digest(marked.path))
    assert not [name for name in changed if name.startswith("audio/")]


def test_stripped_of_its_metadata_it_is_recovered_exactly(home: Home, marked: Marked, tmp_path: Path) -> None:
    report = verified(home, remux(Path(marked.path), tmp_path / "stripped.mp4"))
    assert (report.verdict, report.exit_code) == ("recovered_exact", 0)
    assert report.to_dict()["clip_id"] == marked.clip_id


def test_slowed_down_without_re_encoding_it_is_derived_and_the_difference_is_named(
    home: Home, marked: Marked, tmp_path: Path
) -> None:
    report = verified(home, remux(Path(marked.path), tmp_path / "slow.mp4", slower=4))
    assert (report.verdict, report.exit_code) == ("recovered_derived", 6)
    streams = next(one for one in report.evidence if one.check == "streams")
    assert "video/0/timing" in streams.details["differences"]


def test_re_encoded_and_resized_it_is_recovered_by_its_mark(
    home: Home, marked: Marked, tmp_path: Path
) -> None:
    report = verified(home, transcode(Path(marked.path), tmp_path / "platform.mp4", crf=28, scale=0.75))
    assert (report.verdict, report.exit_code) == ("recovered_derived", 6)
    assert report.to_dict()["clip_id"] == marked.clip_id


def test_one_flipped_byte_of_the_pictures_is_tampering(home: Home, marked: Marked, tmp_path: Path) -> None:
    content = bytearray(Path(marked.path).read_bytes())
    start = content.index(b"mdat") + 4
    content[start + (len(content) - start) // 2] ^= 1
    path = tmp_path / "flipped.mp4"
    path.write_bytes(content)
    report = verified(home, path)
    assert (report.verdict, report.exit_code) == ("tampered", 1)


def test_an_ordinary_camera_clip_is_unsigned_and_has_no_payload(home: Home, tmp_path: Path) -> None:
    report = verified(home, write_mp4(tmp_path / "holiday.mp4", textured(seed=5)))
    assert (report.verdict, report.exit_code, report.clip_id) == ("unsigned", 3, None)
    assert finding(report, "mark") == "absent"


def test_our_mark_on_other_pictures_is_a_conflict(home: Home, marked: Marked, tmp_path: Path) -> None:
    other = write_mp4(tmp_path / "other.mp4", textured(seed=9)[:, ::-1, ::-1], crf=16)
    payload = int(marked.clip_id, 16)
    mark_file(other, tmp_path / "transplant.mp4", payload=payload, key=home.keys.mark_key)
    report = verified(home, tmp_path / "transplant.mp4")
    assert (report.verdict, report.exit_code) == ("watermark_conflict", 1)


def test_signed_anew_by_a_stranger_who_drops_its_past_it_is_suspect(
    home: Home, stranger: Home, marked: Marked, tmp_path: Path
) -> None:
    stripped = remux(Path(marked.path), tmp_path / "stripped.mp4")
    laundered = mark_clip(stranger, stripped, tmp_path / "laundered.mp4", source="camera")
    assert verified(stranger, laundered.path).verdict == "trusted"
    assert verified(home, laundered.path).verdict == "substitution_suspected"


def test_marking_the_same_file_again_gives_the_same_clip(
    home: Home, marked: Marked, camera_original: Path, tmp_path: Path
) -> None:
    again = mark_clip(home, camera_original, tmp_path / "again.mp4", source="camera")
    assert again.clip_id == marked.clip_id
    assert file_digest(tmp_path / "again.mp4") == file_digest(marked.path)


def test_a_signed_clip_becomes_the_parent_of_its_marked_copy(
    home: Home, stranger: Home, camera_original: Path, tmp_path: Path
) -> None:
    theirs = mark_clip(stranger, camera_original, tmp_path / "theirs.mp4", source="camera")
    ours = mark_clip(home, Path(theirs.path), tmp_path / "ours.mp4", source="unknown")
    report = verified(home, ours.path)
    assert report.verdict == "trusted"
    manifest = next(one for one in report.evidence if one.check == "manifest").details
    assert manifest["ingredients"][0]["relationship"] == "parentOf"
    assert int(theirs.clip_id, 16) in manifest["ingredients"][0]["clip_ids"]


def nothing_was_left(home: Home, target: Path) -> bool:
    work = home.settings.work_folder
    folders = [path for path in work.iterdir() if path.is_dir()] if work.is_dir() else []
    return not target.exists() and not list(target.parent.glob(".*tmp*")) and not folders


def test_a_marked_clip_is_not_marked_again_but_linked(home: Home, marked: Marked, tmp_path: Path) -> None:
    stripped = remux(Path(marked.path), tmp_path / "stripped.mp4")
    again = mark_clip(home, stripped, tmp_path / "again.mp4", source="camera")
    assert marked.clip_id in again.notes[0]
    assert verified(home, again.path).verdict == "trusted"


def test_a_tampered_clip_is_not_signed_on_top(home: Home, marked: Marked, tmp_path: Path) -> None:
    content = bytearray(Path(marked.path).read_bytes())
    content[content.index(b"mdat") + 2000] ^= 1
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(BrokenPast, match="does not hold"):
        mark_clip(home, tmp_path / "bad.mp4", tmp_path / "laundered.mp4", source="camera")
    assert nothing_was_left(home, tmp_path / "laundered.mp4")


def test_source_and_destination_must_differ(home: Home, camera_original: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(camera_original, tmp_path / "clip.mp4"))
    before = file_digest(path)
    with pytest.raises(SameFile):
        mark_clip(home, path, path, source="camera")
    assert file_digest(path) == before


def test_too_small_too_deep_and_missing_clips_are_refused_and_leave_nothing(
    home: Home, tmp_path: Path
) -> None:
    small = write_mp4(tmp_path / "small.mp4", textured(3)[:, :128, :128])
    with pytest.raises(TooSmallToMark):
        mark_clip(home, small, tmp_path / "out.mp4", source="camera")
    deep = tmp_path / "deep.mp4"
    with av.open(str(deep), "w") as output:
        stream = output.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p10le"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((256, 320, 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            output.mux(stream.encode(frame.reformat(format="yuv420p10le")))
        output.mux(stream.encode(None))
    with pytest.raises(DepthNotSupported):
        mark_clip(home, deep, tmp_path / "out.mp4", source="camera")
    with pytest.raises(UnsupportedMedia):
        mark_clip(home, tmp_path / "nothing.mp4", tmp_path / "out.mp4", source="camera")
    assert nothing_was_left(home, tmp_path / "out.mp4")


def test_junk_is_malformed_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\xff" * 100)
    report = verify_clip(tmp_path / "junk.mp4", trust=TrustAnchors.none())
    assert (report.verdict, report.exit_code) == ("malformed", 1)
    with pytest.raises((UnreadableFile, UnsupportedMedia)):
        verify_clip(tmp_path / "nothing.mp4", trust=TrustAnchors.none())


def test_without_ledger_and_keys_the_report_says_what_was_not_looked_for(marked: Marked) -> None:
    report = verify_clip(marked.path, trust=TrustAnchors.none())
    assert report.verdict == "valid_untrusted"
    assert finding(report, "streams") == finding(report, "mark") == "not_checked"
