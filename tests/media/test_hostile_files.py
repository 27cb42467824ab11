"""Every kind of bad file gets a typed, one-line reason."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import moving_picture, write_mp4
from hypothesis import given, settings
from hypothesis import strategies as st

from media import (
    CorruptMedia,
    LimitExceeded,
    Limits,
    MediaError,
    UnsupportedMedia,
    open_clip,
    probe,
    stream_digest,
)
from media.sniff import container_of


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=44100, layout="mono")
        for block in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * block
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


BAD_BYTES = {
    "empty": (b"", CorruptMedia),
    "text": (b"hello, I am not a video\n" * 9, UnsupportedMedia),
    "ffconcat in disguise": (b"ffconcat version 1.0\nfile /etc/hostname\n", UnsupportedMedia),
    "hls playlist in disguise": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", UnsupportedMedia),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(64), UnsupportedMedia),
    "only a file type box": (box(b"ftyp", b"isom\0\0\0\1isom"), CorruptMedia),
    "nested boxes": (
        box(b"ftyp", b"isom\0\0\0\1isom") + struct.pack(">I4s", 0x7FFFFFFF, b"moov") * 5000,
        CorruptMedia,
    ),
    "moov of rubbish": (box(b"ftyp", b"isom\0\0\0\1isom") + box(b"moov", b"\xff" * 4000), MediaError),
    "matroska header and rubbish": (
        b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska" + b"\x55" * 500,
        CorruptMedia,
    ),
    "avi header and rubbish": (b"RIFF\xff\xff\xff\x7fAVI LIST" + b"\x00" * 500, CorruptMedia),
    "gif header alone": (b"GIF89a\xff\xff\xff\xff\x00\x00\x00", CorruptMedia),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bad_bytes_are_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    content, expected = BAD_BYTES[name]
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(expected, match=r"clip\.mp4") as caught:
        probe(path)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_unsupported(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.mp4", tmp_path):
        with pytest.raises(UnsupportedMedia):
            probe(path)


def test_sound_alone_is_not_a_video(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="no video stream"):
        probe(audio_only(tmp_path / "song.mp4"))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_file_never_passes_as_whole(keep: float, camera_clip: Path, tmp_path: Path) -> None:
    whole = camera_clip.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(MediaError), open_clip(path, strict=True) as clip:
        list(clip)


def test_damage_in_the_middle_is_counted_and_strict_reading_refuses_it(
    silent_clip: Path, tmp_path: Path
) -> None:
    damaged = bytearray(silent_clip.read_bytes())
    start = damaged.index(b"mdat") + 4
    middle = start + (len(damaged) - start) // 3
    damaged[middle : middle + 3000] = b"\xa5" * 3000
    path = tmp_path / "damaged.mp4"
    path.write_bytes(damaged)
    with open_clip(path) as clip:
        shown = len(list(clip))
        assert shown > 0
        assert clip.decode_errors > 0
    with pytest.raises(CorruptMedia, match="do not decode"), open_clip(path, strict=True) as clip:
        list(clip)


def test_limits_on_pixels_frames_seconds_bytes_and_streams(camera_clip: Path) -> None:
    for limits in (
        Limits(max_pixels=1000),
        Limits(max_frames=3),
        Limits(max_seconds=0.2),
        Limits(max_bytes=100),
        Limits(max_streams=1),
    ):
        with pytest.raises(LimitExceeded), open_clip(camera_clip, limits=limits) as clip:
            list(clip)


def test_a_decoder_that_outruns_the_clock_is_ended(camera_clip: Path) -> None:
    with (
        pytest.raises(LimitExceeded, match="too long"),
        open_clip(camera_clip, limits=Limits(wall_s=0.01)) as clip,
    ):
        list(clip)


def test_a_decoder_that_wants_too_much_memory_is_ended(camera_clip: Path) -> None:
    with pytest.raises(MediaError), open_clip(camera_clip, limits=Limits(memory_bytes=64 << 20)) as clip:
        list(clip)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (2, 2), (34, 98)])
def test_tiny_pictures_open(height: int, width: int, tmp_path: Path) -> None:
    path = write_mp4(tmp_path / "tiny.mp4", moving_picture(1, 64, 128)[:, :height, :width])
    with open_clip(path) as clip:
        assert [frame.planes[0].shape for frame in clip] == [(height, width)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_sniffing_never_raises_on_any_bytes(head: bytes) -> None:
    container = container_of(head)
    assert container is None or container.demuxer in {"mp4", "mov", "matroska", "avi", "gif", "mpegts"}


def test_a_name_in_another_encoding_is_no_reason_to_refuse_a_clip(camera_clip: Path, tmp_path: Path) -> None:
    content = camera_clip.read_bytes()
    assert content.count(b"isomiso2") == 1  # the brands, which FFmpeg shows as text
    latin = tmp_path / "latin.mp4"
    latin.write_bytes(content.replace(b"isomiso2", b"isom\xefso2"))
    assert stream_digest(latin).digest == stream_digest(camera_clip).digest
    assert probe(latin).width == probe(camera_clip).width
