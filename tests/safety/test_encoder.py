"""The sentence encoder behind the learned layers: pinned, deterministic, the same in both languages."""

import numpy as np
import pytest

from generator.safety.encoder import DIMENSIONS, embed, encoder_sha256
from generator.safety.errors import EncoderError
from generator.safety.policy import shipped_policy


def test_the_policy_pins_the_encoder_that_is_installed() -> None:
    learned = shipped_policy().learned
    assert learned is not None
    assert learned.encoder_sha256 == encoder_sha256()


def test_another_encoder_is_refused() -> None:
    with pytest.raises(EncoderError, match="the policy pins 0000") as caught:
        embed(["a ball"], expected_sha256="0" * 64)
    assert caught.value.hint


def test_embeddings_are_unit_vectors_and_reproducible() -> None:
    texts = ["a red ball", "一个红色的球", "", "x" * 5000]
    once, again = (embed(texts, expected_sha256=encoder_sha256()) for _ in range(2))
    assert once.shape == (4, DIMENSIONS)
    assert once.dtype == np.float32
    np.testing.assert_array_equal(once, again)
    assert np.linalg.norm(once[:2], axis=1) == pytest.approx([1, 1], abs=1e-4)


def test_a_sentence_and_its_translation_are_neighbours() -> None:
    english, chinese, other = embed(
        ["a cat sleeps on the sofa", "一只猫睡在沙发上", "the stock market fell on Monday"],
        expected_sha256=encoder_sha256(),
    )
    assert english @ chinese > english @ other + 0.3
