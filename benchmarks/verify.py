"""Time of `verify` on a marked, signed clip of ten seconds at 720p: a cold process, and warm in one process.

    python benchmarks/verify.py

Shows neither slow disks nor long clips; the decode of the same file by PyAV alone is the floor.
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
from media import ClipWriter
from provenance.verify import verify_clip

SECONDS, RATE = 10, 30


def camera_like(path: Path) -> Path:
    """A pan over a noisy texture, 1280×720."""
    texture = np.random.default_rng(0).normal(128, 34, (200, 480, 3)).clip(0, 255).astype(np.uint8)
    texture = texture.repeat(4, 0).repeat(4, 1)
    with ClipWriter(
        path, width=1280, height=720, frame_rate=Fraction(RATE), crf=23, preset="veryfast"
    ) as writer:
        for index in range(SECONDS * RATE):
            writer.write_rgb(texture[20 : 20 + 720, index : index + 1280], Fraction(index, RATE))
    return path


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source = camera_like(Path(folder) / "source.mp4")
        settings = Settings(home=Path(folder) / "home")
        with open_home(settings) as home:
            marked = mark_clip(home, source, Path(folder) / "marked.mp4", source="camera")
            for name, path in (("marked and signed", marked.path), ("unsigned", source)):
                command = [sys.executable, "-m", "clipproof", "verify", str(path), "--no-audit"]
                cold = [timed_command(command, {"CLIPPROOF_HOME": str(settings.home)}) for _ in range(3)]
                warm = []
                for _ in range(4):
                    started = time.perf_counter()
                    report_of = verify_clip(path, trust=home.trust, ledger=home.ledger, keys=home.keys)
                    warm.append(time.perf_counter() - started)
                rows.append(
                    {
                        "clip": name,
                        "verdict": report_of.verdict,
                        "cold_wall_s": min(run[0] for run in cold),
                        "cold_cpu_s": min(run[1] for run in cold),
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
