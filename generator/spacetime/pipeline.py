"""From words to video with the embedded model: a ``DiffusionPipeline`` like any other, small enough for a
CPU.

Three steps, each a network: the planner diffuses where everything goes, the painter diffuses the spacetime
patches of the picture around that plan, the refiner doubles the size. What a prompt leaves open is drawn by
chance, and told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from .concepts import COLOR2, SLOT_NAMES, SLOTS, STAGE, USES, slot_index
from .features import object_features, scenery_features
from .physics import DICE, Layout, Scenes, complete, furnish, set_stage
from .planner import PLAN_CHANNELS, PLAN_WINDOW, MotionTransformer, from_plan, surroundings
from .prompt import PromptReading, read_prompt
from .refiner import SpacetimeRefiner
from .sampling import denoise, windows
from .tokenizer import SpacetimeTokenizer
from .transformer import SpacetimeTransformer3DModel

OutputType = Literal["np", "pt", "pil", "latent"]
StepCallback = Callable[["SpacetimePipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor]]

FORMATS: Final = {(256, 256): (8, 8), (180, 320): (6, 10), (320, 180): (10, 6)}
"""(height, width) in pixels to (rows, columns) of latent tokens: 1:1, 16:9 and 9:16."""
PAINT_WINDOW, PAINT_OVERLAP = 6, 2
PLAN_OVERLAP = 3
PLAN_STEPS = 24
_DECODED_AT_ONCE = 6


@dataclass
class SpacetimePipelineOutput(BaseOutput):
    """``frames``: [B, T, H, W, 3] in [0, 1] ("np"), [B, T, 3, H, W] ("pt"), B lists of images ("pil"), or
    latents. ``readings``: what was understood of each prompt; empty if concept ids were given. ``scenes``:
    slot to value of each video, what was asked and what chance added. ``layouts``: where everything is, of
    each video."""

    frames: Any
    readings: list[PromptReading]
    scenes: list[dict[str, str]]
    layouts: list[Layout]


class SpacetimePipeline(DiffusionPipeline):
    """Text to video of a small physics world. See ``docs/generator.md`` for what it can and cannot show."""

    model_cpu_offload_seq = "planner->transformer->vae->refiner"
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012 - read by diffusers

    def __init__(
        self,
        transformer: SpacetimeTransformer3DModel,
        planner: MotionTransformer,
        vae: SpacetimeTokenizer,
        refiner: SpacetimeRefiner,
        scheduler: FlowMatchEulerDiscreteScheduler,
        fps: int = 24,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer, planner=planner, vae=vae, refiner=refiner, scheduler=scheduler
        )
        self.register_to_config(fps=fps)
        self._num_timesteps, self._interrupt, self._steps_done = 0, False, 0

    @property
    def native_size(self) -> tuple[int, int, int]:
        """(frames, height, width) that are made if nothing is asked."""
        return PLAN_WINDOW * self.vae.config.scale_factor_temporal, 256, 256

    @property
    def num_timesteps(self) -> int:
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        return self._interrupt

    def encode_prompt(self, prompt: str | list[str]) -> tuple[Tensor, list[PromptReading]]:
        """Concept ids int64 [B, slots] and the readings that they come from."""
        readings = [read_prompt(text) for text in ([prompt] if isinstance(prompt, str) else prompt)]
        return torch.tensor([reading.ids for reading in readings]), readings

    def check_inputs(
        self,
        prompt: str | list[str] | None,
        negative_prompt: str | list[str] | None,
        concept_ids: Tensor | None,
        height: int,
        width: int,
        num_frames: int,
    ) -> None:
        if (prompt is None) == (concept_ids is None):
            raise ValueError("give either `prompt` or `concept_ids`")
        if (
            isinstance(prompt, list)
            and isinstance(negative_prompt, list)
            and len(prompt) != len(negative_prompt)
        ):
            raise ValueError(f"{len(prompt)} prompts but {len(negative_prompt)} negative prompts")
        if (height, width) not in FORMATS:
            sizes = ", ".join(f"{w}x{h}" for h, w in FORMATS)
            raise ValueError(f"this model draws {sizes}, not {width}x{height}")
        if num_frames < 1 or num_frames % self.vae.config.scale_factor_temporal:
            raise ValueError(f"`num_frames` must be a multiple of {self.vae.config.scale_factor_temporal}")

    def _noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        noise: Tensor = randn_tensor(
            shape, generator=generator, device=self._execution_device, dtype=self.transformer.dtype
        )
        return noise

    def plan(self, scenes: Scenes, frames: int, generator: torch.Generator) -> Layout:
        """Where everything goes in one scene, over ``frames`` latent frames."""
        stage = set_stage(scenes, frames * self.vae.config.scale_factor_temporal)
        plan = torch.zeros(1, frames, PLAN_CHANNELS, device=self._execution_device)
        ids = scenes.ids.to(plan.device)
        for first, end, known in windows(frames, PLAN_WINDOW, PLAN_OVERLAP):
            here = stage.window(4 * first, 4 * (end - first))
            around = surroundings(here).to(plan.device)
            ids = ids.clone()
            ids[:, slot_index(STAGE)] = scenes.ids[:, slot_index(STAGE)] if first == 0 else 2

            def predict(z: Tensor, sigma: Tensor, ids: Tensor = ids, around: Tensor = around) -> Tensor:
                out: Tensor = self.planner(z, 1000 * sigma, ids, around).sample
                return out

            plan[:, first:end] = denoise(
                predict,
                self._noise((1, end - first, PLAN_CHANNELS), generator),
                self.scheduler,
                PLAN_STEPS,
                known=plan[:, first:end],
                given=torch.arange(first, end) < first + known,
                known_sigma=0.01,
            )
        return furnish(from_plan(plan.float().cpu(), stage), scenes.dice)

    def paint(
        self,
        layout: Layout,
        steps: int,
        generator: torch.Generator,
        on_step: Callable[[Tensor, Tensor], Tensor | None] | None = None,
    ) -> Tensor:
        """Latents [1, F, rows, columns, C] of a layout of one scene."""
        device = self._execution_device
        time = self.vae.config.scale_factor_temporal
        frames = layout.tilt.shape[1] // time
        channels = self.transformer.config.in_channels
        video = torch.zeros(1, frames, *layout.grid, channels, device=device)
        for first, end, known in windows(frames, PAINT_WINDOW, PAINT_OVERLAP):
            here = layout.window(time * first, time * (end - first))
            told = [t.to(device) for t in (here.ids, scenery_features(here), object_features(here))]
            who = here.kind.to(device), here.color.to(device)

            def predict(z: Tensor, sigma: Tensor, told: Any = told, who: Any = who) -> Tensor:
                out: Tensor = self.transformer(z, 1000 * sigma, *told, *who).sample
                return out

            video[:, first:end] = denoise(
                predict,
                self._noise((1, end - first, *layout.grid, channels), generator),
                self.scheduler,
                steps,
                known=video[:, first:end],
                given=torch.arange(first, end) < first + known,
                on_step=on_step,
            )
            if self._interrupt:
                break
        return video

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        negative_prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_frames: int = 48,
        num_inference_steps: int = 10,
        num_videos_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        concept_ids: Tensor | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> SpacetimePipelineOutput | tuple[Any, ...]:
        """Make videos.

        ``prompt``: one or several, English, Chinese or both; or ``concept_ids`` [B, slots], 0 for what is
        left to chance. ``negative_prompt``: concepts that chance shall not choose. ``height``, ``width``: one
        of ``FORMATS``. ``num_frames``: a multiple of 4, at 24 frames a second. ``generator``: one, or a list
        with one per video (then variant k alone equals variant k in a batch, bit for bit).
        ``callback_on_step_end(pipeline, step, timestep, {"latents": ...})`` may return changed latents;
        setting ``pipeline._interrupt`` ends the loop. Raises ``ValueError`` for inputs that the model cannot
        serve.
        """
        # 1. Check inputs
        height, width = height or 256, width or 256
        self.check_inputs(prompt, negative_prompt, concept_ids, height, width, num_frames)
        self._interrupt, self._steps_done = False, 0
        frames = num_frames // self.vae.config.scale_factor_temporal

        # 2. Read the prompts
        readings: list[PromptReading] = []
        if prompt is not None:
            concept_ids, readings = self.encode_prompt(prompt)
        assert concept_ids is not None
        ids = concept_ids.cpu().repeat_interleave(num_videos_per_prompt, 0)
        avoid = torch.zeros_like(ids)
        if negative_prompt is not None:
            avoid = self.encode_prompt(negative_prompt)[0].expand(len(concept_ids), -1)
            avoid = avoid.repeat_interleave(num_videos_per_prompt, 0).clone()
            avoid[:, slot_index(STAGE)] = 0
        readings = [reading for reading in readings for _ in range(num_videos_per_prompt)]
        generators = generator if isinstance(generator, list) else [generator] * len(ids)
        if len(generators) != len(ids):
            raise ValueError(f"{len(ids)} videos but {len(generators)} generators")

        # 3. One video at a time: matrix products may round differently for another batch size, and a variant
        # must come out the same alone and in company
        per_video = num_inference_steps * len(windows(frames, PAINT_WINDOW, PAINT_OVERLAP))
        self._num_timesteps = per_video * len(ids)
        videos, layouts = [], []
        with self.progress_bar(total=self._num_timesteps) as bar:

            def on_step(t: Tensor, z: Tensor) -> Tensor | None:
                if callback_on_step_end is not None:
                    wanted = callback_on_step_end_tensor_inputs or ["latents"]
                    inputs = {"latents": z} if "latents" in wanted else {}
                    outputs = callback_on_step_end(self, self._steps_done, t, inputs)
                    z = (outputs or inputs).get("latents", z)
                self._steps_done += 1
                bar.update()
                return None if self._interrupt else z

            for k, chance in enumerate(generators):
                chance = torch.default_generator if chance is None else chance
                scenes = draw_scene(ids[k : k + 1], FORMATS[height, width], chance, avoid[k : k + 1])
                layout = self.plan(scenes, frames, chance)
                layouts.append(layout)
                videos.append(self.paint(layout, num_inference_steps, chance, on_step))
                if self._interrupt:
                    break
        latents = torch.cat(videos)
        scenes_told = [told(layout.ids[0]) for layout in layouts]

        # 4. Decode
        out: Any = latents if output_type == "latent" else self.decode(latents, output_type, (height, width))
        self.maybe_free_model_hooks()
        result = SpacetimePipelineOutput(out, readings, scenes_told, layouts)
        return result if return_dict else (out, readings, scenes_told, layouts)

    @torch.no_grad()
    def decode_windows(self, latents: Tensor, size: tuple[int, int] | None = None) -> Iterator[Tensor]:
        """One video's latents [1, F, rows, columns, C] to pieces [T, 3, H, W] of the refined video, so that a
        long clip needs no more memory than a short one. ``size``: (height, width) to crop to, centred."""
        frames = latents.shape[1]
        time = self.vae.config.scale_factor_temporal
        for first in range(0, frames, _DECODED_AT_ONCE):
            end = min(frames, first + _DECODED_AT_ONCE)
            before, after = min(1, first), min(1, frames - end)  # neighbours for the refiner
            coarse = self.vae.decode(latents[:, first - before : end + after])
            coarse = coarse[:, before * (time - 1) : coarse.shape[1] - after * (time - 1)]
            fine = self.refiner.refine(coarse)[0]
            fine = fine[before : len(fine) - after]
            if size is not None:
                top, left = (fine.shape[2] - size[0]) // 2, (fine.shape[3] - size[1]) // 2
                fine = fine[:, :, top : top + size[0], left : left + size[1]]
            yield fine.float().cpu()

    def decode(self, latents: Tensor, output_type: OutputType, size: tuple[int, int] | None = None) -> Any:
        """Latents to frames of ``output_type``."""
        video = torch.stack([torch.cat(list(self.decode_windows(z, size))) for z in latents.split(1)])
        if output_type == "pt":
            return video  # [B, T, 3, H, W]
        array = video.permute(0, 1, 3, 4, 2).numpy()
        if output_type == "np":
            return array
        return [[Image.fromarray((255 * frame).round().astype("uint8")) for frame in clip] for clip in array]


def draw_scene(
    ids: Tensor, grid: tuple[int, int], generator: torch.Generator, avoid: Tensor | None = None
) -> Scenes:
    """A scene of what ``ids`` [1, slots] say, the rest by chance."""
    ids = complete(ids, generator, avoid)
    return Scenes(ids, ids, torch.rand(1, DICE, generator=generator), torch.zeros(1), grid)


def told(ids: Tensor) -> dict[str, str]:
    """What a scene with these ids [slots] shows, slot to value."""
    values = {}
    for slot, number in zip(SLOT_NAMES, ids.tolist(), strict=True):
        if slot != STAGE and number:
            values[slot] = SLOTS["color" if slot == COLOR2 else slot][number - 1].value
    return {slot: value for slot, value in values.items() if slot in USES[values["event"]]}
