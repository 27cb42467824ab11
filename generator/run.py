"""One generation: a request in, frames and the exact parameters that made them out."""

import inspect
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from .errors import GeneratorError, InsufficientMemoryError, ModelError, RequestError
from .loading import load_pipeline
from .lora import combined_digest
from .memory import Offload
from .models import model_card
from .plan import Plan, plan_generation
from .request import Generated, GenerationRequest

Progress = Callable[[int, int], None]
"""Called as ``progress(steps done, steps in all)`` after every denoising step."""

_LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "safetensors")


def generate(
    request: GenerationRequest,
    *,
    progress: Progress | None = None,
    device: str | None = None,
    threads: int = 1,
    offload: Offload | None = None,
) -> Generated:
    """Make the clip that ``request`` asks for.

    The same request on the same class of machine (library versions, device, dtype, threads: all in
    ``params``) gives the same frames, bit for bit. ``device``: e.g. "cpu" or "cuda:0"; the best that is
    there by default. ``threads``: CPU threads; more than one helps large models on idle machines only, as
    OpenMP threads that spin for a busy core cost far more than they bring. ``offload``: which weights wait in
    main memory, None for as many as free memory asks for; the frames do not depend on it. Raises
    :class:`~generator.errors.GeneratorError`, before a large model is loaded where it can be known.
    """
    import torch

    canonical, digest = request.canonical(), request.digest()
    plan = plan_generation(request, device=device, offload=offload)
    for what, picture in plan.pictures.items():
        if canonical[what]["sha256"] != picture.sha256:
            raise RequestError(f"{what} changed while it was read", hint="Run the same command again.")
    device, dtype = plan.loading.device, plan.loading.dtype
    plan.memory.check(plan.found.model_id)
    with _torch_threads(threads), _failures_told(plan):
        pipeline = load_pipeline(plan.found, device, dtype, plan.loading)
        arguments = dict(plan.arguments) | _conditions(pipeline, plan)
        if plan.flow_shift is not None:
            _set_flow_shift(pipeline, plan.flow_shift)
        if progress is not None:
            _follow(pipeline, arguments, progress)
        # The CPU's generator: the same noise whichever device denoises it.
        generator = torch.Generator("cpu").manual_seed(request.seed)
        prompt, added = _enhanced(request)
        if plan.found.embedded:
            output = pipeline(prompt=prompt, generator=generator, output_type="latent", **arguments)
            frames = _decoded(pipeline, output, arguments)
        else:
            output = pipeline(prompt=prompt, generator=generator, output_type="np", **arguments)
            frames = _to_uint8(output.frames[0])
    params = _params(request, plan, pipeline, frames.shape, output, threads, digest)
    if request.enhance:
        params["enhanced"] = {"prompt": prompt, "added": added}
    return Generated(frames, plan.fps, params)


def _enhanced(request: GenerationRequest) -> tuple[str, list[dict[str, str]]]:
    """The prompt that the model gets, and what was added to what was asked."""
    if not request.enhance:
        return request.prompt, []
    from .spacetime.enhance import enhance
    from .spacetime.storyboard import Shot, format_storyboard, parse_storyboard

    shots = parse_storyboard(request.prompt)
    done = [enhance(shot.prompt, request.seed) for shot in shots]
    added = [
        {"slot": slot, "value": value, "words": words} for one in done for slot, value, words in one.added
    ]
    if len(shots) == 1:
        return done[0].prompt, added
    longer = [Shot(shot.start, one.prompt) for shot, one in zip(shots, done, strict=True)]
    return format_storyboard(longer), added


def _decoded(pipeline: Any, output: Any, arguments: dict[str, Any]) -> Any:
    """The embedded model's frames, decoded piece by piece: a minute in floats would take gigabytes."""
    import numpy as np

    size = arguments.get("height") or 256, arguments.get("width") or 256
    pieces = pipeline.decode_windows(output.frames[:1], size)
    return np.concatenate([_to_uint8(piece.permute(0, 2, 3, 1).numpy()) for piece in pieces])


