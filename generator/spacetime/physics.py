"""What happens in a scene: random scenes of the world, and exact tracks of everything that moves in them.

Units: the view is [-wide, wide] x [-tall, tall], y up, ``tall = rows / 8`` and ``wide = columns / 8`` for a
picture of rows x columns latent tokens, so that a pixel has the same size in every format; seconds; radians.
Every event goes on for as long as one looks: walls reflect, what lies still is thrown again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from .concepts import EVENTS, ONE_SHAPE, SLOT_NAMES, SLOT_SIZES, STAGE, USES, concept_id, slot_index

FPS: Final = 24
OBJECTS: Final = 4
DICE: Final = 16
"""Uniform random numbers of a scene: 0-3 sizes, 4-11 how the event starts, 12-15 the scenery."""
KINDS: Final = ("none", "ball", "box", "triangle", "balloon", "ink", "smoke", "wall", "rope")
SQUARE: Final = (8, 8)

_SPEED = torch.tensor([0.55, 1.0, 1.6])
_RESTITUTION = torch.tensor([0.88, 0.74, 0.25])
_GRAVITY = torch.tensor([4.0, 1.2])
FOOT: Final = torch.tensor([1.0, 0.86, 0.62])
"""Height of the centre over the floor in radii, for a ball, a box and a triangle."""
WALL_TOP: Final = 0.62
"""Height of a wall over the floor."""
_STEPS = 4
"""Steps of the integrators per frame."""
_REST = 0.6
"""Seconds that a body lies still before it is thrown again."""


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes: what is in them (``ids``), what may be said of them (``labels``), what chance adds.

    ``ids``/``labels``: int64 [B, slots], from 1; ``labels`` is 0 where the picture does not show the slot or
    where it goes without saying. ``dice``: float [B, DICE], uniform in [0, 1). ``start``: float [B], seconds
    of the event that lie before frame 0. ``grid``: (rows, columns) of latent tokens, the format of all.
    """

    ids: Tensor
    labels: Tensor
    dice: Tensor
    start: Tensor
    grid: tuple[int, int] = SQUARE

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: Tensor) -> "Scenes":
        return Scenes(self.ids[index], self.labels[index], self.dice[index], self.start[index], self.grid)

    def value(self, slot: str) -> Tensor:
        """Value index from 0, int64 [B]."""
        return self.ids[:, slot_index(slot)] - 1

    def is_event(self, *events: str) -> Tensor:
        """Bool [B]."""
        event = self.value("event")
        return torch.stack([event == EVENTS.index(name) for name in events]).any(0)


@dataclass(frozen=True)
class Layout:
    """Where everything is, frame by frame, in world units: what the painter is told and the planner plans.

    ``xy`` [B, T, OBJECTS, 2], ``tilt`` and ``radius`` [B, T, OBJECTS] (a rope: its lower end, its angle and
    length; radius 0: not there); ``kind`` (into ``KINDS``) and ``color`` int64 [B, OBJECTS]; ``camera``
    [B, T, 2]: the view's centre x and its zoom (half-heights); ``drift`` [B, T, 5]: shift of the backdrop,
    x of the sun, shift of clouds and of waves, phase of rain and snow; ``ids`` [B, slots].
    """

    xy: Tensor
    tilt: Tensor
    radius: Tensor
    kind: Tensor
    color: Tensor
    camera: Tensor
    drift: Tensor
    ids: Tensor
    grid: tuple[int, int]

    def window(self, first: int, frames: int) -> "Layout":
        """The layout of ``frames`` frames from frame ``first`` on."""
        t = slice(first, first + frames)
        moving = {name: getattr(self, name)[:, t] for name in ("xy", "tilt", "radius", "camera", "drift")}
        return replace(self, **moving)

    def __getitem__(self, index: Tensor | slice) -> "Layout":
        return replace(self, **{name: getattr(self, name)[index] for name in LAYOUT_TENSORS})

    @classmethod
    def join(cls, layouts: Sequence["Layout"]) -> "Layout":
        """Layouts of one format and length, as one batch."""
        joined = {name: torch.cat([getattr(one, name) for one in layouts]) for name in LAYOUT_TENSORS}
        return cls(**joined, grid=layouts[0].grid)


