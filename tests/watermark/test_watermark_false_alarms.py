"""What is said of clips that carry no mark of this key."""

from collections.abc import Callable
from math import exp

import numpy as np
import pytest

from provenance.watermark import ecc
from provenance.watermark.carrier import carrier
from provenance.watermark.evidence import (
    Signal,
    cells,
    correlation,
    data_chips,
    pilot_chips,
    pilot_z,
    weights,
)
from provenance.watermark.pose import IDENTITY
from provenance.watermark.response import Reader, Response

from .conftest import KEY, Clip, at, detect, hues_alone, in_grey, marked, plain

WRONG_KEYS = [index.to_bytes(32, "big") for index in range(300)]


def test_an_unmarked_clip_carries_nothing(rendered_clip: Clip) -> None:
    found = detect(rendered_clip[::4])
    assert (found.state, found.payload, found.key_index) == ("not_found", None, None)
    assert found.p_value > 1e-3
    assert [part.state for part in found.segments] == ["not_found"]


@pytest.mark.parametrize("of", [in_grey, hues_alone])
def test_neither_layer_of_an_unmarked_texture_carries_anything(
    of: Callable[[Clip], Clip], textured_clip: Clip
) -> None:
    assert detect(of(textured_clip[::6])).state == "not_found"


def test_another_key_finds_nothing(marked_clip: Clip) -> None:
    found = detect(marked_clip[::4], bytes(32))
    assert (found.state, found.payload) == ("not_found", None)


@pytest.mark.parametrize("level", [0, 17, 255])
def test_an_empty_picture_carries_nothing(level: int) -> None:
    assert detect([plain(level, blue=level)] * 3).state == "not_found"


def test_too_small_to_read_is_not_found() -> None:
    found = detect([plain(width=64, height=48)] * 3)
    assert (found.state, found.p_value) == ("not_found", 1.0)


def test_no_frames_are_not_found() -> None:
    assert detect([]).state == "not_found"


@pytest.fixture(scope="module", params=["unmarked", "marked by another key"])
def response(request: pytest.FixtureRequest, textured_clip: Clip) -> Response:
    clip = textured_clip[:6]
    if request.param != "unmarked":
        clip = marked(clip, levels=at(2))
    reader = Reader(512, 384)
    total = reader.silence()
    for picture in clip:
        total = total + reader.read(picture)
    return total


def at_even_power(chips: list[Signal]) -> Signal:
    return np.concatenate([one / float(one @ one) ** 0.5 for one in chips])


@pytest.fixture(scope="module")
def z(response: Response) -> dict[str, list[float]]:
    """What 300 wrong keys correlate with a clip, by statistic."""
    word = ecc.encode(0x0123456789ABCDEF)
    found: dict[str, list[float]] = {name: [] for name in (*FIXED, "highest")}
    for key in WRONG_KEYS:
        layout = cells(carrier(key))
        pilot, data = (read(response, IDENTITY, layout) for read in (pilot_chips, data_chips))
        # Weighted as the pilot of the same key says: the payload's cells have signs of their own.
        worth = weights(pilot) if any(weights(pilot)) else [1.0, 1.0]
        of_word = [
            one * word[layer.data_bits] * weight
            for one, layer, weight in zip(data, layout, worth, strict=True)
        ]
        found["pilot in luma"].append(correlation(pilot[0]))
        found["pilot in chroma"].append(correlation(pilot[1]))
        found["pilots summed"].append(correlation(at_even_power(pilot)))
        found["payload"].append(correlation(np.concatenate(of_word)))
        found["highest"].append(pilot_z(pilot))
    return found


FIXED = ("pilot in luma", "pilot in chroma", "pilots summed", "payload")


@pytest.mark.parametrize("name", FIXED)
def test_the_bound_holds_for_keys_that_are_not_in_the_clip(name: str, z: dict[str, list[float]]) -> None:
    """P(z ≥ t) ≤ exp(-t²/2) is a theorem (Hoeffding), whatever the picture; a foreign mark changes nothing."""
    assert abs(np.mean(z[name])) < 4 / len(WRONG_KEYS) ** 0.5
    assert np.std(z[name]) == pytest.approx(1, abs=0.15), "else it is no standard deviation"
    for threshold in (1.0, 2.0, 3.0):
        allowed = len(WRONG_KEYS) * exp(-(threshold**2) / 2)
        assert sum(one >= threshold for one in z[name]) <= allowed + 3 * allowed**0.5


def test_the_highest_of_three_pilots_pays_for_three_tests(z: dict[str, list[float]]) -> None:
    for threshold in (2.0, 3.0):
        allowed = 3 * len(WRONG_KEYS) * exp(-(threshold**2) / 2)
        assert sum(one >= threshold for one in z["highest"]) <= allowed + 3 * allowed**0.5


def test_the_right_key_is_far_above_the_bound(marked_texture: Clip) -> None:
    layout, reader = cells(carrier(KEY)), Reader(512, 384)
    total = reader.silence()
    for picture in marked_texture[:6]:
        total = total + reader.read(picture)
    assert min(correlation(one) for one in pilot_chips(total, IDENTITY, layout)) > 5


def test_every_further_key_makes_a_claim_less_sure(marked_clip: Clip) -> None:
    """The p-value counts the keys that were tried, and so do those of clips without a mark."""
    grey = in_grey(marked_clip[:1])
    alone, among = detect(grey, KEY), detect(grey, KEY, *WRONG_KEYS[:7])
    assert among.payload == alone.payload
    assert among.p_value == pytest.approx(8 * alone.p_value, rel=1e-3)
