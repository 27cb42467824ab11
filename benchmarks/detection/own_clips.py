"""Clips of the embedded generator, as they are delivered but for mark and signature."""

import csv
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from generator import GenerationRequest, generate
from generator.delivery import upscale
from generator.spacetime.captions import caption
from generator.spacetime.physics import sample_scenes
from media import ClipWriter, yuv420p_of_rgb

SOURCE = "clipproof-spacetime"
SCENES_SEED = 421
SECONDS = 3.0


def write_own_clips(folder: Path, count: int, first_seed: int) -> list[Path]:
    """`count` clips of random scenes, half of the prompts English, half Chinese; clips that are there are kept.

    A change of the model's weights asks for an empty folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = sample_scenes(first_seed + count, torch.Generator().manual_seed(SCENES_SEED), later=0.0).labels
    clips = []
    for seed in range(first_seed, first_seed + count):
        clip = folder / f"{seed:04d}.mp4"
        clips.append(clip)
        if clip.exists():
            continue
        prompt = caption(labels[seed].tolist(), "en" if seed % 2 else "zh")
        made = generate(GenerationRequest(prompt=prompt, seed=seed, seconds=SECONDS))
        frames, _ = upscale(np.asarray(made.frames))
        rate = Fraction(made.fps).limit_denominator(1001)
        with ClipWriter(
            clip, width=frames.shape[2], height=frames.shape[1], frame_rate=rate, crf=18
        ) as writer:
            for k, frame in enumerate(frames):
                writer.write(yuv420p_of_rgb(frame), k / rate)
    return clips


def manifest_with_own(manifest: Path, clips: Path, own: Sequence[Path], folder: Path) -> Path:
    """A copy of `manifest` in `folder`, with the own clips, which lie in a folder of it, as one more fitted source.

    `clips` is linked there, so that the paths in it, and its digest, are the same on every machine.
    """
    target, linked = folder / "manifest.csv", folder / "clips"
    linked.unlink(missing_ok=True)
    linked.symlink_to(clips.resolve())
    with manifest.open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        row["path"] = f"clips/{row['path']}"
    for clip in own:
        shape = {"width": 512, "height": 512, "fps": 24, "frames": int(24 * SECONDS)}
        about = {
            "split": "fit",
            "label": "ai",
            "source": SOURCE,
            "group": SOURCE,
            "bytes": clip.stat().st_size,
        }
        rows.append(dict.fromkeys(rows[0], "") | {"path": str(clip.relative_to(folder))} | about | shape)
    partial = target.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    shutil.move(partial, target)
    return target
