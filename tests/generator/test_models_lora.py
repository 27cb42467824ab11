"""LoRAs by path: folded into the weights, or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_plugins
import torch
from safetensors.torch import save_file

from generator import GenerationRequest, generate
from generator.errors import LoraError
from generator.loading import Loading, load_pipeline
from generator.lora import Lora, find_lora, fold_lora
from generator.models import find_model

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
LAYER = "blocks.0.attn1.to_q"
RANK = 2


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wan")
    tiny_plugins.save_wan(folder)
    return folder


def halves(width: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.Generator().manual_seed(5)
    return torch.randn(RANK, width, generator=noise), torch.randn(width, RANK, generator=noise)


def lora_file(path: Path, names: tuple[str, str], *, width: int = 24, **more: Any) -> str:
    down, up = halves(width)
    save_file({names[0]: down, names[1]: up, **more.get("tensors", {})}, path, more.get("metadata"))
    return str(path)


DIFFUSERS = (f"transformer.{LAYER}.lora_A.weight", f"transformer.{LAYER}.lora_B.weight")
OFFICIAL = (
    "diffusion_model.blocks.0.self_attn.q.lora_A.weight",
    "diffusion_model.blocks.0.self_attn.q.lora_B.weight",
)


def wish(folder: Path, *loras: str) -> GenerationRequest:
    return GenerationRequest(
        "a red ball", model=str(folder), seconds=0.3, width=32, height=32, steps=2, lora=loras
    )


def test_a_lora_changes_the_frames_and_the_weights_digest_and_goes_again(wan: Path, tmp_path: Path) -> None:
    lora = lora_file(tmp_path / "style.safetensors", DIFFUSERS)
    plain, styled, again = (generate(wish(wan, *loras), device="cpu") for loras in ((), (lora,), ()))
    assert not np.array_equal(plain.frames, styled.frames)
    np.testing.assert_array_equal(plain.frames, again.frames)
    assert (
        styled.params["base_weights_digest"]
        == plain.params["weights_digest"]
        == again.params["weights_digest"]
    )
    assert styled.params["weights_digest"] != plain.params["weights_digest"]
    assert styled.params["lora"] == [{"sha256": find_lora(lora).sha256}]
    assert "lora" not in plain.params


def folded_weight(wan: Path, lora: str) -> torch.Tensor:
    pipeline = load_pipeline(
        find_model(str(wan)), "cpu", "float32", Loading("cpu", "float32", loras=(find_lora(lora),))
    )
    weight: torch.Tensor = pipeline.transformer.get_submodule(LAYER).weight.detach()
    return weight


@pytest.mark.parametrize(
    ("names", "more", "scale"),
    [
        (DIFFUSERS, {}, 1.0),
        (OFFICIAL, {}, 1.0),
        (DIFFUSERS, {"tensors": {f"transformer.{LAYER}.alpha": torch.tensor(1.0)}}, 1 / RANK),
        (
            DIFFUSERS,
            {"metadata": {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 8})}},
            8 / RANK,
        ),
    ],
    ids=["diffusers", "names of Wan's own code", "alpha in the file", "alpha in the metadata"],
)
def test_the_weights_become_w_plus_alpha_over_r_times_b_a(
    names: tuple[str, str], more: dict[str, Any], scale: float, wan: Path, tmp_path: Path
) -> None:
    before = load_pipeline(find_model(str(wan)), "cpu", "float32").transformer.get_submodule(LAYER).weight
    before = before.detach().clone()
    down, up = halves()
    after = folded_weight(wan, lora_file(tmp_path / "l.safetensors", names, **more))
    torch.testing.assert_close(after, before + scale * up @ down)


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (
            (
                "transformer.blocks.9.attn1.to_q.lora_A.weight",
                "transformer.blocks.9.attn1.to_q.lora_B.weight",
            ),
            {},
        ),
        (("unet.mid.to_q.lora_A.weight", "unet.mid.to_q.lora_B.weight"), {}),
        (DIFFUSERS, {"width": 16}),
        ((DIFFUSERS[0], f"transformer.{LAYER}.lora_A2.weight"), {}),
        (DIFFUSERS, {"tensors": {f"transformer.{LAYER}.lora_magnitude_vector": torch.ones(24)}}),
    ],
    ids=["a layer too many", "another model", "another width", "a name that says nothing", "DoRA"],
)
def test_a_lora_of_another_model_or_kind_is_refused(
    names: tuple[str, str], more: dict[str, Any], wan: Path, tmp_path: Path
) -> None:
    lora = lora_file(tmp_path / "foreign.safetensors", names, **more)
    with pytest.raises(LoraError, match=r"foreign\.safetensors") as caught:
        generate(wish(wan, lora), device="cpu")
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"\xff" * 64], ids=["empty", "zeros", "junk"])
def test_a_file_that_is_no_lora_is_refused_before_the_model_is_loaded(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "l.safetensors").write_bytes(content)
    with pytest.raises(LoraError, match="damaged"):
        find_lora(str(tmp_path / "l.safetensors"))


def test_the_embedded_model_takes_no_lora(tmp_path: Path) -> None:
    lora = lora_file(tmp_path / "l.safetensors", DIFFUSERS)
    with pytest.raises(LoraError, match="takes no LoRA"):
        generate(GenerationRequest("a ball", lora=(lora,)), device="cpu")
    with pytest.raises(LoraError, match="takes no LoRA"):
        fold_lora(torch.nn.Identity(), Lora(tmp_path / "l.safetensors", ""))


def test_the_order_of_loras_is_part_of_what_is_asked(wan: Path, tmp_path: Path) -> None:
    one = lora_file(tmp_path / "a.safetensors", DIFFUSERS)
    other = lora_file(tmp_path / "b.safetensors", OFFICIAL)
    assert wish(wan, one, other).digest() != wish(wan, other, one).digest()
