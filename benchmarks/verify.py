"""Time of `verify` on ten seconds at 1080p: as signed, re-encoded, unsigned; a cold process, and warm in one process.

    python benchmarks/verify.py

Warm is the better of two calls after the first in one process. Shows neither slow disks nor long clips; the decode of
the same file by PyAV alone is the floor of what has to be decoded.
"""

import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from measure import arguments, report, timed_command

from flows.home import open_home
from flows.marking import mark_clip
from flows.settings import Settings
from media import ClipWriter, open_clip
from provenance.verify import verify_clip

SECONDS, RATE = 10, 30
WIDTH, HEIGHT = 1920, 1080


def camera_like(path: Path) -> Path:
    """A pan over a noisy texture."""
    texture = np.random.default_rng(0).normal(128, 34, (300, 700, 3)).clip(0, 255).astype(np.uint8)
    texture = texture.repeat(4, 0).repeat(4, 1)
    with ClipWriter(
        path, width=WIDTH, height=HEIGHT, frame_rate=Fraction(RATE), crf=23, preset="veryfast"
    ) as writer:
        for index in range(SECONDS * RATE):
            writer.write_rgb(texture[20 : 20 + HEIGHT, index : index + WIDTH], Fraction(index, RATE))
    return path


def re_encoded(source: Path, target: Path) -> Path:
    """As a platform does: H.264 again, without metadata."""
    with (
        open_clip(source) as clip,
        ClipWriter(
            target, width=WIDTH, height=HEIGHT, frame_rate=Fraction(RATE), crf=26, preset="veryfast"
        ) as writer,
    ):
        for frame in clip:
            writer.write(frame.planes, frame.time)  # type: ignore[arg-type]
    return target


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--no-cold", action="store_true", help="only calls within this process")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source = camera_like(Path(folder) / "source.mp4")
        settings = Settings(home=Path(folder) / "home")
        with open_home(settings) as home:
            marked = Path(mark_clip(home, source, Path(folder) / "marked.mp4", source="camera").path)
            copy = re_encoded(marked, Path(folder) / "copy.mp4")
            for name, path in (("as signed", marked), ("re-encoded", copy), ("unsigned", source)):
                command = [sys.executable, "-m", "clipproof", "verify", str(path), "--no-audit"]
                cold = (
                    []
                    if options.no_cold
                    else [timed_command(command, {"CLIPPROOF_HOME": str(settings.home)})]
                )
                warm = []
                for _ in range(3):
                    started = time.perf_counter()
                    found = verify_clip(path, trust=home.trust, ledger=home.ledger, keys=home.keys)
                    warm.append(time.perf_counter() - started)
                rows.append(
                    {
                        "clip": name,
                        "verdict": found.verdict,
                        "cold_wall_s": cold[0][0] if cold else "",
                        "warm_wall_s": min(warm[1:]),
                        "decode_alone_s": decode(path),
                    }
                )
    report(rows, options.json)


def decode(path: Path | str) -> float:
    started = time.perf_counter()
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
