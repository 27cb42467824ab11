"""What a request would come to on this machine: settled, and told, before a weight is loaded."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from .arguments import settle_arguments
from .errors import GeneratorError, InsufficientMemoryError, LoraError, RequestError, WeightsError
from .estimate import TimeEstimate, Workload, estimate_time
from .families import Family, family_of, last_picture, latents_of, patch_of
from .loading import Loading, check_quantisation, held_bytes
from .lora import find_lora
from .memory import (
    TILED_ABOVE_BYTES,
    MemoryPlan,
    Offload,
    free_disk,
    free_memory,
    gib,
    part_bytes,
    plan_memory,
    transformer_bytes,
    vae_bytes,
)
from .models import FoundModel, choose_device, choose_dtype, find_model, pipeline_type
from .pictures import Picture, fit_picture, read_picture
from .request import GenerationRequest
from .weights import Part, read_parts


@dataclass(frozen=True, eq=False)
class Plan:
    """One generation, ready to start. ``arguments``: what the pipeline is called with, pictures aside.

    ``pictures``: by argument name, at the clip's size. ``adjustments``: what differs from the wish, and why.
    """

    found: FoundModel
    family: Family
    loading: Loading
    arguments: Mapping[str, Any]
    fps: Fraction
    adjustments: tuple[dict[str, Any], ...]
    pictures: Mapping[str, Picture]
    flow_shift: float | None
    memory: MemoryPlan
    work: Workload
    parts: Mapping[str, Part] = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; what the plan counts with where the pipeline chooses by itself."""
        return _size_of(self.arguments, self.found, self.family)

    @property
    def disk_bytes(self) -> int:
        """Frames kept between the steps of a production, and as much again for the clip in its stages."""
        width, height = self.size
        return 2 * 3 * width * height * int(self.arguments.get("num_frames") or 1)

    def check(self, folder: Path) -> None:
        """Raise :class:`InsufficientMemoryError` where memory, or the disk that holds ``folder``, is too small."""
        free = free_disk(folder)
        if self.disk_bytes > free:
            raise InsufficientMemoryError(
                f"the clip needs about {gib(self.disk_bytes)} of disk while it is made; {gib(free)} are free "
                f"at {folder}",
                hint="Make room, or set CLIPPROOF_HOME to a larger disk.",
            )
        self.memory.check(self.found.model_id)

    def report(self, threads: int, folder: Path) -> dict[str, Any]:
        """All that the plan says, JSON-able; measures the machine for a sixth of a second. ``folder``: where the
        work files will lie."""
        memory, took = self.memory, self.estimate(threads)
        frames = self.arguments.get("num_frames")
        return {
            "model": self.found.model_id,
            "pipeline": self.loading.pipeline_class,
            "family": self.family.name,
            "weights_licence": self.found.weights_licence,
            "usual_licence": self.family.usual_licence,
            "recommended_by": self.family.source,
            "weights_bytes": sum(part.disk_bytes for part in self.parts.values()),
            "device": self.loading.device,
            "dtype": self.loading.dtype,
            "arguments": {**self.arguments},
            "flow_shift": self.flow_shift,
            "fps": float(self.fps),
            "seconds": None if frames is None else round(frames / float(self.fps), 3),
            "pictures": {what: one.sha256 for what, one in self.pictures.items()},
            "lora": [lora.sha256 for lora in self.loading.loras],
            "adjustments": list(self.adjustments),
            "memory": asdict(memory) | {"fits": memory.fits},
            "time": asdict(took) | {"estimate": True},
            "disk": {"needed": self.disk_bytes, "free": free_disk(folder)},
        }

    def estimate(self, threads: int) -> TimeEstimate:
        """Seconds of denoising on this machine; measures it for a sixth of a second."""
        moved = sum(self.memory.parts.values()) if self.memory.offload != "none" else 0
        if self.memory.offload == "sequential":
            denoiser = self.memory.parts.get("transformer", 0)
            moved += denoiser * self.work.steps * self.work.passes
        return estimate_time(self.work, self.loading.device, self.loading.dtype, threads, moved_bytes=moved)


