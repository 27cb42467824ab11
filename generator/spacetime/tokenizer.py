"""The tokenizer: a closed-form linear code of spacetime patches (Karhunen-Loève), in the pipeline's ``vae``
slot.

A patch of 4 frames x 24 x 24 pixels (6,912 numbers) becomes 192 channels: two matrix products, exactly
invertible on the subspace, nothing to train and nothing to drift. Channel i is divided by std_i**0.5
("partial whitening"): full whitening would let the noise-like channels dominate the loss.
"""

from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

PATCH_FRAMES, PATCH_SIDE = 4, 24


def patchify(video: Tensor, frames: int = PATCH_FRAMES, side: int = PATCH_SIDE) -> Tensor:
    """Video [B, T, 3, H, W] to patches [B, T/frames, H/side, W/side, frames*3*side*side]."""
    b, t, c, h, w = video.shape
    x = video.reshape(b, t // frames, frames, c, h // side, side, w // side, side)
    return x.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4)


def unpatchify(patches: Tensor, frames: int = PATCH_FRAMES, side: int = PATCH_SIDE) -> Tensor:
    """The inverse of :func:`patchify`."""
    b, t, h, w, _ = patches.shape
    x = patches.reshape(b, t, h, w, frames, 3, side, side)
    return x.permute(0, 1, 4, 5, 2, 6, 3, 7).reshape(b, t * frames, 3, h * side, w * side)


def deblock(video: Tensor, dim: int, period: int, reach: int) -> Tensor:
    """Close the seams that lie every ``period`` along ``dim``: what a video codec's deblocking filter is for.

    The step over a seam, less the slope on its two sides (which belongs to the picture), is taken back in
    equal parts on both, fading linearly over ``reach`` pixels or frames.
    """
    x = video.movedim(dim, -1).clone()
    fade = torch.linspace(1, 0, reach + 1, device=x.device, dtype=x.dtype)[:-1] / 2
    for seam in range(period, x.shape[-1], period):
        before, after = x[..., seam - 2 : seam], x[..., seam : seam + 2]
        slope = (before[..., 1] - before[..., 0] + after[..., 1] - after[..., 0]) / 2
        step = (after[..., 0] - before[..., 1] - slope)[..., None]
        x[..., seam - reach : seam] += step * fade.flip(0)
        x[..., seam : seam + reach] -= step * fade
    return x.movedim(-1, dim)


class SpacetimeTokenizer(ModelMixin, ConfigMixin):
    """Linear spacetime autoencoder: ``encode`` and ``decode`` between video in [0, 1] and latents of unit
    power.

    Latents are [B, T/4, H/24, W/24, channels], float32.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 192,
        scale_factor_temporal: int = PATCH_FRAMES,
        scale_factor_spatial: int = PATCH_SIDE,
        deblock_pixels: int = 8,
        deblock_frames: int = 2,
    ) -> None:
        super().__init__()
        numbers = scale_factor_temporal * 3 * scale_factor_spatial**2
        self.mean = nn.Parameter(torch.zeros(numbers), requires_grad=False)
        self.basis = nn.Parameter(torch.zeros(numbers, channels), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(channels), requires_grad=False)

    @classmethod
    def fit(cls, video: Tensor, channels: int = 192, **config: Any) -> "SpacetimeTokenizer":
        """The best linear code of ``video`` [B, T, 3, H, W]: its principal components."""
        tokenizer: SpacetimeTokenizer = cls(channels=channels, **config)
        x = patchify(video).flatten(0, 3)
        mean = x.mean(0)
        _, s, basis = torch.svd_lowrank(x - mean, q=channels + 24, niter=2)
        variance = s[:channels] ** 2 / len(x)
        half = variance.sqrt().sqrt()
        tokenizer.mean.data.copy_(mean)
        tokenizer.basis.data.copy_(basis[:, :channels])
        tokenizer.scale.data.copy_(half * (variance / half**2).mean().sqrt())
        return tokenizer

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """Video [B, T, 3, H, W] in [0, 1] to latents. T must divide by 4, H and W by 24."""
        patches = patchify(video, self.config.scale_factor_temporal, self.config.scale_factor_spatial)
        return ((patches - self.mean) @ self.basis) / self.scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents to video [B, T, 3, H, W] in [0, 1], clamped and deblocked."""
        patches = (latents * self.scale) @ self.basis.mT + self.mean
        time, side = self.config.scale_factor_temporal, self.config.scale_factor_spatial
        video = unpatchify(patches, time, side)
        for dim, period, reach in (
            (3, side, self.config.deblock_pixels),
            (4, side, self.config.deblock_pixels),
            (1, time, self.config.deblock_frames),
        ):
            if reach:
                video = deblock(video, dim, period, reach)
        return video.clamp(0, 1)
