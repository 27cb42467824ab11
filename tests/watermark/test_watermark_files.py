"""Marking and reading files: what is written, what is carried over, and what is refused."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import moving_picture, write_mp4

from media import CorruptMedia, MediaError, UnsupportedMedia
from provenance.watermark import SCHEME, DepthNotSupported, SameFile, TooSmallToMark, detect_file, mark_file
from provenance.watermark.strength import CHROMA_LEVELS, LUMA_LEVELS

from .conftest import KEY, PAYLOAD, rendered


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [Fraction(frame.pts or 0) * (frame.time_base or 1) for frame in container.decode(video=0)]


def test_a_marked_file_says_its_payload(marked_file: Path) -> None:
    found = detect_file(marked_file, key=KEY)
    assert (found.state, found.payload, found.scheme) == ("marked", PAYLOAD, "org.clipproof.mark.v2")


def test_the_report_says_what_was_written(rendered_file: Path, tmp_path: Path) -> None:
    report = mark_file(rendered_file, tmp_path / "out.mp4", payload=7, key=KEY, crf=30)
    assert (report.path, report.payload, report.crf) == (tmp_path / "out.mp4", 7, 30)
    assert (report.width, report.height, report.frames) == (512, 384, 24)
    assert report.scheme == SCHEME
    assert report.choice.levels.luma in LUMA_LEVELS
    assert report.choice.levels.chroma in CHROMA_LEVELS


def test_strength_is_a_factor_on_what_was_chosen(rendered_file: Path, tmp_path: Path) -> None:
    once, twice = (
        mark_file(rendered_file, tmp_path / "out.mp4", payload=7, key=KEY, strength=factor).choice.levels
        for factor in (1.0, 2.0)
    )
    assert (twice.luma, twice.chroma) == pytest.approx((2 * once.luma, 2 * once.chroma))


def test_sound_is_carried_over_untouched(rendered_file: Path, marked_file: Path) -> None:
    sound = packets(rendered_file, "audio")
    assert sound
    assert packets(marked_file, "audio") == sound


def test_metadata_is_written(rendered_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    mark_file(rendered_file, out, payload=1, key=KEY, metadata={"comment": "made here"})
    with av.open(str(out)) as container:
        assert container.metadata["comment"] == "made here"


def test_uneven_frame_times_stay_exact(tmp_path: Path) -> None:
    source, out = tmp_path / "source.mp4", tmp_path / "out.mp4"
    uneven = [Fraction(at, 1000) for at in (0, 40, 90, 300, 310, 700)]
    write_mp4(source, moving_picture(6, 256, 320), times=uneven)
    mark_file(source, out, payload=PAYLOAD, key=KEY)
    assert times(out) == times(source)


@pytest.mark.parametrize("name", ["clip.mp4", "./clip.mp4", "link.mp4"])
def test_a_file_is_not_marked_onto_itself(name: str, rendered_file: Path, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(rendered_file.read_bytes())
    (tmp_path / "link.mp4").symlink_to(source)
    with pytest.raises(SameFile) as refusal:
        mark_file(source, tmp_path / name, payload=1, key=KEY)
    assert refusal.value.hint
    assert source.read_bytes() == rendered_file.read_bytes()


def test_a_small_clip_is_refused(camera_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(TooSmallToMark, match="240"):
        mark_file(camera_clip, tmp_path / "out.mp4", payload=1, key=KEY)
    assert not (tmp_path / "out.mp4").exists()


def test_ten_bit_video_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "deep.mp4"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p10le"
        for picture in moving_picture(3, 256, 320):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    with pytest.raises(DepthNotSupported, match="10 bits"):
        mark_file(source, tmp_path / "out.mp4", payload=1, key=KEY)


def test_a_broken_source_leaves_no_file(
    rendered_file: Path, tmp_path: Path, no_leftovers: Callable[[], None]
) -> None:
    source = tmp_path / "broken.mp4"
    whole = bytearray(rendered_file.read_bytes())
    first = whole.index(b"mdat") + 40_000
    whole[first : first + 4_000] = np.random.default_rng(0).bytes(4_000)
    source.write_bytes(whole)
    out = tmp_path / "out.mp4"
    with pytest.raises((CorruptMedia, UnsupportedMedia)):
        mark_file(source, out, payload=1, key=KEY)
    assert not out.exists()
    no_leftovers()


def test_what_is_no_video_raises_the_ground_floors_error(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(MediaError):
        detect_file(tmp_path / "notes.mp4", key=KEY)


def test_odd_sizes_are_marked(tmp_path: Path) -> None:
    source, out = tmp_path / "odd.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("ffv1", rate=12)
        stream.width, stream.height, stream.pix_fmt = 401, 301, "yuv420p"
        for picture in rendered(401, 301, 12):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    mark_file(source, out, payload=PAYLOAD, key=KEY)
    assert detect_file(out, key=KEY).payload == PAYLOAD
