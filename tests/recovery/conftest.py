"""A home with recorded clips, and what others make of them: cut, joined, re-timed, with other sound."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import write_mp4
from numpy.typing import NDArray
from scipy import ndimage

from flows.home import Home, open_home
from flows.marking import Marked, mark_clip
from flows.settings import Settings
from media import Planes, open_clip, yuv420p_of_rgb
from provenance.keys import MARK_KEY, KeyStore
from provenance.ledger import runs
from provenance.verify import Verification, verify_clip

RATE = 24
SEED = int(os.environ.get("CLIPPROOF_TEST_SEED", "1"))
SOUND_HZ = 44100
Rgb = NDArray[np.uint8]


def filmed(seed: int, seconds: float = 4.0) -> Rgb:
    """Like a camera that pans over a scene of its own: uint8 [T,512,640,3]."""
    frames = round(seconds * RATE)
    rng = np.random.default_rng(1000 + seed)
    wide = np.zeros((512, 640 + 6 * frames, 1), np.float32)
    for sigma, level in ((1, 8), (4, 16), (16, 24), (50, 30)):
        layer = ndimage.gaussian_filter(rng.normal(size=wide.shape[:2]).astype(np.float32), sigma)
        wide[..., 0] += level * layer / layer.std()
    warmth = ndimage.gaussian_filter(rng.normal(size=wide.shape[:2]).astype(np.float32), 12)
    wide = wide + 12 * (warmth / warmth.std())[..., None] * np.array([1, 0, -1], np.float32)
    picture = np.clip(125 + wide, 0, 255).astype(np.uint8)
    return np.stack([picture[:, 6 * t : 6 * t + 640] for t in range(frames)])


def as_planes(pictures: Rgb) -> list[Planes]:
    return [yuv420p_of_rgb(picture) for picture in pictures]


def speech_like(seed: int, seconds: float) -> NDArray[np.float32]:
    """Syllables: bursts of harmonics at a pitch and with formants that change; float32 at 44.1 kHz."""
    rng = np.random.default_rng(seed)
    pieces: list[NDArray[np.float64]] = []
    while sum(map(len, pieces)) < seconds * SOUND_HZ:
        length = int(rng.uniform(0.08, 0.3) * SOUND_HZ)
        t = np.arange(length) / SOUND_HZ
        pitch = rng.uniform(90, 280) * (1 + rng.uniform(-0.3, 0.3) * t / t[-1])
        phase = 2 * np.pi * np.cumsum(pitch) / SOUND_HZ
        formants = rng.uniform((300, 900), (900, 2300))
        voice = sum(
            np.sin(k * phase) * sum(np.exp(-(((k * pitch.mean() - f) / 200) ** 2)) for f in formants)
            for k in range(1, 18)
        )
        pieces.append(voice * np.hanning(length) * rng.uniform(0.3, 1) + rng.normal(0, 0.01, length))
    sound = np.concatenate(pieces)[: int(seconds * SOUND_HZ)]
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def write_sound(
    output: av.container.OutputContainer, stream: av.AudioStream, sound: NDArray[np.float32]
) -> None:
    for start in range(0, len(sound), 1024):
        block = np.ascontiguousarray(sound[None, start : start + 1024], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def encoded(
    path: Path, pictures: Sequence[Planes], sound: NDArray[np.float32] | None = None, *, crf: int = 18
) -> Path:
    """Pictures and sound as an ordinary platform encodes them: H.264 and AAC at 64 kb/s."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=RATE)
        video.height, video.width = pictures[0][0].shape
        video.pix_fmt, video.options = "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        audio = None
        if sound is not None:
            audio = output.add_stream("aac", rate=SOUND_HZ, layout="mono")
            audio.bit_rate = 64_000
        for index, (y, *hues) in enumerate(pictures):
            rows = np.concatenate([y, *(hue.reshape(-1, y.shape[1]) for hue in hues)])
            frame = av.VideoFrame.from_ndarray(rows, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None and sound is not None:
            write_sound(output, audio, sound)
    return path


def with_sound(path: Path, pictures: Rgb, sound: NDArray[np.float32]) -> Path:
    """An original with pictures and sound."""
    return encoded(path, as_planes(pictures), sound, crf=16)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    KeyStore(settings.keys_folder).create()
    # How strong a mark is in these few pictures depends on the key, by chance: the same key in every run.
    (settings.keys_folder / MARK_KEY).write_text(f"{SEED:064x}\n")
    with pytest.MonkeyPatch.context() as patch, open_home(settings) as opened:
        ids = itertools.count(0x0123456789ABCDEF * SEED)
        patch.setattr(runs.secrets, "randbits", lambda bits: next(ids) * 0x9E3779B97F4A7C15 % (1 << bits))
        yield opened


@pytest.fixture(scope="session")
def clips(home: Home, tmp_path_factory: pytest.TempPathFactory) -> list[Marked]:
    """Three recorded clips of four seconds, the first with sound."""
    folder = tmp_path_factory.mktemp("clips")
    sources = [
        with_sound(folder / "a.mp4", filmed(1), speech_like(1, 4.0)),
        write_mp4(folder / "b.mp4", filmed(2), rate=RATE, crf=16),
        write_mp4(folder / "c.mp4", filmed(3), rate=RATE, crf=16),
    ]
    return [
        mark_clip(home, source, folder / f"marked-{index}.mp4", source="camera")
        for index, source in enumerate(sources)
    ]


@pytest.fixture(scope="session")
def pictures(clips: list[Marked]) -> list[list[Planes]]:
    """The recorded clips as a player shows them."""
    return [decoded(clip.path) for clip in clips]


def decoded(path: Path | str) -> list[Planes]:
    with open_clip(path, pixel_format="yuv420p") as clip:
        return [frame.yuv for frame in clip]


@pytest.fixture(scope="session")
def verified(home: Home) -> Callable[[Path], Verification]:
    return lambda path: verify_clip(path, trust=home.trust, ledger=home.ledger, keys=home.keys)
