from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generator.spacetime.concepts import SLOT_NAMES, STAGE, slot_index
from generator.spacetime.physics import OBJECTS, complete, sample_scenes, simulate
from generator.spacetime.pipeline import FORMATS, PAINT_OVERLAP, SpacetimePipeline, close_drift, draw_scene
from generator.spacetime.planner import to_plan
from generator.spacetime.reader import drift_of, scenery_targets
from generator.spacetime.sampling import KNOWN_SIGMA, denoise, windows
from generator.spacetime.storyboard import StoryboardError

PROMPT = "a red ball bounces on grass"


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def call(pipeline: Any, prompt: Any = PROMPT, **arguments: Any) -> Any:
    arguments = {"num_inference_steps": 2, "num_frames": 8, "output_type": "latent", **arguments}
    return pipeline(prompt, **arguments)


def make(pipeline: Any, prompt: Any = PROMPT, **arguments: Any) -> Any:
    return call(pipeline, prompt, **arguments).frames


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny_spacetime: Any) -> None:
    once = make(tiny_spacetime, generator=seeded(1))
    assert torch.equal(once, make(tiny_spacetime, generator=seeded(1)))
    assert not torch.equal(once, make(tiny_spacetime, generator=seeded(2)))


@pytest.mark.parametrize("num_frames", [8, 32])
def test_variant_k_alone_equals_variant_k_in_a_batch(tiny_spacetime: Any, num_frames: int) -> None:
    many = make(tiny_spacetime, num_frames=num_frames, num_videos_per_prompt=3, generator=seeded(5, 6, 7))
    assert len(many) == 3
    for k, seed in enumerate((5, 6, 7)):
        alone = make(tiny_spacetime, num_frames=num_frames, generator=seeded(seed))
        assert torch.equal(many[k : k + 1], alone)


def test_two_prompts_with_two_videos_each_come_in_order(tiny_spacetime: Any) -> None:
    out = call(tiny_spacetime, [PROMPT, "blue ink"], num_videos_per_prompt=2, generator=seeded(1, 2, 3, 4))
    assert [reading.understood["event"] for reading in out.readings] == ["bounce", "bounce", "ink", "ink"]
    assert [shots[0]["event"] for shots in out.scenes] == ["bounce", "bounce", "ink", "ink"]
    assert torch.equal(out.frames[2:3], make(tiny_spacetime, "blue ink", generator=seeded(3)))


def test_words_reach_the_picture_and_unknown_words_do_not(tiny_spacetime: Any) -> None:
    plain = make(tiny_spacetime, generator=seeded(1))
    assert not torch.equal(plain, make(tiny_spacetime, "a blue ball bounces on grass", generator=seeded(1)))
    assert torch.equal(plain, make(tiny_spacetime, f"{PROMPT} with a dragon", generator=seeded(1)))


def test_what_is_said_is_shown_and_the_rest_is_told(tiny_spacetime: Any) -> None:
    scene = call(tiny_spacetime, generator=seeded(1)).scenes[0][0]
    assert {
        "event": "bounce",
        "color": "red",
        "shape": "ball",
        "ground": "grass",
        "count": "one",
    }.items() <= (scene.items())
    assert {"light", "backdrop", "weather", "camera", "spring", "gravity"} <= scene.keys()
    assert "direction" not in scene  # a bounce shows none


def test_a_negative_prompt_keeps_chance_from_choosing_its_concepts(tiny_spacetime: Any) -> None:
    seeds = range(12)
    free, kept = (
        [
            call(
                tiny_spacetime,
                generator=seeded(k),
                num_inference_steps=1,
                num_frames=4,
                negative_prompt=avoid,
            ).scenes[0][0]["light"]
            for k in seeds
        ]
        for avoid in (None, "night")
    )
    assert "night" in free
    assert "night" not in kept


