"""Is the motion right: gravity (M2), other laws (M3), the plan alone (PLAN), the painter on its path (PATH)."""

import math

import numpy as np
import torch
from torch import Tensor

from generator.spacetime.concepts import concept_id, slot_index
from generator.spacetime.physics import FOOT, SQUARE, Layout, Scenes, floor_and_horizon, simulate
from generator.spacetime.world import PIXELS

from . import laws
from .bench import Bench, law_row, made_and_rendered, median_of
from .clips import Clip, scenes_with
from .report import Answer, Row, Target
from .tracks import to_world, track

PIXELS_PER_UNIT = 4 * PIXELS


def m2_gravity(bench: Bench) -> Answer:
    n = bench.share(8, 8)
    scenes = scenes_with(
        n,
        31,
        event=("bounce", "throw"),
        camera="static",
        weather="clear",
        gravity="earth",
        count="one",
        spring=("bouncy", "bouncy", "firm", "firm"),
        light=("day", "dusk"),
    )
    fits = {}
    for kind, clips in made_and_rendered(bench, scenes, 48, "gravity").items():
        fits[kind] = []
        for k, clip in enumerate(clips):
            bench.say(f"gravity: tracked {k + 1} of {n} ({kind})")
            y = to_world(track(clip.video, clip.layout).painted, clip.layout)[:, 1]
            fits[kind].append(laws.gravity(y.double().numpy()))
    error = {kind: [abs(g - laws.EARTH) / laws.EARTH for g, _ in fit] for kind, fit in fits.items()}
    rest = {kind: [r * PIXELS_PER_UNIT for _, r in fit] for kind, fit in fits.items()}
    coverage = {kind: median_of(values)[1] for kind, values in error.items()}
    rows = (
        law_row("g, median", [g for g, _ in fits["generated"]], [g for g, _ in fits["rendered"]]),
        law_row("error of g, median", error["generated"], error["rendered"], Target("at most", 0.15)),
        law_row(
            "residual of the parabola, px",
            rest["generated"],
            rest["rendered"],
            Target("at most", 0.5, from_issue=False),
        ),
        Row("coverage", coverage["generated"], coverage["rendered"], None, Target("at least", 0.9), n),
    )
    note = (
        f"Bodies that fall or are thrown, followed in pixels under a static camera; truth is {laws.EARTH:g}."
    )
    return Answer("M2", "Is gravity constant?", rows, note)


def m3_laws(bench: Bench) -> Answer:
    n = bench.share(16)
    plain = {"camera": "static", "weather": "clear", "light": ("day", "dusk")}
    collide = scenes_with(n, 41, event="collide", speed=("normal", "fast"), **plain)
    roll = scenes_with(n, 42, event="roll", **plain)
    swing = scenes_with(
        n, 43, event="swing", speed="fast", ground=("grass", "sand", "stone", "snow"), **plain
    )
    crashes = {
        kind: [_crash(c) for c in clips]
        for kind, clips in made_and_rendered(bench, collide, 48, "collisions").items()
    }
    rolls = {
        kind: [laws.roll_variation(_painted(c)[:, 0].numpy()) for c in clips]
        for kind, clips in made_and_rendered(bench, roll, 48, "rolling").items()
    }
    swings = {
        kind: [_swing(c) for c in clips]
        for kind, clips in made_and_rendered(bench, swing, 72, "pendulums").items()
    }

    def law(name: str, of: dict[str, list[float]], target: Target | None = None) -> Row:
        return law_row(name, of["generated"], of["rendered"], target)

    own = {"from_issue": False}
    rows = (
        law(
            "collision: change of momentum",
            {k: [a for a, _ in v] for k, v in crashes.items()},
            Target("at most", 0.2, **own),
        ),
        law("collision: share of relative speed kept", {k: [b for _, b in v] for k, v in crashes.items()}),
        law("rolling: variation of speed", rolls, Target("at most", 0.1, **own)),
        law("pendulum: period over √(L/g) law", {k: [s.period for s in v] for k, v in swings.items()}),
        law(
            "pendulum: R² of the sinusoid",
            {k: [s.r2 for s in v] for k, v in swings.items()},
            Target("at least", 0.95, **own),
        ),
        law(
            "pendulum: drift of energy, magnitude",
            {k: [abs(s.energy_drift) for s in v] for k, v in swings.items()},
        ),
    )
    note = (
        f"From pixels; masses are painted areas. A collision of this world keeps {laws.ELASTICITY:g} of the "
        "relative speed. A large swing takes up to 4 % longer than the small one of the law."
    )
    return Answer("M3", "Other laws of motion", rows, note)


def _painted(clip: Clip, slot: int = 0) -> Tensor:
    return to_world(track(clip.video, clip.layout, slot).painted, clip.layout).double()


