"""One generation: a request in, frames and the exact parameters that made them out."""

import inspect
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version
from typing import Any

from .errors import GeneratorError
from .models import FoundModel, choose_device, choose_dtype, find_model, load_pipeline, model_card
from .request import Generated, GenerationRequest
from .sizes import adjustment, fit_frames, fit_side, size_rule

Progress = Callable[[int, int], None]
"""Called as ``progress(steps done, steps in all)`` after every denoising step."""

EMBEDDED_MAX_SECONDS = 8.0
"""Beyond, the embedded model's continuation drifts; a longer wish is cut and told."""
_LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "safetensors")


def generate(
    request: GenerationRequest,
    *,
    progress: Progress | None = None,
    device: str | None = None,
    threads: int = 1,
) -> Generated:
    """Make the clip that ``request`` asks for.

    The same request on the same class of machine (library versions, device, dtype, threads: all in
    ``params``) gives the same frames, bit for bit. ``device``: e.g. "cpu" or "cuda:0"; the best that is
    there by default. ``threads``: CPU threads; more than one helps large models on idle machines only, as
    OpenMP threads that spin for a busy core cost far more than they bring. Raises
    :class:`~generator.errors.GeneratorError`.
    """
    import torch

    found = find_model(request.model)
    device = choose_device(device)
    dtype = choose_dtype(found, device)
    with _torch_threads(threads):
        pipeline = load_pipeline(found, device, dtype)
        adjustments: list[dict[str, Any]] = []
        arguments, fps = _arguments(request, found, pipeline, adjustments.append)
        if progress is not None:
            _follow(pipeline, arguments, progress)
        # The CPU's generator: the same noise whichever device denoises it.
        generator = torch.Generator("cpu").manual_seed(request.seed)
        try:
            output = pipeline(prompt=request.prompt, generator=generator, output_type="np", **arguments)
        except torch.OutOfMemoryError as error:
            raise GeneratorError(
                f"{found.model_id} ran out of memory on {device}", hint="Ask for a smaller or shorter clip."
            ) from error
    frames = _to_uint8(output.frames[0])
    recorded = {k: v for k, v in arguments.items() if isinstance(v, (int, float, str)) or v is None}
    params = {
        "model": found.model_id,
        "pipeline": found.pipeline_class,
        "weights_digest": found.weights_digest,
        "weights_licence": found.weights_licence,
        "model_card": model_card(found.folder),
        "request_digest": request.digest(),
        "seed": request.seed,
        "steps": arguments.get("num_inference_steps"),
        "guidance_scale": arguments.get("guidance_scale"),
        "arguments": recorded,
        "scheduler": _scheduler(pipeline),
        "native_size": {"frames": frames.shape[0], "height": frames.shape[1], "width": frames.shape[2]},
        "fps": float(fps),
        "prompt_report": output.readings[0].report() if found.embedded else None,
        "adjustments": adjustments,
        "device": device,
        "dtype": dtype,
        "threads": threads,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    return Generated(frames, fps, params)


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _arguments(
    request: GenerationRequest, found: FoundModel, pipeline: Any, note: Callable[[dict[str, Any]], None]
) -> tuple[dict[str, Any], Fraction]:
    """What the pipeline is called with, and the playback rate; everything that differs from the wish is
    noted."""
    accepted = inspect.signature(pipeline.__call__).parameters
    rule = size_rule(pipeline)

    def default(name: str) -> Any:
        value = accepted[name].default if name in accepted else None
        return None if value is inspect.Parameter.empty else value

    if found.embedded:
        request = _within_embedded(request, pipeline, note)
    fps = request.fps if request.fps is not None else default("frame_rate") or rule.fps
    if request.fps is not None and not found.embedded and "frame_rate" not in accepted and fps != rule.fps:
        note(
            adjustment("fps", fps, fps, f"playback only: this model's motion was learnt at {rule.fps:g} fps")
        )
    wished: dict[str, Any] = {
        "negative_prompt": request.negative_prompt,
        "num_frames": fit_frames(rule, request.seconds, fps, default("num_frames"), note),
        "width": fit_side(rule, "width", request.width, default("width"), note),
        "height": fit_side(rule, "height", request.height, default("height"), note),
        "num_inference_steps": request.steps or default("num_inference_steps"),
        "guidance_scale": default("guidance_scale")
        if request.guidance_scale is None
        else request.guidance_scale,
        "frame_rate": fps,
    }
    for name, value in wished.items():
        if name not in accepted and name != "frame_rate" and value is not None:
            note(adjustment(name, value, None, f"{found.pipeline_class} has no such argument"))
    arguments = {
        k: v for k, v in wished.items() if k in accepted and (v is not None or k == "negative_prompt")
    }
    return arguments, Fraction(fps).limit_denominator(1001)


def _within_embedded(
    request: GenerationRequest, pipeline: Any, note: Callable[[dict[str, Any]], None]
) -> GenerationRequest:
    """The request cut to what the embedded model can do: its own size and rate, eight seconds."""
    from dataclasses import replace

    _, height, width = pipeline.native_size
    for name, native in (("width", width), ("height", height)):
        asked = getattr(request, name)
        if asked not in (None, native):
            note(adjustment(name, asked, native, "the embedded model draws one size; delivery scales it up"))
    rate = float(pipeline.config.fps)
    if request.fps not in (None, rate):
        note(adjustment("fps", request.fps, rate, "the embedded model draws one frame rate"))
    seconds = request.seconds
    if seconds is not None and seconds > EMBEDDED_MAX_SECONDS:
        note(
            adjustment("seconds", seconds, EMBEDDED_MAX_SECONDS, "the embedded model drifts in longer clips")
        )
        seconds = EMBEDDED_MAX_SECONDS
    return replace(request, width=width, height=height, fps=rate, seconds=seconds)


def _follow(pipeline: Any, arguments: dict[str, Any], progress: Progress) -> None:
    """Report every denoising step, where the pipeline lets one listen."""
    if "callback_on_step_end" not in inspect.signature(pipeline.__call__).parameters:
        return

    def on_step_end(running: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        total = getattr(running, "num_timesteps", None) or arguments.get("num_inference_steps") or step + 1
        progress(step + 1, total)
        return tensors

    arguments["callback_on_step_end"] = on_step_end


def _scheduler(pipeline: Any) -> dict[str, Any]:
    scheduler = getattr(pipeline, "scheduler", None)
    config = dict(getattr(scheduler, "config", {}))
    plain = {
        k: v for k, v in config.items() if isinstance(v, (int, float, str, bool)) and not k.startswith("_")
    }
    return {"class": type(scheduler).__name__, **plain}


def _to_uint8(frames: Any) -> Any:
    """Frames in [0, 1], float [T, H, W, 3], to uint8; NaNs (a diverged model) are an error, not a black
    clip."""
    import numpy as np

    array = np.asarray(frames, dtype=np.float32)
    if not np.isfinite(array).all():
        raise GeneratorError(
            "the model returned frames that are not numbers", hint="Try float32, or fewer steps."
        )
    return (array.clip(0, 1) * 255).round().astype(np.uint8)
