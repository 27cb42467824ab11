"""How well does the embedded model do what it is told, is its motion right, and what does it cost?

    python -m benchmarks.generation --shards .train/run                  # everything; an hour or two
    python -m benchmarks.generation --shards .train/run --only M1,M4 --clips 64
    python -m benchmarks.generation --sheets-only                        # the pictures alone

Every number stands beside the renderer's for the same scenes, and beside the target. Needs the shards of a
training run (`python -m generator.spacetime.train`): the probe learns from them, and copies are looked for
among them. A clip that was made, a probe that was trained and a question that was answered are kept in the
work folder, so that a killed run goes on where it was.

Not shown: whether a person likes the clips; anything outside the model's little world.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: CPU time is of one thread

import argparse
import hashlib
import json
import sys
from pathlib import Path

import diffusers
import torch

from benchmarks.generation import report, sheets
from benchmarks.generation.bench import Bench
from benchmarks.generation.clips import Language, Studio
from benchmarks.generation.probe import Probe, probe_of
from benchmarks.generation.questions import QUESTIONS
from generator.errors import GeneratorError
from generator.loading import load_pipeline
from generator.models import find_model

_LANGUAGES: dict[str, tuple[Language, ...]] = {
    "en,zh": ("en", "zh"),
    "en": ("en",),
    "zh": ("zh",),
    "ids": ("ids",),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--shards", type=Path, metavar="FOLDER", help="training folder with shard-*.pt")
    add("--model", metavar="FOLDER", help="other weights of the same pipeline (default: the embedded ones)")
    add("--clips", type=int, default=256, metavar="N", help="held-out scenes of the main set (default 256)")
    add("--only", metavar="M1,M4", help=f"of {', '.join(QUESTIONS)}")
    add("--languages", choices=_LANGUAGES, default="en,zh", help="how is asked; ids: without sentences")
    add("--work", type=Path, default=Path("out/generation"), metavar="FOLDER", help="default out/generation")
    add(
        "--out",
        type=Path,
        default=Path("docs"),
        metavar="FOLDER",
        help="of the page and the pictures (default docs)",
    )
    add("--fresh", action="store_true", help="answer again what an earlier run answered; clips are kept")
    add("--sheets", action="store_true", help="draw the pictures too")
    add("--sheets-only", action="store_true", help="draw the pictures and stop")
    options = parser.parse_args()
    options.only = (
        [key.strip().upper() for key in options.only.split(",")] if options.only else list(QUESTIONS)
    )
    if unknown := [key for key in options.only if key not in QUESTIONS]:
        parser.error(f"--only: there is no {', '.join(unknown)}; there are {', '.join(QUESTIONS)}")
    if options.clips < 8:
        parser.error("--clips: with fewer than 8 no measure means anything")
    kept = (options.work / "probe.pt").exists()
    if options.shards is None and not (options.sheets_only and kept):
        parser.error(
            "--shards: the folder of a training run, with its shard-*.pt, is needed to train the probe"
        )
    if options.shards is not None and not list(options.shards.glob("shard-*.pt")):
        parser.error(
            f"--shards: no shard-*.pt in {options.shards}; `python -m generator.spacetime.train` renders them"
        )
    return options


def say(line: str) -> None:
    """Progress, one line that is overwritten on a terminal."""
    print(
        f"\r\x1b[K{line}" if sys.stderr.isatty() else line,
        end="" if sys.stderr.isatty() else "\n",
        file=sys.stderr,
        flush=True,
    )


def answered(bench: Bench, options: argparse.Namespace, run: str) -> list[dict[str, object]]:
    """The answers to the questions asked, new ones written as they come; and of others what is kept."""
    answers = []
    for key, question in QUESTIONS.items():
        path = options.work / "results" / f"{run}-{key}.json"
        if key in options.only and (options.fresh or not path.exists()):
            say(f"{key}: {question.__name__}")
            report.write_json(path, question(bench).to_json())
        if path.exists():
            answers.append(json.loads(path.read_text(encoding="utf-8")))
    return answers


def main() -> None:
    options = arguments()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    try:
        found = find_model(options.model)
        pipeline = load_pipeline(found, "cpu", "float32")
    except GeneratorError as error:
        sys.exit(f"{error}\n{error.hint}" if getattr(error, "hint", "") else str(error))
    if type(pipeline).__name__ != "SpacetimePipeline":
        sys.exit(
            f"{options.model} is a {type(pipeline).__name__}; this benchmark knows the embedded model's world only"
        )
    if not (options.work / "probe.pt").exists():
        say("training the probe: some ten minutes of one core, once")
    probe: Probe = probe_of(options.work, options.shards)
    studio = Studio(pipeline, found.weights_digest, options.work / "clips")
    languages = _LANGUAGES[options.languages]
    bench = Bench(studio, probe, options.shards, options.clips, languages, options.model, say)
    if options.sheets or options.sheets_only:
        sheets.write_all(bench, options.out / "images")
    if not options.sheets_only:
        about = {
            "clips": options.clips,
            "languages": options.languages,
            "weights": found.weights_digest,
            "versions": f"torch {torch.__version__}, diffusers {diffusers.__version__}",
        }
        run = hashlib.sha256(f"{about['weights']} {options.clips} {options.languages}".encode()).hexdigest()[
            :12
        ]
        answers = answered(bench, options, run)
        options.out.mkdir(parents=True, exist_ok=True)
        report.write_json(options.out / "generator-bench.json", {"about": about, "answers": answers})
        page = report.markdown(answers, about) + sheets.page(options.out)
        (options.out / "generator-bench.md").write_text(page, encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