_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, MemoryError)
"""What pipelines raise: many check their inputs and their parts only where they use them."""


@contextmanager
def _failures_told(plan: Plan) -> Iterator[None]:
    """A foreign pipeline's failure as an error for people; one of our own stays what it is: a bug."""
    import torch

    name, device = plan.found.model_id, plan.loading.device
    try:
        yield
    except GeneratorError:
        raise
    except _FAILURES as error:
        on_cpu = isinstance(error, RuntimeError) and "allocate memory" in str(error)
        if on_cpu or isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            raise InsufficientMemoryError(
                f"{name} ran out of memory on {device}",
                hint="Ask for a smaller or shorter clip, or offload more (--offload sequential).",
            ) from error
        if plan.found.embedded:
            raise
        why = (str(error).splitlines() or [""])[0]
        raise ModelError(
            f"{name} ({plan.loading.pipeline_class}) broke off: {type(error).__name__}: {why}",
            hint="Ask for the size and length that it recommends; if that fails too, the folder is not of its class.",
        ) from error


def _params(
    request: GenerationRequest,
    plan: Plan,
    pipeline: Any,
    shape: tuple[int, ...],
    output: Any,
    threads: int,
    digest: str,
) -> dict[str, Any]:
    """All that decided the frames, JSON-able."""
    found, loading, arguments = plan.found, plan.loading, plan.arguments
    params = {
        "model": found.model_id,
        "pipeline": loading.pipeline_class,
        "family": plan.family.name,
        "weights_digest": combined_digest(found.weights_digest, loading.loras),
        "weights_licence": found.weights_licence,
        "model_card": model_card(found.folder),
        "request_digest": digest,
        "seed": request.seed,
        "steps": arguments.get("num_inference_steps"),
        "guidance_scale": arguments.get("guidance_scale"),
        "arguments": {k: v for k, v in arguments.items() if isinstance(v, (int, float, str)) or v is None},
        "scheduler": _scheduler(pipeline),
        "native_size": {"frames": shape[0], "height": shape[1], "width": shape[2]},
        "fps": float(plan.fps),
        "prompt_report": output.readings[0].report() if found.embedded else None,
        "scenes": output.scenes[0] if found.embedded else None,
        "adjustments": list(plan.adjustments),
        "device": loading.device,
        "dtype": loading.dtype,
        "offload": loading.offload,
        "vae_tiling": loading.tiling,
        "quantize": loading.quantize,
        "threads": threads,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if plan.pictures:
        params["pictures"] = {what: {"sha256": picture.sha256} for what, picture in plan.pictures.items()}
    if loading.loras:
        params["base_weights_digest"] = found.weights_digest
        params["lora"] = [{"sha256": lora.sha256} for lora in loading.loras]
    return params


def _conditions(pipeline: Any, plan: Plan) -> dict[str, Any]:
    """The pictures as the pipeline takes them: by name, or as conditions on frames."""
    pictures = {what: picture.image for what, picture in plan.pictures.items()}
    accepted = inspect.signature(pipeline.__call__).parameters
    if not pictures or "conditions" not in accepted:
        return pictures
    last = plan.arguments["num_frames"] - 1
    if type(pipeline).__name__.startswith("LTX2"):
        from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

        places = {"image": 0, "last_image": -1}  # in latent frames
        return {"conditions": [LTX2VideoCondition(image, places[w]) for w, image in pictures.items()]}
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    places = {"image": 0, "last_image": last}
    return {
        "conditions": [LTXVideoCondition(image=image, frame_index=places[w]) for w, image in pictures.items()]
    }


def _set_flow_shift(pipeline: Any, shift: float) -> None:
    """The noise schedule's shift that the family's card asks for at this size, where the schedule has one."""
    scheduler = pipeline.scheduler
    name = next((one for one in ("flow_shift", "shift") if one in scheduler.config), None)
    if name is not None and not scheduler.config.get("use_dynamic_shifting"):
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **{name: shift})


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
