"""A small physics world, simulated exactly and drawn with analytic anti-aliasing: the model's training data.

Scenes are drawn at random, simulated with sub-stepped mechanics (ballistics with restitution, impulse
collisions, an integrated pendulum, buoyancy on travelling waves) and rendered batched in torch on any
device. Units: the view is [-1, 1] in x and y, y up; times in seconds.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .concepts import EVENTS, SLOT_NAMES, SLOT_SIZES, STAGE, USES, concept_id, slot_index

FPS = 12
FRAMES = 24
SIDE = 96
GRAVITY = 4.0
HORIZON, FLOOR, WALL = -0.26, -0.58, 0.98
ANCHOR_Y = 1.08

_RGB = torch.tensor(
    [
        [0.90, 0.13, 0.13],
        [0.98, 0.50, 0.06],
        [0.98, 0.86, 0.12],
        [0.10, 0.65, 0.26],
        [0.13, 0.34, 0.93],
        [0.60, 0.20, 0.78],
        [0.97, 0.97, 0.97],
        [0.09, 0.09, 0.11],
    ]
)
_SKY_TOP = torch.tensor([[0.25, 0.55, 0.93], [0.27, 0.20, 0.48], [0.02, 0.03, 0.12]])
_SKY_LOW = torch.tensor([[0.80, 0.92, 1.00], [1.00, 0.62, 0.36], [0.13, 0.18, 0.38]])
_SUN = torch.tensor([[1.00, 0.98, 0.82], [1.00, 0.80, 0.48], [0.93, 0.94, 1.00]])
_LIGHT = torch.tensor([[1.00, 1.00, 1.00], [0.95, 0.76, 0.66], [0.46, 0.52, 0.74]])
_GROUND = torch.tensor([[0.38, 0.66, 0.25], [0.90, 0.78, 0.52], [0.94, 0.96, 1.00], [0.55, 0.55, 0.58]])
_SPEED = torch.tensor([0.55, 1.0, 1.6])
_ROPE = torch.tensor([1.30, 1.00, 0.70])
_STARS = ((-0.75, 0.8), (-0.4, 0.5), (-0.1, 0.9), (0.25, 0.62), (0.6, 0.85), (0.85, 0.45), (-0.9, 0.3))


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes: what is in them (``ids``), what may be said of them (``labels``) and all that
    varies.

    ``ids``/``labels``: int64 [B, slots], from 1; ``labels`` is 0 where the picture does not show the slot.
    ``u``: float [B, 8], uniform in [0, 1). ``start``: float [B], seconds of the event that lie before frame
    0.
    """

    ids: Tensor
    labels: Tensor
    u: Tensor
    start: Tensor

    def __getitem__(self, index: Tensor) -> "Scenes":
        return Scenes(self.ids[index], self.labels[index], self.u[index], self.start[index])

    def value(self, slot: str) -> Tensor:
        """Value index from 0, int64 [B]."""
        return self.ids[:, slot_index(slot)] - 1

    def is_event(self, event: str) -> Tensor:
        return self.value("event") == EVENTS.index(event)


@dataclass(frozen=True)
class Tracks:
    """Ground truth in world units: ``xy`` [B, T, 2 objects, 2], ``tilt`` [B, T] rad, ``radius`` [B, 2],
    ``camera`` [B, T, 2] as (x of the view's centre, half-height of the view)."""

    xy: Tensor
    tilt: Tensor
    radius: Tensor
    camera: Tensor