def test_output_types_hold_the_same_video(tiny_spacetime: Any) -> None:
    def as_type(kind: str) -> Any:
        return make(tiny_spacetime, generator=seeded(1), output_type=kind)

    array, tensor, images = as_type("np"), as_type("pt"), as_type("pil")
    assert array.shape == (1, 8, 256, 256, 3)
    assert tensor.shape == (1, 8, 3, 256, 256)
    assert 0 <= array.min() <= array.max() <= 1
    np.testing.assert_array_equal(array, tensor.permute(0, 1, 3, 4, 2).numpy())
    np.testing.assert_array_equal(np.asarray(images[0][5]), (255 * array[0, 5]).round().astype("uint8"))
    decoded = tiny_spacetime.decode(as_type("latent"), "np")
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize(("height", "width"), list(FORMATS))
def test_every_format_has_its_size(tiny_spacetime: Any, height: int, width: int) -> None:
    frames = make(tiny_spacetime, height=height, width=width, num_frames=4, output_type="pt")
    assert frames.shape == (1, 4, 3, height, width)


def test_a_long_clip_is_decoded_in_pieces_as_it_would_be_whole(tiny_spacetime: Any) -> None:
    latents = torch.randn(1, 14, 8, 8, 16, generator=torch.Generator().manual_seed(0))
    pieces = torch.cat(list(tiny_spacetime.decode_windows(latents)))
    whole = tiny_spacetime.refiner.refine(tiny_spacetime.vae.decode(latents))[0]
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-5)


def test_what_was_saved_makes_the_same_clip_and_every_loading_the_same_bits(
    tiny_spacetime: Any, tmp_path: Path
) -> None:
    tiny_spacetime.save_pretrained(tmp_path)

    def loaded() -> torch.Tensor:
        pipeline = SpacetimePipeline.from_pretrained(tmp_path)
        pipeline.set_progress_bar_config(disable=True)
        assert pipeline.config.fps == 24
        out: torch.Tensor = make(pipeline, generator=seeded(1))
        return out

    once = loaded()
    assert torch.equal(once, loaded())
    # weights that lie otherwise in memory may be added up in another order
    torch.testing.assert_close(once, make(tiny_spacetime, generator=seeded(1)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 6, 7, 12, 13, 60])
def test_windows_cover_a_clip_and_see_the_end_of_the_one_before(frames: int) -> None:
    spans = windows(frames, 6, 2)
    assert spans[0][0] == 0
    assert spans[-1][1] == frames
    for (_, before, _), (first, end, known) in pairwise(spans):
        assert first + known == before
        assert known == 2
        assert known < end - first <= 6


def test_a_longer_clip_goes_on_in_windows_that_hold_what_is_there(tiny_spacetime: Any) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    forward = tiny_spacetime.transformer.forward

    def spy(z: torch.Tensor, timestep: torch.Tensor, *rest: Any) -> Any:
        seen.append((z.clone(), timestep.clone()))
        return forward(z, timestep, *rest)

    tiny_spacetime.transformer.forward = spy
    try:
        long = make(tiny_spacetime, generator=seeded(1), num_frames=40)
    finally:
        tiny_spacetime.transformer.forward = forward
    assert long.shape[1] == 10
    assert len(seen) == 2 * 2  # two windows of two steps
    z, timestep = seen[2]
    assert (timestep[:, :PAINT_OVERLAP] == 1000 * KNOWN_SIGMA).all()
    assert (timestep[:, PAINT_OVERLAP:] == 1000).all()
    same = torch.stack([z[0, :PAINT_OVERLAP].flatten(), long[0, 4:6].flatten()])
    assert torch.corrcoef(same)[0, 1] > 0.9


def test_one_euler_step_from_pure_noise_lands_on_the_prediction(tiny_spacetime: Any) -> None:
    # sigma goes 1 -> 0 in one step: z - (1 - 0) * (z - x_hat) / 1 = x_hat
    noise = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0))
    out = denoise(lambda z, _: 2 * z, noise, tiny_spacetime.scheduler, 1)
    torch.testing.assert_close(out, 2 * noise, rtol=1e-5, atol=1e-5)


