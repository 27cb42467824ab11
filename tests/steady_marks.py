"""Marks that are the same in every run: how well one lives through an attack depends a little on its key and id."""

import contextlib
import random
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def steady_marks(seed: int) -> Iterator[None]:
    """Keys that are made and clip ids that are drawn inside come from `seed`."""
    draw = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.randbits", draw.getrandbits)
        patch.setattr("secrets.token_hex", lambda count=32: draw.randbytes(count).hex())
        yield