def _crash(clip: Clip) -> tuple[float, float]:
    two = [track(clip.video, clip.layout, slot) for slot in (0, 1)]
    x = [to_world(t.painted, clip.layout)[:, 0].double().numpy() for t in two]
    mass = [float(t.area.nanmedian()) for t in two]
    if not all(map(math.isfinite, mass)):
        return math.nan, math.nan
    return laws.collision(x[0], x[1], *mass)


def _swing(clip: Clip) -> laws.Swing:
    plan = clip.layout
    (x, y), angle = plan.xy[0, :, 0].double().numpy().T, plan.tilt[0, :, 0].double().numpy()
    px, py, length = laws.pivot(x, y, angle)
    painted = _painted(clip).numpy()
    if length < 0.2:  # the plan is no pendulum at all
        return laws.Swing(math.nan, math.nan, math.nan)
    low = int(plan.ids[0, slot_index("gravity")]) == concept_id(
        "gravity", "low"
    )  # chance may choose it, unseen
    return laws.swing(
        np.arctan2(painted[:, 0] - px, py - painted[:, 1]), length, laws.LOW if low else laws.EARTH
    )


def plan_laws(bench: Bench) -> Answer:
    """The planner alone: its layouts against the simulation's, no pixel involved."""
    n = bench.share(4, 16)
    fall = scenes_with(
        n, 51, event="bounce", gravity="earth", count="one", spring=("bouncy", "firm", "heavy")
    )
    collide = scenes_with(bench.share(8, 8), 52, event="collide", speed=("normal", "fast"))

    def plans(scenes: Scenes, what: str) -> dict[str, list[Layout]]:
        rows = scenes.ids.tolist()
        made = []
        for k, row in enumerate(rows):
            bench.say(f"plans, {what}: {k + 1} of {len(rows)}")
            made.append(bench.studio.plan(row, k))
        exact = simulate(scenes, 48)
        return {"generated": made, "rendered": [exact[k : k + 1] for k in range(len(rows))]}

    floor, _ = floor_and_horizon(SQUARE)
    falls = plans(fall, "falls")
    heights = {kind: [p.xy[0, :, 0, 1].double().numpy() for p in v] for kind, v in falls.items()}
    error = {k: [abs(laws.gravity(y)[0] - laws.EARTH) / laws.EARTH for y in v] for k, v in heights.items()}
    kept = {
        kind: [
            laws.restitution(y, floor + float(FOOT[p.ids[0, slot_index("shape")] - 1] * p.radius[0, 0, 0]))
            for y, p in zip(heights[kind], falls[kind], strict=True)
        ]
        for kind in heights
    }
    rows = [law_row("error of g, median", error["generated"], error["rendered"], Target("at most", 0.15))]
    for k, spring in enumerate(("bouncy", "firm")):
        rows.append(
            law_row(f"restitution of what is {spring}", kept["generated"][k::3], kept["rendered"][k::3])
        )
    crashes = {
        kind: [
            laws.collision(*p.xy[0, :, :2, 0].double().numpy().T, *(p.radius[0, 0, :2] ** 2).tolist())
            for p in v
        ]
        for kind, v in plans(collide, "collisions").items()
    }
    rows.append(
        law_row(
            "change of momentum in collisions",
            *([a for a, _ in crashes[k]] for k in ("generated", "rendered")),
        )
    )
    rows.append(
        law_row(
            "share of relative speed kept", *([b for _, b in crashes[k]] for k in ("generated", "rendered"))
        )
    )
    note = "*Rendered* is the exact simulation of the same prompts. What is heavy has no second flight to compare."
    return Answer("PLAN", "Physics of the plan alone", tuple(rows), note)


def path_followed(bench: Bench) -> Answer:
    """Whether the painter puts the objects where the planner wants them."""
    numbers: dict[str, tuple[float, float, float]] = {}
    for kind in ("generated", "rendered"):
        tracks = bench.main_tracks(kind)
        miss = torch.cat([t.miss_px for t in tracks]) if tracks else torch.zeros(0)
        coverage = float(np.mean([t.coverage for t in tracks if bool(t.due.any())] or [0.0]))
        far = [float(miss.quantile(q)) if len(miss) else math.nan for q in (0.5, 0.95)]
        numbers[kind] = (far[0], far[1], coverage)
    made, exact = numbers["generated"], numbers["rendered"]
    n = len(bench.main_tracks("generated"))
    rows = (
        Row("distance of painted from planned, px, median", made[0], exact[0], n=n),
        Row("distance of painted from planned, px, 95 %", made[1], exact[1], n=n),
        Row("frames in which the object was found", made[2], exact[2], n=n),
    )
    note = "Centroids of the pixels of each clip's first object; 1 px is 1/64 of the view's half-height."
    return Answer("PATH", "Is it painted where it was planned?", rows, note)
