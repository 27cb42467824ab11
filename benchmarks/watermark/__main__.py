"""What does the mark survive, what does it cost, and what does it do to the picture?

    python -m benchmarks.watermark                     # three clips that are made here
    python -m benchmarks.watermark --clips FOLDER      # every video under a folder
    python -m benchmarks.watermark --clips FOLDER --manifest CSV --split report --per-source 2 --baseline 6
    python -m benchmarks.watermark --list              # every attack with its parameters

Every clip is marked, published as x264 crf 18, attacked, and read blind with the key alone. `invisible-watermark`
(dwtDct, dwtDctSvd) gets the same 64 bits on the same clips in the same run; its reader is told the length, and has no
"not marked" answer. Attacks on pixels are not encoded again, unless their name says so or --then-crf does.

In the folder OUT: results.jsonl (appended clip by clip: a killed run resumes), results.json, tables.md, ladder.png and
differences.png. The tables are printed as well.

Not shown: what people see; an attacker who has the key, the detector or many clips of one key; re-generation by a
neural network; sound.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: CPU time is of one thread
    os.environ.setdefault(name, "1")

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from concurrent.futures.process import BrokenProcessPool  # noqa: E402
from dataclasses import asdict  # noqa: E402
from pathlib import Path  # noqa: E402

from benchmarks.watermark import clips, pictures, quality, report, runner  # noqa: E402
from benchmarks.watermark.attacks import ATTACKS, BY_NAME  # noqa: E402
from benchmarks.watermark.encoders import PUBLISHED_CRF  # noqa: E402
from benchmarks.watermark.methods import BASELINES  # noqa: E402
from benchmarks.watermark.speed import speed  # noqa: E402
from provenance.watermark import MIN_SHORT_SIDE  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.watermark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--clips", type=Path, metavar="FOLDER", help="videos; without it, three clips are made here")
    add("--manifest", type=Path, metavar="CSV", help="which of them: columns path, source and split")
    add("--split", help="only these rows of the manifest")
    add("--min-short-side", type=int, default=MIN_SHORT_SIDE, metavar="PX", help=f"default {MIN_SHORT_SIDE}")
    add("--per-source", type=int, metavar="M", help="at most so many clips of a source (or sub-folder)")
    add("--limit", type=int, metavar="N", help="at most so many clips, sources in turns")
    add("--seconds", type=float, default=3.0, help="of each clip, from its start (default 3)")
    add("--attacks", metavar="A,B", help="only attacks whose name contains one of these words")
    add("--strength", type=float, default=1.0, help="factor on the levels that the closed loop chooses")
    add(
        "--then-crf",
        type=float,
        metavar="CRF",
        help="encode once more after attacks that do not end with a codec",
    )
    add(
        "--baseline",
        type=int,
        default=3,
        metavar="N",
        help="invisible-watermark on the first N clips (default 3)",
    )
    add("--skip", default="", metavar="X,Y", help="leave out: quality, speed, pictures")
    add(
        "--ffmpeg",
        metavar="PATH",
        help="an ffmpeg with libvmaf (default: that of imageio-ffmpeg, or the PATH's)",
    )
    add("--jobs", type=int, default=2, help="clips at a time (default 2)")
    add("--out", type=Path, default=Path("out/watermark"), metavar="FOLDER", help="default out/watermark")
    add("--fresh", action="store_true", help="forget what an earlier run measured")
    add("--json", type=Path, metavar="FILE", help="default OUT/results.json")
    add("--list", action="store_true", help="print the attacks and stop")
    options = parser.parse_args()
    options.skip = set(filter(None, options.skip.split(",")))
    if unknown := options.skip - {"quality", "speed", "pictures"}:
        parser.error(f"--skip: there is no {', '.join(sorted(unknown))}")
    words = [word.strip().casefold() for word in (options.attacks or "").split(",")]
    options.attacks = [name for name in BY_NAME if any(word in name.casefold() for word in words)]
    if not options.attacks:
        parser.error("--attacks: no attack has such a name; --list prints them")
    for path in (options.clips, options.manifest):
        if path and not path.exists():
            parser.error(f"{path}: does not exist")
    if options.manifest and not options.clips:
        parser.error("--manifest: needs --clips, the folder that its paths start from")
    if options.split and not options.manifest:
        parser.error("--split: needs --manifest")
    return options


def attack_list() -> str:
    rows = [
        [a.name, a.family, a.kind, "" if a.target is None else f"{a.target:.0%}", a.what or a.name]
        for a in ATTACKS
    ]
    return report.table(["attack", "family", "class", "target", "parameters"], rows)


def main() -> None:
    options = arguments()
    if options.list:
        print(attack_list())
        return
    chosen = clips.made_here()
    if options.clips:
        chosen = clips.candidates(
            options.clips,
            manifest=options.manifest,
            split=options.split,
            min_short_side=options.min_short_side,
            per_source=options.per_source,
            limit=options.limit,
        )
    if not chosen:
        sys.exit("no clip to attack: check --clips, --split and --min-short-side")
    ffmpeg = None if "quality" in options.skip else quality.find_ffmpeg(options.ffmpeg)
    if ffmpeg is None and "quality" not in options.skip:
        print("no ffmpeg with libvmaf: VMAF is left out (pip install imageio-ffmpeg)", file=sys.stderr)

    settings = runner.Settings(
        options.strength,
        options.seconds,
        options.then_crf,
        str(options.clips.resolve()) if options.clips else None,
    )
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / "results.jsonl"
    if options.fresh:
        store.unlink(missing_ok=True)
    results = runner.Results(store, settings)
    if results.codes - {runner.code_digest()}:
        print(f"{store} holds results of other code, which are kept; --fresh starts again", file=sys.stderr)
    tasks = [
        results.task(
            candidate,
            settings,
            methods=[runner.OWN, *(BASELINES if index < options.baseline else ())],
            attacks=options.attacks,
            with_quality="quality" not in options.skip,
            ffmpeg=ffmpeg,
        )
        for index, candidate in enumerate(chosen)
    ]
    try:
        failed = runner.run(tasks, results, options.jobs)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    except BrokenProcessPool:
        sys.exit("a worker was killed, perhaps for its memory; the same command goes on, --jobs 1 needs less")
    if "speed" not in options.skip and results.speed is None:
        print("speed …", file=sys.stderr)
        results.add({"speed": speed(options.strength)})

    records = [results.by_clip[one.name] for one in chosen if one.name not in failed]
    found = report.summary(records, options.attacks, results.speed)
    said = {name: value for name, value in asdict(settings).items() if name != "folder"}
    shown = {"settings": said, "code": sorted(results.codes), **found, "records": records}
    (options.json or options.out / "results.json").write_text(json.dumps(shown, indent=1), encoding="utf-8")
    text = report.markdown(found, heading(options, found))
    (options.out / "tables.md").write_text(
        text + "\n\n" + report.misses_table(found) + "\n", encoding="utf-8"
    )
    print(text)
    if "pictures" not in options.skip:
        pictures.ladder(found, heading(options, found), options.out / "ladder.png")
        pictures.differences(chosen, options.strength, options.out / "differences.png")
    print(f"\n{len(found['misses'])} misses, one by one, in {options.out / 'tables.md'}", file=sys.stderr)
    if failed:
        sys.exit(f"{len(failed)} clips failed and are left out; the same command tries them again")


def heading(options: argparse.Namespace, found: dict[str, object]) -> str:
    then = "" if options.then_crf is None else f" encoded as x264 crf {options.then_crf:g},"
    return (
        f"{found['clips']} clips, first {options.seconds:g} s, 64 bits, published as x264 crf {PUBLISHED_CRF},"
        f" attacked,{then} read blind: exact / all. Targets hold for a short side of {report.FULL_SIDE} px and more."
    )


if __name__ == "__main__":
    main()
