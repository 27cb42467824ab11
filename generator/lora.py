"""LoRAs: low-rank changes of a model's weights, folded in when the model is loaded.

Folding needs no adapter layers, costs nothing per step, goes along with every kind of offloading, and leaves
one digest for the whole. Hu et al. 2021 (arXiv 2106.09685): W' = W + (alpha / r)·B·A.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LoraError
from .pictures import file_sha256
from .weights import read_header

_KINDS = {
    ".lora_A.weight": "down",
    ".lora_down.weight": "down",
    ".lora_B.weight": "up",
    ".lora_up.weight": "up",
    ".lora_B.bias": "bias",
    ".alpha": "alpha",
}
_METADATA = "lora_adapter_metadata"  # diffusers' own key in the header


@dataclass(frozen=True)
class Lora:
    """A LoRA file. ``sha256`` (hex): of its bytes."""

    path: Path
    sha256: str


def find_lora(path: str) -> Lora:
    """The file, checked by its header. Raises :class:`LoraError` or :class:`RequestError`."""
    file = Path(path).expanduser()
    digest = file_sha256(file, "lora")
    if not read_header(file, LoraError):
        raise LoraError(f"{file} holds no tensors", hint="Give a LoRA that was trained for this model.")
    return Lora(file, digest)


def combined_digest(weights_digest: str, loras: tuple[Lora, ...]) -> str:
    """The digest of weights with LoRAs folded in: of the weights alone where there are none."""
    if not loras:
        return weights_digest
    lines = [weights_digest, *(lora.sha256 for lora in loras)]
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def fold_lora(pipeline: Any, lora: Lora) -> int:
    """Add the LoRA to the weights of ``pipeline``, in place; how many layers it changed.

    The names of other trainers are translated by diffusers. Raises :class:`LoraError` for a LoRA of another
    model or kind; the pipeline is then half-changed and must be dropped.
    """
    import torch

    if not hasattr(pipeline, "lora_state_dict"):
        raise LoraError(f"{type(pipeline).__name__} takes no LoRA", hint="Leave the LoRA out.")
    layers, alphas = _layers_of(pipeline, lora)
    for name, found in layers.items():
        component, _, path = name.partition(".")
        try:
            layer = pipeline.components[component].get_submodule(path)
            weight = layer.weight
        except (KeyError, AttributeError):
            raise _foreign(pipeline, lora, f"there is no layer {name}") from None
        if "down" not in found or "up" not in found:
            raise LoraError(f"{lora.path}: one half of {name} is missing", hint="Fetch the file anew.")
        down, up = found["down"].float(), found["up"].float()
        rank = down.shape[0]
        alpha = float(found["alpha"]) if "alpha" in found else alphas.get(component, float(rank))
        with torch.no_grad():
            try:
                delta = (alpha / rank * (up.flatten(1) @ down.flatten(1))).reshape(weight.shape)
                bias = found["bias"].float().reshape(layer.bias.shape) if "bias" in found else None
            except (RuntimeError, AttributeError):
                raise _foreign(pipeline, lora, f"{name} has another shape") from None
            weight.copy_(weight.float() + delta)
            if bias is not None:
                layer.bias.copy_(layer.bias.float() + bias)
    return len(layers)


def _layers_of(pipeline: Any, lora: Lora) -> tuple[Mapping[str, dict[str, Any]], Mapping[str, float]]:
    """Layer name to its tensors, and component to its alpha where the file's metadata state one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(lora.path, "pt") as file:
            said = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        tensors = pipeline.lora_state_dict(tensors)
        stated = json.loads(said.get(_METADATA, "{}"))
        alphas = {
            key.removesuffix(".lora_alpha"): float(value)
            for key, value in stated.items()
            if key.endswith(".lora_alpha")
        }
    except (OSError, SafetensorError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise _foreign(pipeline, lora, str(error)) from None
    layers: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, tensor in tensors.items():
        ending = next((one for one in _KINDS if key.endswith(one)), None)
        if ending is None:
            raise _foreign(pipeline, lora, f"{key} is no part of a plain LoRA")
        layers[key.removesuffix(ending)][_KINDS[ending]] = tensor
    return layers, alphas


def _foreign(pipeline: Any, lora: Lora, why: str) -> LoraError:
    return LoraError(
        f"{lora.path} does not fit {type(pipeline).__name__}: {why}",
        hint="Give a LoRA that was trained for this model.",
    )