LAYOUT_TENSORS: Final = ("xy", "tilt", "radius", "kind", "color", "camera", "drift", "ids")
"""The fields of a :class:`Layout` that have a batch dimension."""


def extent(grid: tuple[int, int]) -> tuple[float, float]:
    """(wide, tall): half the width and half the height of the view."""
    return grid[1] / 8, grid[0] / 8


def floor_and_horizon(grid: tuple[int, int]) -> tuple[float, float]:
    """y of the ground under the objects and of the horizon."""
    floor = -0.58 - 0.6 * (grid[0] / 8 - 1)
    return floor, floor + 0.32


def complete(ids: Tensor, generator: torch.Generator, avoid: Tensor | None = None) -> Tensor:
    """Fill every open slot (id 0) of ``ids`` [B, slots] as the world would: by chance, within what fits.

    What is stated is never changed, but for what cannot be shown: another shape than an event has, weather
    on the moon. An open slot does not take the value that ``avoid`` [B, slots] names (0: none). Returns a
    new tensor.
    """
    ids = ids.clone()
    n = len(ids)
    sizes = torch.tensor(SLOT_SIZES)
    avoid = torch.zeros_like(ids) if avoid is None else avoid
    drawn = torch.stack([torch.randint(1, size + 1, (n,), generator=generator) for size in SLOT_SIZES], 1)
    chance = torch.rand(n, 6, generator=generator)

    def fill(slot: str, values: Tensor | int) -> None:
        column = slot_index(slot)
        values = torch.as_tensor(values).expand(n)
        values = torch.where(values == avoid[:, column], values % sizes[column] + 1, values)
        ids[:, column] = torch.where(ids[:, column] == 0, values, ids[:, column])

    for slot in ("event", "shape", "color", "light", "ground", "backdrop", "speed", "direction"):
        fill(slot, drawn[:, slot_index(slot)])
    event = ids[:, slot_index("event")]
    shape = slot_index("shape")
    for name, only in ONE_SHAPE.items():
        ids[:, shape] = torch.where(
            event == concept_id("event", name), concept_id("shape", only), ids[:, shape]
        )
    several = (0.45, 0.75)
    fill("count", 1 + (chance[:, 0, None] > torch.tensor(several)).sum(1))
    stack = event == concept_id("event", "stack")
    count = slot_index("count")
    ids[:, count] = torch.where(stack & (ids[:, count] == 1), 3, ids[:, count])
    two_colors = (chance[:, 1] < 0.5) | (event == concept_id("event", "collide"))
    fill("color2", torch.where(two_colors, drawn[:, slot_index("color2")], ids[:, slot_index("color")]))
    ground = slot_index("ground")
    dry = (event != concept_id("event", "ink")) & (event != concept_id("event", "waves"))
    ids[:, ground] = torch.where(dry, ids[:, ground], concept_id("ground", "grass"))
    moon = ids[:, ground] == concept_id("ground", "moon")
    fill("weather", torch.where(chance[:, 2] < 0.6, 1, drawn[:, slot_index("weather")]))
    weather = slot_index("weather")
    ids[:, weather] = torch.where(
        moon | (event == concept_id("event", "ink")), concept_id("weather", "clear"), ids[:, weather]
    )
    fill("camera", torch.where(chance[:, 3] < 0.5, 1, drawn[:, slot_index("camera")]))
    fill(
        "spring",
        torch.where(chance[:, 4] < 0.5, concept_id("spring", "firm"), drawn[:, slot_index("spring")]),
    )
    fill("gravity", torch.where(moon | (chance[:, 5] < 0.15), 2, 1))
    fill(STAGE, 1)
    return ids