def sample_scenes(n: int, generator: torch.Generator, *, later: float = 0.25) -> Scenes:
    """``n`` random scenes; a share ``later`` of them starts in the midst of its event (for continuations)."""
    ids = torch.stack([torch.randint(1, size + 1, (n,), generator=generator) for size in SLOT_SIZES], 1)
    u = torch.rand(n, 8, generator=generator)
    chance = torch.rand(n, 3, generator=generator)
    camera, stage, color, color2 = (slot_index(s) for s in ("camera", STAGE, "color", "color2"))
    ids[:, camera] = torch.where(chance[:, 0] < 0.45, concept_id("camera", "static"), ids[:, camera])
    shape = slot_index("shape")
    round_only = (ids[:, 0] == concept_id("event", "collide")) | (ids[:, 0] == concept_id("event", "rise"))
    ids[:, shape] = torch.where(round_only, concept_id("shape", "ball"), ids[:, shape])
    ids[:, camera] = torch.where(ids[:, 0] == concept_id("event", "ink"), 1, ids[:, camera])
    ids[:, color2] = torch.where(ids[:, color2] == ids[:, color], 1 + (ids[:, color] + 2) % 8, ids[:, color2])
    ids[:, stage] = torch.where(chance[:, 1] < later, 2, 1)
    start = torch.where(ids[:, stage] == 2, 0.5 + 5.5 * chance[:, 2], 0.25 * chance[:, 2])
    shown = torch.tensor([[slot in USES[event] for slot in SLOT_NAMES] for event in EVENTS])
    return Scenes(ids, ids * shown[ids[:, 0] - 1], u, start)


def wave_height(x: Tensor, time: Tensor, speed: Tensor, phase: Tensor) -> Tensor:
    """Height of the sea at ``x``: two travelling waves; all arguments broadcast."""
    long = 0.10 * torch.sin(3.2 * x - 2.6 * speed * time + phase)
    return -0.22 + long + 0.03 * torch.sin(6.5 * x + 3.4 * speed * time + 2 * phase)


