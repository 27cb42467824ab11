"""The prompts that ship: well-formed, balanced, and the frozen test sets apart from what trains."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from generator.safety.corpus import Example, read_corpus
from generator.safety.policy import shipped_policy

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "generator/safety/corpus"
FROZEN = ROOT / "benchmarks/policy/frozen"
THIN = ("N1", "T1", "I1", "P1", "P2", "C1", "C2", "M1", "M2")


@pytest.fixture(scope="module")
def corpus() -> list[Example]:
    return read_corpus(CORPUS)


def test_the_frozen_sets_are_as_they_were_frozen() -> None:
    for line in (FROZEN / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split()
        assert hashlib.sha256((FROZEN / name).read_bytes()).hexdigest() == digest


def test_no_frozen_prompt_is_trained_on(corpus: list[Example]) -> None:
    trained = {_letters(example.text) for example in corpus}
    assert not [example.text for example in read_corpus(FROZEN) if _letters(example.text) in trained]


def test_no_prompt_is_there_twice(corpus: list[Example]) -> None:
    counts = Counter(example.text for example in corpus)
    assert [text for text, count in counts.items() if count > 1] == []


def test_every_label_is_a_code_and_every_language_is_read(corpus: list[Example]) -> None:
    codes = set(shipped_policy().codes)
    for example in [*corpus, *read_corpus(FROZEN)]:
        assert example.language in ("en", "zh")
        assert {example.code, example.twin} - {None} <= codes


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("code", THIN)
def test_thin_categories_have_unsafe_prompts_and_twins(
    corpus: list[Example], code: str, language: str
) -> None:
    unsafe = sum(example.code == code and example.language == language for example in corpus)
    twins = sum(example.twin == code and example.language == language for example in corpus)
    assert unsafe >= 100
    assert twins >= 0.7 * unsafe


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
