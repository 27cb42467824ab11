"""The world's mechanics, held against what is known of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.spacetime.concepts import (
    EVENTS,
    ONE_SHAPE,
    SLOT_NAMES,
    SLOT_SIZES,
    USES,
    concept_id,
    slot_index,
)
from generator.spacetime.physics import (
    FPS,
    KINDS,
    Scenes,
    complete,
    extent,
    floor_and_horizon,
    sample_scenes,
    simulate,
    visible,
)

GRIDS = ((8, 8), (6, 10), (10, 6))


def of_event(event: str, n: int = 20, grid: tuple[int, int] = (8, 8), **stated: str) -> Scenes:
    """``n`` scenes of an event from its beginning; ``stated``: slots that are the same in all."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.zeros(n, len(SLOT_NAMES), dtype=torch.long)
    for slot, value in {"event": event, **stated}.items():
        ids[:, slot_index(slot)] = concept_id(slot, value)
    ids = complete(ids, generator)
    return Scenes(ids, visible(ids), torch.rand(n, 16, generator=generator), torch.zeros(n), grid)


@pytest.mark.parametrize(("gravity", "g"), [("earth", 4.0), ("low", 1.2)])
def test_a_thrown_body_falls_with_the_gravity_of_its_place(gravity: str, g: float) -> None:
    y = simulate(of_event("throw", ground="grass", gravity=gravity), frames=6).xy[:, :, 0, 1]
    second_difference = (y[:, 2:] - 2 * y[:, 1:-1] + y[:, :-2]) * FPS**2
    torch.testing.assert_close(
        second_difference, torch.full_like(second_difference, -g), rtol=0.02, atol=0.02
    )


@pytest.mark.parametrize(("spring", "kept"), [("bouncy", 0.88), ("firm", 0.74), ("heavy", 0.25)])
def test_a_bounce_keeps_the_share_of_speed_that_its_material_keeps(spring: str, kept: float) -> None:
    scenes = of_event("bounce", shape="ball", count="one", ground="grass", gravity="earth", spring=spring)
    y = simulate(scenes, frames=400, fps=240).xy[:, :, 0, 1]
    v = y.diff(dim=1) * 240
    for row in v:
        hit = int(((row[:-1] < 0) & (row[1:] > 0)).nonzero()[0])
        before, after = row[hit - 2], row[hit + 3]
        assert after / -before == pytest.approx(kept, abs=0.06)


def test_what_lies_still_is_thrown_again_so_that_a_minute_is_never_empty() -> None:
    y = simulate(of_event("bounce", count="one", spring="heavy", gravity="earth", n=8), frames=60 * FPS).xy[
        ..., 0, 1
    ]
    last_ten = y[:, 50 * FPS :]
    assert (last_ten.amax(1) - last_ten.amin(1) > 0.2).all()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("event", ["bounce", "throw", "roll", "collide", "hide"])
def test_nothing_sinks_into_the_floor_or_leaves_through_a_wall(event: str, grid: tuple[int, int]) -> None:
    scenes = of_event(event, grid=grid)
    layout = simulate(scenes, frames=10 * FPS)
    wide, _ = extent(grid)
    floor, _ = floor_and_horizon(grid)
    body = (layout.kind > 0) & (layout.kind <= KINDS.index("triangle"))
    x, y = (layout.xy[..., k].permute(0, 2, 1)[body] for k in (0, 1))
    r = layout.radius.permute(0, 2, 1)[body]
    assert (y > floor + 0.6 * r - 1e-3).all()
    assert (x.abs() < wide - r + 0.06).all()


def test_a_collision_keeps_momentum_and_loses_energy() -> None:
    scenes = of_event("collide", 60, ground="grass")
    fps = 96
    layout = simulate(scenes, frames=4 * fps, fps=fps)
    radius, x = layout.radius[:, 0, :2], layout.xy[:, :, :2, 0]
    mass, v = radius**2, x.diff(dim=1) * fps
    gap = x[:, :, 1] - x[:, :, 0] - radius.sum(1)[:, None]
    assert (gap.amin(1) < 0.03).all()  # every pair meets
    met = (gap < 0).int().argmax(1).clamp(min=4)
    rows = torch.arange(len(v))
    before, after = v[rows, met - 4], v[rows, (met + 4).clamp(max=v.shape[1] - 1)]
    free = (x[rows, met].abs() < extent((8, 8))[0] - radius - 0.08).all(1)  # no wall at the same moment
    assert free.sum() > 20
    torch.testing.assert_close(
        (after * mass).sum(1)[free], (before * mass).sum(1)[free], rtol=0.02, atol=1e-3
    )
    assert ((after**2 * mass).sum(1) < (before**2 * mass).sum(1) + 1e-6)[free].all()


