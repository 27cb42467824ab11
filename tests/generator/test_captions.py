"""Captions say what their labels say, in good English and Chinese, and in many ways."""

import random
from itertools import pairwise

import pytest

from generator.spacetime.captions import Language, caption
from generator.spacetime.concepts import (
    COLOR2,
    EVENTS,
    SLOT_NAMES,
    SLOT_SIZES,
    STAGE,
    USES,
    concept_id,
    slot_index,
)
from generator.spacetime.prompt import read_prompt

DRAWS = 200


def labels_of(**values: str) -> list[int]:
    labels = [0] * len(SLOT_NAMES)
    for slot, value in values.items():
        labels[slot_index(slot)] = concept_id(slot, value)
    labels[slot_index(STAGE)] = 1
    return labels


def drawn(event: str, choice: random.Random) -> list[int]:
    """Random labels of an event ("": left open), each slot unsaid with a random share."""
    share = choice.random()
    labels = [0] * len(SLOT_NAMES)
    for column, (slot, size) in enumerate(zip(SLOT_NAMES, SLOT_SIZES, strict=True)):
        if slot in (USES[event] if event else SLOT_NAMES) and choice.random() > share:
            labels[column] = choice.randint(1, size)
    labels[slot_index("event")] = concept_id("event", event) if event else 0
    labels[slot_index(STAGE)] = 1
    if labels[slot_index("count")] == concept_id("count", "one"):
        labels[slot_index(COLOR2)] = 0
    return labels


@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
@pytest.mark.parametrize("event", [*EVENTS, ""])
def test_every_caption_reads_back_as_its_labels(event: str, language: Language) -> None:
    for number in range(DRAWS):
        choice = random.Random(f"{event} {language} {number}")
        labels = drawn(event, choice)
        for source in (choice, None):
            text = caption(labels, language, source)
            reading = read_prompt(text)
            said = dict(zip(SLOT_NAMES, labels, strict=True))
            assert dict(zip(SLOT_NAMES, reading.ids, strict=True)) == said, (text, reading.understood)
            assert not reading.ignored, text
            assert not reading.unused, text


@pytest.mark.parametrize(
    ("values", "english", "chinese"),
    [
        ({"event": "bounce", "shape": "ball", "color": "red"}, "a red ball bounces", "红球弹起"),
        (
            {"event": "bounce", "shape": "ball", "color": "red", "count": "two"},
            "two red balls bounce",
            "两个红球弹起",
        ),
        (
            {"event": "bounce", "shape": "ball", "color": "red", "color2": "blue", "count": "two"},
            "a red ball and a blue ball bounce",
            "一个红球和一个蓝球弹起",
        ),
        (
            {"event": "waves", "shape": "box", "color": "orange", "light": "dusk", "weather": "rain"},
            "an orange box floats on the waves at dusk in the rain",
            "黄昏，下着雨，橙色方块漂浮在海面上",
        ),
        (
            {"event": "roll", "shape": "ball", "ground": "snow", "speed": "fast", "direction": "left"},
            "a ball rolls fast to the left on snow",
            "一个球在雪地上快速向左滚动",
        ),
        ({"event": "collide", "color": "red", "color2": "blue"},
         "a red ball and a blue ball collide", "红球和蓝球相撞"),
        ({"event": "rise", "count": "three", "camera": "zoom_out"},
         "three balloons rise, the camera zooms out", "三个气球上升，镜头拉远"),
        ({"event": "stack", "color2": "blue", "count": "two"},
         "two boxes, the second one blue, stack up", "两个方块叠起来，第二个是蓝色的"),
        ({"shape": "triangle", "color": "white"}, "a white triangle", "白色三角形"),
    ],
)  # fmt: skip
def test_without_a_choice_the_sentence_is_the_canonical_one(
    values: dict[str, str], english: str, chinese: str
) -> None:
    labels = labels_of(**values)
    assert caption(labels, "en") == english
    assert caption(labels, "zh") == chinese


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("event", EVENTS)
def test_one_scene_is_told_in_many_ways(event: str, language: Language) -> None:
    values = {
        "event": event,
        "color": "red",
        "light": "dusk",
        "weather": "rain",
        "camera": "zoom_in",
        "speed": "slow",
    }
    labels = labels_of(**{slot: value for slot, value in values.items() if slot in USES[event]})
    told = {caption(labels, language, random.Random(number)) for number in range(60)}
    assert len(told) > 30


@pytest.mark.parametrize("event", EVENTS)
def test_the_same_source_of_randomness_gives_the_same_sentence(event: str) -> None:
    labels = drawn(event, random.Random(1))
    assert caption(labels, "en", random.Random(7)) == caption(labels, "en", random.Random(7))


def test_a_mixed_caption_has_a_clause_of_the_other_language() -> None:
    labels = labels_of(event="roll", shape="ball", ground="grass", light="night", camera="pan_left")
    for number in range(50):
        text = caption(labels, "mixed", random.Random(number))
        assert any("a" <= char <= "z" for char in text)
        assert any("一" <= char <= "鿿" for char in text)
    assert "镜头" not in caption(labels, "en", mixed=False)
    assert caption(labels, "zh", mixed=True) == "夜晚，一个球滚动，on grass，镜头向左平移"


def test_english_articles_verbs_and_spaces_are_right() -> None:
    for number in range(600):
        choice = random.Random(number)
        text = caption(drawn(choice.choice(EVENTS), choice), "en", choice)
        words = text.lower().replace(",", " ,").rstrip(".").split()
        for article, following in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (following[0] in "aeiou"), text
        assert "  " not in text, text
        assert " ," not in text, text
        assert text.strip(" ,") == text


def test_what_an_event_does_not_show_is_not_said() -> None:
    assert (
        caption(labels_of(event="ink", color="red", ground="grass", camera="zoom_in"), "en")
        == "red ink spreads"
    )
    assert (
        caption(labels_of(event="roll", color="red", color2="blue", shape="ball"), "en") == "a red ball rolls"
    )
    one = labels_of(event="bounce", shape="ball", count="one", color="red", color2="blue")
    assert caption(one, "en") == "one red ball bounces"
    assert caption(one, "zh") == "一个红球弹起"
