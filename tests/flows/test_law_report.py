"""What a law asks, answered from the file as it is now."""

import dataclasses
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import pytest
import yaml
from conftest import write_mp4
from flows_media import textured

from flows.home import Home
from flows.marking import Marked, mark_clip
from media import open_clip, probe
from provenance.errors import LawError
from provenance.labels import AigcLabel, VisibleLabel
from provenance.law import CHECKS, NOT_ADVICE, ClipEvidence, assess, gather, load_law, to_html, to_markdown
from provenance.law.duties import parse_law
from provenance.ledger import ClipRow
from provenance.watermark import mark_file

LAWS = ("eu", "ca", "cn")


@pytest.fixture(scope="module")
def labelled(home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Marked]:
    """An AI clip of somebody else's, marked with a visible label in both languages."""
    folder = tmp_path_factory.mktemp("labelled")
    told = home.settings.model_copy(update={"visible_label": "start"})
    inside = dataclasses.replace(home, settings=told)
    source = write_mp4(folder / "theirs.mp4", textured(52, seed=3), crf=16)
    return inside, mark_clip(inside, source, folder / "clip.mp4", source="ai")


def evidence_of(home: Home, marked: Marked, **changes: object) -> ClipEvidence:
    row = row_of(home, marked)
    seen = gather(row, home.store.path(row.asset.sha256), home.trust, mark_keys=home.keys.mark_keys)
    return dataclasses.replace(seen, **changes)  # type: ignore[arg-type]


def row_of(home: Home, marked: Marked) -> ClipRow:
    row = home.ledger.clip(int(marked.clip_id, 16))
    assert row is not None
    return row


def statuses(seen: ClipEvidence, law: str) -> dict[str, str]:
    report = assess(seen, load_law(law))  # type: ignore[arg-type]
    return {one.duty.id: one.finding.status for one in report.answers}


def test_labels_are_recorded_as_they_were_written_and_drawn(labelled: tuple[Home, Marked]) -> None:
    home, marked = labelled
    found = {one.kind: one.details for one in row_of(home, marked).labels}
    assert found["aigc"]["produce_id"] == marked.clip_id
    assert (found["visible"]["language"], found["visible"]["extent"]) == ("both", "start")
    assert "AIGC" in probe(marked.path).metadata


def test_a_camera_clip_gets_no_label_whatever_the_settings(
    labelled: tuple[Home, Marked], camera_original: Path, tmp_path: Path
) -> None:
    home, _ = labelled
    marked = mark_clip(home, camera_original, tmp_path / "camera.mp4", source="camera")
    assert row_of(home, marked).labels == ()


def test_the_start_is_counted_from_the_first_frame(tmp_path: Path) -> None:
    late = [Fraction(5) + Fraction(i, 8) for i in range(24)]
    source = write_mp4(tmp_path / "late.mp4", textured(seed=4), times=late, crf=16)
    label = VisibleLabel(640, 512, extent="start")
    mark_file(source, tmp_path / "out.mp4", payload=1, key=bytes(range(32)), draw=label.draw_at)
    with open_clip(tmp_path / "out.mp4", pixel_format="gray") as clip:
        # The band of the label is black where the picture is not.
        dark = [bool((frame.planes[0][470:476, 20:300] < 30).mean() > 0.5) for frame in clip]
    assert dark == [i < 16 for i in range(24)]


