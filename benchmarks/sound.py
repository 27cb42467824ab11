"""How often the sound fingerprint is right: re-encoded sounds against their own record, and against strangers'.

    python benchmarks/sound.py [--clips DIR]

Made sounds (syllables, chords, noise bursts), and with --clips the sound of every clip of a folder that has one. Each
goes through AAC at 64 and 128 kb/s and Opus at 64 kb/s, and is compared with its own record and every other. Does
not show: rooms, mixes of old and new sound, changed pitch or speed.
"""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from measure import arguments, report
from numpy.typing import NDArray

from media import MediaError, read_sound
from provenance.sound import RATE_HZ, SoundFingerprint, compare_sound, sound_fingerprint

SECONDS, RATE = 8.0, 48_000
CODECS = {"AAC 64": ("aac", 64_000), "AAC 128": ("aac", 128_000), "Opus 64": ("libopus", 64_000)}
Samples = NDArray[np.float32]


def made_sounds(count: int = 6) -> Iterator[tuple[str, Samples]]:
    """`count` sounds of each kind, float32 at 48 kHz."""
    t = np.arange(int(SECONDS * RATE)) / RATE
    for seed in range(count):
        rng = np.random.default_rng(9000 + seed)
        gate = np.repeat(rng.uniform(0, 1, 40) ** 2, len(t) // 40)
        pitch = np.repeat(rng.uniform(80, 300, 40), len(t) // 40)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(k * phase) * rng.uniform(0.1, 1) / k for k in range(1, 20))
        yield f"syllables {seed}", (0.3 * voice * gate).astype(np.float32)
        notes = 220 * 2 ** (rng.integers(0, 24, (16, 3)) / 12)
        chords = sum(np.sin(2 * np.pi * np.repeat(notes[:, n], len(t) // 16) * t) for n in range(3))
        yield f"chords {seed}", (0.2 * chords).astype(np.float32)
        yield f"noise bursts {seed}", (0.3 * rng.normal(size=len(t)) * gate).astype(np.float32)


def recorded_sounds(folder: Path) -> Iterator[tuple[str, Samples]]:
    """The sound of each clip below a folder that has one and is not silent."""
    for path in sorted(folder.rglob("*.*")):
        try:
            with av.open(str(path)) as container:
                if not container.streams.audio:
                    continue
                resampler = av.AudioResampler("flt", "mono", RATE)
                frames = [f for d in container.decode(audio=0) for f in resampler.resample(d)]
        except (av.error.FFmpegError, OSError):
            continue
        samples = np.concatenate([f.to_ndarray().ravel() for f in frames]) if frames else np.zeros(0)
        if len(samples) > 4 * RATE and np.abs(samples).max() > 0.01:
            yield str(path.relative_to(folder)), samples[: int(SECONDS * RATE)].astype(np.float32)


def through(samples: Samples, codec: str, bit_rate: int, folder: Path) -> SoundFingerprint | None:
    """The fingerprint of a sound after a codec, read as any clip's is."""
    path = folder / "sound.mp4"
    with av.open(str(path), "w") as output:
        picture = output.add_stream("libx264", rate=1)
        picture.width = picture.height = 64
        stream = output.add_stream(codec, rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        for second in range(int(SECONDS)):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            frame.pts = second
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        for start in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[None, start : start + 1024])
            sound = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            sound.rate, sound.pts = RATE, start
            output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    try:
        read = read_sound(path, rate_hz=RATE_HZ)
    except MediaError:
        return None
    return None if read is None else sound_fingerprint(read.samples, read.start_s)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=Path, help="a folder of clips whose sounds are used, too")
    options = parser.parse_args()
    kinds = {"made": dict(made_sounds())}
    if options.clips:
        kinds["recorded"] = dict(recorded_sounds(options.clips))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, sounds in kinds.items():
            records = {name: through(one, "aac", 192_000, Path(folder)) for name, one in sounds.items()}
            for codec, (encoder, bit_rate) in CODECS.items():
                heard = {name: through(one, encoder, bit_rate, Path(folder)) for name, one in sounds.items()}
                for relation in ("itself", "a stranger"):
                    pairs = (
                        [(n, n) for n in sounds]
                        if relation == "itself"
                        else itertools.permutations(sounds, 2)
                    )
                    said: Counter[str] = Counter()
                    rates = []
                    for a, b in pairs:
                        found = compare_sound(
                            heard[a], records[b], span=(0, SECONDS), offset_s=None, speed=1.0
                        )
                        said[found.state] += 1
                        if found.error_rate is not None:
                            rates.append(found.error_rate)
                    rows.append(
                        {
                            "sounds": f"{len(sounds)} {kind}",
                            "codec": codec,
                            "against": relation,
                            **{
                                state: said[state]
                                for state in ("same", "partly", "swapped", "not_comparable")
                            },
                            "error rate, least": min(rates, default=float("nan")),
                            "most": max(rates, default=float("nan")),
                        }
                    )
    report(rows, options.json)


if __name__ == "__main__":
    main()
