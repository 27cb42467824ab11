from pathlib import Path

import pytest
import torch

from generator.spacetime.concepts import EVENTS, SLOT_NAMES, STAGE, USES, slot_index
from generator.spacetime.dataset import load_shards, token_cover, write_shard
from generator.spacetime.tokenizer import SpacetimeTokenizer, deblock, patchify, unpatchify
from generator.spacetime.world import FLOOR, GRAVITY, WALL, Scenes, render, sample_scenes, simulate


def of_event(event: str, n: int = 200) -> Scenes:
    scenes = sample_scenes(n, torch.Generator().manual_seed(5), later=0.0)
    scenes.start.zero_()
    return scenes[scenes.is_event(event).nonzero()[:, 0]]


def test_a_thrown_object_falls_with_the_gravity_of_the_world() -> None:
    y = simulate(of_event("throw"), frames=5, fps=24).xy[:, :, 0, 1]  # still in flight
    second_difference = (y[:, 2:] - 2 * y[:, 1:-1] + y[:, :-2]) * 24**2
    torch.testing.assert_close(
        second_difference, torch.full_like(second_difference, -GRAVITY), rtol=0.02, atol=0
    )


def test_a_bounce_loses_height_and_never_sinks_into_the_floor() -> None:
    scenes = of_event("bounce")
    tracks = simulate(scenes, frames=72)
    y = tracks.xy[:, :, 0, 1]
    assert (y >= FLOOR + 0.6 * tracks.radius[:, :1] - 1e-4).all()
    assert (y[:, 24:].amax(1) < y[:, 0]).all()


def test_a_collision_keeps_momentum_and_loses_energy() -> None:
    scenes = of_event("collide", 600)
    fps = 96
    tracks = simulate(scenes, frames=3 * fps, fps=fps)
    mass = tracks.radius**2
    x = tracks.xy[:, :, :, 0]
    v = (x[:, 1:] - x[:, :-1]) * fps
    gap = x[:, :, 1] - x[:, :, 0] - tracks.radius.sum(1)[:, None]
    assert (gap.amin(1) < 0.02).all()  # every pair meets
    hit = gap.argmin(1).clamp(min=3)
    rows = torch.arange(len(v))
    before, after = v[rows, hit - 3], v[rows, (hit + 3).clamp(max=v.shape[1] - 1)]
    free = (x[rows, hit].abs() < WALL - tracks.radius - 0.05).all(1)  # no wall at the same moment
    assert free.sum() > 20
    torch.testing.assert_close(
        (after * mass).sum(1)[free], (before * mass).sum(1)[free], rtol=1e-3, atol=1e-4
    )
    assert ((after**2 * mass).sum(1) < (before**2 * mass).sum(1))[free].all()


def test_a_pendulum_swings_to_the_other_side_and_back() -> None:
    scenes = of_event("swing")
    tilt = simulate(scenes, frames=60).tilt
    assert (tilt.amax(1) > 0.3).all()
    assert (tilt.amin(1) < -0.3).all()
    assert (tilt.abs().amax(1) < 0.85).all()


def test_a_scene_is_drawn_alone_as_in_company() -> None:
    scenes = sample_scenes(12, torch.Generator().manual_seed(1))
    together, _, _ = render(scenes, frames=4, side=48)
    for i in range(12):
        alone, _, _ = render(scenes[torch.tensor([i])], frames=4, side=48)
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-5)


def test_labels_say_only_what_the_picture_shows() -> None:
    scenes = sample_scenes(300, torch.Generator().manual_seed(2))
    for row in scenes.labels.tolist():
        used = USES[EVENTS[row[0] - 1]]
        assert all((value > 0) == (slot in used) for slot, value in zip(SLOT_NAMES, row, strict=True))
    assert set(scenes.labels[:, slot_index(STAGE)].tolist()) == {1, 2}


def test_a_drawn_object_has_the_colour_of_its_label() -> None:
    scenes = of_event("roll", 600)
    red = scenes[(scenes.value("color") == 0).nonzero()[:, 0][:6]]
    video, cover, _ = render(red, frames=2, side=48)
    inside = cover > 0.9
    r, g, b = (video[:, :, c][inside].mean() for c in range(3))
    assert r > 2 * g
    assert r > 2 * b


def test_patches_are_a_rearrangement_without_loss() -> None:
    video = torch.rand(2, 8, 3, 48, 72)
    assert patchify(video).shape == (2, 2, 2, 3, 4 * 24 * 24 * 3)
    assert torch.equal(unpatchify(patchify(video)), video)


def test_the_linear_code_is_a_projection() -> None:
    scenes = sample_scenes(6, torch.Generator().manual_seed(4))
    video, _, _ = render(scenes, frames=8)
    tokenizer = SpacetimeTokenizer.fit(video, channels=64, deblock_pixels=0, deblock_frames=0)
    code = tokenizer.encode(video)
    # decode clamps to [0, 1], so compare a code whose decoded picture needs no clamping
    soft = tokenizer.encode(0.8 * tokenizer.decode(code) + 0.1)
    torch.testing.assert_close(tokenizer.encode(tokenizer.decode(soft)), soft, rtol=0, atol=2e-2)
    assert float((tokenizer.decode(code) - video).square().mean()) < 0.002


@pytest.mark.parametrize(("dim", "period", "reach"), [(1, 4, 2), (3, 24, 8), (4, 24, 8)])
def test_deblocking_closes_a_step_at_a_seam_and_leaves_slopes_and_edges_alone(
    dim: int, period: int, reach: int
) -> None:
    def along(values: torch.Tensor) -> torch.Tensor:
        shape = [1, 1, 3, 2, 2]
        shape[dim] = len(values)
        return values.view([-1 if d == dim else 1 for d in range(5)]).expand(shape)

    position = torch.arange(3 * period)
    ramp = along(position / 100)
    torch.testing.assert_close(deblock(ramp, dim, period, reach), ramp, rtol=0, atol=1e-6)
    edge = along((position >= period + period // 2).float())  # of the picture, not of a patch
    if dim != 1:
        assert torch.equal(deblock(edge, dim, period, reach), edge)
    closed = deblock(along((position >= period).float()), dim, period, reach).movedim(dim, -1)[0, 0, 0, 0]
    assert (closed[period] - closed[period - 1]).abs() < 1e-6
    assert (closed[: period - reach] == 0).all()
    assert (closed[period + reach : 2 * period - reach] == 1).all()


def test_shards_hold_what_the_world_drew(tmp_path: Path) -> None:
    video, cover, _ = render(sample_scenes(4, torch.Generator().manual_seed(0)))
    tokenizer = SpacetimeTokenizer.fit(video, channels=8)
    write_shard(tmp_path, 0, tokenizer, clips=3)
    write_shard(tmp_path, 1, tokenizer, clips=2)
    clips, shards = load_shards(tmp_path)
    assert (shards, clips["latents"].shape) == (2, (5, 6, 4, 4, 8))
    assert torch.equal(
        clips["labels"][:3].long(), sample_scenes(3, torch.Generator().manual_seed(1_000)).labels
    )
    assert token_cover(cover).amax() <= 1
