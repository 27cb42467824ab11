"""How often a foreign mark is seen, where there is none and where there is: `third_party.py --clips DIR`.

*Error rate*: windows of unmarked clips, at their size and scaled down, are asked all questions (is this known
payload there, or any of this length?); printed is how many p-values are as small as chance makes them, and how
small the smallest verdict is with all questions counted. *Detection*: some of the clips are marked by the package
`invisible-watermark`, encoded and read; beside it what the package itself reads, which has to be told the length,
and which reads something in unmarked clips too.

It does not show that a p-value of 1e-6 is one: for that the clips are too few by far, and windows of one clip
are alike. Nor pictures made to raise a false alarm.
"""

import csv
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from measure import Row, arguments, report
from numpy.typing import NDArray

from provenance.watermark.third_party import (
    KNOWN,
    METHODS,
    MIN_AREA,
    Bits,
    Method,
    block_votes,
    decode,
    read_third_party,
    trials,
)

Picture = NDArray[np.uint8]

LEVELS = (1e-1, 1e-2, 1e-3, 1e-6)
SCALES = (1.0, 0.8, 0.6)
GAP_FRAMES = 8
WINDOW_FRAMES = 3
LENGTHS = (32, 40, 48, 64, 128)
RATES: tuple[int | None, ...] = (None, 18, 23, 28)


def clip_paths(root: Path, split: str | None) -> list[Path]:
    """The clips under a folder; with a `manifest.csv` of `path` and `split` columns, those of one split."""
    manifest = root / "manifest.csv"
    if split is None or not manifest.exists():
        return sorted(
            path for path in root.rglob("*") if path.suffix in (".mp4", ".mkv", ".webm", ".gif", ".avi")
        )
    with manifest.open() as file:
        return sorted(root / row["path"] for row in csv.DictReader(file) if row["split"] == split)


def frames_of(path: Path, count: int) -> list[Picture]:
    """Every GAP_FRAMES-th frame, without those that the package would not mark."""
    with av.open(str(path)) as container:
        every = (
            frame.to_ndarray(format="rgb24")
            for index, frame in enumerate(container.decode(video=0))
            if index % GAP_FRAMES == 0
        )
        found = [frame for frame, _ in zip(every, range(count), strict=False)]
    return [frame for frame in found if frame.shape[0] * frame.shape[1] >= MIN_AREA]


def windows(frames: Sequence[Picture]) -> Iterator[list[Picture]]:
    for scale in SCALES:
        for start in range(0, len(frames), WINDOW_FRAMES):
            height, width = (int(side * scale) for side in frames[0].shape[:2])
            if height * width < MIN_AREA:
                continue
            part = frames[start : start + WINDOW_FRAMES]
            if scale != 1:
                part = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in part]
            yield list(part)


def error_rates(paths: Sequence[Path], frames: int) -> list[Row]:
    """One row a method and kind of question."""
    p_values: dict[tuple[str, str], list[float]] = {}
    clips = 0
    for path in paths:
        found = frames_of(path, frames)
        clips += bool(found)
        for window in windows(found):
            for method, ones in block_votes(window).items():
                asked = trials(ones)
                for trial in asked:
                    kind = "any payload" if trial.known_as is None else "known payload"
                    p_values.setdefault((method, kind), []).append(trial.p_value)
                verdict = min(trial.corrected for trial in asked)
                p_values.setdefault((method, "verdict"), []).append(verdict)
    rows: list[Row] = []
    for (method, kind), found_p in sorted(p_values.items()):
        row: dict[str, Any] = {"method": method, "question": kind, "clips": clips, "asked": len(found_p)}
        for level in LEVELS:
            count = sum(p_value < level for p_value in found_p)
            row[f"p < {level:g}"] = f"{count} ({len(found_p) * level:.2g})"
        rows.append(row | {"smallest p": min(found_p)})
    return rows


def encoded(frames: Sequence[Picture], crf: int) -> list[Picture]:
    file = BytesIO()
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8, options={"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), "rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 8)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def package_marked(frames: Sequence[Picture], payload: Bits, method: str) -> list[Picture]:
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_by_bits([int(bit) for bit in payload])
    return [
        np.ascontiguousarray(encoder.encode(np.ascontiguousarray(frame[..., ::-1]), method)[..., ::-1])
        for frame in frames
    ]


