"""Pictures of the world with what is seen in them: ``python -m generator.spacetime.pairs --out FOLDER``.

A file ``pairs-NNNN.npz`` holds ``pictures`` uint8 [N, S, S, 3] and the sentences ``en`` and ``zh``, str [N].
One frame a scene, at a random moment: speed, direction, camera moves, gravity and what a thing is made of
cannot be seen in it, so the sentences leave them out.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch

from media import atomic_path

from .captions import caption
from .concepts import slot_index
from .physics import sample_scenes
from .world import render

SEED = 500_000
"""Above the seeds of the generator's training shards and held-out scenes, so that no scene is in both."""

FILE_PAIRS = 1024
UNSEEN_SLOTS = ("speed", "direction", "camera", "spring", "gravity")


def write_pairs(path: Path, seed: int, pairs: int = FILE_PAIRS, side: int = 128) -> None:
    """Writes ``pairs`` pictures of ``side`` pixels (a multiple of 8) and their sentences; the same seed gives
    the same file."""
    scenes = sample_scenes(pairs, torch.Generator().manual_seed(seed), later=0.6)
    video, _, _ = render(scenes, frames=1, pixels=side // 8)
    pictures = (video[:, 0] * 255).round().byte().permute(0, 2, 3, 1).numpy()
    labels = scenes.labels.clone()
    labels[:, [slot_index(slot) for slot in UNSEEN_SLOTS]] = 0
    choice = random.Random(seed)
    said = {
        language: np.array([caption(row, language, choice) for row in labels.tolist()])
        for language in ("en", "zh")
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, pictures=pictures, en=said["en"], zh=said["zh"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Render pictures of the world with sentences on them.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write pairs-NNNN.npz to")
    parser.add_argument("--files", type=int, default=16, help=f"how many, of {FILE_PAIRS} pairs each")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first; other numbers, other scenes"
    )
    parser.add_argument("--side", type=int, default=128, help="pixels")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.first, arguments.first + arguments.files):
        path = arguments.out / f"pairs-{number:04d}.npz"
        if not path.exists():
            write_pairs(path, SEED + number, side=arguments.side)


if __name__ == "__main__":
    main()
