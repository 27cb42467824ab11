"""From a folder to a pipeline that is ready to run; the last one is kept for the next clip."""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from .errors import QuantisationError, WeightsError
from .lora import Lora, fold_lora
from .memory import Offload, is_float32, is_quantised
from .models import FoundModel, pipeline_type


@dataclass(frozen=True)
class Loading:
    """How a model is loaded: all that makes one pipeline differ from another of the same weights.

    ``pipeline_class``: the class that runs the weights, None for the one that the folder names. ``dtype``: a
    torch dtype's name.
    """

    device: str
    dtype: str
    pipeline_class: str | None = None
    offload: Offload = "none"
    tiling: bool = False
    quantize: str | None = None
    float32_vae: bool = False
    loras: tuple[Lora, ...] = ()


_kept: tuple[tuple[FoundModel, str, Loading], Any] | None = None


def load_pipeline(found: FoundModel, device: str, dtype: str, how: Loading | None = None) -> Any:
    """The pipeline, ready to run on ``device`` ("cpu", "cuda", "cuda:1", "mps") in ``dtype`` (a torch
    dtype's name).

    Only safetensors are read (pickles can run code). ``how`` says more than the first two; they are its own
    where it is given. Raises :class:`WeightsError`, :class:`LoraError` or :class:`QuantisationError`.
    """
    global _kept
    how = how or Loading(device, dtype)
    key = (found, found.weights_digest, how)
    if _kept is not None and _kept[0] == key:
        return _kept[1]
    _kept = None  # before the next is loaded: two large models do not fit side by side
    pipeline = _load(found, how)
    _kept = (key, pipeline)
    return pipeline


def held_bytes() -> int:
    """Main memory that the kept pipeline's weights take."""
    if _kept is None:
        return 0
    return sum(
        tensor.numel() * tensor.element_size()
        for module in _modules(_kept[1])
        for tensor in module.parameters()
        if tensor.device.type == "cpu"
    )


def check_quantisation(quantize: str | None, device: str) -> None:
    """Raise :class:`QuantisationError` where quantised weights cannot be loaded here."""
    if quantize is None:
        return
    if not device.startswith("cuda"):
        raise QuantisationError(
            f"weights in {quantize} need a CUDA device, not {device}", hint="Leave --quantize out."
        )
    if find_spec("bitsandbytes") is None:
        raise QuantisationError(
            f"weights in {quantize} need the package bitsandbytes, which is not installed",
            hint="Install it with `pip install bitsandbytes`, or leave --quantize out.",
        )


def _load(found: FoundModel, how: Loading) -> Any:
    import torch
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    check_quantisation(how.quantize, how.device)
    name = how.pipeline_class or found.pipeline_class
    # Their bars know nothing of the caller's terminal; `progress` is how generation is followed.
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = pipeline_type(name).from_pretrained(
            found.folder,
            dtype=_dtypes(found, how),
            quantization_config=_quantisation(found, how),
            use_safetensors=True,
            local_files_only=True,
        )
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        raise WeightsError(
            f"{found.folder} cannot be loaded as {name}: {error}",
            hint="The model must hold safetensors weights for every component.",
        ) from error
    for module in _modules(pipeline):
        module.eval()  # a pipeline built from modules is in train mode, dropout included
    for lora in how.loras:
        fold_lora(pipeline, lora)
    pipeline.set_progress_bar_config(disable=True)
    if how.tiling and hasattr(getattr(pipeline, "vae", None), "enable_tiling"):
        pipeline.vae.enable_tiling()
    place = {
        "none": pipeline.to,
        "model": partial(_offload, pipeline.enable_model_cpu_offload),
        "sequential": partial(_offload, pipeline.enable_sequential_cpu_offload),
    }[how.offload]
    placed = place(torch.device(how.device))
    return pipeline if placed is None else placed


def _offload(enable: Any, device: Any) -> None:
    enable(device=device)


def _modules(pipeline: Any) -> list[Any]:
    import torch

    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]


def _dtypes(found: FoundModel, how: Loading) -> Any:
    import torch

    dtype = getattr(torch, how.dtype)
    if not how.float32_vae or how.dtype == "float32":
        return dtype
    return {"default": dtype} | {name: torch.float32 for name in found.index if is_float32(name)}


def _quantisation(found: FoundModel, how: Loading) -> Any:
    """bitsandbytes for the large components; None where nothing is to be quantised."""
    if how.quantize is None:
        return None
    import torch
    from diffusers import PipelineQuantizationConfig

    kwargs: dict[str, Any] = {"load_in_8bit": True}
    if how.quantize == "4bit":
        kwargs = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": getattr(torch, how.dtype),
        }
    return PipelineQuantizationConfig(
        quant_backend=f"bitsandbytes_{how.quantize}",
        quant_kwargs=kwargs,
        components_to_quantize=[
            name
            for name, stated in found.index.items()
            if is_quantised(name) and isinstance(stated, list) and stated[0] is not None
        ],
    )
