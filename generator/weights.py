"""What weight files say of themselves in their headers: names, shapes and sizes, without loading a weight.

The format is eight bytes with the header's length (little-endian), the header as JSON, and the tensors
(https://github.com/huggingface/safetensors#format).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError, WeightsError

_MAX_HEADER_BYTES = 100_000_000  # the limit of the format's own reader
_VARIANTS = (".fp16.", ".bf16.", ".non_ema.")  # copies beside the weights that are loaded


@dataclass(frozen=True)
class Part:
    """A component of a pipeline. ``elements``: all its numbers; ``largest``: those of its largest tensor;
    ``disk_bytes``: its files."""

    elements: int
    largest: int
    disk_bytes: int


def read_header(path: Path, error_type: type[ModelError] = WeightsError) -> Mapping[str, Any]:
    """The header of a safetensors file: tensor name to dtype, shape and offsets.

    Raises ``error_type`` for a file that is cut off or of another format.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
                raise ValueError("no safetensors header")
            header = json.loads(file.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((int(entry["data_offsets"][1]) for entry in tensors.values()), default=0)
        if end + 8 + length != size:
            raise ValueError(f"{size:,} bytes where the header tells of {end + 8 + length:,}")
        for entry in tensors.values():
            math.prod(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise error_type(f"{path} is damaged or cut off: {error}", hint="Fetch the file anew.") from None
    return tensors


def read_parts(folder: Path, index: Mapping[str, Any]) -> dict[str, Part]:
    """The components that ``model_index.json`` names and that have weights. Raises :class:`WeightsError`."""
    parts = {}
    for name, stated in index.items():
        if name.startswith("_") or not isinstance(stated, list) or not stated or stated[0] is None:
            continue
        paths = [
            path
            for path in sorted((folder / name).glob("*.safetensors"))
            if not any(variant in path.name for variant in _VARIANTS)
        ]
        if paths:
            sizes = [math.prod(entry["shape"]) for path in paths for entry in read_header(path).values()]
            parts[name] = Part(sum(sizes), max(sizes, default=0), sum(path.stat().st_size for path in paths))
    return parts
