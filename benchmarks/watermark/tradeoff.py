"""What more strength buys and costs: bytes and VMAF against what is read after hard encodes.

    python -m benchmarks.watermark.tradeoff --clips FOLDER [--manifest CSV --split fit] [--limit 6] --png curve.png

Every clip is marked at a ladder of fixed chroma levels (luma stays as the closed loop chooses it), and once as the loop
chooses both, which is shown as a diamond. Read: whether the payload comes back after each
encode of the marked pictures.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.watermark import quality
from benchmarks.watermark.clips import Clip, candidates, made_here
from benchmarks.watermark.encoders import encoded
from benchmarks.watermark.methods import detected, secrets_of
from benchmarks.watermark.report import table
from provenance.watermark import Embedder, Levels, choose
from provenance.watermark.strength import excerpt_range

CHROMA = (0.3, 0.4, 0.55, 0.75, 1.0, 1.4)
ENCODES = (("H.264", 28.0), ("H.264", 33.0), ("H.264", 40.0), ("H.265", 35.0), ("AV1", 55.0))
CHOSEN = "chosen"


def marked(clip: Clip, levels: Levels) -> Clip:
    key, payload = secrets_of(clip.name)
    embedder = Embedder(*clip.size, payload, key, levels=levels)
    made = [embedder.embed(planes, index / clip.rate) for index, planes in enumerate(clip.pictures)]
    return Clip(clip.name, clip.rate, made)


def of_clip(clip: Clip, ffmpeg: str | None) -> dict[str, dict[str, float]]:
    """level: figures; one level is the closed loop's."""
    key, payload = secrets_of(clip.name)
    wanted = excerpt_range(len(clip.pictures) / float(clip.rate), clip.rate)
    choice = choose([clip.pictures[index] for index in wanted], clip.rate, payload, key)
    plain = encoded(clip, 23)
    rows = {}
    for name, levels in {
        **{f"{level:g}": Levels(choice.levels.luma, level) for level in CHROMA},
        CHOSEN: choice.levels,
    }.items():
        made = marked(clip, levels)
        own = encoded(made, 23)
        row = {"chroma": levels.chroma, "bytes": own.stream_bytes / plain.stream_bytes}
        if ffmpeg:
            with quality.vmaf_reference(clip) as reference:
                scores = [quality.vmaf(reference, clip, one.decoded(), ffmpeg) for one in (plain, own)]
            row["vmaf_loss"] = scores[0] - scores[1]
        for codec, crf in ENCODES:
            found, _ = detected(encoded(made, crf, codec).decoded(), [key])
            row[f"{codec} {crf:g}"] = float(found.payload == payload)
        rows[name] = row
    return rows


def drawn(means: dict[str, dict[str, float]], target: Path) -> None:
    figure, left = plt.subplots(figsize=(7, 4.2), layout="constrained")
    ladder = sorted((row for name, row in means.items() if name != CHOSEN), key=lambda row: row["bytes"])
    for codec, crf in ENCODES:
        name = f"{codec} {crf:g}"
        line = left.plot(
            [100 * (row["bytes"] - 1) for row in ladder], [row[name] for row in ladder], "o-", label=name
        )
        left.plot(
            100 * (means[CHOSEN]["bytes"] - 1), means[CHOSEN][name], "D", color=line[0].get_color(), ms=9
        )
    left.axvline(3, color="grey", lw=0.8, ls=":")
    left.set(xlabel="more bytes at x264 crf 23, %", ylabel="clips read", ylim=(-0.03, 1.03))
    left.legend(title="after (diamond: chosen on the clip)", frameon=False, fontsize=8)
    figure.savefig(target, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--limit", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--ffmpeg")
    parser.add_argument("--png", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = made_here()
    if options.clips:
        found = candidates(
            options.clips,
            manifest=options.manifest,
            split=options.split,
            min_short_side=480,
            per_source=1,
            limit=options.limit,
        )
    ffmpeg = quality.find_ffmpeg(options.ffmpeg)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for candidate in found:
        clip = candidate.load(options.seconds)
        results[clip.name] = of_clip(clip, ffmpeg)
        print(f"{len(results)}/{len(found)} {clip.name}", file=sys.stderr, flush=True)
    first: dict[str, dict[str, float]] = next(iter(results.values()))
    means = {
        level: {name: mean(rows[level][name] for rows in results.values()) for name in first[level]}
        for level in first
    }
    names = list(first[CHOSEN])
    print(
        table(
            ["level", *names],
            [[level, *(f"{row[name]:.3g}" for name in names)] for level, row in means.items()],
        )
    )
    if options.png:
        drawn(means, options.png)
    if options.json:
        said: dict[str, Any] = {"means": means, "clips": results}
        options.json.write_text(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
