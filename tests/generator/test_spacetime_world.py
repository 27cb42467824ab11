from pathlib import Path

import pytest
import torch

from generator.spacetime.concepts import EVENTS
from generator.spacetime.dataset import GRIDS, load_shards, write_shard
from generator.spacetime.features import OBJECT_FEATURES, SCENERY_FEATURES, object_features, scenery_features
from generator.spacetime.physics import KINDS, OBJECTS, sample_scenes, simulate
from generator.spacetime.planner import PLAN_CHANNELS, from_plan, moves, to_plan
from generator.spacetime.tokenizer import SpacetimeTokenizer, patchify, token_cover, unpatchify
from generator.spacetime.world import draw, render


@pytest.mark.parametrize("grid", sorted(set(GRIDS)))
def test_a_scene_is_drawn_alone_as_in_company(grid: tuple[int, int]) -> None:
    scenes = sample_scenes(16, torch.Generator().manual_seed(1), grid=grid)
    together, _, _ = render(scenes, frames=4, pixels=6)
    assert together.shape == (16, 4, 3, 6 * grid[0], 6 * grid[1])
    for i in range(16):
        alone, _, _ = render(scenes[torch.tensor([i])], frames=4, pixels=6)
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-5)


def test_every_event_shows_its_objects_where_the_layout_has_them() -> None:
    scenes = sample_scenes(120, torch.Generator().manual_seed(3), later=0.0)
    layout = simulate(scenes, 2)
    _, cover = draw(layout, pixels=8)
    for event in EVENTS:
        for i in scenes.is_event(event).nonzero()[:3, 0].tolist():
            assert cover[i].amax() > 0.4, event
    rolling = scenes.is_event("roll") & (layout.ids[:, 7] == 1)
    for i in (scenes.is_event("roll") & (layout.camera[:, 0, 1] == 1)).nonzero()[:4, 0].tolist():
        x = (torch.arange(64) + 0.5) / 32 - 1
        center = (cover[i, 0] * x).sum() / cover[i, 0].sum()
        assert abs(center - layout.xy[i, 0, 0, 0] + layout.camera[i, 0, 0]) < 0.04
    assert rolling.any()


def test_a_drawn_object_has_the_colour_of_its_label() -> None:
    scenes = sample_scenes(600, torch.Generator().manual_seed(5), later=0.0)
    red = scenes[((scenes.value("color") == 0) & scenes.is_event("roll")).nonzero()[:4, 0]]
    video, cover, _ = render(red, frames=2, pixels=8)
    inside = cover > 0.9
    r, g, b = (video[:, :, c][inside].mean() for c in range(3))
    assert r > 1.5 * g
    assert r > 1.5 * b


def test_a_sharper_drawing_is_the_same_picture() -> None:
    scenes = sample_scenes(12, torch.Generator().manual_seed(9))
    layout = simulate(scenes, 1)
    coarse, _ = draw(layout, pixels=16)
    fine, _ = draw(layout, pixels=32)
    pooled = torch.nn.functional.avg_pool2d(fine.flatten(0, 1), 2).view_as(coarse)
    assert float((pooled - coarse).square().mean()) < 2e-4


def test_patches_are_a_rearrangement_without_loss() -> None:
    video = torch.rand(2, 8, 3, 32, 48)
    assert patchify(video).shape == (2, 2, 2, 3, 4 * 16 * 16 * 3)
    assert torch.equal(unpatchify(patchify(video)), video)


def test_the_linear_code_is_a_projection_that_keeps_objects_best() -> None:
    scenes = sample_scenes(24, torch.Generator().manual_seed(4))
    video, cover, _ = render(scenes, frames=4)
    tokenizer = SpacetimeTokenizer.fit(video, cover, channels=64)
    code = tokenizer.encode(video)
    # decode clamps to [0, 1], so compare a code whose decoded picture needs no clamping
    soft = tokenizer.encode(0.8 * tokenizer.decode(code) + 0.1)
    torch.testing.assert_close(tokenizer.encode(tokenizer.decode(soft)), soft, rtol=0, atol=2e-2)
    plain = SpacetimeTokenizer.fit(video, torch.zeros_like(cover), channels=64)
    share = token_cover(cover)[..., None]

    def error(t: SpacetimeTokenizer) -> float:
        return float((patchify(t.decode(t.encode(video)) - video).square() * share).mean())

    assert error(tokenizer) < error(plain)


def test_shards_hold_what_the_world_drew(tmp_path: Path) -> None:
    video, cover, _ = render(sample_scenes(4, torch.Generator().manual_seed(0)), frames=4)
    tokenizer = SpacetimeTokenizer.fit(video, cover, channels=8)
    write_shard(tmp_path, 0, tokenizer, clips=3)
    write_shard(tmp_path, 1, tokenizer, clips=2)
    first, second = load_shards(tmp_path)
    assert first[0].shape == (3, 6, 8, 8, 8)
    assert second[0].shape == (2, 6, 6, 10, 8)
    scenes = sample_scenes(3, torch.Generator().manual_seed(1_000))
    assert torch.equal(first[2].ids, scenes.ids)
    torch.testing.assert_close(first[2].xy, simulate(scenes, 24).xy)
    assert 0 < first[1].amax() <= 1
    assert len(load_shards(tmp_path, have=1)) == 1


def test_a_plan_holds_all_that_moves_and_nothing_else() -> None:
    layout = simulate(sample_scenes(200, torch.Generator().manual_seed(6)), 8)
    plan = to_plan(layout)
    assert plan.shape == (200, 2, PLAN_CHANNELS)
    back = from_plan(plan, layout)
    torch.testing.assert_close(back.xy, layout.xy, rtol=0, atol=1e-5)
    torch.testing.assert_close(back.tilt.cos(), layout.tilt.cos(), rtol=0, atol=1e-5)
    torch.testing.assert_close(back.radius, layout.radius, rtol=0, atol=1e-5)
    still = (layout.kind == KINDS.index("wall")) | (layout.kind == KINDS.index("rope")) | (layout.kind == 0)
    assert torch.equal(moves(layout.kind), ~still)
    parts = plan.view(200, 2, 4, OBJECTS, 5)
    assert (parts.permute(0, 3, 1, 2, 4)[still] == 0).all()


@pytest.mark.parametrize("grid", sorted(set(GRIDS)))
def test_tokens_are_told_where_they_are(grid: tuple[int, int]) -> None:
    layout = simulate(sample_scenes(40, torch.Generator().manual_seed(7), grid=grid), 8)
    places = grid[0] * grid[1]
    scenery, objects = scenery_features(layout), object_features(layout)
    assert scenery.shape == (40, 2, places, SCENERY_FEATURES)
    assert objects.shape == (40, 2, places, OBJECTS, OBJECT_FEATURES)
    assert scenery.isfinite().all()
    assert objects.isfinite().all()
    _, cover = draw(layout, pixels=16)
    shown = token_cover(cover[:, ::4].repeat_interleave(4, 1)).flatten(2)  # of every first frame
    solid = (layout.kind > 0) & (layout.kind < KINDS.index("ink"))
    dry = ~(layout.ids[:, 0] == 1 + EVENTS.index("waves"))
    middle = objects[..., 4]  # signed distance at the patch's centre in the first frame, in tokens
    deep = ((middle < -0.75) & solid[:, None, None]).any(-1) & dry[:, None, None]
    assert deep.any()
    assert (shown[deep] > 0.9).all()  # half a patch's diagonal inside an outline: nothing else is seen there
