"""What the questions are put to: the clips, the probe, and how numbers become rows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from generator.spacetime.concepts import concept_id, slot_index
from generator.spacetime.dataset import WINDOW
from generator.spacetime.physics import Layout, Scenes
from generator.spacetime.tokenizer import PATCH_FRAMES

from .clips import Clip, Language, Studio, asked, held_out
from .probe import PROBED, Probe
from .report import Row, Target
from .tracks import Track, drawn, track

SECOND: Final = WINDOW * PATCH_FRAMES
"""Frames that the probe reads."""
OBJECT_SLOTS: Final = frozenset({"event", "shape", "color", "count", "speed", "direction"})
"""Slots that a clip without its object misses, whatever the probe guesses."""
_LEAST_DRAWN: Final = 0.5
_CLOUDS: Final = ("ink", "smoke")
"""Events without a centroid worth following."""


@dataclass
class Bench:
    """What the questions are put to. ``clips``: size of the main set, others are shares of it."""

    studio: Studio
    probe: Probe
    shards: Path
    clips: int
    languages: tuple[Language, ...]
    model: str | None
    say: Callable[[str], None]
    _tracks: dict[str, list[Track]] = field(default_factory=dict)

    def share(self, part: int, least: int = 4) -> int:
        return max(least, self.clips // part)

    def generate(
        self,
        ids: Sequence[Sequence[int]],
        frames: int = 48,
        seeds: Sequence[int] | None = None,
        what: str = "",
    ) -> list[Clip]:
        clips = []
        for k, row in enumerate(ids):
            self.say(f"{what}: generated {k + 1} of {len(ids)}")
            clips.append(self.studio.generate(row, seeds[k] if seeds else k, frames))
        return clips

    def encode(self, clips: Sequence[Clip]) -> Tensor:
        """Latents of the first second of every clip, [N, 6, rows, columns, C]."""
        vae = self.studio.pipeline.vae
        return torch.cat([vae.encode(clip.video[None, :SECOND].to(vae.dtype)).float() for clip in clips])

    def main_scenes(self) -> Scenes:
        return held_out(self.clips)

    def main_clips(self) -> list[Clip]:
        return self.generate(asked(self.main_scenes(), self.languages[0])[1], what="main set")

    def main_rendered(self) -> list[Clip]:
        self.say("main set: rendering")
        return self.studio.render(self.main_scenes())

    def main_tracks(self, kind: str) -> list[Track]:
        """Tracks of the first object of a share of the main set, ``kind`` "generated" or "rendered"."""
        if kind not in self._tracks:
            clips = self.main_clips() if kind == "generated" else self.main_rendered()
            clips = [clip for clip in clips if not shows(clip.layout, *_CLOUDS)][: self.share(4, 8)]
            self._tracks[kind] = []
            for k, clip in enumerate(clips):
                self.say(f"main set: tracked {k + 1} of {len(clips)} ({kind})")
                self._tracks[kind].append(track(clip.video, clip.layout))
        return self._tracks[kind]


def shows(layout: Layout, *events: str) -> bool:
    return int(layout.ids[0, slot_index("event")]) in {concept_id("event", event) for event in events}


def median_of(values: Sequence[float]) -> tuple[float, float]:
    """(median, share) of the values that are finite."""
    good = [v for v in values if math.isfinite(v)]
    return (float(np.median(good)) if good else math.nan), len(good) / max(len(values), 1)


def law_row(
    name: str, generated: Sequence[float], rendered: Sequence[float], target: Target | None = None
) -> Row:
    """A row of medians, with the share of generated clips that gave a number."""
    value, coverage = median_of(generated)
    return Row(name, value, median_of(rendered)[0], None, target, len(generated), coverage)


def made_and_rendered(bench: Bench, scenes: Scenes, frames: int, what: str) -> dict[str, list[Clip]]:
    clips = bench.generate(asked(scenes, bench.languages[0])[1], frames, what=what)
    bench.say(f"{what}: rendering")
    return {"generated": clips, "rendered": bench.studio.render(scenes, frames)}


def judge(probe: Probe, latents: Tensor, wanted: Tensor, there: Tensor) -> dict[str, tuple[float, int]]:
    """(accuracy, clips) of every slot. ``wanted`` [N, slots] value indices, -1: not shown; ``there`` bool
    [N]: whether the objects were drawn."""
    read = probe.log_probabilities(latents)
    scores = {}
    for k, slot in enumerate(PROBED):
        right = read[slot].argmax(1) == wanted[:, k]
        if slot in OBJECT_SLOTS:
            right &= there
        shown = wanted[:, k] >= 0
        scores[slot] = (
            right[shown].float().mean().item() if bool(shown.any()) else math.nan,
            int(shown.sum()),
        )
    return scores


def objects_drawn(bench: Bench, clips: Sequence[Clip], what: str) -> Tensor:
    bench.say(f"{what}: looking for the objects")
    return torch.tensor([drawn(clip.video[:SECOND], clip.layout) >= _LEAST_DRAWN for clip in clips])
