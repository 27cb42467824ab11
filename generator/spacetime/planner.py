"""The planner: a diffusion model of motion. It decides where everything goes before anything is painted.

What moves is a few numbers per object and frame (place, tilt, size), so a small transformer can learn the
mechanics of the world to a fraction of a pixel, which a network that paints patches of 16 pixels cannot. One
token holds four frames of all objects; every latent frame has its own noise level (diffusion forcing), so
that the same weights plan a clip, go on from given frames, lead up to them, or join two.
"""

from dataclasses import replace
from typing import Any, Final

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .concepts import SLOT_SIZES
from .physics import KINDS, OBJECTS, Layout, extent
from .tokenizer import PATCH_FRAMES
from .transformer import Block, ConceptEmbedding, noise_features, rotary_angles

PLAN_WINDOW: Final = 12
"""Latent frames that are planned at once: two seconds."""
STATE: Final = 5
"""x, y, cos and sin of the tilt, radius."""
PLAN_CHANNELS: Final = OBJECTS * PATCH_FRAMES * STATE
_CENTER = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.2])
_SPREAD = torch.tensor([0.45, 0.45, 0.7, 0.7, 0.08])


def moves(kind: Tensor) -> Tensor:
    """Bool of the shape of ``kind``: what is planned. Ropes hang on bodies, walls stand where they are."""
    return (kind > 0) & (kind != KINDS.index("rope")) & (kind != KINDS.index("wall"))


def to_plan(layout: Layout) -> Tensor:
    """The moving part of a layout as normalised tokens [B, F, PLAN_CHANNELS]; 0 for what does not move."""
    b, t = layout.tilt.shape[:2]
    tilt = torch.stack([layout.tilt.cos(), layout.tilt.sin()], -1)
    state = torch.cat([layout.xy, tilt, layout.radius[..., None]], -1)  # [B, T, O, 5]
    state = (state - _CENTER) / _SPREAD * moves(layout.kind)[:, None, :, None]
    return state.reshape(b, t // PATCH_FRAMES, PLAN_CHANNELS)


def from_plan(plan: Tensor, layout: Layout) -> Layout:
    """``layout`` with the motion of ``plan`` [B, F, PLAN_CHANNELS]: the inverse of :func:`to_plan`."""
    b, frames = plan.shape[:2]
    state = plan.reshape(b, frames * PATCH_FRAMES, OBJECTS, STATE) * _SPREAD + _CENTER
    moving = moves(layout.kind)[:, None]
    return replace(
        layout,
        xy=torch.where(moving[..., None], state[..., :2], layout.xy),
        tilt=torch.where(moving, torch.atan2(state[..., 3], state[..., 2]), layout.tilt),
        radius=torch.where(moving, state[..., 4].clamp_min(0.02), layout.radius),
    )


def surroundings(layout: Layout) -> Tensor:
    """What motion depends on besides the concepts, [B, 4]: the format, and how the waves lie at frame 0."""
    wide, tall = extent(layout.grid)
    phase = layout.drift[:, 0, 3] * (torch.pi / 2)
    shape = torch.tensor([4 * (wide - 1), 4 * (tall - 1)]).expand(len(phase), 2)
    return torch.cat([shape, phase.sin()[:, None], phase.cos()[:, None]], 1)


class MotionTransformer(ModelMixin, ConfigMixin):
    """Predicts clean plan tokens from noisy ones, a noise level per latent frame, concepts and surroundings."""

    _no_split_modules = ["Block"]  # noqa: RUF012 - diffusers reads this class attribute

    @register_to_config
    def __init__(
        self,
        in_channels: int = PLAN_CHANNELS,
        width: int = 192,
        num_layers: int = 5,
        num_heads: int = 4,
        window: int = PLAN_WINDOW,
        slot_sizes: tuple[int, ...] = SLOT_SIZES,
    ) -> None:
        super().__init__()
        self.concepts = ConceptEmbedding(slot_sizes, width)
        self.noise_mlp = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.around = nn.Linear(4, width)
        self.plan_in = nn.Sequential(nn.Linear(in_channels, width), nn.SiLU(), nn.Linear(width, width))
        self.time_position = nn.Parameter(0.02 * torch.randn(window, width))
        self.modulate = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, num_heads) for _ in range(num_layers))
        self.modulate_out = nn.Linear(width, 2 * width)
        self.plan_out = nn.Linear(width, in_channels)
        for layer in (self.modulate, self.modulate_out, self.plan_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        around: Tensor,
        return_dict: bool = True,
        **_: Any,
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """``hidden_states`` [B, F, C]; ``timestep`` [B, F], 1000 * sigma; ``encoder_hidden_states`` int64
        concept ids [B, slots]; ``around`` [B, 4] as of :func:`surroundings`. ``sample`` is the clean
        prediction."""
        frames = hidden_states.shape[1]
        noise = self.noise_mlp(noise_features(timestep).to(hidden_states.dtype))
        scene = self.concepts(encoder_hidden_states) + self.around(around)
        state = F.silu(noise + scene[:, None])
        modulation = self.modulate(state).unflatten(-1, (6, -1))
        x = (self.plan_in(hidden_states) + self.time_position[:frames])[:, :, None]  # [B, F, 1, D]
        angles = rotary_angles(frames, 1, 1, x.shape[-1] // self.config.num_heads).to(x.device)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for block in self.blocks:
            x = block(x, modulation, cos, sin)
        shift, scale = self.modulate_out(state).chunk(2, -1)
        x = F.layer_norm(x[:, :, 0], x.shape[-1:]) * (1 + scale) + shift
        x = self.plan_out(x)
        return Transformer2DModelOutput(sample=x) if return_dict else (x,)
