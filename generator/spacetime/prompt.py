"""Read a prompt: which concepts of the world it names, and which of its words mean nothing to the model.

The reading *is* the model's text input: no word outside the table in ``concepts`` can reach it. So the
report is exact: what is not understood is listed as ignored, never pretended.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

from .concepts import COLOR2, EVENTS, SLOT_NAMES, SLOTS, STAGE, USES, concept_id, slot_index

_EN_FILLER = frozenset(
    "a an the and then while with of on in at to from by its it is are as this that there over above across through "
    "into onto up down out off very one two other another another's against video clip scene shot film movie footage "
    "showing shows show please make create generate object colored coloured floats float floating".split()
)
_ZH_FILLER = (
    "一个 一只 一颗 一块 一片 一段 两个 另一个 个 只 颗 块 的 地 得 着 了 过 并 且 和 与 在 里 中 上 下 被 把 向 往 "
    "从 到 正 正在 一 两 它 边 侧 时 镜头 画面 视频 短片 生成 制作 显示 请 挂 绳子 漂 扩散 开 起伏"
).split()
_WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*")


@dataclass(frozen=True)
class PromptReading:
    """What a prompt says to the model.

    ``ids``: one concept id per slot (0: left open). ``understood``: slot to value. ``unused``: (word,
    reason) for words that are known but cannot be shown here. ``ignored``: words that the model does not
    know, in order.
    """

    ids: tuple[int, ...]
    understood: dict[str, str]
    unused: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        """The reading as JSON-able values."""
        return {
            "understood": dict(self.understood),
            "unused": [{"words": words, "reason": reason} for words, reason in self.unused],
            "ignored": list(self.ignored),
        }


@cache
def _phrases() -> tuple[tuple[str, str, str], ...]:
    """(phrase, slot, value) of every known phrase and filler, longest first."""
    known = [
        (word, slot, concept.value)
        for slot, concepts in SLOTS.items()
        for concept in concepts
        for word in (*concept.en, *concept.zh)
    ]
    filler = [(word, "", "") for word in (*_EN_FILLER, *_ZH_FILLER)]
    return tuple(sorted(known + filler, key=lambda entry: -len(entry[0])))


def _scan(text: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Split a text into known phrases, longest match first, and unknown words."""
    found: list[tuple[str, str, str]] = []
    ignored: list[str] = []
    position, run = 0, ""
    while position < len(text):
        rest = text[position:]
        match = next((p for p in _phrases() if rest.startswith(p[0]) and _ends_word(rest, p[0])), None)
        if match is None and _is_han(rest[0]):
            run, position = run + rest[0], position + 1
            continue
        if run:
            ignored.append(run)
            run = ""
        if match is not None:
            position += len(match[0])
            if match[1]:
                found.append(match)
        elif word := _WORD.match(rest):
            ignored.append(word[0])
            position += len(word[0])
        else:
            if rest[0].isalpha():  # a script that the model does not read
                ignored.append(rest[0])
            position += 1
    return found, [*ignored, run] if run else ignored


def _is_han(char: str) -> bool:
    return "㐀" <= char <= "鿿" or "豈" <= char <= "﫿"


def _ends_word(text: str, phrase: str) -> bool:
    """Latin phrases match whole words only; Chinese is written without spaces."""
    if _is_han(phrase[0]) or len(text) == len(phrase):
        return True
    after = text[len(phrase)]
    return not (after.isascii() and (after.isalnum() or after in "-'"))


def read_prompt(text: str) -> PromptReading:
    """Read an English, Chinese or mixed prompt of any length; never raises."""
    found, ignored = _scan(unicodedata.normalize("NFKC", text).lower().replace("’", "'"))
    understood: dict[str, str] = {}
    words: dict[str, str] = {}
    unused: list[tuple[str, str]] = []
    for phrase, slot, value in found:
        if slot not in understood:
            understood[slot], words[slot] = value, phrase
        elif understood[slot] == value:
            continue
        elif slot == "color" and COLOR2 not in understood:
            understood[COLOR2], words[COLOR2] = value, phrase
        else:
            unused.append((phrase, f"a clip shows one {slot}, and {understood[slot]} came first"))
    event = understood.get("event")
    for slot in [s for s in understood if event and s not in USES[event]]:
        unused.append((words[slot], f"a clip of the event {event} does not show a {slot} of choice"))
        del understood[slot]
    if event in ("collide", "rise") and understood.get("shape", "ball") != "ball":
        unused.append((words["shape"], f"a clip of the event {event} shows balls only"))
        del understood["shape"]
    if event is None and COLOR2 in understood:
        unused.append((words[COLOR2], "only colliding balls have two colours"))
        del understood[COLOR2]
    ids = [0] * len(SLOT_NAMES)
    for slot, value in understood.items():
        ids[slot_index(slot)] = concept_id(slot, value)
    ids[slot_index(STAGE)] = 1
    return PromptReading(tuple(ids), understood, tuple(unused), tuple(ignored))


def known_words() -> dict[str, list[str]]:
    """Every slot with its words in both languages: what may be asked of the model."""
    return {slot: [w for c in concepts for w in (*c.en, *c.zh)] for slot, concepts in SLOTS.items()}


assert set(USES) == set(EVENTS)
