"""The sound beside recovered pictures: the recorded one, another, none."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media import Planes, read_sound
from provenance.sound import RATE_HZ, SoundFingerprint, compare_sound, sound_fingerprint
from provenance.verify import Verification

from .conftest import SOUND_HZ, encoded, speech_like, write_sound

Verify = Callable[[Path], Verification]
Pictures = list[list[Planes]]


def finding(report: Verification) -> tuple[str, str]:
    one = next(one for one in report.evidence if one.check == "sound")
    return one.state, one.summary


def test_re_encoded_sound_is_the_same(pictures: Pictures, verified: Verify, tmp_path: Path) -> None:
    report = verified(encoded(tmp_path / "copy.mp4", pictures[0], 0.4 * speech_like(1, 4.0)))
    assert report.verdict == "recovered_derived"
    assert finding(report) == ("holds", "the recorded sound")


def test_swapped_sound_is_named(pictures: Pictures, verified: Verify, tmp_path: Path) -> None:
    report = verified(encoded(tmp_path / "swapped.mp4", pictures[0], speech_like(77, 4.0)))
    assert (report.verdict, report.exit_code) == ("recovered_derived", 6)
    assert finding(report)[0] == "fails"
    assert "SWAPPED" in report.summary


def test_removed_sound_and_added_sound_are_named(
    pictures: Pictures, verified: Verify, tmp_path: Path
) -> None:
    assert "removed" in verified(encoded(tmp_path / "mute.mp4", pictures[0])).summary
    assert "added" in verified(encoded(tmp_path / "loud.mp4", pictures[1], speech_like(5, 4.0))).summary


def test_a_clip_with_no_sound_stays_one(pictures: Pictures, verified: Verify, tmp_path: Path) -> None:
    report = verified(encoded(tmp_path / "silent.mp4", pictures[1]))
    assert (report.verdict, finding(report)[0]) == ("recovered_derived", "absent")


def test_sound_moved_against_its_pictures_is_named_with_the_offset(
    pictures: Pictures, verified: Verify, tmp_path: Path
) -> None:
    late = np.concatenate([np.zeros(SOUND_HZ, np.float32), speech_like(1, 4.0)])[: 4 * SOUND_HZ]
    report = verified(encoded(tmp_path / "late.mp4", pictures[0], late))
    assert finding(report)[0] == "fails"
    assert report.to_dict()["segments"][0]["sound_offset_s"] == pytest.approx(1.0, abs=0.3)


def through(codec: str, bit_rate: int, sound: NDArray[np.float32], path: Path, rate: int) -> SoundFingerprint:
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = output.add_stream(codec, rate=rate, layout="mono")
        audio.bit_rate = bit_rate
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        output.mux(video.encode(frame))
        output.mux(video.encode(None))
        write_sound(output, audio, sound)
    heard = read_sound(path, rate_hz=RATE_HZ)
    assert heard is not None
    return sound_fingerprint(heard.samples, heard.start_s)


def music_like(seed: int, seconds: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * SOUND_HZ)) / SOUND_HZ
    out = np.zeros(len(t))
    for onset in np.arange(0, seconds, 0.25):
        age = np.clip(t - onset, 0, None)
        for note in 220 * 2 ** (rng.integers(0, 36, 3) / 12):
            out += np.where(t >= onset, np.exp(-4 * age) * np.sin(2 * np.pi * note * age), 0)
    return (0.4 * out / np.abs(out).max()).astype(np.float32)


def noise_like(seed: int, seconds: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=int(seconds * SOUND_HZ))).astype(np.float32)


@pytest.mark.parametrize("kind", [speech_like, music_like, noise_like])
@pytest.mark.parametrize(("codec", "suffix"), [("aac", "mp4"), ("libopus", "mkv")])
def test_speech_and_music_survive_a_re_encode_and_even_noise_says_nothing(
    kind: Callable[[int, float], NDArray[np.float32]], codec: str, suffix: str, tmp_path: Path
) -> None:
    def stored(seed: int, bit_rate: int, gain: float) -> SoundFingerprint:
        rate = 48000 if codec == "libopus" else SOUND_HZ
        sound = gain * kind(seed, 6.0)  # resampled to 48 kHz on the way where that is not its rate
        return through(codec, bit_rate, sound, tmp_path / f"{seed}-{bit_rate}.{suffix}", rate)

    record = sound_fingerprint(_plain(kind(1, 6.0)))
    whole = {"span": (0.0, 6.0), "offset_s": 0.0, "speed": 1.0}
    same = compare_sound(stored(1, 64_000, 0.3), record, **whole).state
    other = compare_sound(stored(2, 96_000, 1.0), record, **whole).state
    if kind is noise_like:  # too even to tell: codecs put noise of their own in its place
        assert (same, other) == ("not_comparable", "not_comparable")
    else:
        assert (same, other) == ("same", "swapped")


def _plain(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    at = np.arange(0, len(sound) - 1, SOUND_HZ / RATE_HZ)
    smooth = np.convolve(sound, np.ones(8) / 8, "same")
    return np.interp(at, np.arange(len(sound)), smooth).astype(np.float32)


def test_a_steady_tone_and_silence_accuse_nobody() -> None:
    t = np.arange(6 * RATE_HZ) / RATE_HZ
    tone = sound_fingerprint((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32))
    silence = sound_fingerprint(np.zeros(6 * RATE_HZ, np.float32))
    whole = {"span": (0.0, 6.0), "offset_s": 0.0, "speed": 1.0}
    assert not tone.speaks
    assert compare_sound(tone, tone, **whole).state == "not_comparable"
    assert compare_sound(silence, tone, **whole).state == "not_comparable"
