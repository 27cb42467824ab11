"""What is said before a clip is started: memory, offloading, time; and models that cannot be used."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_plugins
import torch

import generator.plan
from generator import GenerationRequest, generate, plan_generation
from generator.errors import (
    GeneratorError,
    InsufficientMemoryError,
    ModelNotFoundError,
    QuantisationError,
    WeightsError,
)
from generator.estimate import Workload, estimate_time
from generator.loading import Loading, load_pipeline
from generator.memory import FreeMemory, MemoryPlan, free_memory, part_bytes, plan_memory
from generator.models import find_model
from generator.weights import Part, read_header, read_parts

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
GIB = 1 << 30
PARTS = {"text_encoder": 11 * GIB, "transformer": 28 * GIB, "vae": GIB}


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wan")
    tiny_plugins.save_wan(folder)
    return folder


def planned(device: int, ram: int, **more: Any) -> MemoryPlan:
    return plan_memory(PARTS, GIB // 4, 5 * GIB, FreeMemory(device * GIB, ram * GIB, shared=False), **more)


@pytest.mark.parametrize(
    ("device", "ram", "offload", "fits"),
    [
        (80, 64, "none", True),
        (40, 64, "model", True),
        (24, 64, "sequential", True),
        (4, 64, "sequential", False),
        (40, 16, "sequential", False),
    ],
)
def test_as_little_is_offloaded_as_free_memory_allows(
    device: int, ram: int, offload: str, fits: bool
) -> None:
    plan = planned(device, ram)
    assert (plan.offload, plan.fits) == (offload, fits)


def test_weights_of_8_bits_stay_on_the_device_and_so_count_all_the_time() -> None:
    assert planned(40, 64, quantize="8bit").needed == (11 + 28 + 1 + 5) * GIB
    assert planned(60, 64, quantize="8bit").offload == "none"


def test_a_clip_that_does_not_fit_is_refused_unless_someone_says_to_try() -> None:
    with pytest.raises(InsufficientMemoryError, match="GiB") as caught:
        planned(4, 64).check("the model")
    assert "--offload sequential" in caught.value.hint
    planned(4, 64, offload="model").check("the model")


def test_a_device_that_computes_in_main_memory_offloads_nothing() -> None:
    free = FreeMemory(64 * GIB, 64 * GIB, shared=True)
    plan = plan_memory(PARTS, GIB, 5 * GIB, free, offload="sequential")
    assert (plan.offload, plan.needed, plan.ram_needed) == ("none", 45 * GIB, 45 * GIB)


def test_weights_count_in_the_width_that_they_are_loaded_in() -> None:
    parts = {"transformer": Part(1_000, 10, 4_000), "vae": Part(100, 10, 400)}
    assert part_bytes(parts, "bfloat16", None, float32_vae=True) == {"transformer": 2_000, "vae": 400}
    assert part_bytes(parts, "bfloat16", "8bit", float32_vae=False) == {"transformer": 1_000, "vae": 200}


def test_headers_tell_exactly_the_weights_that_are_loaded(wan: Path) -> None:
    found = find_model(str(wan))
    parts = read_parts(found.folder, found.index)
    pipeline = load_pipeline(found, "cpu", "float32")
    assert set(parts) == {"text_encoder", "transformer", "vae"}
    for name in ("transformer", "vae"):
        assert parts[name].elements == sum(p.numel() for p in pipeline.components[name].parameters())


def test_this_machine_has_memory() -> None:
    free = free_memory("cpu")
    assert free.shared
    assert free.ram > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_a_device_that_is_not_there_is_an_error_with_a_hint(wan: Path) -> None:
    with pytest.raises(GeneratorError, match="no cuda here") as caught:
        plan_generation(GenerationRequest("a ball", model=str(wan)), device="cuda")
    assert caught.value.hint


def test_a_machine_that_is_too_small_says_so_before_the_weights_are_loaded(
    wan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        generator.plan, "free_memory", lambda device, held: FreeMemory(1 << 20, 1 << 20, True)
    )
    monkeypatch.setattr("generator.loading._load", lambda *_: pytest.fail("weights were loaded"))
    request = GenerationRequest("a ball", model=str(wan), seconds=5)
    with pytest.raises(InsufficientMemoryError, match="would need about"):
        generate(request, device="cpu")


def test_a_large_clip_is_decoded_in_tiles_whatever_memory_is_free(
    wan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(wan, tmp_path / "w")
    config = tmp_path / "w" / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_dim": 96}))
    for free in (1, 1_000):
        memory = FreeMemory(free * GIB, free * GIB, True)
        monkeypatch.setattr(generator.plan, "free_memory", lambda device, held, memory=memory: memory)
        tiled = {
            width: plan_generation(
                GenerationRequest("a ball", model=str(tmp_path / "w"), width=width, height=height),
                device="cpu",
            ).loading.tiling
            for width, height in ((832, 480), (1280, 720))
        }
        assert tiled == {832: False, 1280: True}


def test_tiles_are_used_where_the_plan_says_so(wan: Path) -> None:
    how = Loading("cpu", "float32", tiling=True)
    assert load_pipeline(find_model(str(wan)), "cpu", "float32", how).vae.use_tiling
    assert not load_pipeline(find_model(str(wan)), "cpu", "float32").vae.use_tiling


def test_the_vae_keeps_float32_beside_a_transformer_in_16_bits_where_the_card_asks_for_it(wan: Path) -> None:
    how = Loading("cpu", "bfloat16", float32_vae=True)
    pipeline = load_pipeline(find_model(str(wan)), "cpu", "bfloat16", how)
    assert pipeline.vae.dtype == torch.float32
    assert pipeline.transformer.patch_embedding.weight.dtype == torch.bfloat16


def test_work_is_two_operations_a_weight_and_token_and_attention_in_the_square_of_the_tokens() -> None:
    work = Workload(tokens=100, parameters=1_000, width=16, layers=3, steps=10, passes=2)
    assert work.flops == (2 * 1_000 * 100 + 4 * 100**2 * 16 * 3) * 10 * 2


def test_time_is_a_range_that_grows_with_the_work() -> None:
    short, long = (
        estimate_time(Workload(1_000, 10_000_000, 0, 0, steps, 1), "cpu", "float32", 1) for steps in (1, 10)
    )
    assert 0 < short.least_s < short.most_s
    assert long.least_s == pytest.approx(10 * short.least_s)


def test_a_plan_is_json_and_counts_the_tokens_of_the_clip(wan: Path, tmp_path: Path) -> None:
    request = GenerationRequest("a ball", model=str(wan), width=64, height=48, seconds=0.5, steps=3)
    plan = plan_generation(request, device="cpu")
    report = json.loads(json.dumps(plan.report(1, tmp_path / "not" / "there")))
    assert plan.work.tokens == 3 * 4 * 3
    assert (plan.work.steps, plan.work.passes) == (3, 2)
    assert report["arguments"]["num_frames"] == 9
    assert report["weights_licence"] == "unknown"
    assert report["usual_licence"] == "Apache-2.0"
    assert report["memory"]["fits"]
    assert report["time"]["estimate"]
    assert not (tmp_path / "not").exists()


def test_the_embedded_model_is_planned_like_any_other(tmp_path: Path) -> None:
    plan = plan_generation(GenerationRequest("a ball rolls", seconds=2.2), device="cpu")
    plan.check(tmp_path)
    report = plan.report(1, tmp_path)
    assert report["model"] == "embedded"
    assert report["arguments"]["num_frames"] % 4 == 0
    assert [note["what"] for note in report["adjustments"]] == ["frames"]


@pytest.mark.parametrize("level", ["8bit", "4bit"])
def test_quantised_weights_without_a_cuda_device_are_refused_with_a_hint(level: str, wan: Path) -> None:
    request = GenerationRequest("a ball", model=str(wan), quantize=level)  # type: ignore[arg-type]
    with pytest.raises(QuantisationError, match="CUDA") as caught:
        plan_generation(request, device="cpu")
    assert caught.value.hint


def test_quantised_weights_without_their_package_are_refused_with_a_hint(
    wan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.loading.find_spec", lambda name: None)
    request = GenerationRequest("a ball", model=str(wan), quantize="8bit")
    with pytest.raises(QuantisationError, match="bitsandbytes") as caught:
        plan_generation(request, device="cuda")
    assert "pip install bitsandbytes" in caught.value.hint


def test_planning_a_hub_model_that_is_not_here_fetches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("generator.models._download", lambda _: pytest.fail("the hub was asked"))
    request = GenerationRequest("a ball", model="nobody/no-such-model")
    with pytest.raises(ModelNotFoundError, match="not on this machine") as caught:
        plan_generation(request, device="cpu", download=False)
    assert "hf download" in caught.value.hint


def cut_off(folder: Path) -> None:
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])


def header_of_another_file(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"PK\x03\x04" + bytes(100))


def no_config(folder: Path) -> None:
    (folder / "transformer" / "config.json").write_text("{")


def weights_of_another_model(folder: Path) -> None:
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"attention_head_dim": 18}))


def config_of_another_class(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer"] = ["diffusers", "NobodysTransformer"]
    (folder / "model_index.json").write_text(json.dumps(index))


def config_of_words(folder: Path) -> None:
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"patch_size": "two"}))


def no_text_encoder(folder: Path) -> None:
    shutil.rmtree(folder / "text_encoder")


@pytest.mark.parametrize(
    "damage",
    [
        cut_off,
        header_of_another_file,
        no_config,
        weights_of_another_model,
        config_of_another_class,
        config_of_words,
        no_text_encoder,
    ],
)
def test_a_corrupt_or_foreign_folder_is_refused_with_a_hint(damage: Any, wan: Path, tmp_path: Path) -> None:
    shutil.copytree(wan, tmp_path / "w")
    damage(tmp_path / "w")
    request = GenerationRequest(
        "a ball", model=str(tmp_path / "w"), width=32, height=32, seconds=0.3, steps=1
    )
    with pytest.raises(WeightsError) as caught:
        generate(request, device="cpu")
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [b"", b"\x02\x00\x00\x00\x00\x00\x00\x00[]", b"\xff" * 8 + b"{}", b"\x00" * 16],
    ids=["empty", "a list", "a header longer than the file", "zeros"],
)
def test_a_file_without_a_safetensors_header_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        read_header(tmp_path / "w.safetensors")