def simulate(scenes: Scenes, frames: int = FRAMES, fps: float = FPS, substeps: int = 8) -> Tracks:
    """Exact tracks of all objects. Every scene runs from time 0; frame k shows time ``start + k / fps``."""
    u, start, n = scenes.u, scenes.start, len(scenes.start)
    event = {name: scenes.is_event(name) for name in EVENTS}
    speed = _SPEED[scenes.value("speed")]
    side = scenes.value("direction").float() * 2 - 1
    radius = torch.stack([0.20 + 0.07 * u[:, 0], 0.20 + 0.07 * u[:, 1]], 1)
    foot = radius * torch.tensor([1.0, 0.86, 0.62])[scenes.value("shape")][:, None]
    floor = FLOOR + foot

    xy = torch.zeros(n, 2, 2)
    v = torch.zeros(n, 2, 2)
    xy[:, 1] = -9.0
    travel = 0.5 * speed * frames / fps  # a rolling object crosses the view about its middle

    def put(name: str, obj: int, x: Tensor, y: Tensor, vx: Tensor, vy: Tensor) -> None:
        here = event[name]
        xy[here, obj] = torch.stack([x, y], 1)[here]
        v[here, obj] = torch.stack([vx, vy], 1)[here]

    zero = torch.zeros(n)
    put("bounce", 0, u[:, 2] - 0.5, 0.25 + 0.5 * u[:, 3], 0.3 * (u[:, 4] - 0.5), zero)
    put(
        "throw",
        0,
        -side * (0.75 - 0.15 * u[:, 2]),
        -0.3 + 0.25 * u[:, 3],
        side * 0.75 * speed,
        1.5 + 0.6 * u[:, 4],
    )
    put("roll", 0, -side * (travel / 2 + 0.2 * (u[:, 2] - 0.5)), floor[:, 0], side * 0.5 * speed, zero)
    put("collide", 0, -0.70 + 0.15 * u[:, 2], floor[:, 0], (0.40 + 0.15 * u[:, 3]) * speed, zero)
    put("collide", 1, 0.70 - 0.15 * u[:, 4], floor[:, 1], -(0.40 + 0.15 * u[:, 5]) * speed, zero)
    put("rise", 0, 1.0 * (u[:, 2] - 0.5), -0.45 + 0.3 * u[:, 3], zero, 0.32 * speed)

    falls = (event["bounce"] | event["throw"]).float()
    restitution = 0.70 + 0.12 * u[:, 5]
    mass = radius**2
    rope = _ROPE[scenes.value("speed")]
    angle, spin = (0.45 + 0.35 * u[:, 2]) * side, torch.zeros(n)
    pivot_x = 0.5 * (u[:, 3] - 0.5)

    dt = 1 / fps / substeps
    first = (start / dt).round().long()
    last = int(first.max()) + (frames - 1) * substeps
    out_xy, out_angle = torch.zeros(n, frames, 2, 2), torch.zeros(n, frames)
    for step in range(last + 1):
        frame, rest = (step - first) // substeps, (step - first) % substeps
        due = ((rest == 0) & (frame >= 0) & (frame < frames)).nonzero()[:, 0]
        out_xy[due, frame[due]], out_angle[due, frame[due]] = xy[due], angle[due]

        xy[:, :, 0] += v[:, :, 0] * dt
        xy[:, :, 1] += v[:, :, 1] * dt
        xy[:, 0, 1] -= 0.5 * GRAVITY * falls * dt * dt
        v[:, 0, 1] -= GRAVITY * falls * dt
        landed = (falls > 0) & (xy[:, 0, 1] < floor[:, 0]) & (v[:, 0, 1] < 0)
        xy[:, 0, 1] = torch.where(landed, floor[:, 0], xy[:, 0, 1])
        v[:, 0, 1] = torch.where(landed, -restitution * v[:, 0, 1], v[:, 0, 1])
        v[:, 0, 1] = torch.where(landed & (v[:, 0, 1] < 0.12), 0.0, v[:, 0, 1])
        at_wall = (xy[:, :, 0].abs() > WALL - radius) & (xy[:, :, 0] * v[:, :, 0] > 0) & (xy[:, :, 1] > -5)
        v[:, :, 0] = torch.where(at_wall, -0.85 * v[:, :, 0], v[:, :, 0])
        meet = event["collide"] & (xy[:, 1, 0] - xy[:, 0, 0] < radius.sum(1)) & (v[:, 0, 0] > v[:, 1, 0])
        impulse = 1.92 * mass.prod(1) / mass.sum(1) * (v[:, 1, 0] - v[:, 0, 0]) * meet
        v[:, 0, 0] += impulse / mass[:, 0]
        v[:, 1, 0] -= impulse / mass[:, 1]
        ceiling = event["rise"] & (xy[:, 0, 1] > 0.95 - radius[:, 0])
        v[:, 0, 1] = torch.where(ceiling, 0.0, v[:, 0, 1])
        spin -= GRAVITY / rope * torch.sin(angle) * dt
        angle = angle + spin * dt

    time = start[:, None] + torch.arange(frames) / fps
    phase = 2 * math.pi * u[:, 6:7]
    x, y = out_xy[:, :, 0, 0], out_xy[:, :, 0, 1]
    swing, rise, waves = (event[e][:, None] for e in ("swing", "rise", "waves"))
    x = torch.where(swing, pivot_x[:, None] + rope[:, None] * torch.sin(out_angle), x)
    y = torch.where(swing, ANCHOR_Y - rope[:, None] * torch.cos(out_angle), y)
    x = torch.where(rise, x + 0.05 * torch.sin(3 * time + phase), x)
    float_x = (0.9 * (u[:, 2:3] - 0.5)).expand_as(x)
    x = torch.where(waves, float_x, x)
    y = torch.where(waves, wave_height(float_x, time, speed[:, None], phase) + 0.45 * radius[:, :1], y)
    slope = 0.32 * torch.cos(3.2 * float_x - 2.6 * speed[:, None] * time + phase)
    tilt = torch.where(swing, out_angle, torch.where(waves, slope, torch.zeros_like(x)))
    out_xy[:, :, 0, 0], out_xy[:, :, 0, 1] = x, y
    return Tracks(out_xy, tilt, radius, _camera_path(scenes, time))


def _camera_path(scenes: Scenes, time: Tensor) -> Tensor:
    """Pans and zooms ease in and out over the first two seconds of the event, then hold."""
    camera = scenes.value("camera")[:, None]
    s = (time / 2.0).clamp(0, 1)
    ease = s * s * (3 - 2 * s)
    x = torch.where(camera == 1, 0.26 - 0.52 * ease, torch.where(camera == 2, -0.26 + 0.52 * ease, 0.0))
    half = torch.where(camera == 3, 1.08 - 0.34 * ease, torch.where(camera == 4, 0.76 + 0.32 * ease, 1.0))
    return torch.stack([x, half], -1)