def sample_scenes(
    n: int,
    generator: torch.Generator,
    *,
    grid: tuple[int, int] = SQUARE,
    later: float = 0.5,
    longest: float = 30.0,
) -> Scenes:
    """``n`` random scenes; a share ``later`` of them begins in the midst of its event, up to ``longest``
    seconds in."""
    ids = complete(torch.zeros(n, len(SLOT_NAMES), dtype=torch.long), generator)
    dice = torch.rand(n, DICE, generator=generator)
    chance = torch.rand(n, 2, generator=generator)
    ids[:, slot_index(STAGE)] = torch.where(chance[:, 0] < later, 2, 1)
    start = torch.where(chance[:, 0] < later, 0.25 + (longest - 0.25) * chance[:, 1] ** 2, 0.0)
    return Scenes(ids, visible(ids), dice, (start * FPS).round() / FPS, grid)


def visible(ids: Tensor) -> Tensor:
    """The ids [B, slots] that a sentence about the scene would state; 0 for what is not seen or goes without
    saying: the shape of a balloon, the gravity on the moon, the second colour of two red balls."""
    shown = torch.tensor([[slot in USES[event] for slot in SLOT_NAMES] for event in EVENTS])
    labels = ids * shown[ids[:, slot_index("event")] - 1]
    alone = labels[:, slot_index("count")] == 1
    same = labels[:, slot_index("color2")] == labels[:, slot_index("color")]
    labels[:, slot_index("color2")] *= ~(alone | same)
    labels[:, slot_index("gravity")] *= labels[:, slot_index("ground")] != concept_id("ground", "moon")
    return labels


def wave_height(x: Tensor, shift: Tensor) -> Tensor:
    """Height of the sea at ``x`` over its mean, for waves that travelled by ``shift``; broadcasts."""
    turn = 2 * math.pi / 4
    return 0.10 * torch.sin(2 * turn * (x - shift)) + 0.03 * torch.sin(4 * turn * (x + 0.5 * shift))