def plan_generation(
    request: GenerationRequest,
    *,
    device: str | None = None,
    offload: Offload | None = None,
    download: bool = True,
) -> Plan:
    """Settle everything that ``request`` needs on this machine, and load no large model.

    ``device``: e.g. "cpu" or "cuda:0"; the best that is there by default. ``offload``: None chooses by free
    memory. ``download``: fetch a hub model that is not here yet. The plan may not fit: ``plan.memory.check``
    says so. Raises :class:`~generator.errors.GeneratorError` for a request that this model cannot serve.
    """
    found = find_model(request.model, download=download)
    try:
        return _plan(request, found, choose_device(device), offload)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        if found.embedded or isinstance(error, GeneratorError):
            raise
        raise WeightsError(
            f"the configs in {found.folder} make no sense for a {found.pipeline_class}: {error}",
            hint="Fetch or save the model anew.",
        ) from error


def _plan(request: GenerationRequest, found: FoundModel, device: str, offload: Offload | None) -> Plan:
    family = family_of(found)
    dtype = choose_dtype(found, device)
    check_quantisation(request.quantize, device)
    loras = tuple(find_lora(path) for path in request.lora)
    if loras and request.quantize:
        raise LoraError("a LoRA cannot be folded into quantised weights", hint="Leave one of the two out.")
    if loras and not hasattr(pipeline_type(found.pipeline_class), "lora_state_dict"):
        raise LoraError(f"{found.pipeline_class} takes no LoRA", hint="Leave the LoRA out.")
    name = _class_for(request, found, family)
    pictures = {
        what: read_picture(path, what)
        for what, path in (("image", request.image), ("last_image", request.last_image))
        if path is not None
    }
    notes: list[dict[str, Any]] = []
    arguments, fps = settle_arguments(request, found, family, name, pictures, notes.append)
    size = _size_of(arguments, found, family)
    if "width" in arguments:
        pictures = {
            what: replace(one, image=fit_picture(one.image, *size, what, notes.append))
            for what, one in pictures.items()
        }
    parts = read_parts(found.folder, found.index)
    work = _workload(found, family, name, arguments, size, parts)
    loading, memory = _memory(request, found, family, work, arguments, size, parts, device, dtype, offload)
    return Plan(
        found=found,
        family=family,
        loading=replace(loading, pipeline_class=name, loras=loras),
        arguments=arguments,
        fps=fps,
        adjustments=tuple(notes),
        pictures=pictures,
        flow_shift=family.flow_shift(found, *size),
        memory=memory,
        work=work,
        parts=parts,
    )


def _class_for(request: GenerationRequest, found: FoundModel, family: Family) -> str:
    """The pipeline class that serves the request's pictures with this model's weights."""
    name = found.pipeline_class
    if request.last_image is not None:
        name = family.last_image_class.get(name, family.image_class.get(name, name))
    elif request.image is not None:
        name = family.image_class.get(name, name)
    accepted = inspect.signature(pipeline_type(name).__call__).parameters
    keyed = "conditions" in accepted
    if request.image is not None and not keyed and "image" not in accepted:
        raise RequestError(
            f"{found.model_id} ({name}) does not start from a picture",
            hint="Choose an image-to-video model, or leave the picture out.",
        )
    last = last_picture(found) if "last_image" in accepted else "takes" if keyed else "refuses"
    if request.last_image is not None and last == "refuses":
        raise RequestError(
            f"{found.model_id} ({name}) does not end with a picture",
            hint="Choose a first-and-last-frame model, or leave the last picture out.",
        )
    if request.last_image is None and last == "needs":
        raise RequestError(
            f"{found.model_id} ({name}) draws what lies between two pictures, and the last is missing",
            hint="Give it with --last-image FILE, or choose an image-to-video model.",
        )
    starts_from_picture = "ImageToVideo" in name or "Framepack" in name
    if starts_from_picture and not found.embedded and request.image is None:
        raise RequestError(
            f"{found.model_id} ({name}) starts from a picture, and none was given",
            hint="Give one with --image FILE, or choose a text-to-video model.",
        )
    return name


