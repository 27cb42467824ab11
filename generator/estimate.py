"""How much work a clip is, and how long a machine takes for it: an estimate, and called one."""

import time
from dataclasses import dataclass
from functools import lru_cache

_MATMUL_SIDE = {"cpu": 1024, "cuda": 8192, "mps": 4096}
_MEASURE_S = 0.15
_WORST_SHARE = 0.15
"""Of a large matrix product's rate, what a small or memory-bound model reaches; small transformers were
measured at a quarter to two fifths of it, and text encoder and VAE are not counted."""
_OFFLOAD_BYTES_S = 10e9
"""Weights that move to the accelerator and back: about what PCIe 4.0 x16 reaches with ordinary memory."""


@dataclass(frozen=True)
class Workload:
    """The denoising of one clip. ``tokens``: of the latent video; ``parameters``: of the transformer that runs in a
    step; ``width`` and ``layers``: of its attention, 0 where the config does not say; ``passes``: runs in a step."""

    tokens: int
    parameters: int
    width: int
    layers: int
    steps: int
    passes: int

    @property
    def flops(self) -> float:
        """2·P·N for the weights and 4·N²·d·L for attention, in every pass of every step (Kaplan et al. 2020,
        arXiv 2001.08361, table 1; a multiplication and an addition are two)."""
        forward = 2.0 * self.parameters * self.tokens + 4.0 * self.tokens**2 * self.width * self.layers
        return forward * self.steps * self.passes


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of denoising, from a machine that reaches its matrix rate to one that mostly waits for memory."""

    least_s: float
    most_s: float
    flops: float
    flops_per_s: float


def estimate_time(
    work: Workload, device: str, dtype: str, threads: int, *, moved_bytes: int = 0
) -> TimeEstimate:
    """From :func:`matmul_rate` of this machine, now. ``moved_bytes``: weights that offloading moves, in all."""
    rate = matmul_rate(device, dtype, threads)
    moving = moved_bytes / _OFFLOAD_BYTES_S
    return TimeEstimate(
        work.flops / rate + moving, work.flops / (rate * _WORST_SHARE) + 2 * moving, work.flops, rate
    )


@lru_cache(maxsize=8)
def matmul_rate(device: str, dtype: str, threads: int) -> float:
    """FLOP/s of square matrix products on ``device``: the best of a few within a sixth of a second."""
    import torch

    kind = device.split(":")[0]
    side = _MATMUL_SIDE.get(kind, 1024)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        left = torch.ones(side, side, device=device, dtype=getattr(torch, dtype))
        best, started, runs = 0.0, time.perf_counter(), 0
        while runs < 3 or time.perf_counter() - started < _MEASURE_S:
            begun = time.perf_counter()
            product = left @ left
            float(product[0, 0])  # waits until the device is done
            best = max(best, 2.0 * side**3 / (time.perf_counter() - begun))
            runs += 1
    finally:
        torch.set_num_threads(before)
    return best
