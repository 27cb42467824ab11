"""From pixels to tracks: where an object was painted, and whether it was painted at all.

A pixel belongs to an object if it looks more like the object's colours than like the scenery that the
renderer draws for the same layout without that object. The search is near the planned place; an object that
is not there counts as lost, never as found at its planned place.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.spacetime.physics import Layout
from generator.spacetime.planner import moves
from generator.spacetime.world import PIXELS, draw

_COLORS: Final = 12
_MARGIN: Final = 10
"""Pixels around the planned outline's box in which the object is looked for."""
_CONTRAST: Final = 0.4
"""Least contrast against its surroundings, as a share of the renderer's, of an object that is there."""
_AREA: Final = (0.35, 2.5)
"""Painted area over planned area of an object that is there."""
_WHOLE: Final = 0.75
"""Least share of its usual area that must be in view, not behind something, for a frame to count."""


@dataclass(frozen=True)
class Track:
    """Of one object, frame by frame. ``painted``, ``planned``: centroids [T, 2] in pixels (x, y down), NaN
    where it was not found or is not to be seen; ``area`` [T] in pixels; ``rgb`` [T, 3], its mean colour in
    [0, 1]; ``due`` bool [T]: frames in which it should be seen."""

    painted: Tensor
    planned: Tensor
    area: Tensor
    rgb: Tensor
    due: Tensor

    @property
    def found(self) -> Tensor:
        """Bool [T]."""
        return self.painted[:, 0].isfinite()

    @property
    def coverage(self) -> float:
        """Share of the frames with the object due in which it was found; 0 if it is never due."""
        return float((self.found & self.due).sum() / self.due.sum().clamp_min(1))

    @property
    def miss_px(self) -> Tensor:
        """Distance of the painted from the planned centroid in pixels, of the frames where it was found."""
        apart = (self.painted - self.planned).norm(dim=-1)
        return apart[self.found & self.due]


def without(layout: Layout, slot: int) -> Layout:
    """The layout with one object gone, and its shadow."""
    kind = layout.kind.clone()
    kind[:, slot] = 0
    return replace(layout, kind=kind)


def moving_slots(layout: Layout) -> list[int]:
    """Which objects of a layout of one scene move, in order."""
    return [int(slot) for slot in moves(layout.kind)[0].nonzero()[:, 0]]


def track(video: Tensor, layout: Layout, slot: int = 0) -> Track:
    """Follow object ``slot`` through ``video`` [T, 3, H, W], floats at the renderer's own size, of ``layout``."""
    frames, _, height, width = video.shape
    rows, columns = layout.grid
    if (height, width) != (rows * PIXELS, columns * PIXELS):
        raise ValueError(f"tracks are measured at {columns * PIXELS}x{rows * PIXELS}, not {width}x{height}")
    layout = layout.window(0, frames)
    full, cover = draw(layout)
    empty, rest = draw(without(layout, slot))
    own = (cover - rest)[0].clamp_min(0)  # [T, H, W]
    scenery = torch.where(own[:, None] > 0.02, empty[0], full[0])  # where it is not, its shadow stays
    planned, planned_area = _centroid(own)
    due = planned_area > _WHOLE * planned_area.quantile(0.9).clamp_min(8.0)

    weight = _membership(video, scenery, own, _palette(full[0], own))
    painted, area = _centroid(weight)
    rgb = (video * weight[:, None]).sum((2, 3)) / area.clamp_min(1)[:, None]
    ratio = area / planned_area.clamp_min(1)
    there = due & (ratio > _AREA[0]) & (ratio < _AREA[1]) & (contrast(video, full[0], own) > _CONTRAST)
    nan = torch.full_like(painted, torch.nan)
    return Track(
        torch.where(there[:, None], painted, nan),
        torch.where(due[:, None], planned, nan),
        torch.where(there, area, torch.nan),
        torch.where(there[:, None], rgb, torch.nan),
        due,
    )


