from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generator.spacetime.concepts import STAGE, slot_index
from generator.spacetime.pipeline import HISTORY_FRAMES, SpacetimePipeline
from generator.spacetime.prompt import read_prompt
from generator.spacetime.train import Recipe, drop_concepts, flow_loss

PROMPT = "a red ball bounces on grass"


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def make(pipeline: Any, prompt: Any = PROMPT, **arguments: Any) -> Any:
    arguments = {"num_inference_steps": 2, "output_type": "latent", **arguments}
    return pipeline(prompt, **arguments).frames


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny_spacetime: Any) -> None:
    once = make(tiny_spacetime, generator=seeded(1))
    assert torch.equal(once, make(tiny_spacetime, generator=seeded(1)))
    assert not torch.equal(once, make(tiny_spacetime, generator=seeded(2)))


@pytest.mark.parametrize("num_frames", [24, 40])
def test_variant_k_alone_equals_variant_k_in_a_batch(tiny_spacetime: Any, num_frames: int) -> None:
    many = make(tiny_spacetime, num_frames=num_frames, num_videos_per_prompt=3, generator=seeded(5, 6, 7))
    assert len(many) == 3
    for k, seed in enumerate((5, 6, 7)):
        assert torch.equal(
            many[k : k + 1], make(tiny_spacetime, num_frames=num_frames, generator=seeded(seed))
        )


def test_two_prompts_with_two_videos_each_come_in_order(tiny_spacetime: Any) -> None:
    prompts = [PROMPT, "blue ink"]
    out = tiny_spacetime(
        prompts,
        num_videos_per_prompt=2,
        generator=seeded(1, 2, 3, 4),
        num_inference_steps=1,
        output_type="latent",
    )
    assert [reading.understood["event"] for reading in out.readings] == ["bounce", "bounce", "ink", "ink"]
    assert torch.equal(
        out.frames[2:3], make(tiny_spacetime, "blue ink", generator=seeded(3), num_inference_steps=1)
    )


def test_words_reach_the_picture_and_unknown_words_do_not(tiny_spacetime: Any) -> None:
    plain = make(tiny_spacetime, generator=seeded(1))
    assert not torch.equal(plain, make(tiny_spacetime, "a blue ball bounces on grass", generator=seeded(1)))
    assert torch.equal(plain, make(tiny_spacetime, f"{PROMPT} with a dragon", generator=seeded(1)))


def test_a_negative_prompt_steers_only_under_guidance(tiny_spacetime: Any) -> None:
    def both(guidance: float) -> tuple[torch.Tensor, torch.Tensor]:
        without = make(tiny_spacetime, generator=seeded(1), guidance_scale=guidance)
        return without, make(
            tiny_spacetime, generator=seeded(1), guidance_scale=guidance, negative_prompt="night, snow"
        )

    assert not torch.equal(*both(2.5))
    assert torch.equal(*both(1.0))


def test_output_types_hold_the_same_video(tiny_spacetime: Any) -> None:
    def as_type(kind: str) -> Any:
        return make(tiny_spacetime, generator=seeded(1), output_type=kind)

    array, tensor, images = as_type("np"), as_type("pt"), as_type("pil")
    assert array.shape == (1, 24, 96, 96, 3)
    assert tensor.shape == (1, 24, 3, 96, 96)
    assert 0 <= array.min() <= array.max() <= 1
    np.testing.assert_array_equal(array, tensor.permute(0, 1, 3, 4, 2).numpy())
    np.testing.assert_array_equal(np.asarray(images[0][5]), (255 * array[0, 5]).round().astype("uint8"))
    decoded = tiny_spacetime.decode(as_type("latent"), "np")
    np.testing.assert_array_equal(decoded, array)


def test_saving_and_loading_keeps_every_bit(tiny_spacetime: Any, tmp_path: Path) -> None:
    tiny_spacetime.save_pretrained(tmp_path)
    loaded = SpacetimePipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert loaded.config.fps == 12
    assert torch.equal(make(tiny_spacetime, generator=seeded(1)), make(loaded, generator=seeded(1)))


