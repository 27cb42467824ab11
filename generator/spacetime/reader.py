"""The reader: what is in a picture, and where. The world's renderer backwards.

To go on from a picture or a clip, the planner must know where things are in it. A small transformer looks at
one latent frame and gives the concepts, the objects of each slot, their places, and how the scenery lies. It
knows pictures of the embedded model's world; of others it makes the nearest thing that it knows.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from .concepts import COLOR2, SLOT_SIZES, STAGE, slot_index
from .physics import KINDS, OBJECTS, Layout, visible
from .planner import STATE, moves, to_plan
from .tokenizer import PATCH_FRAMES

UNREADABLE: Final = ("speed", "direction", "spring", "gravity", "camera", STAGE)
"""Slots that one latent frame does not show."""
_PERIODS: Final = (4.0, math.inf, 4.0, 4.0, 1.0)
"""Of the columns of a layout's drift; the sun has none."""


@dataclass
class Reading(BaseOutput):
    """``concepts`` [B, F, sum of SLOT_SIZES], ``kind`` [B, F, OBJECTS, kinds] and ``color`` [B, F, OBJECTS,
    colours] are logits; ``plan`` [B, F, PLAN_CHANNELS] as of ``to_plan``; ``scenery`` [B, F, 12] as of
    :func:`scenery_targets`."""

    concepts: Tensor
    kind: Tensor
    color: Tensor
    plan: Tensor
    scenery: Tensor


def scenery_targets(layout: Layout) -> Tensor:
    """Camera and drift at the middle of every latent frame, periodic ones as sine and cosine: [B, F, 12]."""
    t = layout.camera.shape[1]
    middle = slice(PATCH_FRAMES // 2, t, PATCH_FRAMES)
    camera, drift = layout.camera[:, middle], layout.drift[:, middle]
    parts = [4 * camera[..., :1], 4 * (camera[..., 1:] - 1)]
    for k, period in enumerate(_PERIODS):
        if math.isinf(period):
            parts += [drift[..., k : k + 1], torch.zeros_like(drift[..., :1])]
        else:
            angle = 2 * math.pi / period * drift[..., k : k + 1]
            parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, -1)


def drift_of(scenery: Tensor) -> Tensor:
    """The drift [..., 5] that :func:`scenery_targets` [..., 12] tells of."""
    columns = []
    for k, period in enumerate(_PERIODS):
        first, second = scenery[..., 2 + 2 * k], scenery[..., 3 + 2 * k]
        columns.append(
            first if math.isinf(period) else torch.atan2(first, second) / (2 * math.pi) % 1 * period
        )
    return torch.stack(columns, -1)


