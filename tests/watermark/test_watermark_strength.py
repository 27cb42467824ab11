"""How strong a mark is made: the least levels that survive what is asked of the clip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import recode
from provenance.watermark import Choice
from provenance.watermark.strength import CHROMA_LEVELS, LUMA_LEVELS, _Bisection, choose

from .conftest import KEY, PAYLOAD, RATE, Clip, detect, in_grey, marked


@pytest.fixture(scope="module")
def choice(rendered_clip: Clip) -> Choice:
    return choose(rendered_clip, RATE, PAYLOAD, KEY)


@pytest.fixture(scope="module")
def chosen_clip(choice: Choice, rendered_clip: Clip) -> Clip:
    return marked(rendered_clip, levels=choice.levels)


def test_the_mark_survives_the_hard_encode_that_it_is_made_for(choice: Choice, chosen_clip: Clip) -> None:
    attacked, _ = recode(chosen_clip, RATE, crf=36)
    assert choice.margin >= 1
    assert detect(attacked).payload == PAYLOAD


def test_a_grey_copy_is_read_after_the_clips_own_encode(choice: Choice, chosen_clip: Clip) -> None:
    attacked, _ = recode(chosen_clip, RATE, crf=23)
    assert choice.luma_margin >= 1
    assert detect(in_grey(attacked)).payload == PAYLOAD


def test_what_is_recorded_names_levels_and_margins(choice: Choice) -> None:
    assert set(choice.details()) == {"luma", "chroma", "margin", "luma_margin", "bytes_ratio"}
    assert choice.details()["luma"] in LUMA_LEVELS
    assert choice.details()["chroma"] in CHROMA_LEVELS


@given(st.lists(st.integers(0, 1000), min_size=1, unique=True).map(sorted), st.integers(-1, 1001))
def test_the_least_level_that_is_enough_is_taken_or_the_highest(levels: list[int], needed: int) -> None:
    bisection = _Bisection(levels)
    while not bisection.is_done:
        bisection.judge(bisection.level >= needed)
    enough = [level for level in levels if level >= needed]
    assert bisection.level == (enough or levels[-1:])[0]
