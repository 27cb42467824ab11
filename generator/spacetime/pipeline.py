"""From words to video with the embedded model: a ``DiffusionPipeline`` like any other, small enough for a
CPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from .concepts import STAGE, slot_index
from .prompt import PromptReading, read_prompt
from .tokenizer import SpacetimeTokenizer
from .transformer import MIN_SIGMA, SpacetimeTransformer3DModel

OutputType = Literal["np", "pt", "pil", "latent"]
StepCallback = Callable[["SpacetimePipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor]]

HISTORY_FRAMES = 2
"""Latent frames that a continuing chunk sees of the one before."""
HISTORY_SIGMA = 0.05
"""Noise on those frames, as in training: a little hides the small errors that would otherwise build up."""


@dataclass
class SpacetimePipelineOutput(BaseOutput):
    """``frames``: [B, T, H, W, 3] in [0, 1] ("np"), [B, T, 3, H, W] ("pt"), B lists of images ("pil"), or
    latents. ``readings``: what was understood of each prompt; empty if concept ids were given."""

    frames: Any
    readings: list[PromptReading]


class SpacetimePipeline(DiffusionPipeline):
    """Text to video of a small physics world. See ``docs/generator.md`` for what it can and cannot show."""

    model_cpu_offload_seq = "transformer->vae"
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012 - read by diffusers

    def __init__(
        self,
        transformer: SpacetimeTransformer3DModel,
        vae: SpacetimeTokenizer,
        scheduler: FlowMatchEulerDiscreteScheduler,
        fps: int = 12,
    ) -> None:
        super().__init__()
        self.register_modules(transformer=transformer, vae=vae, scheduler=scheduler)
        self.register_to_config(fps=fps)
        self._guidance_scale, self._num_timesteps, self._interrupt = 1.0, 0, False

    @property
    def native_size(self) -> tuple[int, int, int]:
        """(frames, height, width) of one window."""
        f, rows, columns = self.transformer.config.sample_grid
        time, side = self.vae.config.scale_factor_temporal, self.vae.config.scale_factor_spatial
        return f * time, rows * side, columns * side

    @property
    def guidance_scale(self) -> float:
        return self._guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        return self._guidance_scale != 1.0

    @property
    def num_timesteps(self) -> int:
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        return self._interrupt

    def encode_prompt(self, prompt: str | list[str]) -> tuple[Tensor, list[PromptReading]]:
        """Concept ids int64 [B, slots] and the readings that they come from."""
        readings = [read_prompt(text) for text in ([prompt] if isinstance(prompt, str) else prompt)]
        return torch.tensor([reading.ids for reading in readings], device=self._execution_device), readings

    def check_inputs(
        self,
        prompt: str | list[str] | None,
        negative_prompt: str | list[str] | None,
        concept_ids: Tensor | None,
        height: int | None,
        width: int | None,
        num_frames: int,
        latents: Tensor | None,
    ) -> None:
        window, native_height, native_width = self.native_size
        if (prompt is None) == (concept_ids is None):
            raise ValueError("give either `prompt` or `concept_ids`")
        if (
            isinstance(prompt, list)
            and isinstance(negative_prompt, list)
            and len(prompt) != len(negative_prompt)
        ):
            raise ValueError(f"{len(prompt)} prompts but {len(negative_prompt)} negative prompts")
        if (height or native_height, width or native_width) != (native_height, native_width):
            raise ValueError(f"this model draws {native_width}x{native_height} only, not {width}x{height}")
        if num_frames < 1 or num_frames % self.vae.config.scale_factor_temporal:
            raise ValueError(f"`num_frames` must be a multiple of {self.vae.config.scale_factor_temporal}")
        if latents is not None and num_frames > window:
            raise ValueError(f"`latents` start one window: at most {window} frames")

    def prepare_latents(
        self, batch: int, frames: int, generator: torch.Generator | list[torch.Generator] | None
    ) -> Tensor:
        """Noise [B, latent frames, rows, columns, C]; a list of generators makes every video its own."""
        _, rows, columns = self.transformer.config.sample_grid
        shape = (batch, frames, rows, columns, self.transformer.config.in_channels)
        noise: Tensor = randn_tensor(
            shape, generator=generator, device=self._execution_device, dtype=self.transformer.dtype
        )
        return noise

    def predict_velocity(self, latents: Tensor, sigmas: Tensor, ids: Tensor, negative_ids: Tensor) -> Tensor:
        """v = (z - x_hat) / sigma under guidance. ``sigmas`` [B, F]; ids [B, slots].

        One video at a time: matrix products may round differently for another batch size, and a variant
        must come out the same alone and in company. On a CPU a larger batch saves next to nothing.
        """
        velocities = []
        for z, s, yes, no in zip(
            latents.split(1), sigmas.split(1), ids.split(1), negative_ids.split(1), strict=True
        ):
            if self.do_classifier_free_guidance:
                pair = self.transformer(
                    z.repeat(2, 1, 1, 1, 1), 1000 * s.repeat(2, 1), torch.cat([yes, no])
                ).sample
                x_hat = pair[1:] + self.guidance_scale * (pair[:1] - pair[1:])
            else:
                x_hat = self.transformer(z, 1000 * s, yes).sample
            velocities.append((z - x_hat) / s.clamp_min(MIN_SIGMA)[:, :, None, None, None])
        return torch.cat(velocities)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        negative_prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_frames: int = 24,
        num_inference_steps: int = 24,
        guidance_scale: float = 2.0,
        num_videos_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        concept_ids: Tensor | None = None,
        output_type: OutputType = "np",
        return_dict: bool = True,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: list[str] | None = None,
    ) -> SpacetimePipelineOutput | tuple[Any, ...]:
        """Make videos.

        ``prompt``: one or several, English, Chinese or both; or ``concept_ids`` [B, slots].
        ``negative_prompt``: concepts to steer away from. ``num_frames``: a multiple of 4 at 12 frames a
        second; beyond the native 24 the clip is continued in windows that see the last 8 frames.
        ``generator``: one, or a list with one per video (then variant k alone equals variant k in a batch,
        bit for bit). ``latents``: noise for the first window. ``callback_on_step_end(pipeline, step,
        timestep, {"latents": ...})`` may return changed latents; setting ``pipeline._interrupt`` ends the
        loop. Raises ``ValueError`` for inputs that the model cannot serve.
        """
        # 1. Check inputs
        self.check_inputs(prompt, negative_prompt, concept_ids, height, width, num_frames, latents)
        self._guidance_scale, self._interrupt = guidance_scale, False
        device = self._execution_device

        # 2. Read the prompts
        readings: list[PromptReading] = []
        if prompt is not None:
            concept_ids, readings = self.encode_prompt(prompt)
        assert concept_ids is not None
        ids = concept_ids.to(device).repeat_interleave(num_videos_per_prompt, 0)
        negative_ids = torch.zeros_like(ids)
        if negative_prompt is not None:
            negative_ids = self.encode_prompt(negative_prompt)[0].expand(len(concept_ids), -1)
            negative_ids = negative_ids.repeat_interleave(num_videos_per_prompt, 0).clone()
        readings = [reading for reading in readings for _ in range(num_videos_per_prompt)]
        stage = slot_index(STAGE)
        ids[:, stage] = negative_ids[:, stage] = ids[:, stage].clamp_min(1)

        # 3. Plan the windows: the first opens the scene, each later one sees the end of the one before
        total = num_frames // self.vae.config.scale_factor_temporal
        window = self.transformer.config.sample_grid[0]
        windows = 1 + max(0, -(-(total - window) // (window - HISTORY_FRAMES)))
        self._num_timesteps = num_inference_steps * windows
        video = torch.empty(0)
        with self.progress_bar(total=self._num_timesteps) as bar:
            for number in range(windows):
                # 4. Noise, and the clean frames to go on from
                if latents is not None and number == 0:
                    z = latents.clone()
                else:
                    z = self.prepare_latents(len(ids), window, generator)
                known, history = 0, None
                if number:
                    known = HISTORY_FRAMES
                    history = (1 - HISTORY_SIGMA) * video[:, -known:] + HISTORY_SIGMA * z[:, :known]
                    ids[:, stage] = negative_ids[:, stage] = 2

                # 5. Denoise: dz/dsigma = v, from sigma 1 (noise) to 0
                sigmas = np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)
                self.scheduler.set_timesteps(sigmas=sigmas.tolist(), device=device)
                for step, t in enumerate(self.scheduler.timesteps):
                    if self._interrupt:
                        continue
                    sigma = (t / 1000).expand(len(z), z.shape[1]).clone()
                    if history is not None:
                        z[:, :known], sigma[:, :known] = history, HISTORY_SIGMA
                    velocity = self.predict_velocity(z, sigma, ids, negative_ids)
                    z = self.scheduler.step(velocity, t, z, return_dict=False)[0]
                    if callback_on_step_end is not None:
                        inputs = (
                            {"latents": z}
                            if "latents" in (callback_on_step_end_tensor_inputs or ["latents"])
                            else {}
                        )
                        outputs = callback_on_step_end(self, number * num_inference_steps + step, t, inputs)
                        z = (outputs or inputs).get("latents", z)
                    bar.update()
                video = torch.cat([video.to(z), z[:, known:]], 1) if number else z
        video = video[:, :total]

        # 6. Decode
        frames: Any = video if output_type == "latent" else self.decode(video, output_type)
        self.maybe_free_model_hooks()
        return SpacetimePipelineOutput(frames, readings) if return_dict else (frames, readings)

    def decode(self, latents: Tensor, output_type: OutputType) -> Any:
        """Latents to frames of ``output_type``, one video at a time (see :meth:`predict_velocity`)."""
        video = torch.cat([self.vae.decode(z) for z in latents.split(1)]).float().cpu()  # [B, T, 3, H, W]
        if output_type == "pt":
            return video
        array = video.permute(0, 1, 3, 4, 2).numpy()
        if output_type == "np":
            return array
        return [[Image.fromarray((255 * frame).round().astype("uint8")) for frame in clip] for clip in array]
