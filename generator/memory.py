"""Whether a clip fits into memory, and what must move out of the way: decided before a weight is loaded.

The weights are known exactly. The rest is an upper bound. One layer of a transformer keeps at most
34·b·N·d bytes in 16 bits (Korthikanti et al. 2022, arXiv 2205.05198, section 4.1, without the attention
matrix, which fused kernels never hold), and without gradients only one layer is alive. A convolution of a
VAE holds its input, its padded input and its output, each of at most twice the channels of full resolution.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import GeneratorError, InsufficientMemoryError
from .weights import Part

Offload = Literal["none", "model", "sequential"]
OFFLOADS: tuple[Offload, ...] = ("none", "model", "sequential")
"""``model``: a component is on the accelerator while it works; ``sequential``: only a layer is (slow)."""

TILED_ABOVE_BYTES = 4 << 30
"""A VAE that would take more decodes in tiles. Decided by the clip alone, never by what is free: tiles change
the frames a little, and the same request must give the same frames."""
USABLE = 0.9
"""Share of the free memory that is planned with: allocators lose some to fragments, others want some."""
BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
QUANTISED_BYTES = {"8bit": 1.0, "4bit": 0.5625}
"""Per weight; 4 bits carry one float32 for each block of 64."""


@dataclass(frozen=True)
class FreeMemory:
    """Bytes that can be had: on the device, and in main memory. Equal where the device computes in main memory."""

    device: int
    ram: int
    shared: bool


@dataclass(frozen=True)
class MemoryPlan:
    """How a clip is to fit. All in bytes. ``needed``: on the device; ``ram_needed``: in main memory."""

    offload: Offload
    chosen: bool
    tiling: bool
    quantize: str | None
    parts: Mapping[str, int]
    activations: int
    needed: int
    available: int
    ram_needed: int
    ram_available: int

    @property
    def fits(self) -> bool:
        return self.needed <= self.available and self.ram_needed <= self.ram_available

    def check(self, what: str) -> None:
        """Raise :class:`InsufficientMemoryError` where the clip does not fit and nobody said to try anyway."""
        if self.fits or self.chosen:
            return
        device_short = self.needed > self.available
        needed, available = (
            (self.needed, self.available) if device_short else (self.ram_needed, self.ram_available)
        )
        quantised = "" if self.quantize else ", quantised weights (--quantize 8bit)"
        raise InsufficientMemoryError(
            f"{what} would need about {gib(needed)} and {gib(max(0, available))} can be used",
            hint=f"Ask for a smaller or shorter clip{quantised}, or free memory; "
            f"--offload {self.offload} tries it all the same.",
        )


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def part_bytes(
    parts: Mapping[str, Part], dtype: str, quantize: str | None, *, float32_vae: bool
) -> dict[str, int]:
    """Bytes of every component once it is loaded."""
    return {
        name: int(part.elements * _width(name, dtype, quantize, float32_vae=float32_vae))
        for name, part in parts.items()
    }


def is_quantised(name: str) -> bool:
    """Whether a component is large enough in every family for quantised weights to be worth it."""
    return name.startswith(("transformer", "text_encoder"))


def _width(name: str, dtype: str, quantize: str | None, *, float32_vae: bool) -> float:
    if quantize and is_quantised(name):
        return QUANTISED_BYTES[quantize]
    return 4.0 if float32_vae and is_float32(name) else BYTES[dtype]


def is_float32(name: str) -> bool:
    """Whether a component stays in float32 where the family's card asks for a float32 VAE."""
    return name in ("vae", "image_encoder")


def transformer_bytes(tokens: int, width: int, batch: int, dtype: str) -> int:
    """34·b·N·d in 16 bits, twice that in float32: upper bound for one layer's activations."""
    return int(34 * batch * tokens * width * BYTES[dtype] / 2)


def vae_bytes(
    vae: Mapping[str, Any], frames: int, height: int, width: int, chunk: int | None, dtype: str
) -> int:
    """Upper bound for a VAE that decodes ``chunk`` frames (None: all) of ``height`` x ``width`` at a time."""
    stated = (
        vae.get("decoder_block_out_channels") or vae.get("block_out_channels") or [vae.get("base_dim") or 96]
    )
    patch = vae.get("patch_size") or 1
    patch = patch[-1] if isinstance(patch, list) else patch
    pixels = min(frames, chunk or frames) * -(-height // patch) * -(-width // patch)
    return int(3 * 2 * int(stated[0]) * pixels * BYTES[dtype])


def plan_memory(
    parts: Mapping[str, int],
    largest_tensor: int,
    activations: int,
    free: FreeMemory,
    *,
    offload: Offload | None = None,
    tiling: bool = False,
    quantize: str | None = None,
) -> MemoryPlan:
    """The least offloading that fits, or the one that was chosen; the most where nothing fits.

    ``parts``: bytes of each component, ``largest_tensor`` of the largest single one.
    """
    total, largest = sum(parts.values()), max(parts.values(), default=0)
    resident = 0
    if quantize == "8bit":  # weights in 8 bits stay where they were loaded
        resident = sum(size for name, size in parts.items() if is_quantised(name))
        largest = max((size for name, size in parts.items() if not is_quantised(name)), default=0)
    on_device = {
        "none": total,
        "model": resident + largest,
        # accelerate's hooks bring one layer in while the one before may not have gone yet
        "sequential": 2 * largest_tensor,
    }
    offered = ("none",) if free.shared else ("none", "model") if quantize else OFFLOADS

    def plan(level: Offload) -> MemoryPlan:
        needed = on_device[level] + activations
        ram = needed if free.shared else largest if level == "none" else total
        return MemoryPlan(
            level, offload is not None, tiling, quantize, dict(parts), activations, needed,
            int(USABLE * free.device), ram, int(USABLE * free.ram),
        )  # fmt: skip

    if offload is not None:
        return plan(offload if offload in offered else offered[-1])
    plans = [plan(level) for level in offered]
    return next((one for one in plans if one.fits), plans[-1])


def free_memory(device: str, held: int = 0) -> FreeMemory:
    """What is free now. ``held``: bytes of main memory that a pipeline kept from the last clip would give back."""
    import torch

    ram = _free_ram() + held
    if not device.startswith("cuda"):
        return FreeMemory(ram, ram, shared=True)
    if not torch.cuda.is_available():
        raise GeneratorError(f"there is no {device} here", hint="Leave the device out, or name cpu.")
    free, _ = torch.cuda.mem_get_info(device)
    return FreeMemory(free + torch.cuda.memory_reserved(device), ram, shared=False)


def _free_ram() -> int:
    """Available main memory, or what the control group leaves of it."""
    import psutil  # type: ignore[import-untyped]

    free = int(psutil.virtual_memory().available)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return free
    # Pages of files count as used and are given back when they are wanted.
    return free if limit == "max" else min(free, max(0, int(limit) - used + _file_pages()))


def _file_pages() -> int:
    try:
        lines = Path("/sys/fs/cgroup/memory.stat").read_text().splitlines()
        return int(dict(line.split(maxsplit=1) for line in lines).get("inactive_file", 0))
    except (OSError, ValueError):
        return 0


def free_disk(folder: Path) -> int:
    """Bytes that may still be written below ``folder``, or below the nearest folder above it that exists."""
    while not folder.exists():
        folder = folder.parent
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize
