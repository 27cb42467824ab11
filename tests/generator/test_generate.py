import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_plugins
import torch
from PIL import Image

import generator
from generator import GenerationRequest, GeneratorError, generate, upscale
from generator.errors import ModelNotFoundError, RequestError, UnsupportedModelError, WeightsError
from generator.models import EMBEDDED_FOLDER, choose_device, find_model, weights_digest, write_digests
from generator.sizes import SizeRule, fit_frames, fit_side


@pytest.fixture(scope="session")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wan")
    tiny_plugins.save_wan(folder)
    return folder


@pytest.fixture(scope="session")
def ltx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ltx")
    tiny_plugins.save_ltx(folder)
    return folder


def adjusted(params: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {note["what"]: (note["asked"], note["given"]) for note in params["adjustments"]}


def test_the_embedded_model_makes_a_clip_and_says_exactly_how() -> None:
    request = GenerationRequest("a red ball bounces on grass with a dragon", seed=3, steps=2)
    clip = generate(request, device="cpu")
    assert clip.frames.shape == (48, 256, 256, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.fps == Fraction(24)
    params = json.loads(json.dumps(clip.params))
    assert params["model"] == "embedded"
    assert params["weights_licence"] == "Apache-2.0"
    assert params["weights_digest"] == weights_digest(EMBEDDED_FOLDER)
    assert (params["seed"], params["steps"], params["device"], params["dtype"], params["threads"]) == (
        3,
        2,
        "cpu",
        "float32",
        1,
    )
    assert params["scheduler"]["class"] == "FlowMatchEulerDiscreteScheduler"
    assert params["libraries"]["torch"] == torch.__version__.split("+")[0]
    assert params["prompt_report"]["ignored"] == ["dragon"]
    assert params["prompt_report"]["understood"]["color"] == "red"
    assert params["request_digest"] == request.digest()
    assert params["scenes"][0]["color"] == "red"
    assert {"light", "backdrop", "weather"} <= params["scenes"][0].keys()  # left open, drawn and told


def test_the_same_request_gives_the_same_bytes_whatever_was_made_before() -> None:
    request = GenerationRequest("蓝色墨水扩散", seed=11, steps=2)
    first = generate(request, device="cpu").frames
    generate(GenerationRequest("a green ball rolls", seed=12, steps=3, seconds=3), device="cpu")
    torch.rand(7)
    np.testing.assert_array_equal(first, generate(request, device="cpu").frames)


def test_what_the_embedded_model_cannot_do_is_adjusted_and_told() -> None:
    request = GenerationRequest("a ball rolls", seconds=0.3, width=1280, height=720, fps=30, steps=1)
    clip = generate(request, device="cpu")
    assert clip.frames.shape == (8, 180, 320, 3)
    assert adjusted(clip.params) == {
        "width": (1280, 320),
        "height": (720, 180),
        "fps": (30, 24.0),
        "frames": (7, 8),
    }


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(1080, 1920, (320, 180)), (900, 1000, (256, 256)), (None, 300, (256, 256)), (4000, 300, (180, 320))],
)
def test_the_nearest_format_is_drawn(width: int | None, height: int, shape: tuple[int, int]) -> None:
    clip = generate(
        GenerationRequest("a ball rolls", seconds=0.1, width=width, height=height, steps=1), device="cpu"
    )
    assert clip.frames.shape[1:3] == shape


def test_a_storyboard_lasts_beyond_its_last_shot_and_a_wrong_one_is_told_before_it_starts() -> None:
    board = "0s: a red ball rolls | 0.5s: it is thrown"
    clip = generate(GenerationRequest(board, steps=1, enhance=True), device="cpu")
    assert len(clip.frames) == 60
    assert [scene["event"] for scene in clip.params["scenes"]] == ["roll", "throw"]
    for request in (
        GenerationRequest("0s: a ball | 9s: a box", seconds=2),
        GenerationRequest(board, loop=True),
        GenerationRequest("3s: a ball | 1s: a box"),
    ):
        with pytest.raises(RequestError) as raised:
            generator.plan_generation(request, device="cpu")
        assert raised.value.hint


def test_a_loop_and_added_words_are_part_of_the_request_and_recorded() -> None:
    plain = GenerationRequest("a red ball", seconds=0.5, steps=1)
    request = GenerationRequest("a red ball", seconds=0.5, steps=1, loop=True, enhance=True)
    assert plain.digest() != request.digest()
    params = generate(request, device="cpu").params
    assert params["enhanced"]["prompt"].startswith("a red ball")
    assert {entry["slot"] for entry in params["enhanced"]["added"]} >= {"event", "light", "ground"}
    assert params["arguments"]["loop"] is True
    assert "enhanced" not in generate(plain, device="cpu").params


def test_pictures_that_a_clip_begins_and_ends_with_reach_the_embedded_model(tmp_path: Path) -> None:
    frames = generate(GenerationRequest("a red ball rolls", seconds=0.2, steps=1), device="cpu").frames
    for name, frame in (("a.png", frames[0]), ("b.png", frames[-1])):
        Image.fromarray(frame).save(tmp_path / name)
    request = GenerationRequest(
        "a red ball rolls",
        seconds=0.5,
        steps=1,
        image=str(tmp_path / "a.png"),
        last_image=str(tmp_path / "b.png"),
    )
    params = generate(request, device="cpu").params
    assert params["pictures"].keys() == {"image", "last_image"}


def test_progress_counts_every_step_over_all_windows() -> None:
    calls: list[tuple[int, int]] = []
    generate(
        GenerationRequest("a ball rolls", seconds=1.3, steps=2),
        device="cpu",
        progress=lambda *call: calls.append(call),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_generation_leaves_the_thread_count_as_it_was() -> None:
    torch.set_num_threads(2)
    generate(GenerationRequest("a ball rolls", steps=1, seconds=0.1), device="cpu")
    assert torch.get_num_threads() == 2


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("family", "frames", "fps"), [("wan", 9, Fraction(16)), ("ltx", 9, Fraction(25))], ids=["wan", "ltx"]
)
def test_a_plug_in_model_of_diffusers_generates_with_sizes_made_to_fit(
    family: str, frames: int, fps: Fraction, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    wish = GenerationRequest(
        "a red ball bounces", model=str(folder), seconds=7 / float(fps), width=40, height=70, steps=2, seed=1
    )
    calls: list[tuple[int, int]] = []
    clip = generate(wish, device="cpu", progress=lambda *call: calls.append(call))
    multiple = {"wan": 16, "ltx": 32}[family]
    side = {"wan": (64, 48), "ltx": (64, 32)}[family]
    assert clip.frames.shape == (frames, *side, 3)
    assert all(length % multiple == 0 for length in side)
    assert clip.fps == fps
    assert adjusted(clip.params)["frames"] == (7, frames)
    assert set(adjusted(clip.params)) == {"frames", "width", "height"}
    assert clip.params["prompt_report"] is None
    assert clip.params["weights_licence"] == "unknown"
    assert [done for done, _ in calls] == [1, 2]
    np.testing.assert_array_equal(clip.frames, generate(wish, device="cpu").frames)


def test_the_weights_digest_changes_with_any_weight_and_ignores_the_rest(wan: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(wan, copy)
    (copy / "notes.txt").write_text("hello")
    assert weights_digest(copy) == weights_digest(wan)
    weights = next(copy.rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert weights_digest(copy) != weights_digest(wan)


def test_shipped_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED_FOLDER, tmp_path / "w")
    weights = next((tmp_path / "w").rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="SHA256SUMS"):
        _ = find_model(str(tmp_path / "w")).weights_digest
    write_digests(tmp_path / "w")
    assert find_model(str(tmp_path / "w")).weights_licence == "Apache-2.0"


def test_weights_that_do_not_load_are_an_error_with_a_hint(wan: Path, tmp_path: Path) -> None:
    shutil.copytree(wan, tmp_path / "w")
    (tmp_path / "w" / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(WeightsError) as caught:
        generate(GenerationRequest("a ball", model=str(tmp_path / "w")), device="cpu")
    assert caught.value.hint


@pytest.mark.parametrize("model", ["/nowhere/at/all", "not a model", "./missing"])
def test_a_model_that_is_nowhere_is_named_in_the_error(model: str) -> None:
    with pytest.raises(ModelNotFoundError, match=model) as caught:
        find_model(model)
    assert caught.value.hint


def test_a_hub_id_without_a_hub_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match="nobody/no-such-model") as caught:
        find_model("nobody/no-such-model")
    assert "local folder" in caught.value.hint


@pytest.mark.parametrize(
    ("index", "error"),
    [
        ("not json", ModelNotFoundError),
        ("{}", ModelNotFoundError),
        ('["WanPipeline"]', ModelNotFoundError),
        ('{"_class_name": "CogVideoXVideoToVideoPipeline"}', UnsupportedModelError),
        ('{"_class_name": "AutoencoderKLWan"}', UnsupportedModelError),
        ('{"_class_name": "StableDiffusionPipeline"}', UnsupportedModelError),
        ('{"_class_name": "NobodysPipeline"}', UnsupportedModelError),
        ('{"_class_name": "WanPipeline"}', WeightsError),
    ],
)
def test_a_folder_that_is_no_text_to_video_model_is_refused(
    index: str, error: type[GeneratorError], tmp_path: Path
) -> None:
    with pytest.raises(ModelNotFoundError, match=r"model_index\.json"):
        find_model(str(tmp_path))
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(error):
        find_model(str(tmp_path))


def test_an_explicit_device_wins() -> None:
    assert choose_device("cuda:3") == "cuda:3"
    assert choose_device(None) in {"cuda", "mps", "cpu"}


@pytest.mark.parametrize(
    ("rule", "asked", "given"),
    [
        (SizeRule(4, 1), 32, 33),
        (SizeRule(4, 1), 33, 33),
        (SizeRule(8, 1), 34, 41),
        (SizeRule(4, 0), 1, 4),
        (SizeRule(6, 1), 1, 1),
        (SizeRule(), 7, 7),
    ],
)
def test_frame_counts_follow_the_rule_and_are_never_shorter_than_asked(
    rule: SizeRule, asked: int, given: int
) -> None:
    notes: list[dict[str, Any]] = []
    assert fit_frames(rule, asked / 10, 10.0, None, notes.append) == given
    assert bool(notes) == (asked != given)


def test_sides_go_to_the_nearest_multiple() -> None:
    notes: list[dict[str, Any]] = []
    assert [
        fit_side(SizeRule(side_multiple=32), "width", s, None, notes.append) for s in (8, 47, 48, 96)
    ] == [
        32,
        32,
        64,
        96,
    ]
    assert len(notes) == 3


@pytest.mark.parametrize(
    ("size", "delivered"), [((96, 96), (512, 512)), ((64, 96), (512, 768)), ((480, 853), (512, 910))]
)
def test_delivery_scales_up_to_the_short_side_and_keeps_the_shape(
    size: tuple[int, int], delivered: tuple[int, int]
) -> None:
    ramp = np.linspace(0, 255, size[0] * size[1] * 3).reshape(1, *size, 3).astype(np.uint8)
    scaled, record = upscale(ramp)
    assert scaled.shape == (1, *delivered, 3)
    assert scaled.dtype == np.uint8
    assert record["scaler"] == "lanczos"
    assert record["delivered"] == {"width": delivered[1], "height": delivered[0]}
    assert abs(float(scaled.mean()) - float(ramp.mean())) < 1


def test_delivery_never_scales_down_and_crops_odd_sides() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 721, 1281, 3), np.uint8)
    scaled, record = upscale(frames)
    np.testing.assert_array_equal(scaled, frames[:, :720, :1280])
    assert record["scaler"] == "none"


def test_every_exported_name_exists() -> None:
    assert all(getattr(generator, name) is not None for name in generator.__all__)
    with pytest.raises(AttributeError):
        _ = generator.nothing_of_the_kind