def test_a_damaged_label_of_somebody_else_does_not_stop_marking(
    home: Home, camera_original: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.mp4"
    with av.open(str(camera_original)) as reader:
        options = {"movflags": "use_metadata_tags"}
        with av.open(str(damaged), "w", options=options) as writer:
            writer.metadata["AIGC"] = "no json"
            video = writer.add_stream_from_template(reader.streams.video[0])
            for packet in reader.demux(reader.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = video
                    writer.mux(packet)
    marked = mark_clip(home, damaged, tmp_path / "out.mp4", source="camera")
    assert row_of(home, marked).labels == ()


def test_a_labelled_clip_meets_what_a_clip_can_meet_in_china(labelled: tuple[Home, Marked]) -> None:
    found = statuses(evidence_of(*labelled), "cn")
    assert found.pop("cn-producer-code") == "not_met"  # the default names nobody
    assert found.pop("cn-platforms") == "organisation"
    assert set(found.values()) == {"met"}


def test_a_development_identity_and_a_missing_time_stamp_are_told(labelled: tuple[Home, Marked]) -> None:
    found = statuses(evidence_of(*labelled), "eu")
    assert found["eu-code-signed"] == "partly"
    assert found["eu-code-time"] == "not_met"
    assert found["eu-50-2-marked"] == found["eu-code-layers"] == found["eu-code-watermark"] == "met"
    assert found["eu-code-inputs"] == found["eu-50-4"] == "met"


def test_california_s_latent_disclosure_is_read_from_the_manifest(labelled: tuple[Home, Marked]) -> None:
    found = statuses(evidence_of(*labelled), "ca")
    assert found["ca-latent-a"] == "partly"  # a name that nobody vouches for
    assert found["ca-latent-b"] == "not_met"  # the system that made somebody else's clip is not known
    assert found["ca-latent-c"] == found["ca-latent-d"] == found["ca-latent-tool"] == "met"


def test_rows_alone_prove_nothing_when_the_file_is_gone_or_changed(
    labelled: tuple[Home, Marked], tmp_path: Path
) -> None:
    home, marked = labelled
    row = row_of(home, marked)
    other = tmp_path / "other.mp4"
    other.write_bytes(Path(marked.path).read_bytes() + b"\0")
    for path in (tmp_path / "missing.mp4", other):
        seen = gather(row, path, home.trust, mark_keys=home.keys.mark_keys)
        assert seen.problem
        for law in LAWS:
            kept = {"organisation", "not_certain"}
            found = statuses(seen, law)
            found.pop("eu-code-fingerprint", None)  # of the ledger, not of the file
            assert set(found.values()) <= kept


def test_a_removed_mark_manifest_or_label_is_not_met(labelled: tuple[Home, Marked]) -> None:
    home, marked = labelled
    seen = evidence_of(home, marked, payload=None, aigc=None)
    assert statuses(seen, "eu")["eu-code-watermark"] == "not_met"
    assert statuses(seen, "eu")["eu-code-layers"] == "partly"
    assert statuses(seen, "cn")["cn-implicit"] == "not_met"
    assert seen.reading is not None
    broken = dataclasses.replace(seen, reading=dataclasses.replace(seen.reading, state="invalid"))
    assert statuses(broken, "ca")["ca-latent-d"] == "not_met"
    foreign = dataclasses.replace(seen, aigc=AigcLabel.produced("Other", "elsewhere"))
    assert statuses(foreign, "cn")["cn-implicit-fields"] == "partly"


def test_without_the_mark_key_the_mark_is_not_certain(labelled: tuple[Home, Marked]) -> None:
    home, marked = labelled
    row = row_of(home, marked)
    seen = gather(row, home.store.path(row.asset.sha256), home.trust, mark_keys=None)
    assert statuses(seen, "eu")["eu-code-watermark"] == "not_certain"


@pytest.mark.parametrize("law", LAWS)
def test_every_report_cites_its_sources_and_is_no_advice(labelled: tuple[Home, Marked], law: str) -> None:
    report = assess(evidence_of(*labelled), load_law(law))  # type: ignore[arg-type]
    for text in (to_markdown(report), to_html(report)):
        assert NOT_ADVICE in text
        assert report.law.known_on in text
        assert all(duty.id in text for duty in report.law.duties)
    told = report.to_dict()
    assert all(one["todo"] for one in told["duties"] if one["status"] != "met")
    assert sum(told["counts"].values()) == len(told["duties"])
    unsure = [one for one in report.law.duties if one.confidence != "high"]
    assert to_markdown(report).count("our confidence in this point") == len(unsure)


def test_a_hostile_name_in_a_manifest_stays_text(labelled: tuple[Home, Marked]) -> None:
    seen = evidence_of(*labelled)
    assert seen.reading is not None
    reading = dataclasses.replace(seen.reading, organization="<script>|[x](y)", development=False)
    report = assess(dataclasses.replace(seen, reading=reading), load_law("ca"))
    for text in (to_html(report), to_markdown(report)):
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
    assert "|[x](y)" not in to_markdown(report)


def test_every_check_serves_a_duty() -> None:
    used = {duty.check for law in LAWS for duty in load_law(law).duties}  # type: ignore[arg-type]
    assert used == set(CHECKS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"check": "banana"}, "no check 'banana'"),
        ({"source": "hearsay"}, "no source 'hearsay'"),
        ({"confidence": "certain"}, "confidence 'certain'"),
        ({"requires": ""}, "an empty field"),
        ({"more": "x"}, "exactly"),
    ],
)
def test_a_damaged_file_of_duties_does_not_load(change: dict[str, str], why: str) -> None:
    content = yaml.safe_load(files("provenance.law").joinpath("texts", "eu.yaml").read_text(encoding="utf-8"))
    content["duties"][0] |= change
    with pytest.raises(LawError, match=why):
        parse_law("eu", yaml.safe_dump(content))


@pytest.mark.parametrize("text", ["", "[]", "{", "title: x"])
def test_junk_is_no_law(text: str) -> None:
    with pytest.raises(LawError):
        parse_law("eu", text)
