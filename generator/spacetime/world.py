"""The world as pictures: layouts drawn with signed distances and analytic anti-aliasing, batched in torch.

What is drawn is decided by the layout alone, down to the drift of a cloud, so that a clip comes with its
whole ground truth.
"""

import math
from typing import Final

import torch
from torch import Tensor

from .concepts import EVENTS, slot_index
from .physics import (
    FPS,
    KINDS,
    OBJECTS,
    WALL_TOP,
    Layout,
    Scenes,
    extent,
    floor_and_horizon,
    sea_level,
    simulate,
    wave_height,
)

PIXELS: Final = 16
"""Pixels along a latent token at the native size."""

_RGB = torch.tensor(
    [
        [0.88, 0.14, 0.14],
        [0.98, 0.50, 0.08],
        [0.98, 0.83, 0.16],
        [0.12, 0.62, 0.27],
        [0.14, 0.36, 0.90],
        [0.58, 0.22, 0.76],
        [0.96, 0.96, 0.96],
        [0.11, 0.11, 0.13],
    ]
)
_SKY_TOP = torch.tensor([[0.22, 0.50, 0.90], [0.24, 0.19, 0.46], [0.02, 0.03, 0.11]])
_SKY_LOW = torch.tensor([[0.80, 0.92, 1.00], [1.00, 0.63, 0.38], [0.15, 0.20, 0.40]])
_SUN = torch.tensor([[1.00, 0.98, 0.84], [1.00, 0.82, 0.50], [0.93, 0.94, 1.00]])
_LIGHT = torch.tensor([[1.00, 1.00, 1.00], [0.97, 0.78, 0.66], [0.48, 0.54, 0.76]])
_OVERCAST = torch.tensor([[0.66, 0.70, 0.75], [0.55, 0.46, 0.48], [0.10, 0.12, 0.18]])
_GROUND = torch.tensor(
    [[0.36, 0.63, 0.24], [0.90, 0.77, 0.51], [0.92, 0.95, 1.00], [0.55, 0.55, 0.58], [0.60, 0.60, 0.62]]
)
_STARS = (
    (-1.15, 0.3), (-0.95, 0.85), (-0.75, 0.5), (-0.55, 0.95), (-0.4, 0.28), (-0.15, 0.7), (0.1, 0.45),
    (0.3, 0.9), (0.5, 0.35), (0.7, 0.72), (0.9, 0.2), (1.1, 0.6), (1.3, 0.9),
)  # fmt: skip
_TURN = 2 * math.pi


def render(
    scenes: Scenes, frames: int, pixels: int = PIXELS, fps: float = FPS, device: str = "cpu"
) -> tuple[Tensor, Tensor, Layout]:
    """Simulate and draw scenes: video float [B, T, 3, H, W] in [0, 1], cover of the objects [B, T, H, W],
    and the layout. H and W are ``pixels`` times the scenes' grid."""
    layout = simulate(scenes, frames, fps)
    video, cover = draw(layout, pixels, device)
    return video, cover, layout