def cast(scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Who is in the scene: ``kind`` and ``color`` [B, OBJECTS] of every object, both decided by the ids."""
    n = len(scenes)
    shape, count = scenes.value("shape") + 1, scenes.value("count") + 1
    kind, slots = torch.zeros(n, OBJECTS, dtype=torch.long), torch.arange(OBJECTS)

    def put(event: str, name: str | Tensor, first: int, number: Tensor | int) -> None:
        here = scenes.is_event(event)[:, None] & (slots >= first)
        here = here & (slots < first + torch.as_tensor(number).expand(n)[:, None])
        values = torch.full((n,), KINDS.index(name)) if isinstance(name, str) else name
        kind.copy_(torch.where(here, values[:, None], kind))

    for event in ("throw", "roll", "swing", "hide"):
        put(event, shape, 0, 1)
    for event in ("bounce", "waves", "stack"):
        put(event, shape, 0, count)
    put("collide", "ball", 0, 2)
    put("chain", "ball", 0, 2)
    put("rise", "balloon", 0, count)
    put("ink", "ink", 0, OBJECTS)
    put("smoke", "smoke", 0, OBJECTS)
    put("swing", "rope", 2, 1)
    put("chain", "rope", 2, 2)
    put("hide", "wall", 3, 1)
    color = scenes.value("color")[:, None].repeat(1, OBJECTS)
    color[:, 1] = torch.where(scenes.is_event("ink", "smoke"), color[:, 0], scenes.value("color2"))
    return kind, color


def set_stage(scenes: Scenes, frames: int, fps: float = FPS) -> Layout:
    """The layout of ``frames`` frames before anything moves: who is there, the camera's path, the scenery's
    drift. Frame k is at the time ``start + k / fps``."""
    kind, color = cast(scenes)
    time = scenes.start[:, None] + torch.arange(frames) / fps
    still = torch.zeros(len(scenes), frames, OBJECTS)
    layout = Layout(
        xy=torch.zeros(len(scenes), frames, OBJECTS, 2),
        tilt=still,
        radius=still,
        kind=kind,
        color=color,
        camera=_camera(scenes, time),
        drift=_drift(scenes, time),
        ids=scenes.ids,
        grid=scenes.grid,
    )
    return furnish(layout, scenes.dice)


def simulate(scenes: Scenes, frames: int, fps: float = FPS) -> Layout:
    """Exact layout of ``frames`` frames; frame k shows the time ``start + k / fps``."""
    wide, tall = extent(scenes.grid)
    floor, _ = floor_and_horizon(scenes.grid)
    stage = set_stage(scenes, frames, fps)
    time = scenes.start[:, None] + torch.arange(frames) / fps  # [B, T]
    xy, tilt, radius = stage.xy.clone(), stage.tilt.clone(), stage.radius.clone()
    size = _sizes(scenes)
    for events, follow in _FOLLOW.items():
        here = scenes.is_event(*events).nonzero()[:, 0]
        if len(here):
            xy[here], tilt[here], radius[here] = follow(
                scenes[here], time[here], size[here], fps, wide, tall, floor
            )
    moved = replace(stage, xy=xy, tilt=tilt, radius=radius * (stage.kind > 0)[:, None])
    return furnish(moved, scenes.dice)


def _sizes(scenes: Scenes) -> Tensor:
    """Radius of every object, [B, OBJECTS]: two need more room than one, boxes of a stack are of one size."""
    dice = scenes.dice
    size = 0.19 + 0.06 * dice[:, :OBJECTS]
    pair = scenes.is_event("bounce", "waves", "rise") & (scenes.value("count") == 2)
    size = torch.where(pair[:, None], 0.85 * size, size)
    size = torch.where(scenes.is_event("stack")[:, None], 0.20 + 0.03 * dice[:, :1], size)
    return torch.where(scenes.is_event("chain")[:, None], 0.13 + 0.04 * dice[:, :OBJECTS], size)


def furnish(layout: Layout, dice: Tensor) -> Layout:
    """Put in what does not move by itself: ropes at their bodies, walls where chance wants them."""
    wide, _ = extent(layout.grid)
    floor, _ = floor_and_horizon(layout.grid)
    xy, tilt, radius = layout.xy.clone(), layout.tilt.clone(), layout.radius.clone()
    rope = layout.kind == KINDS.index("rope")  # [B, OBJECTS]
    for slot, body in ((2, 0), (3, 1)):
        here = rope[:, slot]
        xy[here, :, slot], tilt[here, :, slot] = xy[here, :, body], tilt[here, :, body]
        length = torch.full_like(radius[:, :, slot], 2.4)
        if slot == 3:  # the second bob hangs on the first
            length = torch.hypot(*(xy[:, :, 0] - xy[:, :, 1]).unbind(-1))
        radius[here, :, slot] = length[here]
    wall = layout.kind[:, 3] == KINDS.index("wall")
    x = wide * (0.5 * dice[:, 11] - 0.25)
    xy[wall, :, 3, 0] = x[wall, None].expand(-1, xy.shape[1])
    xy[wall, :, 3, 1] = floor + WALL_TOP / 2
    tilt[wall, :, 3] = 0
    radius[wall, :, 3] = (0.26 + 0.06 * dice[wall, 3])[:, None].expand(-1, xy.shape[1])
    return replace(layout, xy=xy, tilt=tilt, radius=radius)


def _drift(scenes: Scenes, time: Tensor) -> Tensor:
    wide, _ = extent(scenes.grid)
    dice, speed = scenes.dice, _SPEED[scenes.value("speed")]
    still = torch.ones_like(time)
    fall = torch.where(scenes.value("weather") == 1, 1.5, 0.35)
    return torch.stack(
        [
            4 * dice[:, 12:13] * still,
            1.5 * wide * (dice[:, 13:14] - 0.5) * still,
            (4 * dice[:, 14:15] + 0.06 * time) % 4,
            (4 * dice[:, 15:16] + 0.8 * speed[:, None] * time) % 4,
            (dice[:, 14:15] + fall[:, None] * time) % 1,
        ],
        -1,
    )


def _camera(scenes: Scenes, time: Tensor) -> Tensor:
    """Pans and zooms go to and fro in six seconds, beginning as they are called."""
    camera = scenes.value("camera")[:, None]
    swing = -torch.cos(2 * math.pi * time / 6)
    pan = torch.where(camera == 1, -0.26 * swing, torch.where(camera == 2, 0.26 * swing, 0.0))
    zoom = torch.where(camera == 3, 0.92 - 0.15 * swing, torch.where(camera == 4, 0.92 + 0.15 * swing, 1.0))
    return torch.stack([pan, zoom], -1)


_Moved = tuple[Tensor, Tensor, Tensor]
"""xy [B, T, OBJECTS, 2], tilt and radius [B, T, OBJECTS]."""


def _still(time: Tensor, size: Tensor) -> _Moved:
    n, frames = time.shape
    zero = torch.zeros(n, frames, OBJECTS)
    return torch.zeros(n, frames, OBJECTS, 2), zero, size[:, None].repeat(1, frames, 1)


def _side(scenes: Scenes) -> Tensor:
    return scenes.value("direction").float() * 2 - 1


def _ballistic(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """Free flight, floor and walls with restitution, collisions with impulse; stepped from time 0."""
    dice, n, bodies = scenes.dice, len(scenes), 3
    bounce, throw, collide = (scenes.is_event(e)[:, None] for e in ("bounce", "throw", "collide"))
    speed, side = _SPEED[scenes.value("speed")][:, None], _side(scenes)[:, None]
    gravity = _GRAVITY[scenes.value("gravity")][:, None]
    restitution = _RESTITUTION[scenes.value("spring")][:, None]
    radius = size[:, :bodies]
    floor = floor_y + FOOT[scenes.value("shape")][:, None] * radius
    slots = torch.arange(bodies)
    count = scenes.value("count")[:, None]

    lane = torch.tensor([[0.0, 9.0, 9.0], [-0.5, 0.5, 9.0], [-0.62, 0.62, 0.0]])[scenes.value("count")] * wide
    room = torch.tensor([0.9, 0.4, 0.16])[scenes.value("count")][:, None] * wide
    height = 0.35 + 0.5 * dice[:, 7:10]
    x = lane + room * (dice[:, 4:7] - 0.5)
    y = torch.where(bounce, floor + (0.30 + 0.45 * height) * (tall - floor_y), floor)
    vx = torch.where(count == 0, 0.5 * (dice[:, 10:11] - 0.5), 0.0) * bounce
    vy = torch.zeros(n, bodies)

    begin = torch.minimum(wide * (0.78 - 0.15 * dice[:, 4:5]), wide - radius)
    x = torch.where(throw, -side * begin, x)
    y = torch.where(throw, floor + 0.1 + 0.25 * dice[:, 5:6], y)
    hurl_x, hurl_y = 0.75 * speed, torch.sqrt(2 * gravity * (0.32 + 0.3 * dice[:, 6:7]))
    vx = torch.where(throw, side * hurl_x, vx)
    vy = torch.where(throw, hurl_y, vy)

    rush = torch.stack([0.40 + 0.15 * dice[:, 5], -0.40 - 0.15 * dice[:, 6], torch.zeros(n)], 1) * speed
    meet_x = wide * torch.stack([-0.7 + 0.15 * dice[:, 4], 0.7 - 0.15 * dice[:, 7], torch.full((n,), 9.0)], 1)
    x, vx = torch.where(collide, meet_x, x), torch.where(collide, rush, vx)
    y = torch.where(collide, floor, y)
    falls = (~collide).float()
    kick = torch.where(bounce, torch.sqrt(2 * gravity * (y - floor).clamp_min(0.05)), hurl_y)
    wall_loss = torch.where(collide, 1.0, 0.9)
    mass = radius**2
    there = (slots <= torch.where(collide, 1, torch.where(throw, 0, count))).float()

    spin = torch.where(throw, -3.0 * side, 0.0).expand(n, bodies).clone()
    angle, resting = torch.zeros(n, bodies), torch.zeros(n, bodies)
    dt = 1 / fps / _STEPS
    first = (time[:, 0] * fps).round().long() * _STEPS
    frames = time.shape[1]
    xy, tilt, out_radius = _still(time, size)
    for step in range(int(first.max()) + (frames - 1) * _STEPS + 1):
        frame, rest = (step - first) // _STEPS, (step - first) % _STEPS
        due = ((rest == 0) & (frame >= 0) & (frame < frames)).nonzero()[:, 0]
        if len(due):
            xy[due, frame[due], :bodies] = torch.stack([x, y], -1)[due]
            tilt[due, frame[due], :bodies] = angle[due]

        x = x + vx * dt
        y = y + (vy * dt - 0.5 * gravity * dt * dt) * falls
        vy = vy - gravity * dt * falls
        landed = (y <= floor) & (vy <= 0)
        y = torch.where(landed, floor, y)
        vy = torch.where(landed, -restitution * vy, vy)
        quiet = landed & (vy < 0.14 * gravity.sqrt())
        vy = torch.where(quiet, 0.0, vy)
        vx = torch.where(landed & throw, vx * (1 - 1.2 * dt), vx)
        at_wall = (x.abs() > wide - radius) & (x * vx > 0) & (there > 0)
        vx = torch.where(at_wall, -wall_loss * vx, vx)
        touching = (x[:, 1] - x[:, 0] < radius[:, 0] + radius[:, 1]) & (vx[:, 0] > vx[:, 1]) & collide[:, 0]
        impulse = (
            1.96 * mass[:, 0] * mass[:, 1] / (mass[:, 0] + mass[:, 1]) * (vx[:, 1] - vx[:, 0]) * touching
        )
        vx = vx + torch.stack([impulse / mass[:, 0], -impulse / mass[:, 1], torch.zeros(n)], 1)
        spin = torch.where(landed | collide, -vx / radius, spin)
        angle = angle + spin * dt
        resting = torch.where(quiet, resting + dt, 0.0)
        again = (resting > _REST) & ~collide
        vy = torch.where(again, kick, vy)
        vx = torch.where(again & throw, -torch.sign(x) * hurl_x, vx)
    tilt = tilt * (scenes.value("shape") == 0)[:, None, None]
    return xy, tilt, out_radius


def _pendulums(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """A bob on a rope, or two in a chain (equal masses), integrated by Runge-Kutta from time 0.

    The double pendulum's equations are the textbook ones (Landau and Lifshitz, Mechanics, sec. 5).
    """
    dice, chain = scenes.dice, scenes.is_event("chain")
    gravity = _GRAVITY[scenes.value("gravity")]
    hang = tall + 0.08
    room = hang - floor_y - 0.36
    length = room * torch.tensor([0.95, 0.75, 0.55])[scenes.value("speed")]
    length = torch.where(chain, 0.48 * room, length)
    length2 = 0.44 * room * torch.ones_like(length)
    pivot = 0.5 * wide * (dice[:, 5] - 0.5)
    sign = torch.where(dice[:, 6] < 0.5, -1.0, 1.0)
    state = torch.zeros(len(scenes), 4)  # both angles, both angular velocities
    most = torch.asin((0.62 * wide / length).clamp(max=0.75))
    state[:, 0] = sign * torch.minimum(0.4 + 0.35 * dice[:, 4], most)
    state[:, 1] = torch.where(chain, state[:, 0] * (0.6 + 1.0 * dice[:, 7]), 0.0)

    def derivative(s: Tensor) -> Tensor:
        a, b, va, vb = s.unbind(1)
        gap = a - b
        below = 3 - torch.cos(2 * gap)
        double_a = -3 * gravity * torch.sin(a) - gravity * torch.sin(a - 2 * b)
        double_a = double_a - 2 * torch.sin(gap) * (vb**2 * length2 + va**2 * length * torch.cos(gap))
        double_b = 2 * va**2 * length + 2 * gravity * torch.cos(a) + vb**2 * length2 * torch.cos(gap)
        double_b = 2 * torch.sin(gap) * double_b / (length2 * below)
        single = -gravity / length * torch.sin(a)
        accel = torch.where(chain, double_a / (length * below), single)
        return torch.stack([va, vb, accel, torch.where(chain, double_b, 0.0)], 1)

    dt = 1 / fps / 2
    first = (time[:, 0] * fps).round().long() * 2
    frames = time.shape[1]
    angles = torch.zeros(len(scenes), frames, 2)
    for step in range(int(first.max()) + (frames - 1) * 2 + 1):
        frame, rest = (step - first) // 2, (step - first) % 2
        due = ((rest == 0) & (frame >= 0) & (frame < frames)).nonzero()[:, 0]
        if len(due):
            angles[due, frame[due]] = state[due, :2]
        k1 = derivative(state)
        k2 = derivative(state + dt / 2 * k1)
        k3 = derivative(state + dt / 2 * k2)
        k4 = derivative(state + dt * k3)
        state = state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    xy, tilt, radius = _still(time, size)
    x = pivot[:, None] + length[:, None] * torch.sin(angles[..., 0])
    y = hang - length[:, None] * torch.cos(angles[..., 0])
    xy[:, :, 0] = torch.stack([x, y], -1)
    x2 = x + length2[:, None] * torch.sin(angles[..., 1])
    y2 = y - length2[:, None] * torch.cos(angles[..., 1])
    xy[:, :, 1] = torch.stack([x2, y2], -1) * chain[:, None, None]
    tilt[:, :, :2] = angles
    return xy, tilt, radius


def _to_and_fro(path: Tensor, half: Tensor) -> Tensor:
    """A point that went ``path`` between two walls at -half and +half."""
    return half - ((path + half) % (4 * half) - 2 * half).abs()


def _rolling(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """Without loss between two walls; balls turn as they roll, all else slides."""
    xy, tilt, radius = _still(time, size)
    r, side = size[:, :1], _side(scenes)[:, None]
    half = wide - r
    speed = 0.55 * _SPEED[scenes.value("speed")][:, None]
    begin = half * (0.9 - 0.5 * scenes.dice[:, 4:5])
    path = speed * time - begin
    xy[:, :, 0, 0] = side * _to_and_fro(path, half)
    xy[:, :, 0, 1] = floor_y + FOOT[scenes.value("shape")][:, None] * r
    tilt[:, :, 0] = -xy[:, :, 0, 0] / r * (scenes.value("shape") == 0)[:, None]
    return xy, tilt, radius


def _balloons(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """Up, swaying, out of the view; the next one follows from below."""
    xy, tilt, radius = _still(time, size)
    dice = scenes.dice
    lane = torch.tensor([[0.0, 9.0, 9.0, 9.0], [-0.42, 0.42, 9.0, 9.0], [-0.58, 0.58, 0.0, 9.0]])
    room = torch.tensor([0.9, 0.4, 0.2])[scenes.value("count")][:, None] * wide
    x = lane[scenes.value("count")] * wide + room * (dice[:, 4:8] - 0.5)
    speed = 0.32 * _SPEED[scenes.value("speed")][:, None, None]
    low, high = -tall - 0.8, tall + 0.4
    y = -0.45 * tall + 0.5 * tall * dice[:, None, 7:11] + speed * time[:, :, None]
    phase = 2 * math.pi * dice[:, None, 8:12]
    xy[..., 0] = x[:, None] + 0.06 * torch.sin(2.2 * time[:, :, None] + phase)
    xy[..., 1] = (y - low) % (high - low) + low
    return xy, tilt, radius


def _stacking(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """The first box stands; the others fall on it one after another, with one small bounce each."""
    xy, tilt, radius = _still(time, size)
    dice, gravity = scenes.dice, _GRAVITY[scenes.value("gravity")][:, None]
    foot = FOOT[1] * size[:, 0:1]
    x = 0.7 * wide * (dice[:, 4:5] - 0.5)
    top = tall + 0.3
    for slot in range(OBJECTS):
        level = floor_y + foot * (1 + 2 * slot)
        fall = torch.sqrt(2 * (top - level) / gravity)
        since = time - (0.1 + 0.8 * (slot - 1)) - 0.15 * dice[:, 7:8]
        y = torch.where(since < 0, torch.as_tensor(top), top - 0.5 * gravity * since**2)
        after = since - fall
        hop = 0.22 * gravity * fall
        y = torch.where(after > 0, level + (hop * after - 0.5 * gravity * after**2).clamp_min(0), y)
        xy[:, :, slot, 1] = level.expand_as(y) if slot == 0 else y
        xy[:, :, slot, 0] = x + 0.10 * (dice[:, 8 + slot, None] - 0.5) * (slot > 0)
    return xy, tilt, radius


def _ink(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """A drop that spreads as diffusion does, with the square root of time, into lobes that turn slowly."""
    xy, tilt, radius = _still(time, size)
    dice, speed = scenes.dice, _SPEED[scenes.value("speed")][:, None]
    grown = speed * time.clamp(max=3.0) + 0.08
    center_x, center_y = 0.5 * wide * (dice[:, 5:6] - 0.5), 0.4 * (dice[:, 6:7] - 0.5)
    for slot in range(OBJECTS):
        angle = 2 * math.pi * (dice[:, 4:5] + slot / 3 + 0.15 * (dice[:, 7 + slot, None] - 0.5)) + 0.12 * time
        reach = (0.02 + 0.22 * torch.sqrt(grown)) * (0.7 + 0.5 * dice[:, 8 + slot, None]) * (slot > 0)
        xy[:, :, slot, 0] = center_x + reach * torch.cos(angle)
        xy[:, :, slot, 1] = center_y + reach * torch.sin(angle) - 0.06 * grown
        radius[:, :, slot] = torch.sqrt(0.008 + (0.026 if slot else 0.045) * grown) * 1.1
    return xy, tilt, radius


def _smoke(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """Puffs that rise from a spot on the ground, widen, and lean with the wind."""
    xy, tilt, radius = _still(time, size)
    dice, speed, side = scenes.dice, _SPEED[scenes.value("speed")][:, None], _side(scenes)[:, None]
    source = -side * 0.35 * wide + 0.4 * wide * (dice[:, 4:5] - 0.5)
    for slot in range(OBJECTS):
        age = (0.30 * speed * time + dice[:, 5:6] + slot / OBJECTS) % 1.0
        sway = 0.05 * torch.sin(2 * math.pi * (age + slot / 3))
        xy[:, :, slot, 0] = source + side * 0.75 * age**1.5 + sway
        xy[:, :, slot, 1] = floor_y + 0.08 + 1.35 * age
        radius[:, :, slot] = 0.09 + 0.30 * age
    return xy, tilt, radius


def _floating(
    scenes: Scenes, time: Tensor, size: Tensor, fps: float, wide: float, tall: float, floor_y: float
) -> _Moved:
    """On the waves, tilted as the water is."""
    xy, tilt, radius = _still(time, size)
    lane = torch.tensor([[0.0, 9.0, 9.0, 9.0], [-0.45, 0.45, 9.0, 9.0], [-0.62, 0.62, 0.0, 9.0]])
    room = torch.tensor([1.0, 0.4, 0.2])[scenes.value("count")][:, None] * wide
    x = (lane[scenes.value("count")] * wide + room * (scenes.dice[:, 4:8] - 0.5))[:, None].expand(
        -1, time.shape[1], -1
    )
    shift = _drift(scenes, time)[:, :, 3:4]
    xy[..., 0] = x
    xy[..., 1] = sea_level(scenes.grid) + wave_height(x, shift) + 0.35 * size[:, None]
    step = 0.02
    tilt = 0.8 * torch.atan((wave_height(x + step, shift) - wave_height(x - step, shift)) / (2 * step))
    return xy, tilt, radius


def sea_level(grid: tuple[int, int]) -> float:
    """Mean y of the sea."""
    return floor_and_horizon(grid)[1] + 0.04


_FOLLOW = {
    ("bounce", "throw", "collide"): _ballistic,
    ("swing", "chain"): _pendulums,
    ("roll", "hide"): _rolling,
    ("rise",): _balloons,
    ("stack",): _stacking,
    ("ink",): _ink,
    ("smoke",): _smoke,
    ("waves",): _floating,
}
"""Which mechanics every event follows."""
