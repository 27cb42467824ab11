"""Fill in what a prompt leaves open, in words: the prompt that is made says all that is asked of the model.

Words are only ever added, after the prompt and in its language. Each is kept only if the longer prompt reads
as before plus that one value, and no word that counted has become unused. So nothing that was said is
contradicted, and nothing hidden is asked: ``added`` is the whole difference, and provenance can store it.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .captions import clauses
from .concepts import ONE_SHAPE, SLOTS, USES
from .prompt import PromptReading, denied_values, read_prompt

FILLED: Final = ("event", "shape", "color", "light", "ground", "backdrop", "weather", "camera")
"""The slots that are filled, in this order; the rest (speed, count, …) is left to the model."""

_EVENTS = ("bounce", "roll", "throw", "waves", "swing", "hide", "rise", "stack", "collide")
_HINTS = {
    "swing": r"\b(?:rope|string)\b|绳",
    "hide": r"\bwalls?\b|墙",
    "waves": r"\b(?:water|boats?)\b|水|船",
}
"""Words that the model does not know, but that suggest an event."""
_GROUND_OF = {
    "mountains": ("snow", "stone"),
    "city": ("stone",),
    "hills": ("grass",),
    "open": ("sand", "grass"),
}
_BACKDROP_OF = {
    "grass": ("hills", "mountains", "city"),
    "sand": ("open", "mountains"),
    "snow": ("mountains",),
    "stone": ("city", "hills"),
    "moon": ("open", "mountains"),
}
_HARD_TO_SEE = {"snow": "white", "grass": "green", "sand": "yellow", "night": "black", "moon": "white"}


@dataclass(frozen=True)
class Enhanced:
    """A prompt with nothing left open that can be filled.

    ``prompt``: the given one and the words added to it. ``added``: (slot, value, words), in the order of the
    words. ``reading``: what the model understands of ``prompt``.
    """

    prompt: str
    added: tuple[tuple[str, str, str], ...]
    reading: PromptReading


def enhance(prompt: str, seed: int) -> Enhanced:
    """Fill the open slots of a prompt of any length; the same prompt and seed give the same words.

    An event that suits what is named comes first, then what that event shows: shape, colour, light, ground,
    backdrop, clear weather, camera. What the prompt denies ("not at night") is not added. Never raises.
    """
    choice = random.Random(f"{seed} {prompt!r}")
    language = _language(prompt)
    denied = denied_values(prompt)
    text, reading = prompt, read_prompt(prompt)
    added: list[tuple[str, str, str]] = []
    for slot in FILLED:
        if slot in reading.understood or not _is_open(slot, reading):
            continue
        for value in _preferred(slot, reading.understood, prompt, choice):
            if (slot, value) in denied:
                continue
            longer = _say(text, reading, slot, value, language)
            if longer is not None:
                text, words, reading = longer
                added.append((slot, value, words))
                break
    return Enhanced(text, tuple(added), reading)


def _language(prompt: str) -> Literal["en", "zh"]:
    han = len(re.findall(r"[㐀-鿿豈-﫿]", prompt))
    letters = sum(char.isalpha() for char in prompt)
    return "zh" if han > letters - han else "en"


def _is_open(slot: str, reading: PromptReading) -> bool:
    event = reading.understood.get("event")
    if slot == "shape" and reading.ignored:  # "a cat bounces": who acts is said, if in vain
        return False
    return event is None or slot in USES[event]


def _say(
    text: str, before: PromptReading, slot: str, value: str, language: Literal["en", "zh"]
) -> tuple[str, str, PromptReading] | None:
    """(longer text, words added, its reading) if words for the value change nothing else; else None."""
    for words in clauses(slot, value, language):
        longer = f"{text.rstrip()}{_separator(text.rstrip(), language)}{words}"
        after = read_prompt(longer)
        # A count or shape that the event shows anyway is no longer asked of the model, nor reported as unused.
        kept = {s: v for s, v in before.understood.items() if s in after.understood}
        same = (after.unused, after.ignored) == (before.unused, before.ignored)
        if same and after.understood == {**kept, slot: value}:
            return longer, words, after
    return None


def _separator(text: str, language: Literal["en", "zh"]) -> str:
    if not text:
        return ""
    space, comma = (" ", ", ") if language == "en" else ("", "，")
    return space if text[-1] in ",.!?;:，。！？；：" else comma


def _preferred(slot: str, said: Mapping[str, str], prompt: str, choice: random.Random) -> list[str]:
    """Values for an open slot, the most fitting first."""
    values = [concept.value for concept in SLOTS[slot]]
    if slot == "event":
        hinted = [event for event, words in _HINTS.items() if re.search(words, prompt.lower())]
        slides = ["roll"] if said.get("shape") == "box" else []
        return list(dict.fromkeys([*hinted, *slides, *_EVENTS]))
    if slot == "shape":
        return [ONE_SHAPE.get(said.get("event", ""), "ball"), "box"]
    choice.shuffle(values)
    first: tuple[str, ...] = ()
    last: set[str] = set()
    if slot == "color":
        last = {_HARD_TO_SEE.get(said.get("ground", ""), ""), _HARD_TO_SEE.get(said.get("light", ""), "")}
    elif slot == "light":
        day = "day" if choice.random() < 0.6 else values[0]
        first = ("night",) if said.get("ground") == "moon" else (day,)
    elif slot == "ground":
        first = _GROUND_OF.get(said.get("backdrop", ""), ())
        if said.get("weather") == "snowfall":
            first = ("snow",)
        elif said.get("gravity") == "low":
            first = ("moon",)
        last = {"moon"}
    elif slot == "backdrop":
        first = _BACKDROP_OF.get(said.get("ground", ""), ())
        first = (choice.choice(first),) if first else ()
    elif slot == "weather":
        return ["clear"]
    elif slot == "camera":
        moving = {"left": "pan_left", "right": "pan_right"}.get(said.get("direction", ""), "zoom_in")
        moving = "zoom_out" if said.get("event") in ("rise", "smoke") else moving
        return ["static", moving] if choice.random() < 0.6 else [moving, "static"]
    return list(dict.fromkeys([*first, *(v for v in values if v not in last), *values]))
