import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generator.spacetime.captions import caption
from generator.spacetime.concepts import SLOT_NAMES, SLOTS, STAGE, slot_index
from generator.spacetime.prompt import known_words, read_prompt
from generator.spacetime.world import sample_scenes


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_caption_reads_back_as_the_scene_it_describes(language: str) -> None:
    labels = sample_scenes(400, torch.Generator().manual_seed(3)).labels
    labels[:, slot_index(STAGE)] = 1
    for number, row in enumerate(labels.tolist()):
        text = caption(row, language, random.Random(number))
        reading = read_prompt(text)
        assert list(reading.ids) == row, text
        assert not reading.ignored, text
        assert not reading.unused, text


@pytest.mark.parametrize(
    ("prompt", "understood"),
    [
        ("A RED ball bounces!", {"event": "bounce", "color": "red", "shape": "ball"}),
        ("two black balls collide", {"event": "collide", "color": "black", "shape": "ball"}),
        ("a red ball and a blue ball crash", {"event": "collide", "shape": "ball", "color": "red",
                                               "color2": "blue"}),
        ("雪地上一个蓝色方块快速向右滚动", {"event": "roll", "shape": "box", "color": "blue", "ground": "snow",
                                           "speed": "fast", "direction": "right"}),
        ("红色 balloon 上升 at night", {"event": "rise", "color": "red", "light": "night"}),
        ("海浪上漂着一个白色三角形，黄昏", {"event": "waves", "color": "white", "shape": "triangle", "light": "dusk"}),
        ("purple ink", {"event": "ink", "color": "purple"}),
        ("镜头向左平移，一个球落下", {"event": "bounce", "shape": "ball", "camera": "pan_left"}),
        ("a ball rolls to the left under a blue sky", {"event": "roll", "shape": "ball", "direction": "left",
                                                      "light": "day"}),
    ],
)  # fmt: skip
def test_reads_english_chinese_and_both(prompt: str, understood: dict[str, str]) -> None:
    assert read_prompt(prompt).understood == understood


@pytest.mark.parametrize(
    ("prompt", "ignored"),
    [
        ("a cat plays the piano", ["cat", "plays", "piano"]),
        ("a red dragon bounces", ["dragon"]),
        ("一只熊猫在雪地上吃竹子", ["熊猫", "吃竹子"]),
        ("redder ballroom inkling", ["redder", "ballroom", "inkling"]),
        ("мяч", list("мяч")),
    ],
)
def test_unknown_words_are_named_and_never_pretended(prompt: str, ignored: list[str]) -> None:
    assert list(read_prompt(prompt).ignored) == ignored


def test_words_that_cannot_be_shown_are_reported_as_unused_not_understood() -> None:
    reading = read_prompt("a red box rolls on grass and a ball swings, purple ground, green")
    assert reading.understood["event"] == "roll"
    assert {word for word, _ in reading.unused} >= {"swings", "ball", "green"}
    assert [word for word, _ in read_prompt("a red box and a blue box collide").unused] == ["box"]
    sea = read_prompt("a red ball on the waves, on grass")
    assert "ground" not in sea.understood
    assert [word for word, _ in sea.unused] == ["on grass"]


def test_nothing_understood_leaves_every_slot_open() -> None:
    ids = read_prompt("an essay about taxes").ids
    assert [i for name, i in zip(SLOT_NAMES, ids, strict=True) if name != STAGE] == [0] * (len(ids) - 1)


@given(st.text(max_size=80))
def test_any_text_at_all_gives_ids_in_range(text: str) -> None:
    reading = read_prompt(text)
    assert len(reading.ids) == len(SLOT_NAMES)
    assert all(i >= 0 for i in reading.ids)


def test_no_word_means_two_things_in_one_language() -> None:
    words = [word for slot_words in known_words().values() for word in slot_words]
    assert len(words) == len(set(words))
    assert all(concept.en and concept.zh for concepts in SLOTS.values() for concept in concepts)