def test_given_frames_come_back_and_a_perfect_prediction_is_reached(tiny_spacetime: Any) -> None:
    torch.manual_seed(0)
    truth, known = torch.randn(1, 4, 5), torch.randn(1, 4, 5)
    given = torch.tensor([True, False, False, True])
    out = denoise(lambda *_: truth, torch.randn(1, 4, 5), tiny_spacetime.scheduler, 4, known, given)
    assert torch.equal(out[:, given], known[:, given])
    torch.testing.assert_close(out[:, ~given], truth[:, ~given], rtol=1e-4, atol=1e-4)


def test_a_little_noise_leaves_more_of_the_start(tiny_spacetime: Any) -> None:
    torch.manual_seed(0)
    start, noise = torch.randn(1, 4, 50), torch.randn(1, 4, 50)

    def change(strength: float) -> float:
        out = denoise(lambda z, _: z, noise, tiny_spacetime.scheduler, 3, start=start, strength=strength)
        return float((out - start).square().mean())

    assert change(0.2) < change(0.5) < change(1.0)


def test_the_callback_sees_every_step_may_change_latents_and_may_interrupt(tiny_spacetime: Any) -> None:
    steps: list[int] = []

    def stop_after_two(
        pipeline: Any, step: int, _: Any, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        steps.append(step)
        pipeline._interrupt = step == 1
        return {"latents": torch.zeros_like(tensors["latents"])} if step == 1 else tensors

    arguments = {"num_inference_steps": 5, "num_frames": 40, "generator": seeded(1)}
    make(tiny_spacetime, callback_on_step_end=stop_after_two, **arguments)
    assert steps == [0, 1]
    assert tiny_spacetime.num_timesteps == 2 * 5


def picture(seed: int = 0, size: tuple[int, int] = (200, 150)) -> Image.Image:
    array = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return Image.fromarray(array)


def test_a_clip_begins_and_ends_with_the_pictures_that_are_given(tiny_spacetime: Any) -> None:
    first, last = picture(1), picture(2)
    out = make(tiny_spacetime, num_frames=20, image=first, last_image=last, generator=seeded(1))
    assert torch.equal(out[:, :1], tiny_spacetime.encode_frames(first, (8, 8)))
    assert torch.equal(out[:, -1:], tiny_spacetime.encode_frames(last, (8, 8)))


def test_a_clip_is_gone_on_from_and_led_up_to(tiny_spacetime: Any) -> None:
    clip = make(tiny_spacetime, generator=seeded(1), output_type="np")[0]
    after = make(tiny_spacetime, num_frames=24, image=clip, generator=seeded(2))
    before = make(tiny_spacetime, num_frames=24, last_image=clip, generator=seeded(2))
    encoded = tiny_spacetime.encode_frames(clip, (8, 8))
    assert torch.equal(after[:, :2], encoded)
    assert torch.equal(before[:, -2:], encoded)
    assert not torch.equal(after[:, 2:], before[:, :-2])


def test_words_that_are_said_beat_what_is_read_off_a_picture(tiny_spacetime: Any) -> None:
    out = call(tiny_spacetime, "a green box on snow", image=picture(), generator=seeded(1))
    scene = out.scenes[0][0]
    assert (scene["color"], scene.get("ground", "snow")) == ("green", "snow")
    assert out.layouts[0][0].ids[0, slot_index(STAGE)] == 2  # it goes on


def test_painting_a_clip_anew_keeps_its_length_and_more_of_it_at_less_strength(tiny_spacetime: Any) -> None:
    clip = make(tiny_spacetime, num_frames=12, generator=seeded(1), output_type="np")[0]
    encoded = tiny_spacetime.encode_frames(clip, (8, 8))

    def change(strength: float) -> float:
        out = make(
            tiny_spacetime,
            num_frames=None,
            video=clip,
            strength=strength,
            num_inference_steps=4,
            generator=seeded(3),
        )
        assert out.shape == encoded.shape
        return float((out - encoded).square().mean())

    assert change(0.05) < change(0.9)


def test_a_loop_plans_its_end_as_its_beginning(tiny_spacetime: Any) -> None:
    out = call(tiny_spacetime, num_frames=24, loop=True, generator=seeded(1))
    assert out.frames.shape[1] == 6
    plan = to_plan(out.layouts[0][0])
    torch.testing.assert_close(plan[:, -1], plan[:, 0], rtol=0, atol=1e-4)


def test_the_scenery_of_a_loop_comes_round() -> None:
    stage = simulate(sample_scenes(5, torch.Generator().manual_seed(0)), 52)
    closed = close_drift(stage, 48)
    assert torch.equal(closed.camera[:, 0], closed.camera[:, 48])
    turns = (closed.drift[:, 48] - closed.drift[:, 0]) / torch.tensor([4.0, 1.0, 4.0, 4.0, 1.0])
    torch.testing.assert_close(turns, turns.round(), rtol=0, atol=1e-4)


def test_a_storyboard_has_its_shots_in_time_and_keeps_the_hero(tiny_spacetime: Any) -> None:
    board = "0s: a red ball bounces on snow at night | 1s: it rolls to the left | 1.5s: a blue ball is thrown"
    out = call(tiny_spacetime, board, num_frames=48, generator=seeded(1))
    assert out.frames.shape[1] == 12
    first, second, third = out.scenes[0]
    assert [shot["event"] for shot in (first, second, third)] == ["bounce", "roll", "throw"]
    assert (second["color"], second["ground"], second["light"]) == ("red", "snow", "night")
    assert (third["color"], third["ground"]) == ("blue", "snow")
    assert [layout.tilt.shape[1] for layout in out.layouts[0]] == [24, 12, 12]


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 128},
        {"num_frames": 25},
        {"num_frames": 0},
        {"concept_ids": torch.zeros(1, len(SLOT_NAMES), dtype=torch.long)},
        {"prompt": [PROMPT, PROMPT], "negative_prompt": ["night"]},
        {"generator": [torch.Generator()] * 2},
        {"strength": 0.0},
        {"loop": True, "last_image": picture()},
        {"video": [picture()] * 8, "loop": True},
        {"video": [picture()] * 8, "num_frames": 12},
        {"prompt": "0s: a ball | 9s: a box"},
    ],
)
def test_inputs_that_the_model_cannot_serve_are_refused(
    tiny_spacetime: Any, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        tiny_spacetime(**{"prompt": PROMPT, "num_frames": 8, **arguments})


def test_a_storyboard_that_cannot_be_followed_says_how_to_write_it(tiny_spacetime: Any) -> None:
    with pytest.raises(StoryboardError) as raised:
        call(tiny_spacetime, "1s: a ball | 2s: a box")
    assert raised.value.hint


def test_one_ball_is_one_ball() -> None:
    ids = torch.zeros(1, len(SLOT_NAMES), dtype=torch.long)
    ids[0, 0] = 1
    counts = {
        int(draw_scene(ids, (8, 8), torch.Generator().manual_seed(k)).value("count")) + 1 for k in range(20)
    }
    assert counts == {1}
    drawn = complete(ids.expand(60, -1), torch.Generator().manual_seed(0))[:, slot_index("count")]
    assert set(drawn.tolist()) == {1, 2, 3}


def test_two_red_balls_are_both_red(tiny_spacetime: Any) -> None:
    for seed in range(8):
        ids, _ = tiny_spacetime.encode_prompt("two red balls bounce")
        scenes = draw_scene(ids, (8, 8), torch.Generator().manual_seed(seed))
        assert (scenes.value("color"), scenes.value("color2"), scenes.value("count")) == (0, 0, 1)


def test_the_scenery_of_a_picture_is_told_so_that_it_can_be_set_again() -> None:
    layout = simulate(sample_scenes(20, torch.Generator().manual_seed(1)), 4)
    drift = drift_of(scenery_targets(layout))[:, 0]
    gap = (drift - layout.drift[:, 2]).abs()
    period = torch.tensor([4.0, 1e9, 4.0, 4.0, 1.0])
    assert torch.minimum(gap, period - gap).amax() < 1e-4
    assert layout.kind.shape == (20, OBJECTS)
