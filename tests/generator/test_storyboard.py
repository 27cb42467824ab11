"""Storyboards: timed prompts, as text and as shots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import GeneratorError
from generator.spacetime.storyboard import (
    MAX_SHOTS,
    Shot,
    StoryboardError,
    format_storyboard,
    parse_storyboard,
    shot_at,
)


@pytest.mark.parametrize(
    "text",
    [
        "0s: a red ball bounces | 3s: it snows | 6.5s: the camera zooms in",
        "0s:a red ball bounces|3s:it snows|6.5s:the camera zooms in",
        "0s: a red ball bounces\n3s: it snows\n\n6.5s: the camera zooms in\n",
        "0s: a red ball bounces\r\n3 sec: it snows |\r\n6.5 seconds: the camera zooms in",
        "0-3s: a red ball bounces | 3–6.5s: it snows | 6.5s-9s: the camera zooms in",
        "0 to 3s: a red ball bounces | 3s to 6.5s: it snows | 6.5S: the camera zooms in",
        "0秒：a red ball bounces｜3秒：it snows｜6.5秒：the camera zooms in",
        "０-３秒：a red ball bounces\n３秒到６．５秒：it snows\n第6.5秒：the camera zooms in",
    ],
)
def test_one_syntax_in_all_its_spellings(text: str) -> None:
    assert parse_storyboard(text) == (
        Shot(0.0, "a red ball bounces"),
        Shot(3.0, "it snows"),
        Shot(6.5, "the camera zooms in"),
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "a red ball bounces",
        "title: a ball",
        "3: a ball bounces",
        "at 12:30 a ball bounces",
        "a ball bounces for 3s: then it rests",
        "scene | a ball | a box",
        "标题：一个红球弹起",
        "a ball bounces\non grass",
    ],
)
def test_a_prompt_without_times_is_one_shot_whatever_its_colons(prompt: str) -> None:
    assert parse_storyboard(f"  {prompt}\n") == (Shot(0.0, prompt),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("1s: a ball", "the first shot starts at 1s, not at 0"),
        ("0s: a ball | 3s: a box | 3s: sand", "a shot at 3s comes after one at 3s"),
        ("0s: a ball | 3s: a box | 2.5s: sand", "a shot at 2.5s comes after one at 3s"),
        ("0s: a ball | 3s:", "no words"),
        ("0s: | 3s: a ball", "no words"),
        ("a ball | 3s: a box", 'the shot "a ball" has no time'),
        ("0-3s: a ball | 4s: a box", "a shot ends at 3s and the next starts at 4s"),
        ("0-3s: a ball | 2s: a box", "a shot ends at 3s and the next starts at 2s"),
        ("0-90s: a ball", "a shot lies after 60 s"),
        ("0-0s: a ball", "the shot from 0s ends at 0s"),
        ("0s: a ball | 60.001s: a box", "a shot lies after 60 s"),
        (f"0s: a ball | {'9' * 400}s: a box", "a shot lies after 60 s"),
        (" | ".join(f"{k / 2}s: a ball" for k in range(MAX_SHOTS + 1)), "61 shots are more than 60"),
    ],
)
def test_a_storyboard_that_cannot_be_followed_is_refused_with_a_hint(text: str, message: str) -> None:
    with pytest.raises(StoryboardError, match=message) as refusal:
        parse_storyboard(text)
    assert refusal.value.hint
    assert isinstance(refusal.value, ValueError)
    assert isinstance(refusal.value, GeneratorError)


def test_the_limits_themselves_are_allowed() -> None:
    assert parse_storyboard("0s: a ball | 60s: a box")[-1].start == 60
    assert len(parse_storyboard("\n".join(f"{k / 2}s: a ball" for k in range(MAX_SHOTS)))) == MAX_SHOTS


def test_the_shot_of_a_time_is_the_last_that_has_started() -> None:
    shots = parse_storyboard("0s: a ball | 3s: a box")
    times = (0, 2.999, 3, 3.001, 100)
    assert [shot_at(shots, time).prompt for time in times] == ["a ball", "a ball", "a box", "a box", "a box"]
    with pytest.raises(ValueError, match="no shot has started"):
        shot_at(shots, -0.1)
    with pytest.raises(ValueError, match="no shot has started"):
        shot_at((), 0)


@pytest.mark.parametrize("unit", [" ", "1", "1-", "s", "0s ", "第"])
def test_long_text_is_read_in_time_linear_in_it(unit: str) -> None:
    text = "1" + unit * (100_000 // len(unit))
    assert parse_storyboard(text) == (Shot(0.0, text.strip()),)


PROMPTS = (
    st.text(min_size=1, max_size=30).map(str.strip).filter(bool).filter(lambda p: not set(p) & set("|｜\r\n"))
)
STARTS = st.sets(st.integers(1, 60_000), max_size=12).map(lambda ms: [0.0, *(k / 1000 for k in sorted(ms))])


@given(STARTS.flatmap(lambda starts: st.tuples(*(st.builds(Shot, st.just(s), PROMPTS) for s in starts))))
def test_what_is_formatted_is_read_back(shots: tuple[Shot, ...]) -> None:
    assert parse_storyboard(format_storyboard(shots)) == shots


@given(st.text(st.sampled_from("0123.s秒:：|-\n a球"), max_size=40))
def test_any_text_gives_shots_or_a_refusal(text: str) -> None:
    try:
        shots = parse_storyboard(text)
    except StoryboardError:
        return
    assert shots[0].start == 0
    assert all(shot.prompt for shot in shots)


@pytest.mark.parametrize(
    "shots",
    [
        (),
        (Shot(1.0, "a ball"),),
        (Shot(0.0, "a | b"),),
        (Shot(0.0, "a\nb"),),
        (Shot(0.0, " a"),),
        (Shot(0.0, ""),),
        (Shot(0.0, "a"), Shot(0.0, "b")),
        (Shot(0.0, "a"), Shot(0.0001, "b")),
        (Shot(0.0, "a"), Shot(float("nan"), "b")),
    ],
)
def test_shots_that_could_not_be_read_back_are_not_formatted(shots: tuple[Shot, ...]) -> None:
    with pytest.raises(StoryboardError):
        format_storyboard(shots)
