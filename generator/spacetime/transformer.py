"""The denoiser: a small transformer over spacetime latent tokens, all attending to all.

The scene (one concept id per slot) and the noise level enter through one shared adaptive layer norm with a
small table per block (adaLN-single, PixArt-alpha), RMS-normalised queries and keys, learned positions, and
a noise level *per latent frame* (diffusion forcing, Chen et al. 2024): clean frames in front of noisy ones
make the same weights continue a clip. The network predicts the clean latents x; the flow velocity follows
as v = (z - x) / sigma (JiT, arXiv 2511.13720).
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

MIN_SIGMA = 0.02
"""Velocities are divided by at least this sigma, so that the last step stays finite."""


class Block(nn.Module):
    """Attention and MLP, each shifted, scaled and gated by the modulation of its token."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.table = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """``x`` [B, F, P, D] with P places per latent frame; ``modulation`` [B, F, 6, D]."""
        b, frames, places, d = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.table)[:, :, None].unbind(
            3
        )  # [B, F, 1, D]
        h = F.layer_norm(x, (d,)) * (1 + scale1) + shift1
        qkv = self.qkv(h).view(b, frames * places, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, F*P, D/heads]
        q, k = F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:])
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        x = x + gate1 * self.out(h)
        h = F.layer_norm(x, (d,)) * (1 + scale2) + shift2
        out: Tensor = x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh"))
        return out


class SpacetimeTransformer3DModel(ModelMixin, ConfigMixin):
    """Predicts clean latents from noisy ones, a noise level per latent frame, and concept ids.

    ``sample_grid`` is (latent frames, rows, columns); ``slot_sizes`` the number of values of every concept
    slot.
    """

    _no_split_modules = ["Block"]  # noqa: RUF012 - diffusers reads this class attribute
    _repeated_blocks = ["Block"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        in_channels: int = 192,
        width: int = 256,
        num_layers: int = 6,
        num_heads: int = 4,
        sample_grid: tuple[int, int, int] = (6, 4, 4),
        slot_sizes: tuple[int, ...] = (8, 3, 8, 3, 4, 5, 3, 2, 8, 2),
    ) -> None:
        super().__init__()
        frames, rows, columns = sample_grid
        slots = len(slot_sizes)
        offsets = torch.tensor([0, *slot_sizes]).cumsum(0)[:-1] + torch.arange(slots)
        self.register_buffer("offsets", offsets, persistent=False)
        self.concepts = nn.Embedding(sum(slot_sizes) + slots, 32)  # one row more per slot: unspecified
        self.patch_in = nn.Linear(in_channels, width)
        self.time_position = nn.Parameter(0.02 * torch.randn(frames, 1, width))
        self.place_position = nn.Parameter(0.02 * torch.randn(1, rows * columns, width))
        self.noise_mlp = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.scene_mlp = nn.Sequential(nn.Linear(slots * 32, width), nn.SiLU(), nn.Linear(width, width))
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
        return_dict: bool = True,
        **_: Any,
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """``hidden_states`` [B, F, rows, columns, C]; ``timestep`` [B] or [B, F], 1000 * sigma;
        ``encoder_hidden_states`` int64 concept ids [B, slots]. ``sample`` is the clean prediction, same
        shape."""
        b, frames, rows, columns, channels = hidden_states.shape
        if timestep.ndim == 1:
            timestep = timestep[:, None].expand(b, frames)
        rates = torch.exp(-math.log(1000.0) * torch.arange(64, device=timestep.device) / 64)
        angles = 0.25 * timestep[..., None].float() * rates  # [B, F, 64]
        noise = self.noise_mlp(torch.cat([angles.cos(), angles.sin()], -1).to(hidden_states.dtype))
        scene = self.scene_mlp(self.concepts(encoder_hidden_states + self.offsets).flatten(1))  # [B, D]
        state = F.silu(noise + scene[:, None])  # [B, F, D]

        modulation = self.modulate(state).unflatten(-1, (6, -1))  # [B, F, 6, D]
        x = self.patch_in(hidden_states).flatten(2, 3)  # [B, F, P, D]
        x = x + self.time_position[:frames] + self.place_position
        for block in self.blocks:
            x = block(x, modulation)
        shift, scale = self.modulate_out(state)[:, :, None].chunk(2, -1)
        x = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        x = self.patch_out(x).view(b, frames, rows, columns, channels)
        return Transformer2DModelOutput(sample=x) if return_dict else (x,)
