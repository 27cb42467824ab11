"""What the embedded generator reads in a prompt, and what it says about the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.spacetime.concepts import COLOR2, EVENTS, ONE_SHAPE, SLOT_NAMES, SLOT_SIZES, SLOTS, STAGE, USES
from generator.spacetime.prompt import denied_values, known_words, read_prompt


@pytest.mark.parametrize(
    ("prompt", "understood"),
    [
        ("A RED ball bounces!", {"event": "bounce", "color": "red", "shape": "ball"}),
        ("雪地上一个蓝色方块快速向右滚动", {"event": "roll", "shape": "box", "color": "blue", "ground": "snow",
                                           "speed": "fast", "direction": "right"}),
        ("红色 balloon 上升 at night", {"event": "rise", "color": "red", "light": "night"}),
        ("海浪上漂着一个白色三角形，黄昏", {"event": "waves", "color": "white", "shape": "triangle", "light": "dusk",
                                           "count": "one"}),
        ("purple ink", {"event": "ink", "color": "purple"}),
        ("镜头向左平移，一个球落下", {"event": "bounce", "shape": "ball", "camera": "pan_left", "count": "one"}),
        ("a ball rolls to the left under a blue sky", {"event": "roll", "shape": "ball", "direction": "left",
                                                      "light": "day"}),
        ("a box slides from left to right", {"event": "roll", "shape": "box", "direction": "right"}),
        ("蓝色正方体从左边滑到右边", {"event": "roll", "shape": "box", "color": "blue", "direction": "right"}),
        ("red smoke rises over the city", {"event": "smoke", "color": "red", "backdrop": "city"}),
        ("a bouncy ball falls on the moon", {"event": "bounce", "shape": "ball", "spring": "bouncy", "ground": "moon"}),
        ("a ball falls in the moonlight", {"event": "bounce", "shape": "ball", "light": "night"}),
        ("a ball falls in zero gravity", {"event": "bounce", "shape": "ball", "gravity": "low"}),
        ("it's snowing, the ball's red", {"weather": "snowfall", "shape": "ball", "color": "red"}),
        ("balls bounce on snow", {"event": "bounce", "shape": "ball", "ground": "snow"}),
        ("balls bounce, it snows on grass", {"event": "bounce", "shape": "ball", "weather": "snowfall",
                                            "ground": "grass"}),
        ("球在雪地上弹起，下雪", {"event": "bounce", "shape": "ball", "weather": "snowfall", "ground": "snow"}),
        ("a ball falls in heavy rain", {"event": "bounce", "shape": "ball", "weather": "rain"}),
    ],
)  # fmt: skip
def test_reads_english_chinese_and_both(prompt: str, understood: dict[str, str]) -> None:
    reading = read_prompt(prompt)
    assert reading.understood == understood
    assert not reading.ignored
    assert not reading.unused


@pytest.mark.parametrize(
    ("prompt", "event"),
    [
        ("a red ball rolls behind a wall", "hide"),
        ("一个球滚到墙后面", "hide"),
        ("a double pendulum swings", "chain"),
        ("a pendulum swings", "swing"),
        ("smoke rises", "smoke"),
        ("boxes fall and pile up", "stack"),
        ("a tower of boxes", "stack"),
        ("two balls roll and collide", "collide"),
        ("a ball is thrown and falls", "throw"),
        ("a drop of ink falls into water", "ink"),
        ("the sea", "waves"),
        ("balloons", "rise"),
    ],
)
def test_of_two_events_the_one_that_tells_more_counts(prompt: str, event: str) -> None:
    reading = read_prompt(prompt)
    assert reading.understood["event"] == event
    assert not reading.unused


@pytest.mark.parametrize(
    ("prompt", "count", "colors"),
    [
        ("two balls bounce", "two", []),
        ("two red balls bounce", "two", ["red"]),
        ("三个球弹起", "three", []),
        ("3 balls bounce", "three", []),
        ("a pair of bouncy rubber balls bounce", "two", []),
        ("a red ball and a blue ball bounce", "two", ["red", "blue"]),
        ("a red and a blue ball bounce", "two", ["red", "blue"]),
        ("a red ball and two blue balls bounce", "three", ["red", "blue"]),
        ("two balls bounce, one red and the other blue", "two", ["red", "blue"]),
        ("two balls bounce, one is red, one is blue", "two", ["red", "blue"]),
        ("two balls bounce, the second one blue", "two", [None, "blue"]),
        ("一个红球和一个蓝球弹起", "two", ["red", "blue"]),
        ("一红一蓝两个球弹起", "two", ["red", "blue"]),
        ("一个红球和另一个蓝球弹起", "two", ["red", "blue"]),
        ("两个球弹起，第二个是蓝色的", "two", [None, "blue"]),
        ("一个红球弹起", "one", ["red"]),
        ("one red ball bounces", "one", ["red"]),
        ("a red ball bounces", None, ["red"]),
        ("red balls bounce", None, ["red"]),
        ("red and blue balls bounce", None, ["red", "blue"]),
        ("a big clip of a red ball that bounces for 2 s", None, ["red"]),
        ("第一个球是红色，第二个是蓝色，两个球弹起", "two", ["red", "blue"]),
        ("two cats watch a ball that bounces", None, []),
        ("two balloons rise", "two", []),
        ("three boxes stack up", "three", []),
    ],
)  # fmt: skip
def test_objects_are_counted(prompt: str, count: str | None, colors: list[str | None]) -> None:
    understood = read_prompt(prompt).understood
    assert understood.get("count") == count
    first, second, *_ = [*colors, None, None]
    assert (understood.get("color"), understood.get(COLOR2)) == (first, second)


def test_more_objects_than_a_clip_shows_are_reported() -> None:
    for prompt in (
        "five balls bounce",
        "three red balls and two blue balls bounce",
        "五个球弹起",
        "many balls bounce",
    ):
        reading = read_prompt(prompt)
        assert "count" not in reading.understood
        assert [reason for _, reason in reading.unused] == ["a clip shows 3 objects at most"]


@pytest.mark.parametrize(
    ("prompt", "denied", "understood"),
    [
        ("a ball bounces, no rain", ["rain"], {"event": "bounce", "shape": "ball"}),
        ("a ball bounces without rain or snow on grass", ["rain", "snow"],
         {"event": "bounce", "shape": "ball", "ground": "grass"}),
        ("no rain and a red ball bounces", ["rain"], {"event": "bounce", "shape": "ball", "color": "red"}),
        ("a red ball doesn't bounce", ["bounce"], {"shape": "ball", "color": "red"}),
        ("not a red ball but a blue ball", ["red", "ball"], {"shape": "ball", "color": "blue"}),
        ("There is no snow. A box slides.", ["snow"], {"event": "roll", "shape": "box"}),
        ("没有雨，球弹起", ["雨"], {"event": "bounce", "shape": "ball"}),
        ("不要下雨、下雪，球弹起", ["下雨", "下雪"], {"event": "bounce", "shape": "ball"}),
        ("没有下雨的夜晚，球弹起", ["下雨"], {"event": "bounce", "shape": "ball", "light": "night"}),
        ("別下雪，球彈起", ["下雪"], {"event": "bounce", "shape": "ball"}),
    ],
)  # fmt: skip
def test_what_is_denied_is_not_understood_but_reported(
    prompt: str, denied: list[str], understood: dict[str, str]
) -> None:
    reading = read_prompt(prompt)
    assert reading.understood == understood
    assert [words for words, _ in reading.unused] == denied
    assert all("said not to be there" in reason for _, reason in reading.unused)
    assert len(denied_values(prompt)) == len(denied)


@pytest.mark.parametrize(
    ("prompt", "slot", "value"),
    [
        ("no camera movement, a ball bounces", "camera", "static"),
        ("a ball falls in no gravity", "gravity", "low"),
        ("万里无云，球弹起", "weather", "clear"),
        ("镜头不动，球弹起", "camera", "static"),
        ("球不停地弹起", "event", "bounce"),
    ],
)
def test_a_no_within_a_known_phrase_denies_nothing(prompt: str, slot: str, value: str) -> None:
    assert read_prompt(prompt).understood[slot] == value
    assert not denied_values(prompt)


def test_traditional_characters_and_full_width_letters_are_read() -> None:
    traditional = read_prompt("兩個紅球在雪地上彈起，鏡頭向左平移，遠處是高樓")
    assert traditional == read_prompt("两个红球在雪地上弹起，镜头向左平移，远处是高楼")
    assert traditional.understood["backdrop"] == "city"
    assert read_prompt("ａ　ＲＥＤ　ｂａｌｌ").understood == {"color": "red", "shape": "ball"}


@pytest.mark.parametrize(
    ("prompt", "ignored"),
    [
        ("a cat plays the piano", ["cat", "plays", "piano"]),
        ("a red dragon bounces", ["dragon"]),
        ("一只熊猫在雪地上吃竹子", ["熊猫", "吃竹子"]),
        ("烟花", ["烟花"]),
        ("redder ballroom inkling red-hot éred", ["redder", "ballroom", "inkling", "red-hot", "éred"]),
        ("мяч", ["мяч"]),
    ],
)
def test_unknown_words_are_named_and_never_pretended(prompt: str, ignored: list[str]) -> None:
    assert list(read_prompt(prompt).ignored) == ignored


@pytest.mark.parametrize(
    ("prompt", "words", "reason"),
    [
        ("a red box rolls and a box swings", "swings", "a clip shows one event, and roll came first"),
        ("a red box and a blue ball bounce", "ball", "a clip shows one shape, and box came first"),
        ("a red, a blue and a green ball bounce", "green", "a clip shows two colours, and others came first"),
        ("a red box and a blue box collide", "box", "a clip of the event collide shows a ball only"),
        (
            "a red ball on the waves, on grass",
            "on grass",
            "a clip of the event waves does not show a ground of choice",
        ),
        ("three balls collide", "three", "a clip of the event collide shows 2"),
        ("two balls roll", "two", "a clip of the event roll shows 1"),
        ("a red and blue ball rolls", "blue", "a clip of the event roll shows one colour of choice"),
        ("a red ball on the blue sea", "blue", "the colour of sea is not of choice"),
        ("a ball bounces before a purple wall", "purple", "the colour of wall is not of choice"),
    ],
)
def test_known_words_that_cannot_be_shown_are_unused_with_the_reason(
    prompt: str, words: str, reason: str
) -> None:
    assert (words, reason) in read_prompt(prompt).unused
    assert {"words": words, "reason": reason} in read_prompt(prompt).report()["unused"]


@pytest.mark.parametrize("event", sorted(ONE_SHAPE))
def test_a_shape_that_the_event_shows_anyway_goes_without_saying(event: str) -> None:
    concept = next(c for c in SLOTS["event"] if c.value == event)
    reading = read_prompt(f"{ONE_SHAPE[event]}, {concept.en[0]}")
    assert reading.understood == {"event": event}
    assert not reading.unused


def test_without_an_event_what_is_named_is_kept() -> None:
    assert read_prompt("two red triangles on sand").understood == {
        "color": "red", "shape": "triangle", "ground": "sand", "count": "two",
    }  # fmt: skip


def test_nothing_understood_leaves_every_slot_open() -> None:
    ids = read_prompt("an essay about taxes").ids
    assert [i for name, i in zip(SLOT_NAMES, ids, strict=True) if name != STAGE] == [0] * (len(ids) - 1)


@pytest.mark.parametrize("slot", SLOTS)
def test_every_listed_word_is_read_as_what_it_is_listed_for(slot: str) -> None:
    for concept in SLOTS[slot]:
        for word in (*concept.en, *concept.zh):
            reading = read_prompt(f"{word} balloon" if slot == "count" else word)
            assert reading.understood[slot] == concept.value, word
            assert not reading.ignored, word


def test_no_word_means_two_things() -> None:
    words = [word for slot_words in known_words().values() for word in slot_words]
    assert len(words) == len(set(words))
    assert all(concept.en and concept.zh for concepts in SLOTS.values() for concept in concepts)


def in_range(reading: Any) -> bool:
    ranges = [size + (name != STAGE) for name, size in zip(SLOT_NAMES, SLOT_SIZES, strict=True)]
    event = reading.understood.get("event")
    fitting = event is None or reading.understood.keys() <= USES[event]
    return fitting and all(0 <= i < n for i, n in zip(reading.ids, ranges, strict=True))


WORDS = sorted(
    {w for words in known_words().values() for w in words} | set("a no without and 和 没有 , second".split())
)


@given(st.text(max_size=80))
def test_any_text_at_all_gives_ids_in_range(text: str) -> None:
    assert in_range(read_prompt(text))


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.sampled_from(["", " "]))
def test_any_pile_of_known_words_gives_what_its_event_shows(words: list[str], space: str) -> None:
    reading = read_prompt(space.join(words))
    assert in_range(reading)
    assert set(reading.understood.values()) <= {c.value for concepts in SLOTS.values() for c in concepts}


@pytest.mark.parametrize(
    "unit", ["red ", "红球和", "no rain or ", "x", "雪雾", "a-", "\0😀", "\ud800", "another one a red "]
)
def test_a_prompt_of_a_hundred_kilobytes_is_read(unit: str) -> None:
    """Looking every phrase up at every place would take minutes here."""
    assert in_range(read_prompt(unit * (100_000 // len(unit))))


def test_every_event_says_what_it_shows() -> None:
    assert set(USES) == set(EVENTS)