@torch.no_grad()
def render(
    scenes: Scenes, frames: int = FRAMES, side: int = SIDE, fps: float = FPS, device: str = "cpu"
) -> tuple[Tensor, Tensor, Tracks]:
    """Draw scenes: video float [B, T, 3, side, side] in [0, 1], object cover [B, T, side, side], and their
    tracks."""
    tracks = simulate(scenes, frames, fps)
    video = torch.empty(len(scenes.start), frames, 3, side, side, device=device)
    cover = torch.empty(len(scenes.start), frames, side, side, device=device)
    few = 4 if device == "cpu" else 64  # intermediate images should stay in the processor's cache
    sea, ink = scenes.is_event("waves"), scenes.is_event("ink")
    still = scenes.value("camera") == 0
    for draw, chosen in (
        (_draw_land, ~sea & ~ink & still),
        (_draw_land, ~sea & ~ink & ~still),
        (_draw_sea, sea),
        (_draw_ink, ink),
    ):
        for index in chosen.nonzero()[:, 0].split(few):
            if len(index):
                brush = _Brush(scenes[index], tracks, index, frames, side, fps, device)
                video[index], cover[index] = draw(brush)
    return video.clamp_(0, 1), cover, tracks


class _Brush:
    """The pixel grid in world coordinates and everything of the scenes, shaped to broadcast over [B, T, H,
    W]."""

    def __init__(
        self, scenes: Scenes, tracks: Tracks, index: Tensor, frames: int, side: int, fps: float, device: str
    ) -> None:
        self.scenes, self.device = scenes, device
        self.xy, self.tilt = tracks.xy[index].to(device), tracks.tilt[index].to(device)[:, :, None, None]
        self.radius = tracks.radius[index].to(device)
        camera = tracks.camera[index].to(device)
        self.still = bool((scenes.value("camera") == 0).all())
        if self.still:  # one background serves all frames
            camera = camera[:, :1]
        grid = (torch.arange(side, device=device) + 0.5) * 2 / side - 1
        self.pan, self.half = camera[:, :, 0, None, None], camera[:, :, 1, None, None]
        self.x = self.pan + grid[None, None, None, :] * self.half
        self.y = -grid[None, None, :, None] * self.half
        self.pixel = 2 * self.half / side
        self.time = (scenes.start[:, None] + torch.arange(frames) / fps).to(device)[:, :, None, None]
        self.light, self.night = self.rgb(_LIGHT, "light"), self.scalar(scenes.value("light") == 2)
        self.speed = self.scalar(_SPEED[scenes.value("speed")])
        self.phase = 2 * math.pi * self.u(6)

    def scalar(self, values: Tensor) -> Tensor:
        return values.float().to(self.device)[:, None, None, None]

    def u(self, column: int) -> Tensor:
        return self.scalar(self.scenes.u[:, column])

    def rgb(self, table: Tensor, slot: str) -> Tensor:
        return table[self.scenes.value(slot)].to(self.device)[:, None, :, None, None]

    def edge(self, distance: Tensor, softness: float = 1.3) -> Tensor:
        """Cover in [0, 1] of a shape given by its signed distance (negative inside), one pixel soft."""
        return (0.5 - distance / (softness * self.pixel)).clamp(0, 1)


def _over(image: Tensor, rgb: Tensor | float, alpha: Tensor) -> Tensor:
    return image + (rgb - image) * alpha[:, :, None]


