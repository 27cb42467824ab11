"""Media that the tests make on the spot."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

# How long an example takes says more of the machine than of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def moving_picture(frames: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth coloured scene that pans, with a box that crosses it: uint8 [T,H,W,3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    phase = rng.uniform(0, 6.28, 6)
    clip = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        for channel in range(3):
            wave = np.sin((x + 3 * t) / 37 + phase[channel]) + np.sin((y + t) / 23 + phase[3 + channel])
            clip[t, ..., channel] = np.clip(128 + 45 * wave, 0, 255)
        left = (7 * t) % max(1, width - width // 6)
        clip[t, height // 3 : height // 2, left : left + width // 6] = (230, 40, 40)
    return clip


def write_mp4(
    path: Path,
    rgb: NDArray[np.uint8],
    *,
    rate: int = 24,
    sound: bool = False,
    rotation: int = 0,
    crf: int = 20,
    times: list[Fraction] | None = None,
) -> Path:
    """An ordinary camera-like MP4, by PyAV alone, so that the code under test has not touched it."""
    frames, height, width = rgb.shape[:3]
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"crf": str(crf), "preset": "ultrafast"}
        if times:
            video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            video.set_display_rotation(rotation)
        audio = output.add_stream("aac", rate=44100, layout="mono") if sound else None
        for index, picture in enumerate(rgb):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = int(times[index] * 1000) if times else index
            frame.time_base = Fraction(1, 1000) if times else Fraction(1, rate)
            output.mux(video.encode(frame))
        if audio is not None:
            for block in range(frames * 44100 // rate // 1024):
                tone = np.sin(2 * np.pi * 440 * (np.arange(1024) + 1024 * block) / 44100) * 0.3
                sample = av.AudioFrame.from_ndarray(
                    tone[None].astype(np.float32), format="fltp", layout="mono"
                )
                sample.sample_rate, sample.pts, sample.time_base = 44100, 1024 * block, Fraction(1, 44100)
                output.mux(audio.encode(sample))
            output.mux(audio.encode(None))
        output.mux(video.encode(None))
    return path


def remux(source: Path, target: Path, *, slower: int = 1) -> Path:
    """A lossless stream copy, as `ffmpeg -c copy` makes it; `slower` stretches the timestamps."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {
            s.index: writer.add_stream_from_template(s)
            for s in reader.streams
            if s.type in ("video", "audio")
        }
        for packet in reader.demux():
            if packet.dts is None or packet.stream_index not in streams:
                continue
            packet.stream = streams[packet.stream_index]
            packet.pts, packet.dts = packet.pts * slower, packet.dts * slower
            writer.mux(packet)
    return target


def transcode(source: Path, target: Path, *, crf: int = 28, scale: float = 1.0) -> Path:
    """What a platform does: decode, resize, encode again without any metadata."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        video = reader.streams.video[0]
        out = writer.add_stream("libx264", rate=video.average_rate)
        out.width, out.height = (int(side * scale) // 2 * 2 for side in (video.width, video.height))
        out.pix_fmt, out.options = "yuv420p", {"crf": str(crf), "preset": "medium"}
        for frame in reader.decode(video):
            small = frame.reformat(width=out.width, height=out.height, interpolation="BICUBIC")
            small.pts, small.time_base = frame.pts, frame.time_base
            writer.mux(out.encode(small))
        writer.mux(out.encode(None))
    return target


@pytest.fixture(scope="session")
def camera_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of 320×240 at 24 frames a second, with sound."""
    return write_mp4(
        tmp_path_factory.mktemp("media") / "camera.mp4", moving_picture(24, 240, 320), sound=True
    )


@pytest.fixture(scope="session")
def silent_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mp4(tmp_path_factory.mktemp("media") / "silent.mp4", moving_picture(24, 240, 320, seed=1))


@pytest.fixture
def no_leftovers(tmp_path: Path) -> Callable[[], None]:
    """Asserts that no temporary file was left behind."""

    def check() -> None:
        assert [p.name for p in tmp_path.rglob("*") if ".tmp" in p.name] == []

    return check
