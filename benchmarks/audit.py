"""How fast the detector is, and where the time goes: windows a minute, CPU seconds a stage.

    python benchmarks/audit.py [--clip FILE] [--seconds 8] [--json OUT] [--head HEAD] [--encoder NAME --checkpoint PATH]

Without `--clip`, a textured test clip is made. Not shown: GPUs, many files at once, and clips of other
sizes than the one measured; decoding happens in a child process, whose CPU time is counted too.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from detector import Detector, OpenClipEncoder
from detector.features import FAMILIES, extract
from detector.normal_form import normalise_clip, to_rgb
from media import ClipWriter, open_clip


def cpu_seconds() -> float:
    """CPU time of this process and of its finished children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """(CPU, wall) seconds of one run, the median over `repeats`."""
    cpu, wall = [], []
    for _ in range(repeats):
        before, clock = cpu_seconds(), time.perf_counter()
        run()
        cpu.append(cpu_seconds() - before)
        wall.append(time.perf_counter() - clock)
    return float(np.median(cpu)), float(np.median(wall))


def make_clip(path: Path, seconds: int, width: int = 1280, height: int = 720) -> Path:
    """A pan over a random texture, 24 frames a second."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    canvas = gaussian_filter(rng.normal(size=(2 * height, 2 * width)), 3)
    scene = (128 + 40 * canvas / canvas.std()).clip(16, 235).astype(np.uint8)
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    with ClipWriter(path, width=width, height=height, frame_rate=Fraction(24), preset="veryfast") as writer:
        for t in range(24 * seconds):
            x, y = (3 * t) % width, t % height
            luma = np.ascontiguousarray(scene[y : y + height, x : x + width])
            writer.write((luma, grey, grey), Fraction(t, 24))
    return path


def drain(clip: Path) -> None:
    with open_clip(clip, short_side=480) as reader:
        for _ in reader:
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--head")
    parser.add_argument("--encoder")
    parser.add_argument("--checkpoint")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = options.clip or make_clip(Path(folder) / "pan.mp4", options.seconds)
        normalised = normalise_clip(clip)
        count = len(normalised.windows)
        luma, chroma = normalised.windows[0].planes()
        own = OpenClipEncoder(options.encoder, options.checkpoint) if options.encoder else None
        detector = Detector.load(options.head, own)
        cache = Path(folder) / "cache"
        stages: dict[str, tuple[Callable[[], Any], int]] = {
            "decode (child process)": (lambda: drain(clip), count),
            "decode, crop, re-encode": (lambda: normalise_clip(clip), count),
            "open a window": (normalised.windows[0].planes, 1),
            **{
                f"features: {name}": (lambda name=name: extract(luma, chroma, (name,)), 1)
                for name in FAMILIES
            },
        }
        if encoder := detector.encoder:
            frames = np.linspace(0, len(luma) - 1, encoder.layout.frames).astype(int)
            stages[f"encoder: {encoder.id}"] = (
                lambda: encoder.embed(to_rgb(luma[frames], chroma[frames])),
                1,
            )
        stages[f"audit with {detector.head.head_id}"] = (lambda: detector.audit(clip), count)
        detector.audit(clip, cache=cache)
        stages["audit again, from the cache"] = (lambda: detector.audit(clip, cache=cache), count)

        rows = []
        for name, (run, windows) in stages.items():
            cpu, wall = measure(run, options.repeats)
            cost = {"cpu_s_per_window": cpu / windows, "wall_s_per_window": wall / windows}
            rows.append({"stage": name, **cost})
    print(f"{count} windows; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'stage':32}{'CPU s/window':>14}{'wall s/window':>15}{'windows/min/core':>18}")
    for row in rows:
        cpu = row["cpu_s_per_window"]
        print(f"{row['stage']:32}{cpu:14.4f}{row['wall_s_per_window']:15.4f}{60 / max(cpu, 1e-6):18.0f}")
    if options.json:
        options.json.write_text(json.dumps({"windows": count, "stages": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
