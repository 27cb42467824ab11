"""From words to video with the embedded model: a ``DiffusionPipeline`` like any other, small enough for a
CPU.

Three steps, each a network: the planner diffuses where everything goes, the painter diffuses the spacetime
patches of the picture around that plan, the refiner doubles the size. A fourth, the reader, tells the
planner what is where in pictures that are given. Frames that are given are held while the rest is made
around them, which is all there is to image to video, extension, interpolation and loops. What a prompt
leaves open is drawn by chance, and told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from ..errors import RequestError
from .concepts import COLOR2, SLOT_NAMES, SLOTS, STAGE, USES, concept_id, slot_index
from .features import object_features, scenery_features
from .physics import DICE, FPS, Layout, Scenes, complete, furnish, set_stage, simulate
from .planner import PLAN_CHANNELS, PLAN_WINDOW, MotionTransformer, from_plan, surroundings
from .prompt import PromptReading, read_prompt
from .reader import LayoutReader, Reading, drift_of, read_concepts, shifted
from .refiner import SpacetimeRefiner
from .sampling import denoise, windows
from .storyboard import StoryboardError, parse_storyboard
from .tokenizer import PATCH_FRAMES, SpacetimeTokenizer
from .transformer import SpacetimeTransformer3DModel

OutputType = Literal["np", "pt", "pil", "latent"]
StepCallback = Callable[["SpacetimePipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor]]

FORMATS: Final = {(256, 256): (8, 8), (180, 320): (6, 10), (320, 180): (10, 6)}
"""(height, width) in pixels to (rows, columns) of latent tokens: 1:1, 16:9 and 9:16."""
PAINT_WINDOW, PAINT_OVERLAP = 6, 2
PLAN_OVERLAP = 3
PLAN_STEPS = 24
PLAN_KNOWN_SIGMA = 0.01
PLAN_DOUBT = 0.3
"""Noise on a plan that was read off a clip, before it is planned again: readings are not exact."""
KEPT_BY_SHOTS: Final = ("color", "shape", "light", "ground", "backdrop", "weather", "spring", "gravity")
"""What the next shot of a storyboard takes over unless it says otherwise."""
_DECODED_AT_ONCE = 6

Given = dict[int, Tensor]
"""Latent frames that are given, by their place: [1, ...] each."""


@dataclass
class SpacetimePipelineOutput(BaseOutput):
    """``frames``: [B, T, H, W, 3] in [0, 1] ("np"), [B, T, 3, H, W] ("pt"), B lists of images ("pil"), or
    latents. ``readings``: what was understood of each prompt; empty if concept ids were given. ``scenes``:
    slot to value of each shot of each video, what was asked and what chance added. ``layouts``: where
    everything is, of each shot of each video."""

    frames: Any
    readings: list[PromptReading]
    scenes: list[list[dict[str, str]]]
    layouts: list[list[Layout]]


class SpacetimePipeline(DiffusionPipeline):
    """Text to video of a small physics world. See ``docs/generator.md`` for what it can and cannot show."""

    model_cpu_offload_seq = "reader->planner->transformer->vae->refiner"
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012 - read by diffusers

    def __init__(
        self,
        transformer: SpacetimeTransformer3DModel,
        planner: MotionTransformer,
        reader: LayoutReader,
        vae: SpacetimeTokenizer,
        refiner: SpacetimeRefiner,
        scheduler: FlowMatchEulerDiscreteScheduler,
        fps: int = 24,
        simulate_openings: bool = False,
    ) -> None:
        """``simulate_openings``: scenes that begin without given frames move by the world's own mechanics
        instead of a diffused plan."""
        super().__init__()
        self.register_modules(
            transformer=transformer,
            planner=planner,
            reader=reader,
            vae=vae,
            refiner=refiner,
            scheduler=scheduler,
        )
        self.register_to_config(fps=fps, simulate_openings=simulate_openings)
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

    def read(self, latents: Given) -> dict[int, Reading]:
        """What the given latent frames show, frame by frame."""
        return {k: self.reader(z[:, None]) for k, z in latents.items()}

    def plan(
        self,
        scenes: Scenes,
        frames: int,
        generator: torch.Generator,
        read: dict[int, Reading] | None = None,
        *,
        exact: bool = True,
        loop: bool = False,
        simulated: bool | None = None,
    ) -> Layout:
        """Where everything goes in one scene, over ``frames`` latent frames.

        Frames that were ``read`` are kept; not ``exact``, they are only begun with, and what they tell is
        made to move as things do. A ``loop`` ends where it begins. ``simulated``: whether a scene without
        given frames moves by the mechanics; by default as the pipeline's config says.
        """
        time = self.vae.config.scale_factor_temporal
        simulated = self.config.simulate_openings if simulated is None else simulated
        if simulated and not read and not loop:
            return simulate(scenes, frames * time)
        stage = set_stage(scenes, (frames + loop) * time)
        stage = close_drift(stage, frames * time) if loop else stage
        read = read or {}
        for k, reading in sorted(read.items())[:1]:
            stage = shifted(stage, drift_of(reading.scenery[0, 0]).cpu(), time * k)
        given: Given = {k: reading.plan[:, 0] for k, reading in read.items()}
        start = None
        if read and not exact:
            start, given = torch.stack([given[k] for k in range(frames)], 1), {}
        if loop:
            if 0 not in given:
                opening = self._plan(stage.window(0, min(frames, PLAN_WINDOW) * time), generator, {}, None)
                given[0] = opening[:, 0]
            given[frames] = given[0]
        plan = self._plan(stage, generator, given, start)
        return furnish(from_plan(plan.float().cpu(), stage), scenes.dice)

    def _plan(self, stage: Layout, generator: torch.Generator, given: Given, start: Tensor | None) -> Tensor:
        """Plan tokens [1, F, C] for a stage on which nothing moves yet."""
        time = self.vae.config.scale_factor_temporal
        frames = stage.tilt.shape[1] // time
        plan, there = place(given, frames, (PLAN_CHANNELS,), self._execution_device)
        for first, end, known in windows(frames, PLAN_WINDOW, PLAN_OVERLAP):
            here = stage.window(time * first, time * (end - first))
            around, ids = surroundings(here).to(plan.device), here.ids.to(plan.device).clone()
            if first:
                ids[:, slot_index(STAGE)] = 2

            def predict(z: Tensor, sigma: Tensor, ids: Tensor = ids, around: Tensor = around) -> Tensor:
                out: Tensor = self.planner(z, 1000 * sigma, ids, around).sample
                return out

            plan[:, first:end] = denoise(
                predict,
                self._noise((1, end - first, PLAN_CHANNELS), generator),
                self.scheduler,
                PLAN_STEPS,
                known=plan[:, first:end],
                given=there[first:end] | (torch.arange(first, end) < first + known),
                known_sigma=PLAN_KNOWN_SIGMA,
                start=None if start is None else start[:, first:end],
                strength=PLAN_DOUBT,
            )
        return plan

    def paint(
        self,
        layout: Layout,
        steps: int,
        generator: torch.Generator,
        given: Given | None = None,
        start: Tensor | None = None,
        strength: float = 1.0,
        *,
        loop: bool = False,
        on_step: Callable[[Tensor, Tensor], Tensor | None] | None = None,
    ) -> Tensor:
        """Latents [1, F, rows, columns, C] of a layout of one scene; ``given``: latent frames that are kept.
        With ``start``, latents of the same shape, only the last ``strength`` of the noise is put on and taken
        off again (SDEdit, Meng et al. 2022). The layout of a ``loop`` has one latent frame more, which shall
        look as the first."""
        device = self._execution_device
        time = self.vae.config.scale_factor_temporal
        frames = layout.tilt.shape[1] // time
        given = dict(given or {})
        shape = (*layout.grid, self.transformer.config.in_channels)
        video, there = place(given, frames, shape, device)
        for first, end, known in windows(frames, PAINT_WINDOW, PAINT_OVERLAP):
            here = layout.window(time * first, time * (end - first))
            told = [t.to(device) for t in (here.ids, scenery_features(here), object_features(here))]
            who = here.kind.to(device), here.color.to(device)

            def predict(z: Tensor, sigma: Tensor, told: Any = told, who: Any = who) -> Tensor:
                out: Tensor = self.transformer(z, 1000 * sigma, *told, *who).sample
                return out

            video[:, first:end] = denoise(
                predict,
                self._noise((1, end - first, *shape), generator),
                self.scheduler,
                steps,
                known=video[:, first:end],
                given=there[first:end] | (torch.arange(first, end) < first + known),
                start=None if start is None else start[:, first:end],
                strength=strength,
                on_step=on_step,
            )
            if loop and first == 0:
                video[:, -1], there[-1] = video[:, 0], True
            if self._interrupt:
                break
        return video[:, : frames - loop]

    def encode_frames(self, frames: Any, grid: tuple[int, int]) -> Tensor:
        """A still picture, or frames, to latents [1, F, rows, columns, C]; scaled and cropped, centred, to the
        format. ``frames``: a PIL image, a list of them, or an array uint8 or float in [0, 1] [T, H, W, 3]. A
        clip is cut to a multiple of four frames, a shorter one stands still."""
        images = [frames] if isinstance(frames, Image.Image) else frames
        if isinstance(images, list):
            images = np.stack([np.asarray(image.convert("RGB")) for image in images])
        video = torch.as_tensor(np.array(images))
        video = video.float() / 255 if video.dtype == torch.uint8 else video.float()
        video = video.permute(0, 3, 1, 2)
        time, side = self.vae.config.scale_factor_temporal, self.vae.config.scale_factor_spatial
        height, width = grid[0] * side, grid[1] * side
        factor = max(height / video.shape[2], width / video.shape[3])
        size = [max(height, round(video.shape[2] * factor)), max(width, round(video.shape[3] * factor))]
        video = F.interpolate(video, size, mode="bilinear", antialias=True, align_corners=False)
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        video = video[:, :, top : top + height, left : left + width]
        if len(video) < time:
            video = video[[min(k, len(video) - 1) for k in range(time)]]
        video = video[: len(video) // time * time]
        latents: Tensor = self.vae.encode(video[None].to(self._execution_device))
        return latents

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        negative_prompt: str | list[str] | None = None,
        image: Any = None,
        last_image: Any = None,
        video: Any = None,
        height: int | None = None,
        width: int | None = None,
        num_frames: int | None = None,
        num_inference_steps: int = 10,
        strength: float = 0.7,
        loop: bool = False,
        num_videos_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        concept_ids: Tensor | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> SpacetimePipelineOutput | tuple[Any, ...]:
        """Make videos.

        ``prompt``: one or several, English, Chinese or both, each perhaps a storyboard (``storyboard``); or
        ``concept_ids`` [B, slots], 0 for what is left to chance. ``negative_prompt``: concepts that chance
        shall not choose. ``image``, ``last_image``: pictures (see :meth:`encode_frames`) that the clip begins
        and ends with; clips there are gone on from, or led up to. ``video``: a clip to be painted anew in the
        words of the prompt, with ``strength`` (0 to 1) of the noise. ``height``, ``width``: one of
        ``FORMATS``. ``num_frames``: a multiple of 4, at 24 frames a second; 48 by default. ``loop``: the end
        leads back to the beginning. ``generator``: one, or a list with one per video (then variant k alone
        equals variant k in a batch, bit for bit). ``callback_on_step_end(pipeline, step, timestep,
        {"latents": ...})`` may return changed latents; setting ``pipeline._interrupt`` ends the loop. Raises
        ``ValueError`` for inputs that the model cannot serve.
        """
        # 1. Check inputs
        height, width = height or 256, width or 256
        start = None
        if video is not None and (height, width) in FORMATS:
            start = self.encode_frames(video, FORMATS[height, width])
        time = self.vae.config.scale_factor_temporal
        if num_frames is None:
            num_frames = 48 if start is None else time * start.shape[1]
        self.check_inputs(prompt, negative_prompt, concept_ids, height, width, num_frames)
        frames = num_frames // time
        check_edit(image, last_image, start, frames, strength, loop=loop)
        self._interrupt, self._steps_done = False, 0
        grid = FORMATS[height, width]

        # 2. Read the prompts
        boards: list[
            list[tuple[int, Tensor]]
        ] = []  # of each video: (latent frames, ids [1, slots]) of its shots
        readings: list[PromptReading] = []
        if prompt is not None:
            for text in [prompt] if isinstance(prompt, str) else prompt:
                board, reading = read_board(text, frames)
                boards += [board] * num_videos_per_prompt
                readings += [reading] * num_videos_per_prompt
        else:
            assert concept_ids is not None
            for ids in concept_ids.cpu().split(1):
                boards += [[(frames, ids)]] * num_videos_per_prompt
        avoid = torch.zeros(len(boards), len(SLOT_NAMES), dtype=torch.long)
        if negative_prompt is not None:
            avoid = self.encode_prompt(negative_prompt)[0].expand(len(boards) // num_videos_per_prompt, -1)
            avoid = avoid.repeat_interleave(num_videos_per_prompt, 0).clone()
            avoid[:, slot_index(STAGE)] = 0
        generators = generator if isinstance(generator, list) else [generator] * len(boards)
        if len(generators) != len(boards):
            raise ValueError(f"{len(boards)} videos but {len(generators)} generators")
        if any(len(board) > 1 for board in boards) and (loop or start is not None):
            raise RequestError(
                "a storyboard of several shots neither loops nor repaints a clip", hint="Ask for one shot."
            )

        # 3. One video at a time: matrix products may round differently for another batch size, and a variant
        # must come out the same alone and in company
        head = None if image is None else self.encode_frames(image, grid)
        tail = None if last_image is None else self.encode_frames(last_image, grid)
        self._num_timesteps = num_inference_steps * sum(
            len(windows(n + loop, PAINT_WINDOW, PAINT_OVERLAP)) for board in boards for n, _ in board
        )
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

            for board, chance, shunned in zip(boards, generators, avoid.split(1), strict=True):
                chance = torch.default_generator if chance is None else chance
                shots, before = [], None
                for number, (length, ids) in enumerate(board):
                    ids = carry_on(ids, before)
                    given: Given = {}
                    if head is not None and number == 0:
                        given |= dict(enumerate(head.unbind(1)))
                    if tail is not None and number == len(board) - 1:
                        given |= {length - tail.shape[1] + k: z for k, z in enumerate(tail.unbind(1))}
                    read = self.read(given if start is None else dict(enumerate(start.unbind(1))))
                    scenes = draw_scene(ids, grid, chance, shunned, before, read)
                    layout = self.plan(scenes, length, chance, read, exact=start is None, loop=loop)
                    latents = self.paint(
                        layout,
                        num_inference_steps,
                        chance,
                        given,
                        start,
                        strength,
                        loop=loop,
                        on_step=on_step,
                    )
                    shots.append((layout, latents))
                    before = scenes
                    if self._interrupt:
                        break
                layouts.append([layout for layout, _ in shots])
                videos.append(torch.cat([latents for _, latents in shots], 1))
                if self._interrupt:
                    break
        latents = torch.cat(videos)

        # 4. Decode
        out: Any = latents if output_type == "latent" else self.decode(latents, output_type, (height, width))
        self.maybe_free_model_hooks()
        scenes_told = [[told(layout.ids[0]) for layout in shots] for shots in layouts]
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


def place(given: Given, frames: int, shape: tuple[int, ...], device: Any) -> tuple[Tensor, Tensor]:
    """Given frames at their places: values [1, F, *shape], 0 elsewhere, and bool [F], where they are."""
    values, there = torch.zeros(1, frames, *shape, device=device), torch.zeros(frames, dtype=torch.bool)
    for k, value in given.items():
        if 0 <= k < frames:
            values[:, k], there[k] = value, True
    return values, there


def check_edit(
    image: Any, last_image: Any, start: Tensor | None, frames: int, strength: float, *, loop: bool
) -> None:
    """Raises ``ValueError`` if pictures and clips that are given contradict each other or the length."""
    pictures = image is not None or last_image is not None
    if start is not None and (pictures or loop):
        raise ValueError("`video` is painted anew as it is: without `image`, `last_image` or `loop`")
    if start is not None and start.shape[1] != frames:
        raise ValueError(f"`video` has {start.shape[1]} times 4 frames, but {frames} times 4 are asked for")
    if loop and last_image is not None:
        raise RequestError(
            "a loop ends with its first picture: the last picture cannot be another",
            hint="Leave one of the two out.",
        )
    if not 0 < strength <= 1:
        raise ValueError(f"`strength` must be above 0 and at most 1, not {strength}")


def read_board(text: str, frames: int) -> tuple[list[tuple[int, Tensor]], PromptReading]:
    """The shots of a prompt, as (latent frames, ids [1, slots]), and what was understood of all of it.

    Raises ``ValueError`` for a shot that begins behind the end of ``frames`` latent frames.
    """
    shots = parse_storyboard(text)
    starts = [round(shot.start * FPS / PATCH_FRAMES) for shot in shots]
    for shot, first, end in zip(shots, starts, [*starts[1:], frames], strict=True):
        if end <= first:
            raise StoryboardError(
                f"the shot at {shot.start:g} s has no frames: the clip ends, or the next shot is too near",
                hint="Ask for more seconds, or leave a sixth of a second to every shot.",
            )
    readings = [read_prompt(shot.prompt) for shot in shots]
    lengths = [end - first for first, end in pairwise([*starts, frames])]
    board = [(length, torch.tensor([reading.ids])) for length, reading in zip(lengths, readings, strict=True)]
    return board, joined(readings)


def joined(readings: list[PromptReading]) -> PromptReading:
    """The reading of a storyboard: its first shot's ids, what any shot ignores; first words win."""
    understood: dict[str, str] = {}
    for reading in readings:
        understood = {**reading.understood, **understood}
    return PromptReading(
        readings[0].ids,
        understood,
        tuple(dict.fromkeys(pair for reading in readings for pair in reading.unused)),
        tuple(dict.fromkeys(word for reading in readings for word in reading.ignored)),
    )


