"""Clips to measure: generated ones and rendered ones, made once and kept.

Measured is what is delivered: the refined frames in 8 bits, averaged back to the size of the world's own
rendering (128 pixels for the square format), so that generated and rendered clips can be compared.
"""

import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.spacetime import physics, pipeline, world
from generator.spacetime.captions import caption
from generator.spacetime.concepts import SLOT_NAMES, STAGE, concept_id, slot_index
from generator.spacetime.physics import DICE, Layout, Scenes, complete, sample_scenes, simulate, visible
from generator.spacetime.pipeline import FORMATS, SpacetimePipeline
from generator.spacetime.prompt import read_prompt

Language = Literal["en", "zh", "ids"]
"""How a scene is asked for: by a sentence, or by its concept ids alone."""
SQUARE: Final = (256, 256)
_DRAWN_AT_ONCE: Final = 48
"""Frames: the renderer keeps some twenty images of each in memory."""
_LAYOUT: Final = ("xy", "tilt", "radius", "kind", "color", "camera", "drift", "ids")


@dataclass(frozen=True)
class Clip:
    """``frames``: uint8 [T, 3, H, W]. ``layout``: of one scene; planned if generated, exact if rendered.
    ``wall_s``, ``cpu_s``: what making it took."""

    frames: Tensor
    layout: Layout
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def video(self) -> Tensor:
        """Float [T, 3, H, W] in [0, 1]."""
        return self.frames.float() / 255


def to_bytes(video: Tensor) -> Tensor:
    """Video in [0, 1] to uint8, as it is delivered."""
    return (255 * video).round().to(torch.uint8)


class Studio:
    """Makes clips, and keeps them in ``folder`` under a key of all that decides them: weights, code, scene."""

    def __init__(self, made_by: SpacetimePipeline, weights_digest: str, folder: Path) -> None:
        self.pipeline, self.folder = made_by, folder
        self._world = _digest(*(Path(str(m.__file__)).read_bytes() for m in (physics, world)))
        self._model = _digest(weights_digest, self._world, Path(str(pipeline.__file__)).read_bytes())

    def generate(
        self,
        ids: Sequence[int],
        seed: int,
        frames: int = 48,
        size: tuple[int, int] = SQUARE,
        *,
        delivered: bool = False,
    ) -> Clip:
        """The clip that the model makes of concept ``ids`` and ``seed``; at its delivered size on demand."""
        key = _digest(self._model, tuple(ids), seed, frames, size, delivered)
        return self._kept(key, lambda: self._generate(ids, seed, frames, size, delivered))

    def render(self, scenes: Scenes, frames: int = 48) -> list[Clip]:
        """The renderer's clips of ``scenes``, one by one."""
        made = []
        for k in range(len(scenes)):
            one = scenes[torch.tensor([k])]
            content = [t.numpy().tobytes() for t in (one.ids, one.dice, one.start)]
            made.append(
                self._kept(
                    _digest(self._world, *content, one.grid, frames), lambda s=one: _rendered(s, frames)
                )
            )
        return made

    def plan(self, ids: Sequence[int], seed: int, frames: int = 48) -> Layout:
        """Only the plan of a clip."""
        chance = torch.Generator().manual_seed(seed)
        scene = pipeline.draw_scene(torch.tensor([list(ids)]), FORMATS[SQUARE], chance)
        with torch.no_grad():
            return self.pipeline.plan(scene, frames // self._time, chance, simulated=False)

    @property
    def _time(self) -> int:
        return int(self.pipeline.vae.config.scale_factor_temporal)

    def _generate(
        self, ids: Sequence[int], seed: int, frames: int, size: tuple[int, int], delivered: bool
    ) -> Clip:
        wall, cpu = time.monotonic(), time.process_time()
        made = self.pipeline(
            concept_ids=torch.tensor([list(ids)]),
            generator=[torch.Generator().manual_seed(seed)],
            num_frames=frames,
            height=size[0],
            width=size[1],
            output_type="latent",
        )
        pieces = []  # a minute of full-size floats would not fit into the memory that the model promises
        for piece in self.pipeline.decode_windows(made.frames, size):
            small = to_bytes(piece)
            pieces.append(small if delivered else to_bytes(F.avg_pool2d(small.float() / 255, 2)))
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        return Clip(torch.cat(pieces), made.layouts[0][0], wall, cpu)

    def _kept(self, key: str, make: Any) -> Clip:
        path = self.folder / f"{key}.pt"
        if path.exists():
            kept = torch.load(path, weights_only=True)
            layout = Layout(**{name: kept[name] for name in _LAYOUT}, grid=tuple(kept["grid"]))
            return Clip(kept["frames"], layout, kept["wall_s"], kept["cpu_s"])
        clip: Clip = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: getattr(clip.layout, name).clone() for name in _LAYOUT}
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "frames": clip.frames,
                **tensors,
                "grid": clip.layout.grid,
                "wall_s": clip.wall_s,
                "cpu_s": clip.cpu_s,
            },
            partial,
        )
        partial.replace(path)
        return clip


def _rendered(scene: Scenes, frames: int) -> Clip:
    layout = simulate(scene, frames)
    parts = [layout.window(t, min(_DRAWN_AT_ONCE, frames - t)) for t in range(0, frames, _DRAWN_AT_ONCE)]
    return Clip(torch.cat([to_bytes(world.draw(part)[0][0]) for part in parts]), layout)


def _digest(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()[:24]


def held_out(clips: int, seed: int = 77) -> Scenes:
    """Random scenes from their beginning; seeds below 999 belong to no training shard."""
    return sample_scenes(clips, torch.Generator().manual_seed(seed), later=0.0)


def scenes_with(clips: int, seed: int, **values: str | Sequence[str]) -> Scenes:
    """Scenes with the given values, the rest by chance; several values of a slot take turns."""
    ids = torch.zeros(clips, len(SLOT_NAMES), dtype=torch.long)
    for slot, options in values.items():
        options = (options,) if isinstance(options, str) else options
        ids[:, slot_index(slot)] = torch.tensor(
            [concept_id(slot, options[k % len(options)]) for k in range(clips)]
        )
    chance = torch.Generator().manual_seed(seed)
    ids = complete(ids, chance)
    ids[:, slot_index(STAGE)] = 1
    return Scenes(ids, visible(ids), torch.rand(clips, DICE, generator=chance), torch.zeros(clips))


def asked(scenes: Scenes, language: Language) -> tuple[list[str], list[tuple[int, ...]]]:
    """How one asks for ``scenes``: sentences, and the concept ids that the model reads in them.

    With ``"ids"`` the sentences are empty. The reading is all that the model gets of a sentence, so two
    sentences with one reading and one seed give the same clip.
    """
    texts, ids = [], []
    for k, row in enumerate(scenes.labels.tolist()):
        if language == "ids":
            row[slot_index(STAGE)] = 1
            texts.append("")
            ids.append(tuple(row))
            continue
        texts.append(caption(row, language, random.Random(k)))
        ids.append(read_prompt(texts[-1]).ids)
    return texts, ids