def detection(paths: Sequence[Path], clips: int) -> list[Row]:
    """One row a method and encode. Every clip is marked with a known and with a random payload."""
    counts: dict[tuple[Method, int | None], Counter[str]] = {}
    rng = np.random.default_rng(0)
    chosen = [path for path in random.Random(0).sample(list(paths), len(paths)) if frames_of(path, 1)]
    for index, path in enumerate(chosen[:clips]):
        frames = frames_of(path, WINDOW_FRAMES)
        known = list(KNOWN)[index % len(KNOWN)]
        payload = rng.integers(0, 2, LENGTHS[index % len(LENGTHS)]).astype(np.bool_)
        for method in METHODS:
            for bits, name in ((KNOWN[known], known), (payload, None)):
                marked = package_marked(frames, bits, method)
                for crf in RATES:
                    seen = marked if crf is None else encoded(marked, crf)
                    count = counts.setdefault((method, crf), Counter())
                    count["clips"] += name is None
                    marks = read_third_party(seen)
                    right = any(
                        mark.state == "marked" and mark.payload_hex == np.packbits(bits).tobytes().hex()
                        for mark in marks
                    )
                    package = np.array_equal(decode(block_votes(seen)[method], len(bits)), bits)
                    if name is not None:
                        count["known named"] += any(mark.known_as == name for mark in marks)
                        count["package reads known"] += package
                    else:
                        count["any found"] += bool(marks)
                        count["any read"] += right
                        count["package reads any"] += package
                    count["wrong"] += not right and any(mark.state == "marked" for mark in marks)
    return [
        {"method": method, "encode": "none (PNG)" if crf is None else f"x264 crf {crf}"} | dict(count)
        for (method, crf), count in counts.items()
    ]


def riva_gan(paths: Sequence[Path], clips: int) -> list[Row]:
    """rivaGan's p-values without a mark, and what is found of it."""
    from imwatermark import WatermarkEncoder

    from provenance.watermark.riva_gan import look, read_riva_gan

    WatermarkEncoder.loadModel()
    rng = np.random.default_rng(0)
    unmarked: list[float] = []
    counts: dict[int | None, Counter[str]] = {crf: Counter() for crf in RATES}
    for index, path in enumerate(random.Random(1).sample(list(paths), len(paths))):
        frames = [frame for frame in frames_of(path, 1) if min(frame.shape[:2]) >= 256]
        if not frames:
            continue
        middle = [max(0, (side - most) // 2) for side, most in zip(frames[0].shape, (256, 512), strict=False)]
        picture = np.ascontiguousarray(frames[0][middle[0] :, middle[1] :][:256, :512])
        seen_plain = look(picture)
        unmarked.append(1.0 if seen_plain is None else seen_plain.p_value)
        if index % 4 == 0:
            bits = rng.integers(0, 2, 32).astype(np.bool_)
            marked = package_marked([picture], bits, "rivaGan")
            for crf in RATES:
                seen = marked[0] if crf is None else encoded(marked, crf)[0]
                mark = read_riva_gan(seen)
                counts[crf]["clips"] += 1
                counts[crf]["any found"] += mark is not None
                right = mark is not None and mark.payload_hex == np.packbits(bits).tobytes().hex()
                is_read = mark is not None and mark.state == "marked"
                counts[crf]["any read"] += is_read and right
                counts[crf]["wrong"] += is_read and not right
        if len(unmarked) >= clips:
            break
    rows: list[Row] = [
        {"method": "rivaGan", "encode": "not marked", "clips": len(unmarked)}
        | {
            f"p < {level:g}": f"{sum(p < level for p in unmarked)} ({len(unmarked) * level:.2g})"
            for level in LEVELS
        }
        | {"smallest p": min(unmarked)}
    ]
    for crf, count in counts.items():
        encode = "none (PNG)" if crf is None else f"x264 crf {crf}"
        rows.append({"method": "rivaGan", "encode": encode} | dict(count))
    return rows


def speed() -> list[Row]:
    """CPU milliseconds a 1280x720 frame of a smooth picture, ours for both methods' votes and all questions."""
    from imwatermark import WatermarkDecoder

    y, x = np.mgrid[:720, :1280]
    wave = np.sin(np.stack([x / 37, y / 23, (x + y) / 61], axis=-1))
    picture = (128 + 90 * wave).astype(np.uint8)
    bgr = np.ascontiguousarray(picture[..., ::-1])
    rows: list[Row] = []
    for name, work in (
        ("clipproof, both methods, all questions", lambda: read_third_party([picture])),
        *(
            (f"package, {method}, 48 bits", lambda m=method: WatermarkDecoder("bits", 48).decode(bgr, m))
            for method in METHODS
        ),
    ):
        work()
        started = time.process_time()
        for _ in range(3):
            work()
        rows.append({"reader": name, "CPU ms a frame": (time.process_time() - started) * 1000 / 3})
    return rows


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="a folder of unmarked clips")
    parser.add_argument(
        "--split", help="of the folder's manifest.csv: `fit` to choose, `report` for the table"
    )
    parser.add_argument(
        "--frames", type=int, default=12, help="read of every clip, a third of a second apart"
    )
    parser.add_argument("--marked", type=int, default=24, help="how many clips to mark")
    parser.add_argument(
        "--riva-gan", type=int, default=0, metavar="CLIPS", help="also rivaGan; two seconds a clip"
    )
    options = parser.parse_args()
    paths = clip_paths(options.clips, options.split)
    tables = {
        "without a mark: p-values as small, in brackets as many as chance makes": error_rates(
            paths, options.frames
        ),
        "marked": detection(paths, options.marked),
        "speed": speed(),
    }
    if options.riva_gan:
        tables["rivaGan"] = riva_gan(paths, options.riva_gan)
    for title, rows in tables.items():
        print(f"\n{title}\n")
        report(rows)
    if options.json is not None:
        import json

        options.json.write_text(json.dumps(tables, indent=1, default=str))


if __name__ == "__main__":
    main()
