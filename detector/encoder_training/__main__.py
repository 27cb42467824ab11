"""Command line of the encoder's training."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from detector.corpus import read_manifest
from detector.encoder_training.frames import load_clips, load_pairs
from detector.encoder_training.training import SELFTEST, SELFTEST_STEPS, Recipe, train_encoder
from detector.errors import DetectorError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m detector.encoder_training",
        description="Trains a compact image-text encoder on captioned pictures and on the clips of split fit.",
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder that the manifest's paths are in")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV as for detector.train")
    parser.add_argument("--pairs", type=Path, required=True, help="folder of generator.spacetime.pairs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the state and the encoder")
    parser.add_argument("--minutes", type=float, default=25.0, help="wall-clock minutes, over all restarts")
    parser.add_argument("--cache", type=Path, default=Path(".train/frames"), help="folder for decoded frames")
    parser.add_argument("--resume", action="store_true", help="go on from the state in OUT")
    parser.add_argument("--start-from", type=Path, help="state.pt of another run to begin with")
    parser.add_argument(
        "--label-weight", type=float, default=0.0, help="weight of the AI/camera objective (0: no labels)"
    )
    parser.add_argument(
        "--leave-out", default="", help="groups not to train on, with commas; needed to measure with labels"
    )
    parser.add_argument("--selftest", action="store_true", help="a tiny model and three steps")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(options.threads)
    # A trained encoder is taught further more gently than one from random weights.
    learning_rate = 5e-4 if options.start_from else Recipe.learning_rate
    recipe = Recipe(label_weight=options.label_weight, learning_rate=learning_rate)
    if options.selftest:
        recipe = SELFTEST

    def progress(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        left_out = set(options.leave_out.split(","))
        entries = [e for e in read_manifest(options.manifest) if e.split == "fit" and e.group not in left_out]
        pairs = load_pairs(options.pairs)
        clips = load_clips(entries, options.clips, options.cache, progress)
        options.out.mkdir(parents=True, exist_ok=True)
        train_encoder(
            clips,
            pairs,
            options.out,
            options.minutes,
            recipe,
            resume=options.resume,
            most_steps=SELFTEST_STEPS if options.selftest else None,
            start_from=options.start_from,
            progress=progress,
        )
    except DetectorError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return 2
    print(options.out / "encoder")
    return 0


if __name__ == "__main__":
    sys.exit(main())
