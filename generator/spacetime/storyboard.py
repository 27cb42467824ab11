"""Storyboards: prompts with the times at which they start.

One shot after another, parted by ``|`` or one a line, each opened by its time and a colon::

    0s: a red ball bounces | 3s: the camera zooms in | 6.5s: it snows
    0-3秒：红球弹起
    3-8秒：下雪

A time is in seconds and has its unit (``s``, ``sec``, ``seconds``, ``秒``), which tells it from the colon of an
ordinary prompt ("title: a ball"). A range says where the shot ends as well, which must be where the next
one starts; the last shot lasts as long as the clip. A prompt without times is one shot from 0.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from generator.errors import RequestError

MAX_SECONDS = 60.0
MAX_SHOTS = 60

_NUMBER = r"[0-9０-９]+(?:[.．][0-9０-９]+)?"
_UNIT = r"(?:seconds?|secs?|s|ｓ|秒)"
_GAP = r"\s{0,3}"  # bounded: two unbounded ones side by side take quadratic time
_TIME = re.compile(
    rf"(?:from\s|第)?(?P<start>{_NUMBER}){_GAP}"
    rf"(?:{_UNIT}?{_GAP}(?:[-–—−~～－]|to|到|至){_GAP}(?P<end>{_NUMBER}){_GAP})?{_UNIT}{_GAP}[:：]\s*",
    re.IGNORECASE,
)
_BETWEEN_SHOTS = re.compile(r"[|｜\r\n]+")


@dataclass(frozen=True)
class Shot:
    """What is asked for from ``start`` (seconds, to the millisecond) until the next shot."""

    start: float
    prompt: str


class StoryboardError(RequestError):
    """A storyboard that cannot be followed; ``hint`` says how to write it."""


def parse_storyboard(text: str) -> tuple[Shot, ...]:
    """The shots of a text, by time; a text without times is one shot from 0.

    Raises :class:`StoryboardError` (a ``ValueError``) if times do not rise or do not start at 0, a range has
    a gap to the next shot, a shot has no words or no time, or there are more than 60 s or 60 shots.
    """
    parts = [part.strip() for part in _BETWEEN_SHOTS.split(text)]
    parts = [part for part in parts if part]
    marks = [_TIME.match(part) for part in parts]
    if not any(marks):
        if not text.strip():
            raise StoryboardError("the prompt is empty", hint='describe a scene: "a red ball bounces"')
        return (Shot(0.0, text.strip()),)
    if len(parts) > MAX_SHOTS:
        raise StoryboardError(
            f"{len(parts)} shots are more than {MAX_SHOTS}", hint="make several clips, or fewer shots"
        )
    shots: list[Shot] = []
    end: float | None = None
    for part, mark in zip(parts, marks, strict=True):
        if mark is None:
            raise StoryboardError(
                f"the shot {_short(part)} has no time", hint='start every shot with its time: "3s: it snows"'
            )
        prompt = part[mark.end() :]
        if not prompt:
            raise StoryboardError(
                f"the shot at {_short(part)} has no words", hint="say what is seen, or leave the shot out"
            )
        start = _seconds(mark["start"])
        if end is not None and start != end:
            raise StoryboardError(
                f"a shot ends at {_clock(end)} and the next starts at {_clock(start)}",
                hint="let every shot start where the one before ends, or give the starts alone",
            )
        shots.append(Shot(start, prompt))
        end = _seconds(mark["end"]) if mark["end"] else None
        if end is not None and end <= start:
            raise StoryboardError(
                f"the shot from {_clock(start)} ends at {_clock(end)}",
                hint="write the earlier time first: 0-3s",
            )
    _check(shots, end)
    return tuple(shots)


def format_storyboard(shots: Sequence[Shot]) -> str:
    """Shots as text that :func:`parse_storyboard` reads back as the same shots.

    Raises :class:`StoryboardError` for shots that it would refuse or could not tell apart: a prompt with a
    line break or ``|`` in it, or with space around it.
    """
    shots = [Shot(round(shot.start, 3), shot.prompt) for shot in shots]
    _check(shots)
    for shot in shots:
        if _BETWEEN_SHOTS.search(shot.prompt) or not shot.prompt or shot.prompt != shot.prompt.strip():
            raise StoryboardError(
                f"the prompt {_short(shot.prompt)} does not fit into a storyboard",
                hint="write it on one line, without | and without space around it",
            )
    return " | ".join(f"{_clock(shot.start)}: {shot.prompt}" for shot in shots)


def shot_at(shots: Sequence[Shot], time: float) -> Shot:
    """The shot that is on at ``time`` (seconds ≥ 0): the last one that has started.

    Raises ``ValueError`` for no shots or a time before the first.
    """
    number = bisect_right([shot.start for shot in shots], time)
    if number == 0:
        raise ValueError(f"no shot has started at {time} s")
    return shots[number - 1]


def _check(shots: Sequence[Shot], end: float | None = None) -> None:
    if not shots or shots[0].start != 0:
        first = f"the first shot starts at {_clock(shots[0].start)}" if shots else "there is no shot"
        raise StoryboardError(f"{first}, not at 0", hint='begin with "0s: …"')
    if len(shots) > MAX_SHOTS:
        raise StoryboardError(
            f"{len(shots)} shots are more than {MAX_SHOTS}", hint="make several clips, or fewer shots"
        )
    for before, after in pairwise(shots):
        if not before.start < after.start:
            raise StoryboardError(
                f"a shot at {_clock(after.start)} comes after one at {_clock(before.start)}",
                hint="put the shots in the order of their times, each later than the one before",
            )
    last = shots[-1].start if end is None else end
    if not last <= MAX_SECONDS:
        raise StoryboardError(
            f"a shot lies after {MAX_SECONDS:g} s", hint="make several clips, or shorter shots"
        )


def _seconds(digits: str) -> float:
    return round(float(unicodedata.normalize("NFKC", digits)), 3)


def _clock(seconds: float) -> str:
    """``6.5s``: to the millisecond, without trailing zeros."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _short(text: str) -> str:
    return f'"{text[:40]}…"' if len(text) > 40 else f'"{text}"'
