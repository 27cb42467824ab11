"""What is said of clips that carry no mark of this key."""

from collections.abc import Callable
from math import exp

import numpy as np
import pytest

from provenance.watermark import ecc
from provenance.watermark.carrier import carrier
from provenance.watermark.evidence import (
    Cells,
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

from .conftest import KEY, Clip, detect, hues_alone, in_grey, marked, plain

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
        clip = marked(clip, strength=2.0)
    reader = Reader(512, 384)
    total = reader.silence()
    for picture in clip:
        total = total + reader.read(picture)
    return total


def of_wrong_keys(
    chips: Callable[..., list[Signal]], response: Response
) -> list[tuple[tuple[Cells, ...], list[Signal]]]:
    layouts = [cells(carrier(key)) for key in WRONG_KEYS]
    return [(layout, chips(response, IDENTITY, layout)) for layout in layouts]


def check_bound(z: list[float]) -> None:
    """P(z ≥ t) ≤ exp(-t²/2): a theorem (Hoeffding), whatever the picture; and no looser than need be."""
    assert abs(np.mean(z)) < 4 / len(z) ** 0.5
    assert np.std(z) == pytest.approx(1, abs=0.15)
    for threshold in (1.0, 2.0, 3.0):
        allowed = len(z) * exp(-(threshold**2) / 2)
        assert sum(one >= threshold for one in z) <= allowed + 3 * allowed**0.5


def at_even_power(chips: list[Signal]) -> Signal:
    return np.concatenate([one / float(one @ one) ** 0.5 for one in chips])


PILOTS: dict[str, Callable[[list[Signal]], Signal]] = {
    "luma": lambda chips: chips[0],
    "chroma": lambda chips: chips[1],
    "their sum": at_even_power,
}


@pytest.mark.parametrize("name", PILOTS)
def test_the_pilots_bound_holds_for_300_wrong_keys(name: str, response: Response) -> None:
    check_bound([correlation(PILOTS[name](chips)) for _, chips in of_wrong_keys(pilot_chips, response)])


def test_the_highest_of_the_three_pilots_pays_for_three_tests(response: Response) -> None:
    highest = [pilot_z(chips) for _, chips in of_wrong_keys(pilot_chips, response)]
    for threshold in (2.0, 3.0):
        allowed = 3 * len(highest) * exp(-(threshold**2) / 2)
        assert sum(one >= threshold for one in highest) <= allowed + 3 * allowed**0.5


def test_the_payloads_bound_holds_for_300_wrong_keys(response: Response) -> None:
    """With the weights that the pilot of the same key chose: its cells have signs of their own."""
    z = []
    word = ecc.encode(0x0123456789ABCDEF)
    for layout, chips in of_wrong_keys(data_chips, response):
        worth = weights(pilot_chips(response, IDENTITY, layout))
        if not any(worth):
            worth = [1.0] * len(worth)
        summed = [
            one * word[layer.data_bits] * weight
            for one, layer, weight in zip(chips, layout, worth, strict=True)
        ]
        z.append(correlation(np.concatenate(summed)))
    check_bound(z)


def test_a_mark_is_far_above_the_bound(response: Response, request: pytest.FixtureRequest) -> None:
    layout = cells(carrier(KEY))
    reached = pilot_z(pilot_chips(response, IDENTITY, layout))
    assert (reached > 10) == ("marked by" in request.node.callspec.params["response"])


def test_every_further_key_makes_a_claim_less_sure(marked_clip: Clip) -> None:
    """The p-value counts the keys that were tried, and so do those of clips without a mark."""
    grey = in_grey(marked_clip[:1])
    alone, among = detect(grey, KEY), detect(grey, KEY, *WRONG_KEYS[:7])
    assert among.payload == alone.payload
    assert among.p_value == pytest.approx(8 * alone.p_value, rel=1e-3)
