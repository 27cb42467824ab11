"""The painter: a small transformer over spacetime latent tokens, all attending to all.

It is told the layout (``features``: every token's place in the scenery and its distance to every object),
the concepts and the noise level; the latter two enter through one shared adaptive layer norm with a small
table per block (adaLN-single, PixArt-alpha). RMS-normalised queries and keys, rotary positions in time, rows
and columns, and a noise level *per latent frame* (diffusion forcing, Chen et al. 2024): clean frames beside
noisy ones make the same weights continue a clip, forward or backward, or join two. The network predicts the
clean latents x; the flow velocity follows as v = (z - x) / sigma (JiT, arXiv 2511.13720).
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .concepts import SLOT_SIZES
from .features import OBJECT_FEATURES, SCENERY_FEATURES
from .physics import KINDS

MIN_SIGMA = 0.02
"""Velocities are divided by at least this sigma, so that the last step stays finite."""


def rotary_angles(frames: int, rows: int, columns: int, head: int) -> Tensor:
    """Angles [F * rows * columns, head / 2] of 3-D rotary positions: a quarter of the pairs turns with time,
    the rest with row and column in equal parts; places are counted from the middle of the picture, so that
    other formats extend it."""
    pairs = head // 2
    shares = (pairs - 2 * (3 * pairs // 8), 3 * pairs // 8, 3 * pairs // 8)
    places = torch.meshgrid(
        torch.arange(frames).float(),
        torch.arange(rows) - (rows - 1) / 2,
        torch.arange(columns) - (columns - 1) / 2,
        indexing="ij",
    )
    parts = []
    for share, place in zip(shares, places, strict=True):
        rates = math.pi / 2 * (1 / 32) ** (torch.arange(share) / share)
        parts.append(place.flatten()[:, None] * rates)
    return torch.cat(parts, 1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs of ``x`` [B, heads, N, head] by angles given as cos and sin [N, head / 2]."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Block(nn.Module):
    """Attention and MLP, each shifted, scaled and gated by the modulation of its token."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.table = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: Tensor, modulation: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """``x`` [B, F, P, D] with P places per latent frame; ``modulation`` [B, F, 6, D]; cos, sin
        [F*P, D / heads / 2]."""
        b, frames, places, d = x.shape
        parts = (modulation + self.table)[:, :, None].unbind(3)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts  # each [B, F, 1, D]
        h = F.layer_norm(x, (d,)) * (1 + scale1) + shift1
        qkv = self.qkv(h).view(b, frames * places, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, F*P, D/heads]
        q, k = F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:])
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        x = x + gate1 * self.out(h)
        h = F.layer_norm(x, (d,)) * (1 + scale2) + shift2
        out: Tensor = x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh"))
        return out


def noise_features(timestep: Tensor) -> Tensor:
    """Sinusoids [..., 128] of 1000 * sigma."""
    rates = torch.exp(-math.log(1000.0) * torch.arange(64, device=timestep.device) / 64)
    angles = 0.25 * timestep[..., None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


class ConceptEmbedding(nn.Module):
    """One vector for a scene: concept ids int64 [B, slots] to [B, width]."""

    offsets: Tensor

    def __init__(self, slot_sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        slots = len(slot_sizes)
        offsets = torch.tensor([0, *slot_sizes]).cumsum(0)[:-1] + torch.arange(slots)
        self.register_buffer("offsets", offsets, persistent=False)
        self.table = nn.Embedding(sum(slot_sizes) + slots, 24)  # one row more per slot: unspecified
        self.mlp = nn.Sequential(nn.Linear(slots * 24, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.table(ids + self.offsets).flatten(1))
        return out


class SpacetimeTransformer3DModel(ModelMixin, ConfigMixin):
    """Predicts clean latents from noisy ones, a noise level per latent frame, concepts and layout."""

    _no_split_modules = ["Block"]  # noqa: RUF012 - diffusers reads this class attribute
    _repeated_blocks = ["Block"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        in_channels: int = 192,
        width: int = 256,
        num_layers: int = 8,
        num_heads: int = 4,
        slot_sizes: tuple[int, ...] = SLOT_SIZES,
        scenery_features: int = SCENERY_FEATURES,
        object_features: int = OBJECT_FEATURES,
        kinds: int = len(KINDS),
        colors: int = 8,
        objects: int = 4,
    ) -> None:
        super().__init__()
        self.concepts = ConceptEmbedding(slot_sizes, width)
        self.noise_mlp = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.patch_in = nn.Linear(in_channels, width)
        self.scenery = nn.Sequential(nn.Linear(scenery_features, width), nn.SiLU(), nn.Linear(width, width))
        self.kind, self.color = nn.Embedding(kinds, width), nn.Embedding(colors, width)
        self.slot = nn.Parameter(torch.zeros(objects, width))
        self.object_in, self.object_out = nn.Linear(object_features, width), nn.Linear(width, width)
        self.modulate = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, num_heads) for _ in range(num_layers))
        self.modulate_out = nn.Linear(width, 2 * width)
        self.patch_out = nn.Linear(width, in_channels)
        # Zero: every block starts as the identity and the first prediction is the mean clip.
        for layer in (self.modulate, self.modulate_out, self.patch_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        scenery: Tensor,
        objects: Tensor,
        kind: Tensor,
        color: Tensor,
        return_dict: bool = True,
        **_: Any,
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """``hidden_states`` [B, F, rows, columns, C]; ``timestep`` [B] or [B, F], 1000 * sigma;
        ``encoder_hidden_states`` int64 concept ids [B, slots]; ``scenery`` [B, F, P, :], ``objects``
        [B, F, P, O, :] as of ``features``; ``kind`` and ``color`` int64 [B, O]. ``sample`` is the clean
        prediction, of the shape of ``hidden_states``."""
        b, frames, rows, columns, channels = hidden_states.shape
        if timestep.ndim == 1:
            timestep = timestep[:, None].expand(b, frames)
        noise = self.noise_mlp(noise_features(timestep).to(hidden_states.dtype))  # [B, F, D]
        state = F.silu(noise + self.concepts(encoder_hidden_states)[:, None])
        modulation = self.modulate(state).unflatten(-1, (6, -1))  # [B, F, 6, D]

        x = self.patch_in(hidden_states).flatten(2, 3) + self.scenery(scenery)  # [B, F, P, D]
        who = (self.kind(kind) + self.color(color) + self.slot)[:, None, None]  # [B, 1, 1, O, D]
        there = (kind > 0)[:, None, None, :, None]
        x = x + self.object_out((F.silu(self.object_in(objects) + who) * there).sum(3))
        angles = rotary_angles(frames, rows, columns, x.shape[-1] // self.config.num_heads).to(x.device)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for block in self.blocks:
            x = block(x, modulation, cos, sin)
        shift, scale = self.modulate_out(state)[:, :, None].chunk(2, -1)
        x = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        x = self.patch_out(x).view(b, frames, rows, columns, channels)
        return Transformer2DModelOutput(sample=x) if return_dict else (x,)