def _draw_sky(b: _Brush) -> Tensor:
    low, top, sun = b.rgb(_SKY_LOW, "light"), b.rgb(_SKY_TOP, "light"), b.rgb(_SUN, "light")
    height = ((b.y - HORIZON) / 1.25).clamp(0, 1)
    image = low + (top - low) * height[:, :, None]
    far_x = b.x - 0.7 * b.pan  # far things move less when the camera pans
    dx, dy = far_x - 1.3 * (b.u(7) - 0.5), b.y - 0.62
    distance = torch.sqrt(dx * dx + dy * dy)
    image = _over(image, sun, 0.45 * torch.exp(-5.0 * distance))
    image = _over(image, sun, b.edge(distance - 0.15))
    for sx, sy in _STARS:
        image = _over(image, 1.0, b.night * 0.8 * b.edge(torch.hypot(far_x - sx, b.y - sy) - 0.014))
    cloud = torch.exp(-((((far_x + 0.55) / 0.30) ** 2 + ((b.y - 0.38) / 0.07) ** 2) ** 2))
    cloud = cloud + torch.exp(-((((far_x - 0.45) / 0.38) ** 2 + ((b.y - 0.22) / 0.06) ** 2) ** 2))
    return _over(image, 0.55 * sun + 0.45 * low, (0.75 * cloud * (1 - b.night)).clamp(0, 1))


def _draw_land(b: _Brush) -> tuple[Tensor, Tensor]:
    image = _draw_sky(b)
    low, ground = b.rgb(_SKY_LOW, "light"), b.rgb(_GROUND, "ground") * b.light
    far_x, mid_x = b.x - 0.5 * b.pan, b.x - 0.3 * b.pan
    hill = HORIZON + 0.20 + 0.10 * torch.sin(2.1 * far_x + b.phase)
    image = _over(image, 0.50 * ground * 0.8 + 0.50 * low, b.edge(b.y - hill))
    hill = HORIZON + 0.07 + 0.07 * torch.sin(2.9 * mid_x + 2 * b.phase + 1)
    image = _over(image, 0.75 * ground * 0.8 + 0.25 * low, b.edge(b.y - hill))
    near = ((HORIZON - b.y) / 0.74).clamp(0, 1)
    grain = 1 + 0.05 * torch.sin(7 * b.x / (0.6 + near)) * torch.sin(16 * near + 2)
    image = _over(image, ground * ((1.04 - 0.22 * near) * grain)[:, :, None], b.edge(b.y - HORIZON))

    image = image.expand(-1, b.time.shape[1], -1, -1, -1)
    cover = torch.zeros_like(image[:, :, 0])
    pairs = (0, 1) if bool(b.scenes.is_event("collide").any()) else (0,)
    for obj in pairs:
        x, y = b.xy[:, :, obj, 0, None, None], b.xy[:, :, obj, 1, None, None]
        r = b.radius[:, obj, None, None, None]
        height = (y - FLOOR - r).clamp(0, 2)
        wide = r * (1.05 + 0.35 * height)
        spot = 1 - torch.hypot((b.x - x) / wide, (b.y - FLOOR + 0.02) / (0.26 * wide))
        image = image * (1 - 0.5 * ((2 * spot).clamp(0, 1) * torch.exp(-1.3 * height) * (y > -5)))[:, :, None]
    image = _draw_strings(b, image)
    for obj in pairs:
        image, cover = _draw_object(b, image, cover, obj)
    return image, cover


