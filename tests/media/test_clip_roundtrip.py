"""Reading and writing keep what the user gave: times, sound, size, orientation."""

import errno
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import moving_picture, remux, write_mp4

from media import (
    ClipWriter,
    MediaError,
    OutputError,
    UnsupportedMedia,
    atomic_path,
    frames_digest,
    open_clip,
    probe,
    stream_digest,
)


def copy_through(source: Path, target: Path) -> None:
    said = probe(source)
    with (
        open_clip(source, strict=True) as clip,
        ClipWriter(
            target,
            width=said.width,
            height=said.height,
            frame_rate=said.frame_rate,
            time_base=said.time_base,
            copy_streams_from=source,
            color=said.color,
        ) as writer,
    ):
        for frame in clip:
            writer.write((frame.planes[0], frame.planes[1], frame.planes[2]), frame.time)


def test_sound_length_and_frame_rate_survive_a_rewrite(camera_clip: Path, tmp_path: Path) -> None:
    copy_through(camera_clip, tmp_path / "out.mp4")
    before, after = probe(camera_clip), probe(tmp_path / "out.mp4")
    assert (after.frame_rate, after.duration_s, after.frame_count) == (
        before.frame_rate,
        before.duration_s,
        before.frame_count,
    )
    changed = stream_digest(camera_clip).differences(stream_digest(tmp_path / "out.mp4"))
    assert not [name for name in changed if name.startswith("audio/")]


def test_variable_frame_times_are_kept_exactly(tmp_path: Path) -> None:
    times = [Fraction(t, 1000) for t in (0, 40, 80, 200, 233, 500, 521)]
    source = write_mp4(tmp_path / "vfr.mp4", moving_picture(7, 96, 128), times=times)
    copy_through(source, tmp_path / "out.mp4")
    with open_clip(tmp_path / "out.mp4") as clip:
        assert [frame.time for frame in clip] == times


def test_a_rotated_clip_is_read_upright(tmp_path: Path) -> None:
    rgb = np.zeros((3, 96, 128, 3), np.uint8)
    rgb[:, :, :64] = 255  # bright on the stored left
    source = write_mp4(tmp_path / "phone.mp4", rgb, rotation=90)
    said = probe(source)
    assert (said.width, said.height) == (96, 128)
    with open_clip(source, pixel_format="gray") as clip:
        (y,) = next(iter(clip)).planes
    assert y.shape == (128, 96)
    assert y[96:].mean() > 200 > 50 > y[:32].mean()  # turned counter-clockwise, the left edge is below


def test_odd_sizes_are_padded_to_even(tmp_path: Path) -> None:
    rgb = moving_picture(4, 61, 83)
    with ClipWriter(tmp_path / "odd.mp4", width=83, height=61, frame_rate=Fraction(10), crf=1) as writer:
        for index, picture in enumerate(rgb):
            writer.write_rgb(picture, Fraction(index, 10))
    said = probe(tmp_path / "odd.mp4")
    assert (said.width, said.height) == (84, 62)


def test_rgb_survives_encoding_within_codec_noise(tmp_path: Path) -> None:
    rgb = moving_picture(6, 120, 160)
    with ClipWriter(tmp_path / "c.mp4", width=160, height=120, frame_rate=Fraction(12), crf=4) as writer:
        for index, picture in enumerate(rgb):
            writer.write_rgb(picture, Fraction(index, 12))
    with open_clip(tmp_path / "c.mp4", pixel_format="rgb24") as clip:
        back = np.stack([frame.planes[0] for frame in clip])
    smooth = np.abs(back.astype(int) - rgb)[:, :40]  # above the box: no sharp chroma edges
    assert smooth.mean() < 2.5


def test_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    rgb = moving_picture(12, 120, 160)
    for name in ("a.mp4", "b.mp4"):
        with ClipWriter(tmp_path / name, width=160, height=120, frame_rate=Fraction(12)) as writer:
            for index, picture in enumerate(rgb):
                writer.write_rgb(picture, Fraction(index, 12))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_sampling_by_rate_takes_earlier_frames_and_keeps_their_times(camera_clip: Path) -> None:
    with open_clip(camera_clip, rate=8, short_side=120, pixel_format="gray") as clip:
        frames = list(clip)
    assert [frame.index for frame in frames] == list(range(0, 24, 3))
    assert frames[1].time - frames[0].time == Fraction(1, 8)
    assert frames[0].planes[0].shape == (120, 160)


def test_a_lossless_remux_has_the_same_stream_and_frame_digests(camera_clip: Path, tmp_path: Path) -> None:
    copy = remux(camera_clip, tmp_path / "copy.mp4")
    assert copy.read_bytes() != camera_clip.read_bytes()
    assert stream_digest(copy).digest == stream_digest(camera_clip).digest
    assert frames_digest(copy) == frames_digest(camera_clip)


def test_a_remux_that_slows_down_differs_in_timing_alone(camera_clip: Path, tmp_path: Path) -> None:
    slow = remux(camera_clip, tmp_path / "slow.mp4", slower=4)
    assert stream_digest(camera_clip).differences(stream_digest(slow)) == ("audio/0/timing", "video/0/timing")


def test_a_failed_write_leaves_nothing(tmp_path: Path, no_leftovers: Callable[[], None]) -> None:
    target = tmp_path / "out.mp4"
    with (
        pytest.raises(RuntimeError),
        ClipWriter(target, width=64, height=64, frame_rate=Fraction(10)) as writer,
    ):
        writer.write_rgb(np.zeros((64, 64, 3), np.uint8), Fraction(0))
        raise RuntimeError("the caller fails")
    with pytest.raises(MediaError, match="no frames"), ClipWriter(target, width=64, height=64):
        pass
    assert not target.exists()
    no_leftovers()


def test_an_existing_file_stays_when_its_replacement_fails(tmp_path: Path) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="halfway"), atomic_path(target) as tmp:
        tmp.write_text("new, but")
        raise ValueError("halfway")
    assert target.read_text() == "old"


def test_unwritable_and_full_destinations_are_output_errors(
    tmp_path: Path, no_leftovers: Callable[[], None]
) -> None:
    with pytest.raises(OutputError, match="does not exist"), atomic_path(tmp_path / "no" / "clip.mp4"):
        pass
    with pytest.raises(OutputError, match="cannot be written"), atomic_path(tmp_path / "clip.mp4"):
        raise OSError(errno.ENOSPC, "No space left on device")
    no_leftovers()


def test_sound_that_mp4_cannot_hold_is_refused_by_name(
    camera_clip: Path, tmp_path: Path, no_leftovers: Callable[[], None]
) -> None:
    source = tmp_path / "clip.avi"
    with av.open(str(source), "w") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = output.add_stream("wmav2", rate=44100, layout="mono")
        audio.bit_rate = 64_000
        for picture in moving_picture(5, 64, 96):
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for block in range(12):
            sample = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
            sample.sample_rate, sample.pts = 44100, 2048 * block
            output.mux(audio.encode(sample))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    with pytest.raises(UnsupportedMedia, match="wmav2") as caught:
        copy_through(source, tmp_path / "out.mp4")
    assert caught.value.hint
    no_leftovers()