@torch.no_grad()
def draw(layout: Layout, pixels: int = PIXELS, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Draw a layout: video [B, T, 3, H, W] in [0, 1] and the objects' cover [B, T, H, W]."""
    n, frames = layout.tilt.shape[:2]
    rows, columns = layout.grid
    video = torch.empty(n, frames, 3, rows * pixels, columns * pixels, device=device)
    cover = torch.empty(n, frames, rows * pixels, columns * pixels, device=device)
    few = 2 if device == "cpu" else 64  # intermediate images should stay in the processor's cache
    event = layout.ids[:, slot_index("event")] - 1
    still = layout.ids[:, slot_index("camera")] == 1
    for number in range(len(EVENTS)):
        for moving in (True, False):
            for index in ((event == number) & (still != moving)).nonzero()[:, 0].split(few):
                if len(index):
                    brush = _Brush(layout[index], pixels, device, still=not moving)
                    paint = {"waves": _draw_sea, "ink": _draw_tank}.get(EVENTS[number], _draw_land)
                    video[index], cover[index] = paint(brush)
    return video.clamp_(0, 1), cover


class _Brush:
    """The pixel grid in world coordinates and all of the layout, shaped to broadcast over [B, T, H, W]."""

    def __init__(self, layout: Layout, pixels: int, device: str, *, still: bool) -> None:
        self.layout, self.device, self.still = layout, device, still
        self.wide, self.tall = extent(layout.grid)
        self.floor, self.horizon = floor_and_horizon(layout.grid)
        rows, columns = layout.grid
        x = ((torch.arange(columns * pixels, device=device) + 0.5) / pixels - columns / 2) / 4
        y = ((torch.arange(rows * pixels, device=device) + 0.5) / pixels - rows / 2) / -4
        camera = layout.camera.to(device)
        if still:  # one background serves all frames
            camera = camera[:, :1]
        self.pan, self.zoom = camera[:, :, 0, None, None], camera[:, :, 1, None, None]
        self.x = self.pan + x[None, None, None, :] * self.zoom  # [B, T | 1, 1, W]
        self.y = y[None, None, :, None] * self.zoom  # [B, T | 1, H, 1]
        self.pixel = self.zoom / (4 * pixels)
        self.light, self.night = self.rgb(_LIGHT, "light"), self.scalar(self.value("light") == 2)
        self.moon = self.scalar(self.value("ground") == 4)
        self.rain, self.snowing = (self.scalar(self.value("weather") == k) for k in (1, 2))
        self.overcast = torch.maximum(self.rain, 0.6 * self.snowing)

    def value(self, slot: str) -> Tensor:
        return self.layout.ids[:, slot_index(slot)] - 1

    def scalar(self, values: Tensor) -> Tensor:
        return values.float().to(self.device)[:, None, None, None]

    def rgb(self, table: Tensor, slot: str) -> Tensor:
        return table[self.value(slot)].to(self.device)[:, None, :, None, None]

    def drift(self, column: int) -> Tensor:
        return self.layout.drift[:, :, column].to(self.device)[:, :, None, None]

    def edge(self, distance: Tensor, softness: float = 1.2) -> Tensor:
        """Cover in [0, 1] of a shape given by its signed distance (negative inside), a pixel soft."""
        return (0.5 - distance / (softness * self.pixel)).clamp(0, 1)


def _over(image: Tensor, rgb: Tensor | float, alpha: Tensor) -> Tensor:
    return image + (rgb - image) * alpha[:, :, None]


def _smooth(low: float, high: float, x: Tensor) -> Tensor:
    s = ((x - low) / (high - low)).clamp(0, 1)
    return s * s * (3 - 2 * s)


def _draw_sky(b: _Brush) -> Tensor:
    low, top, sun = b.rgb(_SKY_LOW, "light"), b.rgb(_SKY_TOP, "light"), b.rgb(_SUN, "light")
    overcast = b.rgb(_OVERCAST, "light")
    grey = 0.75 * b.overcast[:, :, None]
    low, top = low + (overcast - low) * grey, top + (0.85 * overcast - top) * grey
    black = b.moon[:, :, None]
    low, top = low * (1 - 0.92 * black), top * (1 - 0.97 * black)
    height = ((b.y - b.horizon) / (b.tall - b.horizon)).clamp(0, 1) ** 0.8
    far_x = b.x - 0.7 * b.pan  # far things move less when the camera pans
    image = low + (top - low) * height[:, :, None]
    image = image.expand(-1, -1, -1, -1, far_x.shape[-1])
    shine = 1 - 0.85 * b.overcast
    distance = torch.hypot(far_x - b.drift(1)[:, :1], b.y - (0.66 * b.tall))
    image = _over(image, sun, 0.5 * shine * (1 - 0.7 * b.moon) * torch.exp(-4.5 * distance))
    image = _over(image, sun, shine * b.edge(distance - 0.14))
    dark = torch.maximum(b.night, b.moon) * (1 - b.overcast)
    if bool(dark.any()):
        stars = torch.zeros_like(distance)
        for x, y in _STARS:
            stars = stars + (1 - torch.hypot(far_x - x, b.y - y * b.tall) / 0.032).clamp_min(0)
        image = _over(image, 1.0, 0.9 * dark * stars.clamp(max=1))
    return image


def _draw_clouds(b: _Brush, image: Tensor) -> Tensor:
    """Two layers of soft clouds; they drift, so from here on every frame has a background of its own."""
    low, sun = b.rgb(_SKY_LOW, "light"), b.rgb(_SUN, "light")
    overcast = b.rgb(_OVERCAST, "light")
    x = b.x - 0.7 * b.pan + b.drift(2)
    turn = _TURN / 4
    lump = 0.55 * torch.sin(2 * turn * x + 0.8 * torch.sin(turn * x) + 5.0 * b.y)
    lump = lump + 0.45 * torch.sin(3 * turn * x - 8.0 * b.y + 1.2 * torch.sin(2 * turn * x + 1))
    lump = lump + 0.28 * torch.sin(8 * turn * x + 11 * b.y) + 0.16 * torch.sin(13 * turn * x - 17 * b.y)
    band = torch.exp(-(((b.y - 0.50 * b.tall) / (0.26 * b.tall)) ** 2))
    alpha = _smooth(0.15, 0.95, lump + 0.7 * b.overcast) * band * (0.85 - 0.55 * b.night * (1 - b.overcast))
    color = (0.60 * sun + 0.40 * low) * (0.86 + 0.14 * _smooth(-0.2, 0.5, b.y - 0.4))[:, :, None]
    color = color * (1 - 0.72 * b.night)[:, :, None]
    color = color + (1.06 * overcast - color) * (0.8 * b.overcast)[:, :, None]
    return _over(image, color, alpha * (1 - b.moon))


def _hash(x: Tensor) -> Tensor:
    s = torch.sin(x * 12.9898 + 4.137) * 43758.547
    return s - s.floor()


def _draw_backdrop(b: _Brush, image: Tensor) -> Tensor:
    low, ground = b.rgb(_SKY_LOW, "light"), b.rgb(_GROUND, "ground") * b.light
    haze = low * (1 - 0.9 * b.moon[:, :, None])
    kind, up = b.value("backdrop"), b.y - b.horizon
    x = b.x - 0.5 * b.pan + b.drift(0)[:, :1]
    turn = _TURN / 4

    def tent(shift: float, period: float) -> Tensor:
        return 1 - (2 * ((x + shift) / period % 1) - 1).abs()

    hills = b.scalar(kind == 0)
    if bool(hills.any()):
        back = 0.17 + 0.07 * torch.sin(turn * 2 * x) + 0.05 * torch.sin(turn * 5 * x + 1)
        image = _over(image, 0.40 * ground + 0.60 * haze, hills * b.edge(up - back))
        front = 0.07 + 0.05 * torch.sin(turn * 3 * x + 2) + 0.03 * torch.sin(turn * 7 * x)
        image = _over(image, 0.64 * ground + 0.28 * haze, hills * b.edge(up - front))
    peaks = b.scalar(kind == 1)
    if bool(peaks.any()):
        ridge = torch.maximum(
            0.52 * tent(0.0, 2.0), torch.maximum(0.40 * tent(0.9, 4 / 3), 0.30 * tent(0.35, 1.0))
        )
        rough = ridge + 0.025 * torch.sin(turn * 11 * x) + 0.015 * torch.sin(turn * 23 * x)
        rock = torch.tensor([0.42, 0.44, 0.52], device=b.device)[None, None, :, None, None] * b.light
        slope = 0.9 + 0.18 * torch.sin(turn * 6 * x + 9 * up)
        image = _over(image, (0.66 * rock * slope[:, :, None] + 0.34 * haze), peaks * b.edge(up - rough))
        snow = peaks * b.edge(up - rough) * _smooth(-0.02, 0.02, up - 0.27 - 0.05 * torch.sin(turn * 17 * x))
        image = _over(image, 0.92 * b.light + 0.06, snow)
    city = b.scalar(kind == 2)
    if bool(city.any()):
        image = _draw_city(b, image, x, up, city, haze)
    return image


def _draw_city(b: _Brush, image: Tensor, x: Tensor, up: Tensor, city: Tensor, haze: Tensor) -> Tensor:
    """Twenty houses, over and over, in two rows; windows are lit at night."""
    for row, (wide, base, shade) in enumerate(((0.2, 0.20, 0.62), (0.25, 0.08, 0.42))):
        house = ((x + 0.13 * row) / wide).floor() % round(4 / wide)
        inside = (x + 0.13 * row) / wide - ((x + 0.13 * row) / wide).floor()
        roof = base + (0.34 - 0.10 * row) * _hash(house + 31 * row)
        wall = b.edge(torch.maximum(up - roof, wide * ((inside - 0.5).abs() - 0.46)))
        stone = torch.stack(
            [0.40 + 0.2 * _hash(house + 7), 0.42 + 0.1 * _hash(house + 3), torch.full_like(house, 0.52)], 2
        )
        color = stone * b.light * shade / 0.62
        image = _over(image, color + (haze - color) * (0.42 - 0.22 * row), city * wall)
        across, along = (inside * 3.0) % 1, (up / 0.085) % 1
        pane = (
            _smooth(0.25, 0.4, across)
            * _smooth(0.8, 0.65, across)
            * _smooth(0.25, 0.4, along)
            * _smooth(0.85, 0.7, along)
        )
        lit = (_hash((inside * 3).floor() + 5 * (up / 0.085).floor() + 17 * house + row) > 0.45).float()
        glow = torch.tensor([1.0, 0.86, 0.52], device=b.device)[None, None, :, None, None]
        dim = b.scalar(b.value("light") > 0)
        window = city * wall * pane * (up < roof - 0.03) * (up > 0)
        image = _over(image, glow, window * lit * dim * (0.55 + 0.35 * b.night))
        image = _over(image, 0.6 * haze + 0.1, 0.35 * window * (1 - dim))
    return image


def _draw_ground(b: _Brush, image: Tensor) -> Tensor:
    near = ((b.horizon - b.y) / (b.horizon + b.tall)).clamp(0, 1)
    depth = 0.35 + near
    x, turn = b.x, _TURN / 4
    kind = b.value("ground")
    ground = b.rgb(_GROUND, "ground") * b.light * (1 - 0.16 * b.rain[:, :, None])
    grain = 0.04 * torch.sin(4 * turn * x / depth) * torch.sin(16 * near + 2)
    grass = 0.05 * torch.sin(11 * turn * x / depth + 7 * near) * torch.sin(26 * near)
    sand = 0.06 * torch.sin(30 * near**0.7 + 2.2 * torch.sin(2 * turn * x))
    snow = 0.05 * torch.sin(2 * turn * x + 5 * near) * torch.sin(9 * near + 1)
    row = 5.0 * near**0.75
    seam = _smooth(0.10, 0.02, ((row % 1) - 0.5).abs()) + _smooth(
        0.10, 0.02, ((x / (0.30 * depth) + 0.5 * (row - 0.5).floor()) % 1 - 0.5).abs()
    )
    stone = -0.14 * seam.clamp(max=1) + 0.02
    craters = torch.zeros_like(near + x)
    for cx, cy, r in (
        (-0.8, 0.25, 0.16),
        (-0.2, 0.62, 0.26),
        (0.55, 0.3, 0.18),
        (0.95, 0.75, 0.3),
        (-1.2, 0.8, 0.3),
        (1.5, 0.4, 0.2),
        (-1.6, 0.4, 0.2),
    ):
        d = torch.hypot(x - cx, (near - cy) * (b.horizon + b.tall) / 0.45) / r
        craters = craters - 0.22 * _smooth(1.0, 0.7, d) + 0.12 * torch.exp(-(((d - 1.0) / 0.14) ** 2))
    texture = torch.stack([grass + grain, sand.expand_as(grass), snow, stone.expand_as(grass), craters], 0)
    chosen = sum(texture[k] * b.scalar(kind == k) for k in range(len(texture)))
    shade = 1.05 - 0.22 * near + chosen
    image = _over(image, ground * shade[:, :, None], b.edge(b.y - b.horizon))
    haze = b.rgb(_SKY_LOW, "light") * (1 - b.moon[:, :, None])
    mist = 0.35 * torch.exp(-(((b.y - b.horizon) / 0.05) ** 2)) * (1 - 0.6 * b.moon)
    return _over(image, haze * (1 - 0.3 * b.overcast[:, :, None]), mist)


def _draw_land(b: _Brush) -> tuple[Tensor, Tensor]:
    image = _draw_clouds(b, _draw_sky(b))
    image = _draw_backdrop(b, image)
    image = _draw_ground(b, image)
    for slot in range(OBJECTS):
        image = _draw_shadow(b, image, slot)
    if int(b.layout.kind[0, 0]) == KINDS.index("smoke"):
        image, cover = _draw_fluid(b, image, "smoke")
        return _draw_weather(b, image), cover
    cover = torch.zeros_like(image[:, :, 0])
    for slot in (2, 3, 0, 1):  # ropes behind what hangs on them
        if int(b.layout.kind[0, slot]) == KINDS.index("rope"):
            image, cover = _draw_object(b, image, cover, slot)
    for slot in range(OBJECTS):
        if not (b.layout.kind[:, slot] == KINDS.index("rope")).any():
            image, cover = _draw_object(b, image, cover, slot)
    return _draw_weather(b, image), cover


def _draw_shadow(b: _Brush, image: Tensor, slot: int) -> Tensor:
    kind = b.layout.kind[:, slot]
    casts = b.scalar((kind > 0) & (kind < KINDS.index("ink")))
    if not bool(casts.any()):
        return image
    o = _Object(b, slot)
    height = (o.y - b.floor - o.r).clamp(0, 2)
    wide = o.r * (1.05 + 0.35 * height)
    spot = 1 - torch.hypot((b.x - o.x) / wide, (b.y - b.floor + 0.03) / (0.26 * wide))
    return image * (1 - 0.5 * casts * _smooth(0.0, 0.6, spot) * torch.exp(-1.3 * height))[:, :, None]


class _Object:
    """One slot of a layout, shaped to broadcast."""

    def __init__(self, b: _Brush, slot: int) -> None:
        xy = b.layout.xy[:, :, slot].to(b.device)
        self.x, self.y = xy[:, :, 0, None, None], xy[:, :, 1, None, None]
        self.r = b.layout.radius[:, :, slot].to(b.device)[:, :, None, None].clamp_min(1e-3)
        self.tilt = b.layout.tilt[:, :, slot].to(b.device)[:, :, None, None]


def distance_to(kind: int, p: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """Signed distance (negative inside) from the point (p, q) of an object's own frame to its outline.

    ``kind`` indexes ``KINDS``; exact but for triangles and balloons outside of their corners.
    """
    name = KINDS[kind]
    if name == "box":
        return torch.maximum(p.abs(), q.abs()) - 0.86 * r
    if name == "triangle":
        return torch.maximum(0.866 * p.abs() + 0.5 * q, -q) - 0.62 * r
    if name == "balloon":
        return torch.hypot(p, 0.86 * q + 0.10 * p.abs() * (q < 0)) - r
    if name == "wall":
        return torch.maximum(p.abs() - r, q.abs() - WALL_TOP / 2)
    if name == "rope":
        return torch.hypot(p, torch.where(q < 0, q, (q - r).clamp_min(0))) - 0.018
    return torch.hypot(p, q) - r


def _draw_object(b: _Brush, image: Tensor, cover: Tensor, slot: int) -> tuple[Tensor, Tensor]:
    kinds = b.layout.kind[:, slot]
    for kind in kinds.unique().tolist():
        if kind == 0:
            continue
        here = b.scalar(kinds == kind)
        o = _Object(b, slot)
        dx, dy = b.x - o.x, b.y - o.y
        cos, sin = torch.cos(o.tilt), torch.sin(o.tilt)
        p, q = cos * dx + sin * dy, cos * dy - sin * dx
        distance = distance_to(kind, p, q, o.r)
        color = _RGB[b.layout.color[:, slot]].to(b.device)[:, None, :, None, None]
        rgb = color * (0.25 + 0.75 * b.light)
        name = KINDS[kind]
        if name == "rope":
            alpha = here * b.edge(distance)
            image = _over(image, 0.30 * b.light, alpha)
            cover = torch.maximum(cover, 0.5 * alpha)
            continue
        alpha = here * b.edge(distance)
        if name == "wall":
            row = (dy / 0.11).floor()
            seam = torch.maximum(
                _smooth(0.12, 0.04, (dy / 0.11) % 1), _smooth(0.08, 0.03, (dx / 0.22 + 0.5 * (row % 2)) % 1)
            )
            brick = torch.tensor([0.62, 0.30, 0.24], device=b.device)[None, None, :, None, None] * b.light
            brick = brick * (1.06 + 0.12 * dy - 0.05 * _hash(row + 3))[:, :, None]
            image = _over(image, brick + (0.75 * b.light - brick) * (0.55 * seam)[:, :, None], alpha)
            cover = torch.maximum(cover * (1 - alpha), alpha)
            continue
        inner = (1 + distance / (0.4 * o.r)).clamp(0, 1)
        if name in ("ball", "balloon"):
            shade = 1.0 + 0.30 * (0.7 * dy - 0.5 * dx) / o.r - 0.24 * inner**2
            if name == "ball":  # a stripe, so that one sees it roll
                stripe = here * _smooth(0.30, 0.20, q.abs() / o.r)
                pale = rgb + (0.95 * (0.25 + 0.75 * b.light) - rgb) * 0.55
                dusky = b.scalar(b.layout.color[:, slot] == 6)[:, :, None]
                pale = pale + (0.55 * rgb - pale) * dusky  # on white: a grey one
                rgb = rgb + (pale - rgb) * stripe[:, :, None]
        else:
            shade = (
                0.94 + 0.16 * dy / o.r + 0.20 * _smooth(0.65, 0.9, inner) * torch.sign(dy + 0.4 * dx.abs())
            )
        image = _over(image, rgb * shade.clamp(0.35, 1.4)[:, :, None] + 0.03, alpha)
        if name in ("ball", "balloon"):
            glint = torch.exp(
                -(((dx + 0.35 * o.r) / (0.24 * o.r)) ** 2 + ((dy - 0.42 * o.r) / (0.18 * o.r)) ** 2)
            )
            image = _over(image, 1.0, 0.7 * glint * alpha)
        if name == "balloon":
            below = (o.y - 1.12 * o.r - b.y).clamp_min(0)
            string = b.edge((dx - 0.03 * torch.sin(9 * below)).abs() - 0.012) * ((below > 0) & (below < 0.40))
            image = _over(image, 0.45 * b.light, here * string)
        cover = torch.maximum(cover, alpha)
    return image, cover


def _draw_fluid(b: _Brush, image: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """All puffs of ink or smoke as one density, its edge frayed; ink has a firm core, smoke thins as it rises."""
    clock = _TURN / 4 * b.drift(2) * 6
    fray_x = 0.035 * torch.sin(9 * b.y + 5 * b.x + clock) + 0.02 * torch.sin(21 * b.y - 7 * b.x - clock)
    fray_y = 0.035 * torch.sin(10 * b.x - 4 * b.y - clock) + 0.02 * torch.sin(19 * b.x + 9 * b.y + clock)
    density = torch.zeros(1, device=b.device)
    for slot in range(OBJECTS):
        o = _Object(b, slot)
        grown = (o.r / 0.2).clamp(max=1.5)
        s = torch.hypot(b.x + grown * fray_x - o.x, b.y + grown * fray_y - o.y) / o.r
        strength: Tensor | float = 1.0
        if name == "smoke":
            age = ((o.r - 0.09) / 0.30).clamp(0, 1)
            strength = _smooth(0.0, 0.12, age) * (1 - age) ** 0.7
        density = density + strength * torch.exp(-1.1 * s * s)
    color = _RGB[b.layout.color[:, 0]].to(b.device)[:, None, :, None, None] * (0.25 + 0.75 * b.light)
    if name == "ink":
        alpha = _smooth(0.18, 0.62, density)
        return _over(image, color * (1.15 - 0.22 * density.clamp(max=1.2))[:, :, None], alpha), alpha
    alpha = 0.92 * (1 - torch.exp(-1.5 * density))
    return _over(
        image, (0.72 * color + 0.24 * b.light) * (1.1 - 0.2 * density.clamp(max=1))[:, :, None], alpha
    ), alpha


def _draw_sea(b: _Brush) -> tuple[Tensor, Tensor]:
    image = _draw_clouds(b, _draw_sky(b))
    low, sun = b.rgb(_SKY_LOW, "light"), b.rgb(_SUN, "light")
    low = low + (b.rgb(_OVERCAST, "light") - low) * (0.6 * b.overcast[:, :, None])
    water = torch.tensor([0.05, 0.36, 0.56], device=b.device)[None, None, :, None, None] * b.light
    level, shift = sea_level(b.layout.grid), b.drift(3)
    back = level + 0.10 + 0.5 * wave_height(1.5 * b.x + 1.7, 0.7 * shift)
    image = _over(image, 0.45 * water + 0.55 * low, b.edge(b.y - back))
    cover = torch.zeros_like(image[:, :, 0])
    for slot in range(OBJECTS):
        if bool((b.layout.kind[:, slot] > 0).any()):
            image, cover = _draw_object(b, image, cover, slot)
    front = level + wave_height(b.x, shift)
    under = front - b.y
    depth = (under / 0.9).clamp(0, 1)
    crest = torch.exp(-(((under - 0.02) / 0.035) ** 2))
    ripple = torch.exp(-4 * depth) * torch.sin(_TURN * (b.x * 1.5 - shift) + 40 * depth)
    glitter = torch.exp(-(((b.x - 0.7 * b.pan - b.drift(1)[:, :1]) / (0.12 + 0.35 * depth)) ** 2)) * (
        1 - b.overcast
    )
    color = water * (1.22 - 0.55 * depth + 0.10 * ripple)[:, :, None] + (0.38 * crest)[:, :, None] * low
    color = color + sun * (0.22 * glitter * (0.6 + 0.4 * ripple))[:, :, None]
    sea = 0.94 * b.edge(-under)
    return _draw_weather(b, _over(image, color, sea)), cover * (1 - sea)


def _draw_tank(b: _Brush) -> tuple[Tensor, Tensor]:
    clear = torch.tensor([0.68, 0.89, 0.95], device=b.device)[None, None, :, None, None]
    beam = 0.05 * torch.sin(3 * b.x + 1.5 * b.y + _TURN / 4 * b.drift(2)) * (b.y + b.tall) / (2 * b.tall)
    image = clear * (0.84 + 0.14 * b.y / b.tall + beam)[:, :, None] * (0.3 + 0.7 * b.light)
    return _draw_fluid(b, image, "ink")


def _draw_weather(b: _Brush, image: Tensor) -> Tensor:
    """Rain in streaks, snow in flakes: cells that fall, each with its own lag."""
    for falls, cells, lean, high, size, stretch, strength in (
        (b.rain, 9.0, 0.12, 1.0, 0.11, 0.16, 0.42),
        (b.snowing, 7.0, -0.15, 2.0, 0.16, 0.045, 0.85),
    ):
        if not bool(falls.any()):
            continue
        x = (b.x / b.zoom - b.pan + lean * b.y / b.zoom) * cells / 2
        column = x.floor()
        lag = _hash(column)
        phase = (b.y / b.zoom / 2 * high + b.drift(4) * (1 + (lag > 0.5)) + lag) % 1
        across = (x - column - 0.5 + 0.25 * torch.sin(_TURN * (lag + phase)) * (high > 1)).abs()
        drop = _smooth(size, 0.4 * size, across) * _smooth(stretch, 0.3 * stretch, (phase - 0.5).abs())
        image = _over(image, 0.80 + 0.2 * b.light * (1 if high > 1 else 0), falls * strength * drop)
    return image
