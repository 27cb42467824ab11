"""What becomes of our own clips when they are edited, credited, or signed while the time authority is down."""

from pathlib import Path

import av
import numpy as np
import pytest
from conftest import transcode, write_mp4
from flows_media import textured
from numpy.typing import NDArray
from time_authority import make_authority, serving

from flows.home import Home, open_home
from flows.marking import AlreadyMarked, History, Marked, mark_clip
from flows.settings import Settings
from flows.stamping import stamp_waiting
from provenance.errors import ClaimError, DevelopmentRefused, TimeStampError
from provenance.manifest import Credit, Edit
from provenance.reading import read_manifest
from provenance.verify import verify_clip
from provenance.watermark import mark_file


def test_an_edit_of_our_own_clip_is_linked_to_it_and_trusted_under_an_id_of_its_own(
    home: Home, marked: Marked, camera_original: Path, tmp_path: Path
) -> None:
    edit = transcode(Path(marked.path), tmp_path / "edit.mp4", crf=24)
    history = History((camera_original,), (Edit.parse("transcoded=smaller"),), (Credit("Ada L.", "editor"),))
    again = mark_clip(home, edit, tmp_path / "out.mp4", source="camera", history=history)
    assert again.clip_id != marked.clip_id
    reading = read_manifest(again.path, home.trust)
    assert [one.action for one in reading.actions] == ["c2pa.opened", "c2pa.placed", "c2pa.transcoded"]
    assert reading.soft_bindings == ()
    first = reading.ingredients[0]
    assert (first.relationship, first.status, first.clip_ids) == (
        "parentOf",
        "trusted",
        (int(marked.clip_id, 16),),
    )
    report = verify_clip(again.path, trust=home.trust, ledger=home.ledger, keys=home.keys)
    assert (report.verdict, report.to_dict()["clip_id"]) == ("trusted", again.clip_id)
    assert home.ledger.credits(int(again.clip_id, 16)) == (Credit("Ada L.", "editor"),)
    content = Path(again.path).read_bytes()
    assert b"Ada L. (editor)" in content
    row = home.ledger.clip(int(again.clip_id, 16))
    assert row is not None
    assert {edge.role for edge in row.edges} == {"parent", "component"}


def frames_of(path: str) -> NDArray[np.uint8]:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_a_film_of_two_of_our_clips_names_both_as_its_ingredients(home: Home, tmp_path: Path) -> None:
    scenes = []
    for seed in (11, 12):
        source = write_mp4(tmp_path / f"{seed}.mp4", textured(72, seed=seed), crf=16)
        scenes.append(mark_clip(home, source, tmp_path / f"marked-{seed}.mp4", source="camera"))
    film = write_mp4(tmp_path / "film.mp4", np.concatenate([frames_of(one.path) for one in scenes]), crf=16)
    made = mark_clip(home, film, tmp_path / "out.mp4", source="camera")
    reading = read_manifest(made.path, home.trust)
    past = {clip_id for one in reading.ingredients for clip_id in one.clip_ids}
    assert past == {int(one.clip_id, 16) for one in scenes}
    assert all(one.status == "trusted" for one in reading.ingredients if one.clip_ids)
    report = verify_clip(made.path, trust=home.trust, ledger=home.ledger, keys=home.keys)
    assert (report.verdict, report.to_dict()["clip_id"]) == ("trusted", made.clip_id)


def test_a_mark_of_ours_on_other_pictures_is_refused_as_transplanted(
    home: Home, marked: Marked, tmp_path: Path
) -> None:
    other = write_mp4(tmp_path / "other.mp4", textured(24, seed=77), crf=16)
    forged = tmp_path / "forged.mp4"
    mark_file(other, forged, payload=int(marked.clip_id, 16), key=home.keys.mark_key)
    with pytest.raises(AlreadyMarked, match="not those of that clip"):
        mark_clip(home, forged, tmp_path / "out.mp4", source="camera")
    assert not (tmp_path / "out.mp4").exists()


def test_a_mark_of_a_clip_that_this_home_never_recorded_is_refused(
    home: Home, stranger: Home, marked: Marked, camera_original: Path, tmp_path: Path
) -> None:
    forged = tmp_path / "forged.mp4"
    mark_file(camera_original, forged, payload=7, key=home.keys.mark_key)
    with pytest.raises(AlreadyMarked, match="no record"):
        mark_clip(home, forged, tmp_path / "out.mp4", source="camera")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("text", ["banana", "created", "", "trimmed=" + "x" * 999])
def test_an_action_outside_the_vocabulary_is_refused(text: str) -> None:
    with pytest.raises(ClaimError):
        Edit.parse(text)


def test_production_refuses_the_development_identity(tmp_path: Path) -> None:
    with pytest.raises(DevelopmentRefused) as caught, open_home(Settings(home=tmp_path, production=True)):
        pass
    assert "CLIPPROOF_SIGNING_CHAIN" in caught.value.hint


def test_a_clip_signed_while_the_authority_is_down_is_stamped_later_or_not_made(
    camera_original: Path, tmp_path: Path
) -> None:
    with serving(make_authority(tmp_path)) as authority:
        authority.down = True
        common = {"home": tmp_path / "home", "tsa_url": authority.url, "tsa_anchors": tmp_path / "root.pem"}
        target = tmp_path / "clip.mp4"
        with open_home(Settings(**common)) as home:
            with pytest.raises(TimeStampError):
                mark_clip(home, camera_original, target, source="camera")
            assert not target.exists()
        with open_home(Settings(**common, tsa_policy="queue")) as home:
            made = mark_clip(home, camera_original, target, source="camera")
            assert not read_manifest(target, home.trust).has_timestamp
            (failed,) = stamp_waiting(home)
            assert failed.error
            (waiting,) = home.ledger.stamps_waiting(due=False)
            assert (waiting.state, waiting.attempts) == ("pending", 1)
            assert home.ledger.stamps_waiting() == []  # not due again yet
            authority.down = False
            (row,) = stamp_waiting(home, due=False)
            assert row.path is not None
            report = verify_clip(row.path, trust=home.trust, ledger=home.ledger, keys=home.keys)
            assert (report.verdict, report.to_dict()["clip_id"]) == ("trusted", made.clip_id)
            assert read_manifest(row.path, home.trust).has_timestamp
            done = home.ledger.time_stamp(int(made.clip_id, 16))
            assert done is not None
            assert (done.state, bool(done.token)) == ("done", True)
            assert home.ledger.verify_log().intact
