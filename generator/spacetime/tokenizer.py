"""The tokenizer: a closed-form linear code of spacetime patches (Karhunen-Loève), in the pipeline's ``vae``
slot.

A patch of 4 frames x 16 x 16 pixels (3,072 numbers) becomes 192 channels: two matrix products, exactly
invertible on the subspace, nothing to train and nothing to drift. Channel i is divided by std_i**0.5
("partial whitening"): full whitening would let the noise-like channels dominate the loss. What the code
drops, above all fine edges that move, the refiner puts back.
"""

from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

PATCH_FRAMES, PATCH_SIDE = 4, 16
OBJECT_WEIGHT = 4.0
"""A patch full of objects weighs 1 + this in the fit: objects are a few percent of the picture, and all that
one looks at."""


def patchify(video: Tensor, frames: int = PATCH_FRAMES, side: int = PATCH_SIDE) -> Tensor:
    """Video [B, T, C, H, W] to patches [B, T/frames, H/side, W/side, frames*C*side*side]."""
    b, t, c, h, w = video.shape
    x = video.reshape(b, t // frames, frames, c, h // side, side, w // side, side)
    return x.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4)


def unpatchify(patches: Tensor, frames: int = PATCH_FRAMES, side: int = PATCH_SIDE) -> Tensor:
    """Patches of 3-channel video back to video: the inverse of :func:`patchify`."""
    b, t, h, w, _ = patches.shape
    x = patches.reshape(b, t, h, w, frames, 3, side, side)
    return x.permute(0, 1, 4, 5, 2, 6, 3, 7).reshape(b, t * frames, 3, h * side, w * side)


def token_cover(cover: Tensor) -> Tensor:
    """Object cover [B, T, H, W] to the share of each latent token [B, T/4, H/16, W/16]."""
    return patchify(cover[:, :, None]).mean(-1)


class SpacetimeTokenizer(ModelMixin, ConfigMixin):
    """Linear spacetime autoencoder: ``encode`` and ``decode`` between video in [0, 1] and latents of unit
    power.

    Latents are [B, T/4, H/16, W/16, channels], float32.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 192,
        scale_factor_temporal: int = PATCH_FRAMES,
        scale_factor_spatial: int = PATCH_SIDE,
    ) -> None:
        super().__init__()
        numbers = scale_factor_temporal * 3 * scale_factor_spatial**2
        self.mean = nn.Parameter(torch.zeros(numbers), requires_grad=False)
        self.basis = nn.Parameter(torch.zeros(numbers, channels), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(channels), requires_grad=False)

    @classmethod
    def fit(cls, video: Tensor, cover: Tensor, channels: int = 192, **config: Any) -> "SpacetimeTokenizer":
        """The best linear code of ``video`` [B, T, 3, H, W]: its principal components, patches weighted by
        the objects' ``cover`` [B, T, H, W]."""
        tokenizer: SpacetimeTokenizer = cls(channels=channels, **config)
        x = patchify(video).flatten(0, 3)
        weight = 1 + OBJECT_WEIGHT * (3 * token_cover(cover).flatten()).clamp(max=1)
        weight = (weight / weight.sum())[:, None]
        mean = (weight * x).sum(0)
        x = (x - mean) * weight.sqrt()
        variance, basis = torch.linalg.eigh(x.mT @ x)
        variance, basis = variance.flip(0)[:channels], basis.flip(1)[:, :channels]
        half = variance.sqrt().sqrt()
        tokenizer.mean.data.copy_(mean)
        tokenizer.basis.data.copy_(basis)
        tokenizer.scale.data.copy_(half * (variance / half**2).mean().sqrt())
        return tokenizer

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """Video [B, T, 3, H, W] in [0, 1] to latents. T must divide by 4, H and W by 16."""
        patches = patchify(video, self.config.scale_factor_temporal, self.config.scale_factor_spatial)
        return ((patches - self.mean) @ self.basis) / self.scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents to video [B, T, 3, H, W], clamped to [0, 1]."""
        patches = (latents * self.scale) @ self.basis.mT + self.mean
        time, side = self.config.scale_factor_temporal, self.config.scale_factor_spatial
        return unpatchify(patches, time, side).clamp(0, 1)
