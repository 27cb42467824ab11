"""What is said of clips that carry no mark of this key."""

from math import exp
from pathlib import Path

import numpy as np
import pytest

from provenance.watermark.carrier import carrier
from provenance.watermark.evidence import cells
from provenance.watermark.pose import IDENTITY, sample
from provenance.watermark.response import Reader

from .conftest import KEY, Luma, detect, luma_of, marked_planes


def keys(count: int) -> list[bytes]:
    return [index.to_bytes(32, "big") for index in range(count)]


def test_an_unmarked_clip_carries_nothing(rendered_clip: Path) -> None:
    found = detect(luma_of(rendered_clip)[::4])
    assert (found.state, found.payload) == ("not_found", None)
    assert found.p_value > 1e-3
    assert [part.state for part in found.segments] == ["not_found"]


def test_an_unmarked_texture_carries_nothing(textured_luma: Luma) -> None:
    assert detect(textured_luma[::4]).state == "not_found"


def test_another_key_finds_nothing(marked_luma: Luma) -> None:
    found = detect(marked_luma[::4], key=bytes(32))
    assert (found.state, found.payload) == ("not_found", None)


@pytest.mark.parametrize("level", [0, 17, 255])
def test_an_empty_picture_carries_nothing(level: int) -> None:
    assert detect([np.full((256, 320), level, np.uint8)] * 3).state == "not_found"


def test_too_small_to_read_is_not_found() -> None:
    assert detect([np.zeros((48, 64), np.uint8)] * 3).state == "not_found"


def test_no_frames_are_not_found() -> None:
    assert detect([]).state == "not_found"


@pytest.mark.parametrize("marked", [False, True])
def test_the_pilot_bound_holds_for_keys_that_are_not_in_the_clip(marked: bool, textured_luma: Luma) -> None:
    """P(z ≥ t) ≤ exp(-t²/2), here for 300 wrong keys; a mark of another key changes nothing."""
    planes = marked_planes(textured_luma[:6], strength=3.0) if marked else textured_luma[:6]
    reader = Reader(512, 384)
    response = reader.silence()
    for y in planes:
        response = response + reader.read(y)
    layouts = [cells(carrier(key)) for key in keys(300)]
    z = np.array([layout.pilot_z(sample(response, IDENTITY, layout.pilot)) for layout in layouts])
    assert abs(z.mean()) < 4 / 300**0.5
    assert z.std() == pytest.approx(1, abs=0.15)
    for threshold in (1.0, 2.0, 3.0):
        allowed = 300 * exp(-(threshold**2) / 2)
        assert (z >= threshold).sum() <= allowed + 3 * allowed**0.5
    right = cells(carrier(KEY))
    assert (right.pilot_z(sample(response, IDENTITY, right.pilot)) > 10) == marked
