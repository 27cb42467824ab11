"""DASH: an initialisation segment holds with all of its media segments, as they were signed, in order, and only so."""

import io
import itertools
from pathlib import Path

import av
import c2pa
import mp4_surgery as surgery
import pytest
from authorities import Authority
from cli_process import run_clipproof
from conftest import moving_picture
from dash import sign_segments

from provenance.boxes import Finding
from provenance.errors import UnreadableFile
from provenance.identity import Identity
from provenance.reading import read_manifest
from provenance.trust import TrustAnchors, sdk_context

Presentation = tuple[Path, list[Path]]


def present(folder: Path, identity: Identity, seed: int = 0) -> Presentation:
    """A second of video in four segments, signed."""
    path = folder / "whole.mp4"
    with av.open(
        str(path), "w", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ) as output:
        stream = output.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt, stream.options = 320, 256, "yuv420p", {"g": "6"}
        for picture in moving_picture(24, 256, 320, seed):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    content = path.read_bytes()
    path.unlink()
    starts = [start for kind, start, _ in surgery.boxes(content) if kind in (b"moof", b"mfra")]
    media = [content[start:end] for start, end in itertools.pairwise(starts)]
    return sign_segments(content[: starts[0]], media, identity, folder)


@pytest.fixture
def presented(reporter: Identity, tmp_path: Path) -> Presentation:
    return present(tmp_path, reporter)


def test_all_segments_in_order_are_trusted(presented: Presentation, trust: TrustAnchors) -> None:
    reading = read_manifest(presented[0], trust, fragments=presented[1])
    assert (reading.state, reading.failure_codes, reading.guard_findings) == ("trusted", (), ())
    assert read_manifest(presented[0], TrustAnchors.none(), fragments=presented[1]).state == "valid_untrusted"


def test_the_initialisation_segment_alone_is_invalid(presented: Presentation, trust: TrustAnchors) -> None:
    reading = read_manifest(presented[0], trust)
    assert reading.state == "invalid"
    assert Finding.FRAGMENTS_MISSING in {one.code for one in reading.guard_findings}


@pytest.mark.parametrize(
    "order",
    [[0, 1, 2], [1, 2, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [0, 1, 3], [3, 2, 1, 0], [0, 0, 0, 0]],
    ids=str,
)
def test_dropped_moved_and_repeated_segments_are_invalid_though_each_holds_by_itself(
    presented: Presentation, trust: TrustAnchors, order: list[int]
) -> None:
    first, media = presented
    chosen = [media[index] for index in order]
    reading = read_manifest(first, trust, fragments=chosen)
    assert reading.state == "invalid"
    assert Finding.FRAGMENTS_MISSING in {one.code for one in reading.guard_findings}
    for one in chosen:  # the SDK sees no harm
        with c2pa.Reader("video/mp4", io.BytesIO(first.read_bytes()), context=sdk_context(trust)) as reader:
            reader.with_fragment("video/mp4", io.BytesIO(first.read_bytes()), io.BytesIO(one.read_bytes()))
            assert reader.get_validation_state() == "Trusted"


@pytest.mark.parametrize("which", [0, 3])
def test_a_changed_segment_is_invalid(presented: Presentation, trust: TrustAnchors, which: int) -> None:
    first, media = presented
    content = media[which].read_bytes()
    media[which].write_bytes(surgery.flip(content, len(content) - 20))
    reading = read_manifest(first, trust, fragments=media)
    assert (reading.state, "assertion.bmffHash.mismatch" in reading.failure_codes) == ("invalid", True)


def test_a_changed_initialisation_segment_is_invalid(presented: Presentation, trust: TrustAnchors) -> None:
    first, media = presented
    content = first.read_bytes()
    first.write_bytes(surgery.flip(content, content.index(b"mvhd") + 20))
    assert read_manifest(first, trust, fragments=media).state == "invalid"


def test_frames_of_a_segment_in_a_free_box_are_invalid(
    reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    first, media = present(tmp_path, reporter)
    content = media[2].read_bytes()
    media[2].write_bytes(content.replace(b"mdat", b"free"))
    assert read_manifest(first, trust, fragments=media).state == "invalid"


def test_segments_of_another_presentation_are_invalid(
    presented: Presentation, trust: TrustAnchors, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    _, others = present(
        tmp_path / "other", Authority.named("Other").signer(tmp_path / "other", "Mallory"), seed=3
    )
    assert read_manifest(presented[0], trust, fragments=others).state == "invalid"


def test_a_missing_segment_file_is_an_error_of_its_own(presented: Presentation, trust: TrustAnchors) -> None:
    with pytest.raises(UnreadableFile, match=r"nothing\.m4s"):
        read_manifest(presented[0], trust, fragments=[*presented[1], Path("nothing.m4s")])


def test_the_command_line_takes_segments(
    presented: Presentation, trust: TrustAnchors, tmp_path: Path
) -> None:
    first, media = presented
    (tmp_path / "anchors.pem").write_text(trust.pem)

    def verify(*segments: Path) -> tuple[int, str, str]:
        given = [word for one in segments for word in ("--fragment", one)]
        command = ("verify", first, *given, "--no-audit", "--json", "--anchors", tmp_path / "anchors.pem")
        done = run_clipproof(tmp_path / "home", *command)
        return done.code, done.json["verdict"], done.json["path"]

    assert verify(*media) == (0, "trusted", str(first))
    assert verify(*media[:2])[:2] == (1, "tampered")
