"""How well fingerprints tell copies from strangers: `python benchmarks/fingerprint.py --clips DIR`.

Each clip is recorded, then compared with copies of itself (re-encoded, trimmed, mirrored, cropped, framed, …)
and with other clips. Printed: the states, the median PDQ distance of a half second's nearest frame, and the
overlay correlation where hashes did not suffice.
Clips in one folder may show the same scene, so strangers are taken from other folders.

It does not show attacks made against PDQ itself, nor camera recordings of screens.
"""

import argparse
import csv
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from provenance.agreement import Agreement, agreement
from provenance.alignment import align
from provenance.fingerprint import QUERY_RATE_HZ, ClipFingerprint, Fingerprinter

Frames = list[tuple[NDArray[np.uint8], float]]
PERCENTILES = (0, 1, 5, 50, 95, 99, 100)


def decode(path: Path | BytesIO, seconds: float) -> Frames:
    frames: Frames = []
    with av.open(path if isinstance(path, BytesIO) else str(path), "r") as container:
        for frame in container.decode(video=0):
            if float(frame.time or 0) > seconds:
                break
            luma = np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8)
            frames.append((luma, float(frame.time or 0)))
    return frames


def encode(frames: Frames, scale: float, crf: int) -> Frames:
    """Through H.264 at another size; keeps the times."""
    file = BytesIO()
    height, width = (max(int(side * scale) // 2 * 2, 2) for side in frames[0][0].shape)
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for index, (luma, _) in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), "gray")
            picture = picture.reformat(width, height, "yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    file.seek(0)
    return [(luma, frames[i][1]) for i, (luma, _) in enumerate(decode(file, 1e9)) if i < len(frames)]


def crop(top: float, left: float, height: float, width: float) -> Callable[[Frames], Frames]:
    def cropped(frames: Frames) -> Frames:
        rows, columns = frames[0][0].shape
        part = np.s_[
            int(top * rows) : int((top + height) * rows), int(left * columns) : int((left + width) * columns)
        ]
        return [(luma[part], moment) for luma, moment in frames]

    return cropped


def letterbox(frames: Frames) -> Frames:
    border = frames[0][0].shape[0] // 6
    return [(np.pad(luma, ((border, border), (0, 0)), constant_values=16), t) for luma, t in frames]


def caption(frames: Frames) -> Frames:
    rows, columns = frames[0][0].shape
    captioned = [(luma.copy(), moment) for luma, moment in frames]
    for luma, _ in captioned:
        luma[rows * 3 // 4 : rows * 9 // 10, columns // 10 : columns * 9 // 10] = 235
    return captioned


def each(change: Callable[[NDArray[np.uint8]], Any]) -> Callable[[Frames], Frames]:
    return lambda frames: [(change(luma), moment) for luma, moment in frames]


COPIES: dict[str, Callable[[Frames], Frames]] = {
    "crf 28, half size": lambda frames: encode(frames, 0.5, 28),
    "crf 35, third size": lambda frames: encode(frames, 0.34, 35),
    "trimmed by 0.25 s": lambda frames: [f for f in frames if f[1] >= frames[0][1] + 0.25],
    "half speed": lambda frames: [(luma, 2 * moment) for luma, moment in frames],
    "brighter": each(lambda luma: np.clip(luma * 1.15 + 12, 0, 255).astype(np.uint8)),
    "mirrored": each(np.fliplr),
    "rotated by 90": each(np.rot90),
    "captioned": caption,
    "cropped to 0.9": crop(0.05, 0.05, 0.9, 0.9),
    "cropped to 0.5": crop(0.25, 0.25, 0.5, 0.5),
    "cropped to 0.6, crf 30": lambda frames: encode(crop(0, 0.3, 0.6, 0.6)(frames), 0.7, 30),
    "9:16 cut out of 16:9": crop(0, 0.34, 1, 0.32),
    "cropped to 0.4": crop(0.1, 0.5, 0.4, 0.4),
    "letterboxed": letterbox,
}


def fingerprint(frames: Frames, rate_hz: float) -> ClipFingerprint:
    fingerprinter = Fingerprinter(rate_hz=rate_hz)
    for luma, moment in frames:
        fingerprinter.update(luma, moment)
    return fingerprinter.finish()


def table(rows: dict[str, list[Agreement]]) -> Iterator[dict[str, Any]]:
    print(
        f"{'':24}  {'clips':>5}  agree unclear disagree   PDQ median: {PERCENTILES}   overlay: min median max"
    )
    for name, findings in rows.items():
        states = Counter(finding.state for finding in findings)
        distance = np.percentile([finding.median_distance for finding in findings], PERCENTILES).astype(int)
        overlays = [finding.correlation for finding in findings if finding.correlation is not None] or [
            np.nan
        ]
        overlay = [float(np.min(overlays)), float(np.median(overlays)), float(np.max(overlays))]
        print(
            f"{name:24}  {len(findings):5}  {states['agree']:5} {states['unclear']:7} {states['disagree']:8}"
            f"   {' '.join(f'{d:4}' for d in distance)}      {' '.join(f'{c:5.2f}' for c in overlay)}",
            flush=True,
        )
        yield {"query": name, "states": states, "distance": distance.tolist(), "overlay": overlay}


def folders(root: Path, split: str | None) -> list[Path]:
    """The clips under a folder; with a `manifest.csv` of `path` and `split` columns, those of one split."""
    manifest = root / "manifest.csv"
    if split is None or not manifest.exists():
        return sorted(p for p in root.rglob("*") if p.suffix in (".mp4", ".webm", ".mov", ".gif"))
    with manifest.open(newline="") as file:
        return sorted(root / row["path"] for row in csv.DictReader(file) if row["split"] == split)


def alignments(records: dict[Path, ClipFingerprint], queries: dict[Path, ClipFingerprint]) -> dict[str, Any]:
    """How often clips of different folders align, with a 95 % upper bound; and how well own copies do."""
    strangers = [
        max((span.score for span in align(queries[one], records[other])), default=0.0)
        for one in records
        for other in records
        if one.parent != other.parent
    ]
    own = [max((span.score for span in align(queries[one], records[one])), default=0.0) for one in records]
    wrong = sum(score > 0 for score in strangers)
    bound = float(beta.ppf(0.95, wrong + 1, len(strangers) - wrong))
    found = sum(score > 0 for score in own) / len(own)
    print(
        f"alignment: {wrong} of {len(strangers)} pairs of strangers match (rate below {bound:.1e} at 95 %), "
        f"highest score {max(strangers):.2f}; {found:.0%} of the clips match themselves"
    )
    return {"pairs": len(strangers), "false": wrong, "upper_95": bound, "own_found": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of clips, one folder per source")
    parser.add_argument("--limit", type=int, default=60, help="how many clips")
    parser.add_argument("--strangers", type=int, default=3, help="strangers to compare each clip with")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip")
    parser.add_argument(
        "--split", help="of the folder's manifest.csv: `fit` to choose, `report` for the table"
    )
    parser.add_argument("--align-only", action="store_true", help="only align all pairs of strangers in time")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chance = random.Random(0)
    paths = folders(arguments.clips, arguments.split)
    chance.shuffle(paths)
    records: dict[Path, ClipFingerprint] = {}
    queries: dict[Path, ClipFingerprint] = {}
    findings: dict[str, list[Agreement]] = {name: [] for name in COPIES}
    strangers: list[Agreement] = []
    started = time.process_time()
    for path in paths[: arguments.limit]:
        frames = decode(path, arguments.seconds)
        if len(frames) < 3:
            continue
        records[path] = fingerprint(frames, 2.0)
        queries[path] = fingerprint(frames, QUERY_RATE_HZ)
        if arguments.align_only:
            continue
        for name, copy in COPIES.items():
            findings[name].append(agreement(fingerprint(copy(frames), QUERY_RATE_HZ), records[path]))
    aligned = alignments(records, queries)
    if arguments.align_only:
        if arguments.json:
            arguments.json.write_text(json.dumps(aligned, indent=1))
        return
    for path in records:
        others = [other for other in records if other.parent != path.parent]
        for other in chance.sample(others, min(arguments.strangers, len(others))):
            strangers.append(agreement(queries[other], records[path]))
    report = list(table({**findings, "another clip": strangers}))
    print(f"{len(records)} clips, {time.process_time() - started:.0f} s of CPU")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
