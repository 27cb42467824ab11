"""Every family of models, from a tiny pipeline with random weights to a clip."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_plugins
import torch
from PIL import Image

from generator import GenerationRequest, generate, plan_generation
from generator.errors import ModelError, RequestError
from generator.families import family_of
from generator.models import find_model

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"
)
SHOWS_TEXT = {
    "wan": "Wan 2.1",
    "wan_two": "Wan 2.2 A14B",
    "wan_expanding": "Wan 2.2 TI2V-5B",
    "skyreels": "SkyReels V2",
    "ltx": "LTX-Video",
    "ltx2": "LTX-2",
    "cogvideox": "CogVideoX",
    "cogvideox_long": "CogVideoX 1.5",
    "hunyuan": "HunyuanVideo",
    "hunyuan15": "HunyuanVideo 1.5",
    "mochi": "Mochi",
}
STARTS_FROM_PICTURE = {
    "wan_image": "WanImageToVideoPipeline",
    "wan_two_image": "WanImageToVideoPipeline",
    "wan_expanding": "WanImageToVideoPipeline",
    "skyreels_image": "SkyReelsV2ImageToVideoPipeline",
    "ltx": "LTXImageToVideoPipeline",
    "ltx2": "LTX2ImageToVideoPipeline",
    "cogvideox_image": "CogVideoXImageToVideoPipeline",
    "hunyuan_image": "HunyuanVideoImageToVideoPipeline",
    "hunyuan15_image": "HunyuanVideo15ImageToVideoPipeline",
}
ENDS_WITH_PICTURE = {
    "wan_ends": "WanImageToVideoPipeline",
    "wan_two_image": "WanImageToVideoPipeline",
    "ltx": "LTXConditionPipeline",
    "ltx2": "LTX2ConditionPipeline",
}


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name of a tiny model -> its folder, made when it is first asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> str:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            torch.manual_seed(0)
            getattr(tiny_plugins, f"save_{name}")(made[name])
        return str(made[name])

    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pictures")
    for colour in ("red", "blue"):
        Image.new("RGB", (80, 60), colour).save(folder / f"{colour}.png")
    return {colour: str(folder / f"{colour}.png") for colour in ("red", "blue")}


def wish(name: str, folder: str, **more: Any) -> GenerationRequest:
    """Few frames, few pixels, two steps; a model with learned positions chooses its size itself."""
    size = {} if name in ("cogvideox_image", "hunyuan15_image") else {"width": 64, "height": 48}
    if name in ("ltx", "ltx2", "wan_expanding"):
        size = {"width": 64, "height": 64}
    asked = {"seconds": 0.1, "steps": 2, **size, **more}
    return GenerationRequest("a red ball bounces", model=folder, **asked)


@pytest.mark.parametrize("name", SHOWS_TEXT)
def test_every_family_makes_a_clip_from_text_that_follows_its_frame_rule(name: str, folder_of: Any) -> None:
    request = wish(name, folder_of(name))
    family = family_of(find_model(request.model))
    clip = generate(request, device="cpu")
    rule = family.rule
    assert family.name == clip.params["family"] == SHOWS_TEXT[name]
    assert len(clip.frames) == rule.frames_at_least(max(1, round(0.1 * rule.fps)))
    assert clip.frames.shape[1:] == (request.height, request.width, 3)
    assert float(clip.fps) == rule.fps
    assert clip.frames.std() > 0
    assert clip.params["steps"] == 2


@pytest.mark.parametrize(("name", "pipeline"), STARTS_FROM_PICTURE.items())
def test_a_picture_starts_the_clip_and_decides_it(
    name: str, pipeline: str, folder_of: Any, pictures: dict[str, str]
) -> None:
    red = generate(wish(name, folder_of(name), image=pictures["red"]), device="cpu")
    blue = generate(wish(name, folder_of(name), image=pictures["blue"]), device="cpu")
    assert red.params["pipeline"] == pipeline
    assert red.params["pictures"]["image"]["sha256"] != blue.params["pictures"]["image"]["sha256"]
    assert red.frames.shape == blue.frames.shape
    assert not np.array_equal(red.frames, blue.frames)


@pytest.mark.parametrize(("name", "pipeline"), ENDS_WITH_PICTURE.items())
def test_a_last_picture_changes_the_clip(
    name: str, pipeline: str, folder_of: Any, pictures: dict[str, str]
) -> None:
    # Weights for two pictures cannot do with one; for them the other clip ends as it starts.
    last = {"last_image": pictures["red"]} if name == "wan_ends" else {}
    other = wish(name, folder_of(name), image=pictures["red"], seconds=0.5, **last)
    ended = wish(name, folder_of(name), image=pictures["red"], last_image=pictures["blue"], seconds=0.5)
    clip = generate(ended, device="cpu")
    assert clip.params["pipeline"] == pipeline
    assert set(clip.params["pictures"]) == {"image", "last_image"}
    assert not np.array_equal(clip.frames, generate(other, device="cpu").frames)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("wan_image", (), "none was given"),
        ("hunyuan_image", (), "none was given"),
        ("cogvideox_image", ("last_image",), "does not end"),
        ("wan_image", ("image", "last_image"), "does not end"),
        ("skyreels_image", ("image", "last_image"), "does not end"),
        ("wan_ends", ("image",), "between two pictures"),
        ("wan", ("image",), "does not start"),
        ("mochi", ("image",), "does not start"),
        ("hunyuan", ("last_image",), "does not end"),
        ("wan_expanding", ("image", "last_image"), "does not end"),
    ],
)
def test_a_picture_that_is_missing_or_not_taken_is_said_before_anything_is_loaded(
    name: str, given: tuple[str, ...], message: str, folder_of: Any, pictures: dict[str, str]
) -> None:
    request = wish(name, folder_of(name), **dict.fromkeys(given, pictures["red"]))
    with pytest.raises(RequestError, match=message) as caught:
        plan_generation(request, device="cpu")
    assert caught.value.hint


def test_a_clip_without_a_size_takes_the_shape_of_its_picture_at_the_recommended_area(
    folder_of: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (90, 160), "green").save(tmp_path / "tall.png")
    request = GenerationRequest("a ball", model=folder_of("wan_image"), image=str(tmp_path / "tall.png"))
    width, height = plan_generation(request, device="cpu").size
    assert (width % 16, height % 16) == (0, 0)
    assert width / height == pytest.approx(90 / 160, rel=0.03)
    assert width * height == pytest.approx(832 * 480, rel=0.05)


def test_a_ribbon_of_a_picture_does_not_make_a_ribbon_of_a_clip(folder_of: Any, tmp_path: Path) -> None:
    Image.new("RGB", (4_000, 10), "green").save(tmp_path / "ribbon.png")
    request = GenerationRequest("a ball", model=folder_of("wan_image"), image=str(tmp_path / "ribbon.png"))
    width, height = plan_generation(request, device="cpu").size
    assert width / height == pytest.approx(4, rel=0.06)


def test_a_model_of_one_size_says_so(folder_of: Any, pictures: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="64x48"):
        plan_generation(
            wish("cogvideox_image", folder_of("cogvideox_image"), image=pictures["red"], width=640),
            device="cpu",
        )


@pytest.mark.parametrize(
    ("name", "size", "shift"),
    [
        ("wan", (832, 480), 3.0),
        ("wan", (1280, 720), 5.0),
        ("skyreels", (960, 544), 8.0),
        ("mochi", (848, 480), None),
    ],
)
def test_the_flow_shift_is_the_one_that_the_card_asks_for_at_this_size(
    name: str, size: tuple[int, int], shift: float | None, folder_of: Any
) -> None:
    request = wish(name, folder_of(name), width=size[0], height=size[1])
    assert plan_generation(request, device="cpu").flow_shift == shift


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (
            "wan",
            {"num_frames": 81, "width": 832, "height": 480, "num_inference_steps": 50, "guidance_scale": 5.0},
        ),
        ("wan_two", {"num_inference_steps": 40, "guidance_scale": 4.0, "guidance_scale_2": 3.0}),
        ("wan_expanding", {"num_frames": 121, "width": 1280, "height": 704}),
        ("ltx", {"num_frames": 161, "frame_rate": 25}),
        ("cogvideox", {"num_frames": 49, "width": 720, "height": 480}),
        ("cogvideox_long", {"num_frames": 81, "width": 1360, "height": 768}),
        ("hunyuan", {"num_frames": 129, "guidance_scale": 6.0}),
        ("mochi", {"num_frames": 85, "num_inference_steps": 64}),
    ],
)
def test_what_is_not_asked_for_is_as_the_card_recommends(
    name: str, arguments: dict[str, Any], folder_of: Any
) -> None:
    plan = plan_generation(GenerationRequest("a ball", model=folder_of(name)), device="cpu")
    assert {key: plan.arguments[key] for key in arguments} == arguments
    assert plan.adjustments == ()


def test_a_size_that_a_model_breaks_off_at_is_told_with_a_hint(folder_of: Any) -> None:
    """CogVideoX 1.5 has no positions above its largest side, and notices only when it needs them."""
    with pytest.raises(ModelError, match="broke off") as caught:
        generate(wish("cogvideox_long", folder_of("cogvideox_long"), height=128), device="cpu")
    assert caught.value.hint


def test_a_clip_longer_than_the_training_is_made_and_warned_of(folder_of: Any) -> None:
    plan = plan_generation(wish("wan", folder_of("wan"), seconds=10), device="cpu")
    assert plan.arguments["num_frames"] == 161
    assert any("tends to repeat" in note["why"] for note in plan.adjustments)


def test_a_negative_prompt_is_not_given_to_distilled_guidance(folder_of: Any) -> None:
    plan = plan_generation(wish("hunyuan", folder_of("hunyuan"), negative_prompt="blurry"), device="cpu")
    assert "negative_prompt" not in plan.arguments or plan.arguments["negative_prompt"] is None
    assert any(note["what"] == "negative_prompt" for note in plan.adjustments)
