"""What a token is told of the layout: where it lies in every layer of the scenery, and how far it is from
every object.

This is the layout-to-video conditioning of the painter, as segmentation maps and boxes are of other models:
signed distances at a few points of each patch and Fourier features of layer coordinates, per latent frame.
"""

import math
from typing import Final

import torch
from torch import Tensor

from .physics import KINDS, OBJECTS, Layout
from .tokenizer import PATCH_FRAMES
from .world import distance_to

TOKEN: Final = 0.25
"""World units along a token at zoom 1."""
_OCTAVES = (1, 2, 4, 8, 16)
_FINE = (*_OCTAVES, 32, 64)


def _waves(x: Tensor, rates: tuple[int, ...]) -> Tensor:
    """Fourier features of a coordinate of period 4: [..., 2 * len(rates)]."""
    angles = x[..., None] * (2 * math.pi / 4 * torch.tensor(rates, device=x.device, dtype=x.dtype))
    return torch.cat([angles.sin(), angles.cos()], -1)


def _centers(grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """World coordinates of the tokens' centres at zoom 1: x [P] and y [P], row by row from the top."""
    rows, columns = grid
    x = (torch.arange(columns) + 0.5 - columns / 2) * TOKEN
    y = (rows / 2 - torch.arange(rows) - 0.5) * TOKEN
    return x.repeat(rows), y.repeat_interleave(columns)


def scenery_features(layout: Layout) -> Tensor:
    """Float [B, F, P, SCENERY_FEATURES]: the token's place in ground, backdrop, clouds, waves, sky and view."""
    gx, gy = _centers(layout.grid)
    b, frames = layout.camera.shape[:2]
    camera = layout.camera.view(b, frames // PATCH_FRAMES, PATCH_FRAMES, 2)
    drift = layout.drift.view(b, frames // PATCH_FRAMES, PATCH_FRAMES, 5)
    middle, drift = camera.mean(2), drift[:, :, PATCH_FRAMES // 2]
    pan, zoom = middle[:, :, None, 0], middle[:, :, None, 1]  # [B, F, 1]
    x, y = pan + gx * zoom, gy * zoom  # [B, F, P]
    sky_x = x - 0.7 * pan
    sun_x, sun_y = sky_x - drift[:, :, None, 1], y - 0.66 * layout.grid[0] / 8
    fall = 2 * math.pi * drift[:, :, None, 4].expand_as(x)
    speed = (camera[:, :, -1] - camera[:, :, 0])[:, :, None].expand(-1, -1, x.shape[2], -1)
    parts = [
        _waves(x, _OCTAVES),
        _waves(x - 0.5 * pan + drift[:, :, None, 0], _FINE),
        _waves(sky_x + drift[:, :, None, 2], _OCTAVES),
        _waves(x - drift[:, :, None, 3], _OCTAVES),
        _waves(gx.expand_as(x), _OCTAVES),
        _waves(y, _OCTAVES),
        torch.stack([y, sun_x.clamp(-1.5, 1.5), sun_y.clamp(-1.5, 1.5), fall.sin(), fall.cos()], -1),
        torch.exp(-(sun_x**2 + sun_y**2) / 0.1)[..., None],
        (zoom - 1).expand_as(x)[..., None] * 4,
        8 * speed,
    ]
    return torch.cat(parts, -1)


SCENERY_FEATURES: Final = 2 * (5 * len(_OCTAVES) + len(_FINE)) + 9
OBJECT_FEATURES: Final = 9 * PATCH_FRAMES + 4 * PATCH_FRAMES + 2 * PATCH_FRAMES + 2


def object_features(layout: Layout) -> Tensor:
    """Float [B, F, P, OBJECTS, OBJECT_FEATURES]: distances in tokens, of the four frames side by side."""
    gx, gy = _centers(layout.grid)
    b, t = layout.tilt.shape[:2]
    pan, zoom = layout.camera[..., 0, None], layout.camera[..., 1, None]  # [B, T, 1]
    size = TOKEN * zoom[..., None]  # [B, T, 1, 1]
    x = (pan + gx * zoom)[:, :, :, None]  # [B, T, P, 1]
    y = (gy * zoom)[:, :, :, None]
    dx, dy = x - layout.xy[:, :, None, :, 0], y - layout.xy[:, :, None, :, 1]  # [B, T, P, O]
    cos, sin = layout.tilt.cos()[:, :, None], layout.tilt.sin()[:, :, None]  # [B, T, 1, O]
    radius = layout.radius[:, :, None].clamp_min(1e-3)

    step = torch.tensor([-1 / 3, 0.0, 1 / 3])
    off_x, off_y = step.repeat(3), step.repeat_interleave(3)
    px = dx[..., None] + off_x * size[..., None]  # [B, T, P, O, 9]
    py = dy[..., None] + off_y * size[..., None]
    p, q = cos[..., None] * px + sin[..., None] * py, cos[..., None] * py - sin[..., None] * px
    distance = torch.full_like(p, 9.0)
    for kind in layout.kind.unique().tolist():
        if kind:
            here = (layout.kind == kind)[:, None, None, :, None]
            distance = torch.where(here, distance_to(kind, p, q, radius[..., None]), distance)
    outline = (distance / size[..., None]).clamp(-1.5, 1.5)
    apart = torch.stack([dx, dy], -1) / size[..., None]
    apart = torch.cat([torch.tanh(apart), torch.tanh(apart / 4)], -1)  # [B, T, P, O, 4]
    turn = torch.stack([cos, sin], -1).expand(-1, -1, dx.shape[2], -1, -1)
    each = torch.cat([outline, apart, turn], -1)  # [B, T, P, O, 15]
    each = each.view(b, t // PATCH_FRAMES, PATCH_FRAMES, *each.shape[2:]).permute(0, 1, 3, 4, 2, 5).flatten(4)
    grown = (layout.radius / TOKEN).view(b, t // PATCH_FRAMES, PATCH_FRAMES, OBJECTS)
    grown = torch.stack([grown.mean(2), 4 * (grown[:, :, -1] - grown[:, :, 0])], -1)[:, :, None]
    rope = (layout.kind == KINDS.index("rope"))[:, None, None, :, None]
    return torch.cat([each, (grown * ~rope).expand(-1, -1, each.shape[2], -1, -1)], -1)
