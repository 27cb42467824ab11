"""The generator's benchmark measures right: calibrated on rendered clips, whose truth is known."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from benchmarks.generation import laws, metrics, report, sheets
from benchmarks.generation.bench import OBJECT_SLOTS, Bench, judge
from benchmarks.generation.clips import Clip, Studio, asked, held_out, scenes_with, to_bytes
from benchmarks.generation.probe import PROBED, Probe, object_maps, probe_of, targets
from benchmarks.generation.questions import QUESTIONS
from benchmarks.generation.tracks import drawn, to_world, track
from generator.spacetime import dataset
from generator.spacetime.concepts import STAGE, concept_id, slot_index
from generator.spacetime.dataset import write_shard
from generator.spacetime.physics import FOOT, KINDS, SQUARE, Layout, floor_and_horizon, simulate
from generator.spacetime.pipeline import SpacetimePipeline
from generator.spacetime.planner import MotionTransformer
from generator.spacetime.reader import LayoutReader
from generator.spacetime.refiner import SpacetimeRefiner
from generator.spacetime.tokenizer import SpacetimeTokenizer, patchify
from generator.spacetime.transformer import SpacetimeTransformer3DModel
from generator.spacetime.world import draw

PLAIN: dict[str, Any] = {
    "camera": "static",
    "weather": "clear",
    "light": "day",
    "ground": "sand",
    "color": "blue",
    "gravity": "earth",
    "count": "one",
}


@pytest.fixture(autouse=True)
def one_torch_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def throw() -> tuple[Tensor, Layout]:
    """A thrown ball of two seconds: video [T, 3, H, W] and its layout."""
    layout = simulate(scenes_with(1, 3, event="throw", shape="ball", spring="bouncy", **PLAIN), 48)
    return draw(layout)[0][0], layout


def heights(layout: Layout) -> np.ndarray[Any, Any]:
    return layout.xy[0, :, 0, 1].double().numpy()


# --- laws, on exact layouts ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "truth"), [("earth", laws.EARTH), ("low", laws.LOW)])
def test_gravity_of_an_exact_throw_is_that_of_the_world(name: str, truth: float) -> None:
    layout = simulate(scenes_with(1, 3, event="throw", **{**PLAIN, "gravity": name}), 48)
    g, residual = laws.gravity(heights(layout))
    assert g == pytest.approx(truth, rel=0.01)
    assert residual < 1e-4


def test_what_lies_still_shows_no_gravity() -> None:
    assert all(math.isnan(value) for value in laws.gravity(np.full(48, -0.4)))


def test_what_was_never_seen_shows_no_gravity() -> None:
    assert all(math.isnan(value) for value in laws.gravity(np.full(48, np.nan)))


def test_frames_of_the_impact_are_left_out_of_the_parabola() -> None:
    t = np.arange(30) / 24
    y = np.abs(1.0 - 2 * t**2)  # g = 4, a perfect mirror at 0
    assert all(f.g == pytest.approx(4.0, rel=0.01) for f in laws.flights(y) if f.first == 0)


@pytest.mark.parametrize(("spring", "kept"), [("bouncy", 0.88), ("firm", 0.74)])
def test_restitution_of_an_exact_bounce_is_that_of_the_material(spring: str, kept: float) -> None:
    layout = simulate(scenes_with(1, 3, event="bounce", shape="ball", spring=spring, **PLAIN), 48)
    floor = floor_and_horizon(SQUARE)[0] + float(FOOT[0] * layout.radius[0, 0, 0])
    assert laws.restitution(heights(layout), floor) == pytest.approx(kept, abs=0.03)


def test_exact_collisions_conserve_momentum_and_keep_most_of_the_speed() -> None:
    layout = simulate(scenes_with(1, 3, event="collide", speed="fast"), 48)
    x1, x2 = layout.xy[0, :, :2, 0].double().numpy().T
    change, kept = laws.collision(x1, x2, *(layout.radius[0, 0, :2] ** 2).tolist())
    assert change < 1e-3
    assert kept == pytest.approx(laws.ELASTICITY, abs=0.01)


def test_a_collision_that_takes_momentum_away_is_caught() -> None:
    t = np.arange(48) / 24
    x1 = np.where(t < 1, t - 1.2, -0.2)  # both stop dead
    change, kept = laws.collision(x1, -x1 + 0.3, 1.0, 2.0)
    assert change == pytest.approx(1 / 3, abs=0.05)
    assert kept == pytest.approx(0, abs=0.05)


def test_a_free_roll_has_one_speed_and_a_braked_one_has_not() -> None:
    layout = simulate(scenes_with(1, 3, event="roll", speed="fast"), 48)
    assert laws.roll_variation(layout.xy[0, :, 0, 0].double().numpy()) < 1e-3
    braked = 1 - np.exp(-np.arange(48) / 24)
    assert laws.roll_variation(braked) > 0.3


def test_an_exact_pendulum_keeps_period_and_energy() -> None:
    layout = simulate(scenes_with(1, 3, event="swing", speed="fast", ground="sand", gravity="earth"), 72)
    (x, y), angle = layout.xy[0, :, 0].double().numpy().T, layout.tilt[0, :, 0].double().numpy()
    px, py, length = laws.pivot(x, y, angle)
    found = laws.swing(np.arctan2(x - px, py - y), length, laws.EARTH)
    assert found.period == pytest.approx(1.02, abs=0.03)
    assert found.r2 > 0.99
    assert abs(found.energy_drift) < 0.01
    dying = laws.swing(angle * np.linspace(1, 0.3, 72), length, laws.EARTH)
    assert dying.energy_drift < -0.3


# --- tracks, on rendered pixels -----------------------------------------------------------------------


def test_gravity_of_a_rendered_throw_is_within_eight_percent(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    y = to_world(track(video, layout).painted, layout)[:, 1]
    assert laws.gravity(y.double().numpy())[0] == pytest.approx(laws.EARTH, rel=0.08)


def test_a_rendered_ball_is_found_where_it_is(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    found = track(video, layout)
    assert found.coverage > 0.95
    assert float(found.miss_px.median()) < 1
    apart = to_world(found.painted, layout) - layout.xy[0, :, 0]
    assert float(apart[found.found].norm(dim=1).median()) < 0.03


def test_a_ball_painted_beside_its_plan_is_found_where_it_was_painted(throw: tuple[Tensor, Layout]) -> None:
    _, layout = throw
    moved = replace(layout, xy=layout.xy + torch.tensor([5 / 64, 0.0]))
    found = track(draw(moved)[0][0], layout)
    assert float(found.miss_px.median()) == pytest.approx(5, abs=1.5)


def test_a_black_clip_has_coverage_0(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    assert track(torch.zeros_like(video), layout).coverage == 0
    assert drawn(torch.zeros_like(video), layout) == 0


def test_a_clip_without_its_object_has_coverage_0(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    empty = draw(replace(layout, kind=torch.zeros_like(layout.kind)))[0][0]
    assert track(empty, layout).coverage < 0.1
    assert drawn(empty, layout) < 0.1
    assert drawn(video, layout) == 1


def test_tracks_refuse_frames_of_another_size(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    with pytest.raises(ValueError, match="128x128, not 64x128"):
        track(video[..., ::2], layout)


# --- measures of pictures and sets --------------------------------------------------------------------


def test_flicker_of_a_still_is_0_and_noise_is_seen() -> None:
    still = torch.full((8, 3, 32, 32), 0.5)
    cover = torch.zeros(8, 32, 32)
    assert metrics.flicker(still, cover) == 0
    noisy = still + 0.02 * torch.randn(still.shape, generator=torch.Generator().manual_seed(0))
    assert metrics.flicker(noisy, cover) > 5


def test_flicker_does_not_see_the_objects(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    cover = draw(layout)[1][0]
    assert metrics.flicker(video, cover) < 0.25 * metrics.flicker(video, torch.zeros_like(cover))


def test_an_object_that_changes_its_colour_drifts(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    found = track(video, layout)
    color, size = metrics.identity_drift(found.rgb, found.area)
    assert color < 25
    assert size < 0.2
    fading = found.rgb + torch.linspace(0, 0.5, len(found.rgb))[:, None]
    assert metrics.identity_drift(fading, found.area)[0] > 2 * color
    assert math.isnan(metrics.identity_drift(found.rgb[:4], found.area[:4])[0])


def test_frechet_of_a_set_with_itself_is_0_and_grows_with_the_shift() -> None:
    a = torch.randn(64, 24, generator=torch.Generator().manual_seed(0))
    assert metrics.frechet(a, a, a) == pytest.approx(0, abs=1e-3)
    assert metrics.frechet(a, a + 1, a) > metrics.frechet(a, a + 0.5, a) > 1


def test_diversity_of_one_clip_over_and_over_is_0() -> None:
    assert metrics.diversity(torch.ones(4, 8)) == 0
    assert metrics.diversity(torch.eye(4)) == pytest.approx(math.sqrt(2))


def test_a_copied_clip_is_nearest_to_its_original() -> None:
    chance = torch.Generator().manual_seed(0)
    training = [torch.randn(5, 2, 2, 2, 3, generator=chance) for _ in range(2)]
    found = metrics.nearest(training[1][3:4] + 1e-3, training)[0]
    assert found[0] < 0.02 * found[1]


def test_a_clip_that_brightens_drifts_and_a_still_does_not() -> None:
    still = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).expand(240, -1, -1, -1)
    assert metrics.drift_per_10s(still, 24)["luma"] == pytest.approx(0, abs=1e-4)
    brightening = still * torch.linspace(1, 1.2, 240)[:, None, None, None]
    assert metrics.drift_per_10s(brightening, 24)["luma"] == pytest.approx(0.2 / 1.1, rel=0.05)


def test_a_seam_at_a_join_stands_out() -> None:
    video = torch.linspace(0, 0.3, 48)[:, None, None, None].expand(-1, 3, 8, 8).clone()
    assert metrics.join_jump(video, [24]) == pytest.approx(1, rel=0.01)
    assert metrics.border_jump(video) == pytest.approx(1, rel=0.01)
    video[24:] += 0.2
    assert metrics.join_jump(video, [24]) > 10
    assert math.isnan(metrics.join_jump(video, []))


def test_background_psnr_leaves_the_objects_out() -> None:
    a, b = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    b[..., :4] = 1
    outside = torch.ones(2, 8, 8)
    outside[..., :4] = 0
    assert metrics.psnr_db(a, b, outside) == pytest.approx(100)
    assert metrics.psnr_db(a, b, torch.ones(2, 8, 8)) == pytest.approx(3.0, abs=0.1)


# --- the probe ----------------------------------------------------------------------------------------


def small_tokenizer() -> SpacetimeTokenizer:
    """24 channels, from a few clips, by randomised principal components: the exact ones take a while."""
    patches = patchify(draw(simulate(held_out(6, 5), 4))[0]).flatten(0, 3)
    tokenizer = SpacetimeTokenizer(channels=24)
    torch.manual_seed(0)
    _, scale, basis = torch.pca_lowrank(patches, 24)
    tokenizer.mean.data.copy_(patches.mean(0))
    tokenizer.basis.data.copy_(basis)
    tokenizer.scale.data.copy_(scale / len(patches) ** 0.5)
    return tokenizer.eval()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("shards")
    tokenizer = small_tokenizer()
    tokenizer.save_pretrained(folder / "vae")
    for number in range(2):  # square and wide
        write_shard(folder, number, tokenizer, clips=16)
    return folder


def test_the_probe_learns_from_both_formats_and_is_kept(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.generation import probe as module

    monkeypatch.setattr(module.train_probe, "__defaults__", (480, 16, 0))
    probe = probe_of(tmp_path, shards)
    latents, _, layout = dataset.load_shards(shards)[0]
    scores = judge(probe, latents, targets(layout.ids), torch.ones(len(latents), dtype=torch.bool))
    assert scores["light"][0] > 0.6  # of what it has seen 15 times
    again = probe_of(tmp_path, Path("nowhere"))
    assert torch.equal(again.features(latents), probe.features(latents))


def test_slots_of_an_opening_are_not_asked_of_later_clips() -> None:
    ids = held_out(8).ids
    later = ids.clone()
    later[:, slot_index(STAGE)] = 2
    camera, light = PROBED.index("camera"), PROBED.index("light")
    assert bool((targets(later)[:, camera] == -1).all())
    assert torch.equal(targets(later)[:, light], targets(ids)[:, light])


def test_object_maps_name_the_token_of_the_ball(throw: tuple[Tensor, Layout]) -> None:
    _, layout = throw
    kinds, colors, moved = object_maps(layout)
    for frame, (kind, color) in enumerate(zip(kinds[0], colors[0], strict=True)):
        x, y = layout.xy[0, 4 * frame + 2, 0].tolist()
        at = (int((1 - y) * 4), int((x + 1) * 4))
        assert kind.nonzero().tolist() == [list(at)]
        assert KINDS[int(kind[at])] == "ball"
        assert int(color[at]) == concept_id("color", "blue") - 1
        step = layout.xy[0, 4 * frame + 3, 0] - layout.xy[0, 4 * frame, 0]
        assert torch.allclose(moved[0, frame, *at], 4 * step)


def test_a_clip_with_nothing_drawn_misses_every_slot_of_its_object() -> None:
    probe, latents = Probe(24).eval(), torch.zeros(2, 6, 8, 8, 24)
    read = probe.log_probabilities(latents)
    wanted = torch.stack([read[slot].argmax(1) for slot in PROBED], 1)  # as if it guessed all right
    scores = judge(probe, latents, wanted, torch.tensor([True, False]))
    assert {slot: score for slot, (score, _) in scores.items()} == {
        slot: 0.5 if slot in OBJECT_SLOTS else 1.0 for slot in PROBED
    }


# --- the whole ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained(shards: Path) -> SpacetimePipeline:
    """A real pipeline, small and untrained."""
    torch.manual_seed(0)
    painter = SpacetimeTransformer3DModel(in_channels=24, width=32, num_layers=1, num_heads=2)
    planner = MotionTransformer(width=32, num_layers=1, num_heads=2)
    for network in (painter, planner):
        for parameter in network.parameters():  # the zero-initialised output would hide every input
            torch.nn.init.normal_(parameter, std=0.1)
    tokenizer = SpacetimeTokenizer.from_pretrained(shards / "vae")
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    pipeline = SpacetimePipeline(
        painter.eval(),
        planner.eval(),
        LayoutReader(in_channels=24, width=32, num_layers=1, num_heads=2).eval(),
        tokenizer,
        SpacetimeRefiner(width=8, num_layers=1).eval(),
        scheduler,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def bench(untrained: SpacetimePipeline, shards: Path, tmp_path: Path) -> Bench:
    studio = Studio(untrained, "untrained", tmp_path / "clips")
    return Bench(studio, Probe(24).eval(), shards, 4, ("ids",), None, lambda line: None)


def test_a_clip_is_made_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (row,) = asked(scenes_with(1, 3, event="roll"), "ids")
    clip = bench.studio.generate(row, 5, 8)
    assert clip.frames.shape == (8, 3, 128, 128)
    monkeypatch.setattr(bench.studio, "pipeline", None)
    again = bench.studio.generate(row, 5, 8)
    assert torch.equal(again.frames, clip.frames)
    assert torch.equal(again.layout.xy, clip.layout.xy)


def test_another_seed_is_another_clip(bench: Bench) -> None:
    _, (row,) = asked(scenes_with(1, 3, event="roll"), "ids")
    assert not torch.equal(bench.studio.generate(row, 5, 8).frames, bench.studio.generate(row, 6, 8).frames)


def test_an_untrained_model_meets_no_target_of_adherence(bench: Bench) -> None:
    answer = QUESTIONS["M1"](bench)
    rows = {row.measure: row for row in answer.rows}
    assert rows["objects drawn (ids)"].generated < 0.5
    assert rows["objects drawn (ids)"].rendered == 1
    assert rows["event (ids)"].generated < 0.5


def test_the_page_says_what_is_missed_and_what_could_not_be_measured() -> None:
    answer = report.Answer(
        "M2",
        "Is gravity constant?",
        (
            report.Row("error of g", math.nan, 0.01, None, report.Target("at most", 0.15), 8, 0.0),
            report.Row("coverage", 0.95, 1.0, None, report.Target("at least", 0.9), 8),
        ),
    )
    stored = json.loads(json.dumps(answer.to_json()))
    page = report.markdown([stored], {"clips": 8, "weights": "0" * 64, "versions": "torch"})
    assert "**1 of 2 targets are met.** Missed: M2 error of g." in page
    assert "| error of g | not measurable | 0.0100 |  | ≤ 0.15 | **no** | 0% | 8 |" in page


@pytest.mark.parametrize(
    ("target", "generated", "rendered", "met"),
    [
        (report.Target("share of rendered", 0.9), 0.8, 0.85, True),
        (report.Target("share of rendered", 0.9), 0.7, 0.85, False),
        (report.Target("share of rendered", 0.9), 0.7, None, None),
        (report.Target("times rendered", 3), 2.9, 1.0, True),
        (report.Target("between", 0.7, 1.1), 1.2, None, False),
        (report.Target("at most", 0.15), math.nan, None, False),
    ],
)
def test_targets(target: report.Target, generated: float, rendered: float | None, met: bool | None) -> None:
    assert target.met(generated, rendered) is met


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "--shards: the folder of a training run"),
        (
            ["--shards", "nowhere"],
            "no shard-*.pt in nowhere; `python -m generator.spacetime.train` renders them",
        ),
        (["--shards", "nowhere", "--only", "M1,M99"], "there is no M99"),
        (["--shards", "nowhere", "--clips", "2"], "fewer than 8"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(
    given: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    from benchmarks.generation.__main__ import arguments

    monkeypatch.setattr("sys.argv", ["generation", "--work", str(tmp_path), *given])
    with pytest.raises(SystemExit):
        arguments()
    assert said in " ".join(capsys.readouterr().err.split())


def test_sheets_stay_below_their_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    sheets._save(sheets.Image.fromarray(noise), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size <= sheets.LARGEST_BYTES


def test_the_planned_path_runs_through_the_ball(throw: tuple[Tensor, Layout]) -> None:
    video, layout = throw
    clip = Clip(to_bytes(torch.nn.functional.interpolate(video, scale_factor=2)), layout)
    tile = np.asarray(sheets._row(clip)[2]).astype(int)
    drawn_path = (tile[..., 0] > 200) & (tile[..., 1] < 60) & (tile[..., 2] > 150)
    t = sheets._pictures(clip, 5)[2][0]
    x, y = layout.xy[0, t, 0].tolist()
    column, row = round((x + 1) / 2 * tile.shape[1]), round((1 - y) / 2 * tile.shape[0])
    assert drawn_path[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].any()