def _size_of(arguments: Mapping[str, Any], found: FoundModel, family: Family) -> tuple[int, int]:
    """Width and height in pixels to plan with; a square of the target size where the pipeline chooses itself."""
    target = int(found.config("transformer").get("target_size") or 0) or 512
    return arguments.get("width") or family.width or target, arguments.get(
        "height"
    ) or family.height or target


def _workload(
    found: FoundModel,
    family: Family,
    name: str,
    arguments: Mapping[str, Any],
    size: tuple[int, int],
    parts: Mapping[str, Part],
) -> Workload:
    accepted = inspect.signature(pipeline_type(name).__call__).parameters
    transformer = found.config("transformer")
    latents, (patch_t, patch) = latents_of(found, family.latents), patch_of(found)
    frames = -(-int(arguments.get("num_frames") or family.frames or 1) // latents.temporal)
    width, height = (-(-side // (latents.spatial * patch)) for side in size)
    heads, per_head = transformer.get("num_attention_heads") or 0, transformer.get("attention_head_dim") or 0
    layers = (transformer.get("num_layers") or 0) + (transformer.get("num_single_layers") or 0)
    guided = family.passes > 1 and (
        "true_cfg_scale" in accepted or arguments.get("guidance_scale", 2.0) > 1.0
    )
    denoiser = parts.get("transformer") or parts.get("unet") or max(parts.values(), key=lambda p: p.elements)
    return Workload(
        tokens=-(-frames // patch_t) * width * height,
        parameters=denoiser.elements,
        width=int(heads * per_head or transformer.get("width") or 0),
        layers=int(layers),
        steps=int(arguments.get("num_inference_steps") or 1),
        passes=family.passes if guided else 1,
    )


def _memory(
    request: GenerationRequest,
    found: FoundModel,
    family: Family,
    work: Workload,
    arguments: Mapping[str, Any],
    size: tuple[int, int],
    parts: Mapping[str, Part],
    device: str,
    dtype: str,
    offload: Offload | None,
) -> tuple[Loading, MemoryPlan]:
    """How to load the model so that the clip fits, and what that takes."""
    width, height = size
    frames = int(arguments.get("num_frames") or family.frames or 1)
    latents, vae = latents_of(found, family.latents), found.config("vae")
    vae_dtype = "float32" if family.float32_vae else dtype
    whole = vae_bytes(vae, frames, height, width, latents.chunk_frames, vae_dtype)
    tiling = not found.embedded and whole > TILED_ABOVE_BYTES
    if tiling:
        tile = min(latents.tile_px, height), min(latents.tile_px, width)
        whole = vae_bytes(vae, frames, *tile, latents.chunk_frames, vae_dtype)
    pictures = 4 * 3 * frames * height * width  # the decoded frames, float32
    if found.embedded:
        whole = 0  # its decoder is one matrix
    thinking = transformer_bytes(work.tokens, work.width or 4096, min(2, work.passes), dtype)
    memory = plan_memory(
        part_bytes(parts, dtype, request.quantize, float32_vae=family.float32_vae),
        int(4 * max((part.largest for part in parts.values()), default=0)),
        max(thinking, whole + 2 * pictures),
        free_memory(device, held_bytes()),
        offload=offload,
        tiling=tiling,
        quantize=request.quantize,
    )
    loading = Loading(
        device,
        dtype,
        offload=memory.offload,
        tiling=tiling,
        quantize=request.quantize,
        float32_vae=family.float32_vae,
    )
    return loading, memory
