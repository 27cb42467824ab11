"""False positives of the watermark: what is said of pictures that carry no mark of the key that is tried.

    python benchmarks/watermark_null.py --clips DIR --searches 1000 --jobs 2 --log null.jsonl --png null.png
    python benchmarks/watermark_null.py --clips DIR --fixed-pose 50000 --png fixed.png

Windows of a second of every clip of the folders, and of clips made here, are searched for marks of random keys,
each time through the full search. Printed: how many were found (none should be), the highest evidence, and how
much of the bound was used up. Drawn: the share of searches whose bound on p, before it is cut off at 1, is at most
x, against the line x, under which a valid bound keeps it; and the pilot's highest correlation over all poses.

`--fixed-pose` tests what the bound is made of: the correlation of pilot and payload cells at one pose with random
keys and payloads, against Hoeffding's exp(-z²/2). It takes milliseconds a key, so tens of thousands are possible.

A search takes some two CPU seconds. `--log` keeps every search on a line; a run that was ended goes on from there.

It does not show a rate of 1e-6: that would take millions of searches. That claim rests on the bound, whose validity
the plots test where there are enough searches to see it. Windows of one clip are alike; its keys are independent.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from math import exp, log, log10
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from measure import arguments, report
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr
from watermark_cells import layer_z, response_of

from media import MediaError, Planes, open_clip
from provenance.watermark import Detector, evidence, search
from provenance.watermark.detect import MIN_READ_SHORT_SIDE, READ_RATE
from provenance.watermark.ecc import PAYLOAD_BITS
from provenance.watermark.evidence import FALSE_ALARM

VIDEO = {".mp4", ".webm", ".mkv", ".mov", ".gif", ".avi"}
WINDOW_S = 1.0
MADE = "made here: "
MADE_KINDS = ("noise", "gradient", "panned texture", "checks", "letters", "black", "still with grain")

Window = list[Planes]
Row = dict[str, Any]


# ---------------------------------------------------------------- what touches the watermark's inside


def verdict(detector: Detector, key: bytes) -> Row:
    """What the detector says with this key, and the highest evidence of all poses that its search read."""
    findings = []

    def listening(*args: Any, **counted: Any) -> Any:
        findings.append(evidence.read(*args, **counted))
        return findings[-1]

    with patch.object(search, "read", listening):
        found = detector.finish([key])
    said = {"state": found.state, "p_value": found.p_value}
    if not findings:
        return said
    highest = max(findings, key=lambda one: one.pilot_z)
    asked = max(one.log_p_present + max(0.0, one.pilot_z) ** 2 / 2 for one in findings) - log(FALSE_ALARM)
    return said | {
        "log10_bound": min(one.log_p_present for one in findings) / log(10),
        "pilot_z": highest.pilot_z,
        "asked_z": (2 * asked) ** 0.5,
        "data_z": max(one.data_z for one in findings),
        "crc_held": sum(one.payload is not None for one in findings),
        "poses_read": len(findings),
    }


def fixed_pose_z(window: Window, keys: Iterable[bytes]) -> Iterator[Row]:
    """Each layer's correlation, in an unmarked window, with the pilot and with a payload drawn from the key."""
    response = response_of(window)
    for key in keys:
        payload = int.from_bytes(hashlib.sha256(key).digest()[: PAYLOAD_BITS // 8], "big")
        yield layer_z(response, payload, key)


# ---------------------------------------------------------------- unmarked pictures


def clip_names(folders: Iterable[Path]) -> list[str]:
    found = [str(path) for folder in folders for path in folder.rglob("*") if path.suffix.lower() in VIDEO]
    return sorted(found) + [MADE + kind for kind in MADE_KINDS]


def windows_of(name: str, most: int) -> list[Window]:
    """At most `most` windows of a second, one after the other; the last may be shorter."""
    if name.startswith(MADE):
        return [made(name.removeprefix(MADE), seed) for seed in range(most)]
    windows: list[Window] = []
    with open_clip(name, rate=READ_RATE, end_s=most * WINDOW_S) as clip:
        start = None
        for frame in clip:
            start = frame.time if start is None else start
            while len(windows) <= (frame.time - start) / WINDOW_S:
                windows.append([])
            windows[-1].append(frame.yuv)
    return [window for window in windows if window and min(window[0][0].shape) >= MIN_READ_SHORT_SIDE]


def made(kind: str, seed: int) -> Window:
    """A second of 512×384 that a generator, a designer or a broken camera might give."""
    height, width, frames = 384, 512, READ_RATE
    rng = np.random.default_rng([seed, MADE_KINDS.index(kind)])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    lumas: Iterable[NDArray[Any]]
    if kind == "noise":
        lumas = rng.integers(0, 256, (frames, height, width))
    elif kind == "gradient":
        lumas = [16 + 200 * ((x + seed * y + 3 * t) % width) / width for t in range(frames)]
    elif kind == "panned texture":
        wide = rng.normal(size=(height, width + 2 * frames))
        texture = sum(
            level * ndimage.gaussian_filter(wide, s) * s for s, level in ((1, 30), (4, 60), (15, 90))
        )
        lumas = [128 + texture[:, 2 * t : 2 * t + width] for t in range(frames)]
    elif kind == "checks":  # as close to the mark's own grid as a picture comes
        side = height / (96 + seed)
        lumas = [40 + 150 * ((np.floor(x / side) + np.floor(y / side)) % 2)] * frames
    elif kind == "letters":
        page = np.kron(rng.random((24, 64)) < 0.4, np.ones((16, 8)))
        lumas = [235 - 200 * page] * frames
    elif kind == "black":
        lumas = [np.full((height, width), 16 * (seed % 3))] * frames
    else:
        still = 128 + 50 * np.sin(x / 40 + seed) * np.cos(y / 30)
        lumas = [still + rng.normal(0, 2, still.shape) for _ in range(frames)]
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    return [(np.clip(luma, 0, 255).astype(np.uint8), grey, grey) for luma in lumas]


def random_key(seed: int, name: str, number: int) -> bytes:
    return hashlib.sha256(f"{seed}/{name}/{number}".encode()).digest()


# ---------------------------------------------------------------- searches


@dataclass(frozen=True)
class Work:
    """The numbers of the searches of one clip."""

    clip: str
    numbers: tuple[int, ...]
    windows: int
    seed: int


def shared_out(
    names: list[str], total: int, windows: int, seed: int, done: set[tuple[str, int]]
) -> list[Work]:
    """`total` searches dealt to the clips in turn, without those that are done."""
    dealt = [range(-(-(total - at) // len(names))) for at in range(len(names))]
    works = [
        Work(name, tuple(number for number in numbers if (name, number) not in done), windows, seed)
        for name, numbers in zip(names, dealt, strict=True)
    ]
    return [work for work in works if work.numbers]


def readable(work: Work) -> tuple[list[Window], str | None]:
    try:
        windows = windows_of(work.clip, work.windows)
    except MediaError as error:
        return [], str(error)
    return windows, None if windows else f"{work.clip}: too small to read"


def search_clip(work: Work) -> tuple[list[Row], str | None]:
    windows, complaint = readable(work)
    detectors: dict[int, Detector] = {}
    rows = []
    for number in work.numbers if windows else ():
        at = number % len(windows)
        if at not in detectors:
            detectors[at] = Detector()
            for index, planes in enumerate(windows[at]):
                detectors[at].update(planes, index / READ_RATE)
        began = time.process_time()
        said = verdict(detectors[at], random_key(work.seed, work.clip, number))
        rows.append(
            {"clip": work.clip, "number": number, "window": at}
            | said
            | {"cpu_s": time.process_time() - began}
        )
    return rows, complaint


def correlate_clip(work: Work) -> tuple[list[Row], str | None]:
    windows, complaint = readable(work)
    rows = []
    for at, window in enumerate(windows):
        numbers = work.numbers[at :: len(windows)]
        keys = [random_key(work.seed, work.clip, number) for number in numbers]
        for number, z in zip(numbers, fixed_pose_z(window, keys), strict=True):
            rows.append({"clip": work.clip, "number": number} | z)
    return rows, complaint


def run(work: list[Work], each: Any, jobs: int, log_file: Path | None) -> list[Row]:
    """All rows; each is also a line of the log as soon as its clip is done."""
    rows: list[Row] = []
    total, began = sum(len(one.numbers) for one in work), time.monotonic()
    # Small pieces: progress is seen, little is lost at an end, and no long clip is left to the last.
    pieces = [
        Work(one.clip, one.numbers[at : at + 16], one.windows, one.seed)
        for one in work
        for at in range(0, len(one.numbers), 16)
    ] if each is search_clip else work  # fmt: skip
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(each, piece) for piece in pieces]):
            new, complaint = future.result()
            new = [{"seed": work[0].seed} | row for row in new]
            rows += new
            if complaint:
                print(f"\rleft out: {complaint}", file=sys.stderr)
            if log_file and new:
                with log_file.open("a") as lines:
                    lines.writelines(json.dumps(row) + "\n" for row in new)
            left = (time.monotonic() - began) / max(1, len(rows)) * (total - len(rows))
            print(f"\r{len(rows)} of {total}, {left:.0f} s left   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


# ---------------------------------------------------------------- tables and pictures


def search_table(rows: list[Row]) -> list[Row]:
    states = [row["state"] for row in rows]
    false = len(rows) - states.count("not_found")
    judged = [row for row in rows if "pilot_z" in row]
    z = np.array([row["pilot_z"] for row in judged])
    highest = max(judged, key=lambda row: row["pilot_z"])
    # Clopper and Pearson 1934, for no event at all
    limit = "-" if false else 1 - 0.05 ** (1 / len(rows))
    values = {
        "searches": len(rows),
        "clips": len({row["clip"] for row in rows}),
        "windows": len({(row["clip"], row["window"]) for row in rows}),
        "found marked": states.count("marked"),
        "found present, unreadable": states.count("present_unreadable"),
        "false positives a search, 95 % upper limit": limit,
        "smallest p-value": min(row["p_value"] for row in rows),
        "log10 of the pilot's bound, not cut off at 1: lowest": min(row["log10_bound"] for row in judged),
        "highest pilot z of a search: mean": float(z.mean()),
        "highest pilot z of a search: 99 %": float(np.quantile(z, 0.99)),
        "highest pilot z of a search: highest": float(z.max()),
        "... in": Path(highest["clip"]).name,
        "pilot z that the dearest stage asks for": max(row["asked_z"] for row in judged),
        "highest payload z": max(row["data_z"] for row in judged),
        "poses read, payloads whose CRC held by chance": f"{sum(row['poses_read'] for row in judged)}, "
        f"{sum(row['crc_held'] for row in judged)}",
        "CPU seconds a search": float(np.mean([row["cpu_s"] for row in rows])),
    }
    return [{"what": what, "value": value} for what, value in values.items()]


def fixed_pose_values(rows: list[Row]) -> dict[str, NDArray[np.float64]]:
    names = [name for name in rows[0] if name.endswith(("pilot", "payload"))]
    return {name: np.array([row[name] for row in rows]) for name in names}


def fixed_pose_table(rows: list[Row]) -> list[Row]:
    z = fixed_pose_values(rows)
    table: list[Row] = [
        {"z": f"≥ {t:g}"}
        | {name: float((values >= t).mean()) for name, values in z.items()}
        | {"bound exp(-z²/2)": exp(-t * t / 2), "normal tail": float(ndtr(-t))}
        for t in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5)
    ]
    for what, of in (("mean", np.mean), ("deviation", np.std), ("highest", np.max)):
        table.append(
            {"z": f"{what} of {len(rows)}"} | {name: float(of(values)) for name, values in z.items()}
        )
    return table


def draw_searches(rows: list[Row], target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    judged = [row for row in rows if "pilot_z" in row]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    bound = np.sort([row["log10_bound"] for row in judged])
    share = np.arange(1, len(bound) + 1) / len(bound)
    left.step(bound, share, where="post", label=f"share of {len(bound)} searches with a bound ≤ x")
    line = np.linspace(min(-7.0, float(bound[0])), 0, 50)
    left.plot(line, 10**line, "k--", label="x: a valid bound stays below")
    left.axvline(log10(FALSE_ALARM), color="tab:red", label="said to be found")
    left.set(
        yscale="log",
        ylim=(0.3 / len(bound), 1.5),
        xlabel="log10 of the bound on p, not cut off at 1",
        ylabel="share",
    )
    left.legend(fontsize=8)
    z = [row["pilot_z"] for row in judged]
    right.hist(z, bins=40)
    right.axvline(
        max(row["asked_z"] for row in judged), color="tab:red", label="z that the dearest stage asks for"
    )
    right.set(xlabel="highest pilot correlation of a search's poses, standard deviations", ylabel="searches")
    right.legend(fontsize=8)
    figure.savefig(target, dpi=120)


def draw_fixed_pose(rows: list[Row], target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.5, 4.2), layout="constrained")
    grid = np.linspace(0, 5, 100)
    for name, values in fixed_pose_values(rows).items():
        axes.step(np.sort(values), 1 - np.arange(len(values)) / len(values), where="pre", label=name)
    axes.plot(grid, np.exp(-(grid**2) / 2), "k--", label="bound exp(-z²/2)")
    axes.plot(grid, ndtr(-grid), "k:", label="normal tail")
    axes.set(
        yscale="log", xlim=(0, 5), ylim=(0.3 / len(rows), 1.5), xlabel="z at a fixed pose", ylabel="P(Z ≥ z)"
    )
    axes.legend(fontsize=8)
    figure.savefig(target, dpi=120)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--clips", type=Path, action="append", default=[], help="a folder of unmarked videos; may be repeated"
    )
    parser.add_argument("--searches", type=int, default=1000, help="full searches in all")
    parser.add_argument("--fixed-pose", type=int, help="instead: so many correlations at one pose")
    parser.add_argument("--windows", type=int, default=4, help="at most so many windows of a clip")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the keys")
    parser.add_argument("--log", type=Path, help="a line of JSON a search; an ended run goes on from it")
    parser.add_argument("--png", type=Path, help="the histogram")
    options = parser.parse_args()

    old = []
    if options.log and options.log.exists():
        old = [json.loads(line) for line in options.log.read_text().splitlines() if line.endswith("}")]
    old = [row for row in old if row["seed"] == options.seed and ("state" in row) != bool(options.fixed_pose)]
    done = {(row["clip"], row["number"]) for row in old}
    total = options.fixed_pose or options.searches
    work = shared_out(clip_names(options.clips), total, options.windows, options.seed, done)
    rows = old + run(work, correlate_clip if options.fixed_pose else search_clip, options.jobs, options.log)
    if not rows:
        raise SystemExit("nothing was searched")
    report(fixed_pose_table(rows) if options.fixed_pose else search_table(rows), options.json)
    if options.png:
        (draw_fixed_pose if options.fixed_pose else draw_searches)(rows, options.png)


if __name__ == "__main__":
    main()