def _draw_strings(b: _Brush, image: Tensor) -> Tensor:
    """The rope of a pendulum and the string of a balloon."""
    x, y = b.xy[:, :, 0, 0, None, None], b.xy[:, :, 0, 1, None, None]
    if bool(b.scenes.is_event("swing").any()):
        top = 0.5 * (b.u(3) - 0.5)
        dx, dy = x - top, y - ANCHOR_Y
        along = (((b.x - top) * dx + (b.y - ANCHOR_Y) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
        rope = b.edge(torch.hypot(b.x - top - along * dx, b.y - ANCHOR_Y - along * dy) - 0.020)
        image = _over(image, 0.30 * b.light, rope * b.scalar(b.scenes.is_event("swing")))
    if bool(b.scenes.is_event("rise").any()):
        r = b.radius[:, 0, None, None, None]
        below = (y - r - b.y).clamp(min=0)
        string = b.edge((b.x - x - 0.03 * torch.sin(9 * below)).abs() - 0.016)
        string = string * ((below > 0) & (below < 0.42)) * b.scalar(b.scenes.is_event("rise"))
        image = _over(image, 0.35 * b.light, string)
    return image


def _draw_object(b: _Brush, image: Tensor, cover: Tensor, obj: int) -> tuple[Tensor, Tensor]:
    dx, dy = b.x - b.xy[:, :, obj, 0, None, None], b.y - b.xy[:, :, obj, 1, None, None]
    r = b.radius[:, obj, None, None, None]
    cos, sin = torch.cos(b.tilt), torch.sin(b.tilt)
    p, q = cos * dx + sin * dy, cos * dy - sin * dx
    shape = b.scalar(b.scenes.value("shape"))
    ball = torch.hypot(dx, dy) - r
    box = torch.maximum(p.abs(), q.abs()) - 0.86 * r
    triangle = torch.maximum(0.866 * p.abs() + 0.5 * q, -q) - 0.62 * r
    distance = torch.where(shape == 0, ball, torch.where(shape == 1, box, triangle))
    alpha = b.edge(distance)
    rgb = b.rgb(_RGB, "color" if obj == 0 else "color2") * (0.25 + 0.75 * b.light)
    shade = (1.0 + 0.32 * (0.7 * dy - 0.5 * dx) / r - 0.18 * (1 + distance / (0.35 * r)).clamp(0, 1)).clamp(
        0.4, 1.4
    )
    image = _over(image, rgb * shade[:, :, None] + 0.03, alpha)
    glint = torch.exp(-(((dx + 0.35 * r) / (0.26 * r)) ** 2 + ((dy - 0.42 * r) / (0.20 * r)) ** 2))
    image = _over(image, 1.0, 0.65 * glint * alpha * (shape == 0))
    return image, torch.maximum(cover, alpha)


def _draw_sea(b: _Brush) -> tuple[Tensor, Tensor]:
    image = _draw_sky(b).expand(-1, b.time.shape[1], -1, -1, -1)
    low = b.rgb(_SKY_LOW, "light")
    water = torch.tensor([0.05, 0.36, 0.58], device=b.device)[None, None, :, None, None] * b.light
    back = wave_height(1.4 * b.x + 1.7, 0.8 * b.time, b.speed, b.phase) * 0.6 + 0.02
    image = _over(image, 0.6 * water + 0.4 * low, b.edge(b.y - back))
    image, cover = _draw_object(b, image, torch.zeros_like(image[:, :, 0]), 0)
    front = wave_height(b.x, b.time, b.speed, b.phase)
    depth = ((front - b.y) / 0.9).clamp(0, 1)
    crest = torch.exp(-(((front - b.y - 0.02) / 0.035) ** 2))
    color = water * (1.25 - 0.6 * depth)[:, :, None] + (0.35 * crest)[:, :, None] * low
    sea = 0.94 * b.edge(b.y - front)
    return _over(image, color, sea), cover * (1 - sea)


def _draw_ink(b: _Brush) -> tuple[Tensor, Tensor]:
    shade = (0.86 + 0.16 * b.y)[:, :, None]
    image = (
        torch.tensor([0.66, 0.89, 0.96], device=b.device)[None, None, :, None, None]
        * shade
        * (0.3 + 0.7 * b.light)
    )
    grown = b.speed * (b.time.clamp(max=3.0) + 0.08)
    density = torch.zeros(1, device=b.device)
    for puff in range(7):
        angle = b.phase + puff * 0.8976 + 0.5 * b.u(2)
        reach = (0.06 + 0.36 * torch.sqrt(grown)) * (0.62 + 0.38 * torch.sin(3 * angle + puff)) * (puff > 0)
        spread = 0.006 + (0.016 if puff else 0.030) * grown
        dx = b.x - 0.6 * (b.u(3) - 0.5) - reach * torch.cos(angle)
        dy = b.y - 0.5 * (b.u(4) - 0.5) - reach * torch.sin(angle) + 0.08 * grown
        density = (
            density + torch.exp(-(dx * dx + dy * dy) / (2 * spread)) * (0.030 / spread).clamp(max=1.6) ** 0.4
        )
    alpha = (1.15 * (1 - torch.exp(-2.2 * density * density))).clamp(max=1)
    image = _over(image, b.rgb(_RGB, "color") * (0.25 + 0.75 * b.light), alpha)
    return image, alpha