def carry_on(ids: Tensor, before: Scenes | None) -> Tensor:
    """``ids`` [1, slots] of a shot with what it leaves open taken from the shot before: the same hero in the
    same place."""
    if before is None:
        return ids
    kept = torch.tensor([slot in KEPT_BY_SHOTS for slot in SLOT_NAMES])
    return torch.where((ids == 0) & kept, before.ids, ids)


def draw_scene(
    ids: Tensor,
    grid: tuple[int, int],
    generator: torch.Generator,
    avoid: Tensor | None = None,
    before: Scenes | None = None,
    read: dict[int, Reading] | None = None,
) -> Scenes:
    """A scene of what ``ids`` [1, slots] say; what they leave open is as it was read, else by chance. The
    scenery of a shot is that of the shot ``before``."""
    if read:
        ids = read_concepts(read[min(read)], 0, ids)
    ids = ids.clone()
    count, second = slot_index("count"), slot_index(COLOR2)
    if ids[0, count] == 0:  # "a ball" is one ball; the world would draw up to three
        ids[0, count] = 2 if ids[0, second] else 1
    color = ids[0, slot_index("color")]
    if color and ids[0, second] == 0 and ids[0, 0] != concept_id("event", "collide"):
        ids[0, second] = color  # "two red balls" are both red
    ids = complete(ids, generator, avoid)
    if read:
        ids[:, slot_index(STAGE)] = 2  # it goes on
    dice = torch.rand(1, DICE, generator=generator)
    if before is not None:
        dice[:, 12:] = before.dice[:, 12:]
    return Scenes(ids, ids, dice, torch.zeros(1), grid)


def close_drift(stage: Layout, frames: int) -> Layout:
    """A stage that after ``frames`` frames lies as it did at first: clouds stand, waves and rain go round."""
    turns = torch.tensor([0.0, 0.0, 0.0, 4.0, 1.0]) * max(1, round(frames / 48))
    way = torch.arange(stage.drift.shape[1])[None, :, None] / frames * turns
    camera = stage.camera[:, :1].expand_as(stage.camera)
    return replace(stage, drift=stage.drift[:, :1] + way, camera=camera)


def told(ids: Tensor) -> dict[str, str]:
    """What a scene with these ids [slots] shows, slot to value."""
    values = {}
    for slot, number in zip(SLOT_NAMES, ids.tolist(), strict=True):
        if slot != STAGE and number:
            values[slot] = SLOTS["color" if slot == COLOR2 else slot][number - 1].value
    return {slot: value for slot, value in values.items() if slot in USES[values["event"]]}
