import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import GenerationRequest, GeneratorError
from generator.errors import RequestError


def test_importing_the_package_needs_neither_torch_nor_diffusers() -> None:
    script = "import sys, generator; generator.GenerationRequest('a ball'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "diffusers", "numpy", "PIL"} & set(loaded)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": "x" * 4_001},
        {"prompt": 7},
        {"seed": -1},
        {"seed": 2**63},
        {"seed": True},
        {"seed": 1.0},
        {"model": ""},
        {"negative_prompt": 3},
        {"seconds": 0},
        {"seconds": 61},
        {"seconds": float("nan")},
        {"fps": float("inf")},
        {"width": 8},
        {"height": 5_000},
        {"width": 96.0},
        {"steps": 0},
        {"steps": 2.5},
        {"guidance_scale": -1},
        {"guidance_scale": "high"},
    ],
)
def test_a_request_that_makes_no_sense_cannot_exist(fields: dict[str, object]) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest(**{"prompt": "a ball", **fields})  # type: ignore[arg-type]
    assert isinstance(caught.value, GeneratorError)
    assert next(iter(fields)) in str(caught.value)


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        GenerationRequest("a ball").seed = 3  # type: ignore[misc]


def test_spellings_of_one_request_share_a_digest() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    one = GenerationRequest(composed, seconds=2, model="embedded")
    assert one.digest() == GenerationRequest(decomposed, seconds=2.0, model=None).digest()


@given(st.text(min_size=1, max_size=30).filter(str.strip), st.integers(0, 2**63 - 1), st.floats(0.1, 60))
def test_every_field_reaches_the_digest(prompt: str, seed: int, seconds: float) -> None:
    request = GenerationRequest(prompt, seed=seed, seconds=seconds)
    others = [
        GenerationRequest(prompt + "!", seed=seed, seconds=seconds),
        GenerationRequest(prompt, seed=seed ^ 1, seconds=seconds),
        GenerationRequest(prompt, seed=seed),
        GenerationRequest(prompt, seed=seed, seconds=seconds, steps=3),
    ]
    assert len({request.digest(), *(other.digest() for other in others)}) == 5
    assert request.digest() == GenerationRequest(prompt, seed=seed, seconds=seconds).digest()
