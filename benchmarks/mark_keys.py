"""What a longer list of keys costs the detector, and what deriving one costs: CPU time, one thread.

    python benchmarks/mark_keys.py CLIP [CLIP ...] [--keys 1 4 8] [--seconds 3] [--json FILE]

Shows: the time of the verdict, after all pictures were read, on clips without a mark (the whole search fails), with a
mark of the first key of the list, and of the last; the last one cropped and turned as well; and whether the
verdict was right. Every verdict has keys that the process has not seen before.

Does not show: decoding and reading pictures, which a list of keys does not change; codecs; wall time on many cores.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from media import Planes, open_clip
from provenance.watermark import Detection, Detector, Embedder, epoch_key
from provenance.watermark.detect import READ_RATE

PAYLOAD = 0x0123456789ABCDEF
Pictures = list[tuple[Planes, Fraction]]


@dataclass(frozen=True, slots=True)
class Row:
    """Of all clips: median CPU seconds, and how many verdicts were right."""

    case: str
    keys: int
    cpu_s: float
    right: str


def read(path: Path, seconds: float) -> Pictures:
    with open_clip(path, pixel_format="yuv420p", rate=READ_RATE, short_side=720) as clip:
        return [(frame.yuv, frame.time) for frame in clip if frame.time < seconds]


def marked(pictures: Pictures, key: bytes) -> Pictures:
    height, width = pictures[0][0][0].shape
    embedder = Embedder(width, height, PAYLOAD, key)
    return [(embedder.embed(planes, time), time) for planes, time in pictures]


def cropped_and_turned(pictures: Pictures) -> Pictures:
    """Three quarters of each side of the picture, turned by four degrees."""

    def warped(plane: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        height, width = plane.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 1 / 0.75)
        return np.asarray(cv2.warpAffine(plane, turn, (width, height), borderMode=cv2.BORDER_REFLECT))

    return [((warped(y), warped(u), warped(v)), time) for (y, u, v), time in pictures]


def verdict(pictures: Pictures, keys: list[bytes]) -> tuple[float, Detection]:
    detector = Detector()
    for planes, moment in pictures:
        detector.update(planes, moment)
    start = time.process_time()
    found = detector.finish(keys)
    return time.process_time() - start, found


def measure(clips: list[Pictures], counts: list[int]) -> Iterator[Row]:
    epoch = 0
    for count in counts:
        for case in ("no mark", "first key", "last key", "last key, cropped and turned"):
            seconds, right = [], 0
            for pictures in clips:
                keys = [epoch_key(bytes(32), epoch + number) for number in range(count)]
                epoch += count
                shown = (
                    pictures if case == "no mark" else marked(pictures, keys[0 if "first" in case else -1])
                )
                if "cropped" in case:
                    shown = cropped_and_turned(shown)
                cpu_s, found = verdict(shown, keys)
                seconds.append(cpu_s)
                right += found.payload == (None if case == "no mark" else PAYLOAD)
            yield Row(case, count, statistics.median(seconds), f"{right}/{len(clips)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--keys", nargs="+", type=int, default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    start = time.process_time()
    for epoch in range(1000):
        epoch_key(bytes(32), epoch)
    derive_us = (time.process_time() - start) * 1000
    print(f"deriving a key: {derive_us:.0f} µs\n")
    print(f"{'mark':<30} {'keys':>4} {'CPU s':>8} {'right':>6}")
    rows = []
    for row in measure([read(path, options.seconds) for path in options.clips], options.keys):
        rows.append(row)
        print(f"{row.case:<30} {row.keys:>4} {row.cpu_s:>8.2f} {row.right:>6}", flush=True)
    if options.json:
        told = {"derive_us": derive_us, "clips": len(options.clips), "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