def _membership(video: Tensor, scenery: Tensor, own: Tensor, palette: Tensor) -> Tensor:
    """How surely every pixel is the object's, [T, H, W] in [0, 1]; 0 but near the planned outline."""
    weight = torch.zeros_like(own)
    for t in range(len(video)):
        rows, columns = (own[t] > 0.02).any(1).nonzero()[:, 0], (own[t] > 0.02).any(0).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        here = (
            slice(max(0, int(rows[0]) - _MARGIN), int(rows[-1]) + _MARGIN + 1),
            slice(max(0, int(columns[0]) - _MARGIN), int(columns[-1]) + _MARGIN + 1),
        )
        frame = video[t, :, *here]
        to_object = (frame[None] - palette[:, :, None, None]).square().sum(1).amin(0).sqrt()
        to_scenery = (frame - scenery[t, :, *here]).square().sum(0).sqrt()
        likely = to_scenery / (to_scenery + to_object + 0.02)
        sure = (4 * (likely - 0.5)).clamp(0, 1) * ((to_scenery - 0.05) / 0.05).clamp(0, 1)
        weight[t, *here] = sure * _large(sure[None])[0]
    return weight


def contrast(video: Tensor, full: Tensor, own: Tensor) -> Tensor:
    """How far the objects stand out from what is around them, [T]: 1 as in the renderer's ``full``, 0 not at all.

    ``video``, ``full`` [T, 3, H, W]; ``own`` [T, H, W]: the objects' cover.
    """
    ring = F.max_pool2d(own[:, None], 11, 1, 5)[:, 0] - own

    def step(pictures: Tensor) -> Tensor:
        inside = (pictures * own[:, None]).sum((2, 3)) / own.sum((1, 2)).clamp_min(1)[:, None]
        outside = (pictures * ring[:, None]).sum((2, 3)) / ring.sum((1, 2)).clamp_min(1)[:, None]
        return inside - outside

    wanted = step(full)
    return (step(video) * wanted).sum(1) / wanted.square().sum(1).clamp_min(1e-6)


def drawn(video: Tensor, layout: Layout) -> float:
    """Share of the frames with anything to be seen in which the objects of ``layout`` stand out."""
    layout = layout.window(0, len(video))
    full, cover = draw(layout)
    due = cover[0].sum((1, 2)) > 24
    seen = contrast(video, full[0], cover[0]) > _CONTRAST
    return float((seen & due).sum() / due.sum().clamp_min(1))


def to_world(pixels: Tensor, layout: Layout) -> Tensor:
    """Points [T, 2] in pixels to world units, under the layout's camera."""
    rows, columns = layout.grid
    pan, zoom = layout.camera[0, : len(pixels)].unbind(-1)
    x = pan + (pixels[:, 0] / PIXELS - columns / 2) / 4 * zoom
    return torch.stack([x, (rows / 2 - pixels[:, 1] / PIXELS) / 4 * zoom], -1)


def _centroid(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of [T, H, W]: (x, y) of the weighted centre in pixels [T, 2], and the sum [T]."""
    area = weight.sum((1, 2))
    x = (weight.sum(1) * (torch.arange(weight.shape[2]) + 0.5)).sum(1)
    y = (weight.sum(2) * (torch.arange(weight.shape[1]) + 0.5)).sum(1)
    return torch.stack([x, y], -1) / area.clamp_min(1e-6)[:, None], area


def _large(weight: Tensor) -> Tensor:
    """1 where most of the 3 x 3 neighbours belong too: specks are no objects."""
    return (F.avg_pool2d((weight[:, None] > 0.25).float(), 3, 1, 1)[:, 0] > 0.45).float()


def _palette(full: Tensor, own: Tensor) -> Tensor:
    """The object's colours [N, 3]: each the one farthest from those before."""
    inside = full.movedim(1, -1)[own > 0.9]
    if len(inside) == 0:
        return torch.full((1, 3), 9.0)  # like nothing in the picture
    inside = inside[:: max(1, len(inside) // 2000)]
    chosen = [inside.median(0).values]
    distance = (inside - chosen[0]).norm(dim=1)
    for _ in range(_COLORS - 1):
        chosen.append(inside[distance.argmax()])
        distance = torch.minimum(distance, (inside - chosen[-1]).norm(dim=1))
    return torch.stack(chosen)
