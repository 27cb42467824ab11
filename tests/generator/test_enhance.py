"""The enhancer adds words for what a prompt leaves open, and changes nothing that was said."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.spacetime.captions import clauses
from generator.spacetime.concepts import EVENTS, SLOTS, USES
from generator.spacetime.enhance import FILLED, enhance
from generator.spacetime.prompt import known_words, read_prompt

WORDS = sorted(
    {w for ws in known_words().values() for w in ws}
    | set("a no without and the 和 没有 一 , 。 cat 猫".split())
)
PILES = st.builds(
    lambda words, space: space.join(words),
    st.lists(st.sampled_from(WORDS), max_size=8),
    st.sampled_from(["", " "]),
)
PROMPTS = st.one_of(st.text(max_size=40), PILES)


@settings(max_examples=150)
@given(PROMPTS, st.integers(0, 2**63))
def test_the_longer_prompt_says_what_was_said_and_what_was_added_and_no_more(prompt: str, seed: int) -> None:
    before = read_prompt(prompt)
    enhanced = enhance(prompt, seed)
    assert enhanced.prompt.startswith(prompt.rstrip())
    assert enhanced.reading == read_prompt(enhanced.prompt)
    assert enhanced.reading.understood == before.understood | {
        slot: value for slot, value, _ in enhanced.added
    }
    assert enhanced.reading.unused == before.unused
    assert enhanced.reading.ignored == before.ignored
    assert not before.understood.keys() & {slot for slot, _, _ in enhanced.added}


@settings(max_examples=100)
@given(PROMPTS, st.integers(0, 2**63))
def test_words_added_stand_after_the_prompt_in_their_order(prompt: str, seed: int) -> None:
    enhanced = enhance(prompt, seed)
    place = len(prompt.rstrip())
    for _, _, words in enhanced.added:
        place = enhanced.prompt.index(words, place) + len(words)
    assert place == len(enhanced.prompt) or not enhanced.added


@settings(max_examples=100)
@given(PROMPTS, st.integers(0, 2**63))
def test_the_same_prompt_and_seed_give_the_same_words_and_again_adds_nothing(prompt: str, seed: int) -> None:
    enhanced = enhance(prompt, seed)
    assert enhance(prompt, seed) == enhanced
    again = enhance(enhanced.prompt, seed + 1)
    assert again.added == ()
    assert again.prompt == enhanced.prompt


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("event", EVENTS)
def test_after_an_event_every_slot_that_it_shows_is_filled(event: str, language: str) -> None:
    concept = next(c for c in SLOTS["event"] if c.value == event)
    understood = enhance((concept.en if language == "en" else concept.zh)[0], 3).reading.understood
    assert understood.keys() == {slot for slot in FILLED if slot in USES[event]}
    assert understood["event"] == event
    assert understood.get("weather", "clear") == "clear"


@pytest.mark.parametrize(
    ("prompt", "event"),
    [
        ("a red ball", "bounce"),
        ("一个红球", "bounce"),
        ("a blue box", "roll"),
        ("two boxes", "bounce"),
        ("a ball, slowly to the left", "roll"),
        ("a heavy box in low gravity", "bounce"),
        ("two balls, slowly", "waves"),
        ("a ball on a rope", "swing"),
        ("墙边有一个球", "hide"),
        ("a box in the water", "waves"),
        ("一个蓝色箱子", "roll"),
        ("一个球，慢慢向左", "roll"),
        ("a ball that doesn't bounce", "roll"),
        ("", "bounce"),
    ],
)
def test_the_event_suits_what_is_named(prompt: str, event: str) -> None:
    assert ("event", event) in [(slot, value) for slot, value, _ in enhance(prompt, 1).added]


def test_words_are_added_in_the_language_of_most_characters() -> None:
    assert "颜色是" in enhance("一个球在草地上弹起", 1).prompt
    assert "colored" in enhance("a ball bounces", 1).prompt
    assert "颜色是" in enhance("一个球在很美的草地上弹起 at dusk", 1).prompt
    assert "colored" in enhance("a ball bounces, 夜晚", 1).prompt
    assert not any("一" <= char <= "鿿" for char in enhance("a ball bounces", 1).prompt)
    assert not any("a" <= char <= "z" for char in enhance("球弹起", 1).prompt)


def test_a_sentence_that_has_ended_is_not_followed_by_a_comma() -> None:
    assert enhance("A ball bounces.", 1).prompt.startswith("A ball bounces. colored ")
    assert enhance("球弹起。", 1).prompt.startswith("球弹起。颜色是")
    assert enhance("a ball bounces \n", 1).prompt.startswith("a ball bounces, colored ")


def test_what_is_complete_stays_as_it_is() -> None:
    complete = (
        "a red ball bounces on grass at night in clear weather with hills in the background, static camera "
    )
    enhanced = enhance(complete, 5)
    assert enhanced.added == ()
    assert enhanced.prompt == complete


def test_what_is_denied_is_not_added() -> None:
    for seed in range(30):
        understood = enhance(
            "a ball bounces, not at night, no grass, not red, no hills", seed
        ).reading.understood
        assert understood["light"] != "night"
        assert understood["ground"] != "grass"
        assert understood["color"] != "red"
        assert understood["backdrop"] != "hills"
    assert "weather" not in enhance("a ball bounces, no clear sky", 1).reading.understood


def test_scenery_goes_together() -> None:
    for seed in range(30):
        assert enhance("a ball bounces, it snows", seed).reading.understood["ground"] == "snow"
        assert enhance("a ball bounces in low gravity", seed).reading.understood["ground"] == "moon"
        assert enhance("a ball bounces on the moon", seed).reading.understood["light"] == "night"
        assert enhance("a ball bounces on snow", seed).reading.understood["color"] != "white"
        assert enhance("a ball rolls to the left", seed).reading.understood["camera"] in (
            "static",
            "pan_left",
        )


def test_other_seeds_give_other_scenes() -> None:
    assert len({enhance("a ball bounces", seed).prompt for seed in range(40)}) > 20


def test_unknown_words_stay_untouched() -> None:
    enhanced = enhance("a cat plays the piano", 1)
    assert enhanced.prompt.startswith("a cat plays the piano, ")
    assert enhanced.reading.ignored == ("cat", "plays", "piano")
    assert "shape" not in enhanced.reading.understood


def test_every_clause_reads_as_its_value() -> None:
    choice = random.Random(0)
    for slot in set(FILLED) - {"event"}:
        for concept in SLOTS[slot]:
            for words in (*clauses(slot, concept.value, "en"), *clauses(slot, concept.value, "zh")):
                assert read_prompt(words).understood == {slot: concept.value}, words
    with pytest.raises(KeyError):
        clauses("count", choice.choice(["one", "two"]), "en")
