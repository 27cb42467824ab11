"""Sampling by flow matching, for planner and painter alike: noise to data, with some frames given."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from .transformer import MIN_SIGMA

KNOWN_SIGMA: Final = 0.04
"""Noise on given frames, as in training: a little hides the small errors that would otherwise build up."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""``x_hat = predict(z, sigma)``; z [1, F, ...], sigma [1, F]."""
OnStep = Callable[[Tensor, Tensor], Tensor | None]
"""``z = on_step(timestep, z)`` after every step; ``None`` stops."""


def windows(frames: int, window: int, overlap: int) -> list[tuple[int, int, int]]:
    """How ``frames`` latent frames are made in turn: (first, behind the last, how many of them are there
    already). Every window but the first sees ``overlap`` frames or more of the one before."""
    if frames <= window:
        return [(0, frames, 0)]
    spans, done = [(0, window, 0)], window
    while done < frames:
        end = min(frames, done + window - overlap)
        spans.append((done - overlap, end, overlap))
        done = end
    return spans


def denoise(
    predict: Predict,
    noise: Tensor,
    scheduler: Any,
    steps: int,
    known: Tensor | None = None,
    given: Tensor | None = None,
    known_sigma: float = KNOWN_SIGMA,
    start: Tensor | None = None,
    strength: float = 1.0,
    on_step: OnStep | None = None,
) -> Tensor:
    """``noise`` [1, F, ...] to data by Euler steps of ``scheduler``; frames with ``given`` (bool [F]) are held
    at ``known`` [1, F, ...] and come back unchanged. From ``start`` [1, F, ...] instead of pure noise, the
    way begins at sigma ``strength``."""
    z = noise if start is None else (1 - strength) * start + strength * noise
    frames = noise.shape[1]
    shape = (1, frames, *[1] * (noise.ndim - 2))
    held = torch.zeros(frames, dtype=torch.bool) if given is None else given
    held = held.to(noise.device)
    fixed = noise if known is None else (1 - known_sigma) * known + known_sigma * noise
    first = 1.0
    if start is not None:  # the sigma that the scheduler's shift takes to `strength`
        shift = scheduler.config.shift
        first = strength / (shift - (shift - 1) * strength)
    sigmas = np.linspace(first, first / steps, steps)
    scheduler.set_timesteps(sigmas=sigmas.tolist(), device=noise.device)
    for t in scheduler.timesteps:
        z = torch.where(held.view(shape), fixed, z)
        sigma = torch.where(held, known_sigma, t / 1000)[None]
        velocity = (z - predict(z, sigma)) / sigma.clamp_min(MIN_SIGMA).view(shape)
        z = scheduler.step(velocity, t, z, return_dict=False)[0]
        if on_step is not None:
            changed = on_step(t, z)
            if changed is None:
                break
            z = changed
    return z if known is None else torch.where(held.view(shape), known, z)