def test_a_longer_clip_opens_like_the_short_one_and_goes_on_in_windows_that_see_its_end(
    tiny_spacetime: Any,
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    forward = tiny_spacetime.transformer.forward

    def spy(z: torch.Tensor, timestep: torch.Tensor, ids: torch.Tensor) -> Any:
        seen.append((z.clone(), timestep.clone(), ids.clone()))
        return forward(z, timestep, ids)

    short = make(tiny_spacetime, generator=seeded(1))
    tiny_spacetime.transformer.forward = spy
    try:
        long = make(tiny_spacetime, generator=seeded(1), num_frames=48)
    finally:
        tiny_spacetime.transformer.forward = forward
    assert long.shape[1] == 12
    assert torch.equal(long[:, :6], short)
    assert len(seen) == 3 * 2  # three windows of two steps
    stages = [int(ids[0, slot_index(STAGE)]) for _, _, ids in seen]
    assert stages == [1, 1, 2, 2, 2, 2]
    z, timestep, _ = seen[2]
    assert (timestep[:, :HISTORY_FRAMES] == 50).all()
    assert (timestep[:, HISTORY_FRAMES:] == 1000).all()
    correlation = torch.corrcoef(
        torch.stack([z[0, :HISTORY_FRAMES].flatten(), short[0, -HISTORY_FRAMES:].flatten()])
    )
    assert correlation[0, 1] > 0.9


def test_one_euler_step_from_pure_noise_lands_on_the_prediction(tiny_spacetime: Any) -> None:
    # sigma goes 1 -> 0 in one step: z - (1 - 0) * (z - x_hat) / 1 = x_hat
    noise = torch.randn(1, 6, 4, 4, 16, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([read_prompt(PROMPT).ids])
    x_hat = tiny_spacetime.transformer(noise, torch.full((1, 6), 1000.0), ids).sample
    out = make(tiny_spacetime, latents=noise, num_inference_steps=1, guidance_scale=1.0)
    torch.testing.assert_close(out, x_hat, rtol=1e-5, atol=1e-5)


def test_the_callback_sees_every_step_may_change_latents_and_may_interrupt(tiny_spacetime: Any) -> None:
    steps: list[int] = []

    def stop_after_two(
        pipeline: Any, step: int, _: Any, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        steps.append(step)
        pipeline._interrupt = step == 1
        return {"latents": torch.zeros_like(tensors["latents"])} if step == 1 else tensors

    out = make(
        tiny_spacetime, num_inference_steps=5, generator=seeded(1), callback_on_step_end=stop_after_two
    )
    assert steps == [0, 1]
    assert not out.any()
    assert tiny_spacetime.num_timesteps == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 128},
        {"num_frames": 25},
        {"num_frames": 0},
        {"concept_ids": torch.zeros(1, 10, dtype=torch.long)},
        {"num_frames": 48, "latents": torch.zeros(1, 6, 4, 4, 16)},
        {"prompt": [PROMPT, PROMPT], "negative_prompt": ["night"]},
    ],
)
def test_inputs_that_the_model_cannot_serve_are_refused(
    tiny_spacetime: Any, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        tiny_spacetime(**{"prompt": PROMPT, **arguments})


def test_a_model_that_predicts_perfectly_has_no_flow_loss() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6, 4, 4, 8)

    class Oracle:
        def __call__(self, *_: Any) -> Any:
            return type("Output", (), {"sample": x})

    cover, labels = torch.rand(4, 6, 4, 4), torch.ones(4, 10, dtype=torch.long)
    assert flow_loss(Oracle(), x, labels, cover, Recipe()) == 0  # type: ignore[arg-type]


def test_dropped_concepts_are_left_open_but_the_stage_is_kept() -> None:
    torch.manual_seed(0)
    labels = torch.full((2_000, 10), 2)
    dropped = drop_concepts(labels, Recipe())
    assert (dropped[:, slot_index(STAGE)] == 2).all()
    assert 0.15 < (dropped[:, 0] == 0).float().mean() < 0.23  # 10 % alone, 10 % with everything else


def test_training_lowers_the_loss_and_continues_where_it_stopped(tmp_path: Path, tiny_spacetime: Any) -> None:
    from generator.spacetime.dataset import write_shard
    from generator.spacetime.train import train

    write_shard(tmp_path, 0, tiny_spacetime.vae, clips=12)
    recipe = Recipe(
        channels=16, width=32, num_layers=1, num_heads=2, windows=((1.01, 2, 8),), learning_rate=5e-3
    )
    train(tmp_path, 0.03, recipe, resume=False)
    first = torch.load(tmp_path / "state.pt", weights_only=True)
    train(tmp_path, 0.1, recipe, resume=True)
    second = torch.load(tmp_path / "state.pt", weights_only=True)
    assert second["step"] > first["step"]
    assert second["seconds"] > first["seconds"]
    assert second["loss"] < first["loss"]