def test_pendulums_keep_their_energy() -> None:
    for event, bobs in (("swing", 1), ("chain", 2)):
        scenes = of_event(event, 8, ground="grass")
        g = torch.tensor([4.0, 1.2])[scenes.value("gravity")]
        fps = 240
        xy = simulate(scenes, frames=2 * fps, fps=fps).xy[:, :, :bobs]
        v = (xy[:, 2:] - xy[:, :-2]) * fps / 2
        energy = (0.5 * v.square().sum(-1) + g[:, None, None] * xy[:, 1:-1, :, 1]).sum(-1)
        swing = 0.5 * v.square().sum(-1).sum(-1).amax(1)
        assert ((energy - energy[:, :1]).abs().amax(1) < 0.02 * swing + 1e-3).all(), event


def test_rolling_balls_turn_by_the_way_they_make() -> None:
    layout = simulate(of_event("roll", shape="ball"), frames=12)
    way, turned = layout.xy[:, :, 0, 0].diff(dim=1), layout.tilt[:, :, 0].diff(dim=1)
    torch.testing.assert_close(turned, -way / layout.radius[:, 1:, 0], rtol=1e-3, atol=1e-4)


def test_a_stack_stands_edge_on_edge_in_the_end() -> None:
    layout = simulate(of_event("stack", count="three"), frames=6 * FPS)
    height = layout.xy[:, -1, :3, 1].diff(dim=1)
    torch.testing.assert_close(height, 2 * 0.86 * layout.radius[:, -1, 1:3], rtol=1e-3, atol=1e-3)


def test_an_object_that_rolls_behind_a_wall_comes_out_again() -> None:
    layout = simulate(of_event("hide", speed="normal", shape="ball"), frames=4 * FPS)
    gap = layout.xy[:, :, 0, 0] - layout.xy[:, :, 3, 0]
    hidden = gap.abs() < layout.radius[:, :, 3] - layout.radius[:, :, 0]
    assert hidden.any(1).all()
    assert ((gap.amin(1) < -0.1) & (gap.amax(1) > 0.1)).all()


def test_a_floating_body_rides_the_waves() -> None:
    layout = simulate(of_event("waves", count="one"), frames=3 * FPS)
    y = layout.xy[:, :, 0, 1]
    assert (y.amax(1) - y.amin(1) > 0.08).all()
    assert (layout.tilt[:, :, 0].abs().amax(1) > 0.02).all()


def test_a_later_start_is_the_same_scene_later() -> None:
    scenes = of_event("throw", 6)
    whole = simulate(scenes, frames=48)
    late = simulate(
        Scenes(scenes.ids, scenes.labels, scenes.dice, torch.full((6,), 1.0), scenes.grid), frames=24
    )
    torch.testing.assert_close(late.xy, whole.xy[:, 24:], rtol=0, atol=1e-5)
    torch.testing.assert_close(late.drift, whole.drift[:, 24:], rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.sampled_from(SLOT_NAMES[:-1]), max_size=6, unique=True))
def test_completing_keeps_what_is_stated_and_leaves_nothing_open(seed: int, slots: list[str]) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.zeros(1, len(SLOT_NAMES), dtype=torch.long)
    for slot in slots:
        k = slot_index(slot)
        ids[0, k] = torch.randint(1, SLOT_SIZES[k] + 1, (), generator=generator)
    full = complete(ids, generator)
    assert ((full > 0) & (full <= torch.tensor(SLOT_SIZES))).all()
    event = EVENTS[int(full[0, 0]) - 1]
    for slot in slots:
        k = slot_index(slot)
        cannot = slot not in USES[event] or (slot == "shape" and event in ONE_SHAPE)
        cannot = cannot or (
            slot == "weather" and full[0, slot_index("ground")] == concept_id("ground", "moon")
        )
        cannot = cannot or (slot == "count" and event == "stack")
        assert cannot or full[0, k] == ids[0, k]


def test_chance_does_not_choose_what_is_to_be_avoided() -> None:
    avoid = torch.zeros(400, len(SLOT_NAMES), dtype=torch.long)
    avoid[:, slot_index("light")] = concept_id("light", "night")
    avoid[:, slot_index("ground")] = concept_id("ground", "snow")
    ids = complete(torch.zeros_like(avoid), torch.Generator().manual_seed(0), avoid)
    assert set(ids[:, slot_index("light")].tolist()) == {1, 2}
    assert concept_id("ground", "snow") not in ids[:, slot_index("ground")].tolist()


def test_labels_say_only_what_the_picture_shows() -> None:
    scenes = sample_scenes(400, torch.Generator().manual_seed(2))
    for row in scenes.labels.tolist():
        used = USES[EVENTS[row[0] - 1]]
        assert all(slot in used for slot, value in zip(SLOT_NAMES, row, strict=True) if value)
    moon = scenes.labels[:, slot_index("ground")] == concept_id("ground", "moon")
    assert (scenes.labels[moon, slot_index("gravity")] == 0).all()
    assert (scenes.value("gravity")[moon] == 1).all()