class LayoutReader(ModelMixin, ConfigMixin):
    """Latents [B, F, rows, columns, C] to a :class:`Reading`, every latent frame by itself."""

    @register_to_config
    def __init__(
        self,
        in_channels: int = 192,
        width: int = 160,
        num_layers: int = 4,
        num_heads: int = 4,
        slot_sizes: tuple[int, ...] = SLOT_SIZES,
        kinds: int = len(KINDS),
        colors: int = 8,
    ) -> None:
        super().__init__()
        self.patch_in = nn.Linear(in_channels, width)
        self.place = nn.Linear(16, width)
        self.queries = nn.Parameter(0.02 * torch.randn(1 + OBJECTS, width))
        layer = nn.TransformerEncoderLayer(
            width, num_heads, 3 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.concepts = nn.Linear(width, sum(slot_sizes))
        self.scenery = nn.Linear(width, 12)
        self.kind, self.color = nn.Linear(width, kinds), nn.Linear(width, colors)
        self.state = nn.Linear(width, PATCH_FRAMES * STATE)

    def forward(self, latents: Tensor) -> Reading:
        b, frames, rows, columns, _ = latents.shape
        x = (torch.arange(columns, device=latents.device) + 0.5 - columns / 2) / 4
        y = (rows / 2 - torch.arange(rows, device=latents.device) - 0.5) / 4
        place = torch.stack([x.repeat(rows), y.repeat_interleave(columns)], -1)[..., None]  # [P, 2, 1]
        angles = place * (math.pi / 2 * torch.tensor([1.0, 2.0, 4.0, 8.0], device=latents.device))
        place = torch.cat([angles.sin(), angles.cos()], -1).flatten(1)  # [P, 16]
        h = self.patch_in(latents).flatten(2, 3).flatten(0, 1) + self.place(place)  # [B*F, P, D]
        h = torch.cat([self.queries.expand(len(h), -1, -1), h], 1)
        h = self.body(h)[:, : 1 + OBJECTS].unflatten(0, (b, frames))
        whole, each = h[:, :, 0], h[:, :, 1:]  # [B, F, D], [B, F, O, D]
        state = self.state(each).unflatten(-1, (PATCH_FRAMES, STATE)).transpose(2, 3)  # [B, F, 4, O, 5]
        return Reading(
            concepts=self.concepts(whole),
            kind=self.kind(each),
            color=self.color(each),
            plan=state.flatten(2),
            scenery=self.scenery(whole),
        )


def reader_loss(reader: nn.Module, latents: Tensor, layout: Layout) -> Tensor:
    """Cross-entropy of what is seen, and absolute errors of where it is."""
    device = next(reader.parameters()).device
    read = reader(latents.to(device))
    frames = latents.shape[1]
    loss: Tensor = torch.zeros((), device=device)
    labels = visible(layout.ids).to(device)
    first = 0
    for slot, size in enumerate(SLOT_SIZES):
        logits = read.concepts[..., first : first + size].flatten(0, 1)
        first += size
        if slot not in [slot_index(name) for name in UNREADABLE]:
            wanted = (labels[:, slot] - 1).repeat_interleave(frames)
            if (wanted >= 0).any():
                loss = loss + F.cross_entropy(logits, wanted, ignore_index=-1)
    kind = layout.kind.to(device)[:, None].expand(-1, frames, -1)
    loss = loss + F.cross_entropy(read.kind.flatten(0, 2), kind.flatten())
    color = torch.where(moves(layout.kind), layout.color, -1).to(device)[:, None].expand(-1, frames, -1)
    loss = loss + F.cross_entropy(read.color.flatten(0, 2), color.flatten(), ignore_index=-1)
    moving = moves(layout.kind).to(device)[:, None, None, :, None]
    gap = (read.plan - to_plan(layout).to(device)).abs().unflatten(-1, (PATCH_FRAMES, OBJECTS, STATE))
    loss = loss + 4 * (gap * moving).sum() / (moving.expand_as(gap).sum() + 1)
    loss = loss + 2 * (read.scenery - scenery_targets(layout).to(device)).abs().mean()
    return loss


def read_concepts(read: Reading, frame: int, stated: Tensor) -> Tensor:
    """``stated`` ids [1, slots] with every open slot that the frame shows filled as it was read; what cannot
    be seen stays open."""
    ids = stated.clone()
    first = 0
    for slot, size in enumerate(SLOT_SIZES):
        if ids[0, slot] == 0 and slot not in [slot_index(name) for name in UNREADABLE]:
            ids[0, slot] = 1 + read.concepts[0, frame, first : first + size].argmax()
        first += size
    # Colours are read object by object, which is surer than for the picture as a whole.
    for slot, number in ((slot_index("color"), 0), (slot_index(COLOR2), 1)):
        if stated[0, slot] == 0 and read.kind[0, frame, number].argmax() > 0:
            ids[0, slot] = 1 + read.color[0, frame, number].argmax()
    return ids


def shifted(layout: Layout, drift: Tensor, frame: int) -> Layout:
    """``layout`` [1, T, …] with its scenery moved so that at frame number ``frame`` it lies as ``drift`` [5]
    says."""
    return replace(layout, drift=layout.drift + (drift - layout.drift[:, frame])[:, None])
