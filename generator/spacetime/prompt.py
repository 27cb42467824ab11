"""Read a prompt: which concepts of the world it names, and which of its words mean nothing to the model.

The reading *is* the model's text input: no word outside the table in ``concepts`` can reach it. So the
report is exact: what is not understood is listed as ignored, never pretended.

Text → ``_tokens`` (longest known phrase first) → ``_denied`` (what "no", "without", 没有 take back) →
``_objects`` (how many) and ``_choose`` (one value a slot) → :class:`PromptReading`.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

from generator.safety.characters import traditional_to_simplified

from .concepts import COLOR2, EVENTS, ONE_SHAPE, SLOT_NAMES, SLOTS, STAGE, USES, concept_id, slot_index


class _Kind(Enum):
    CONCEPT = auto()
    FILLER = auto()
    THING = auto()  # an object of no shape: "two things bounce"
    PLACE = auto()  # what may have a colour of its own: "a purple wall"
    NUMBER = auto()
    ARTICLE = auto()
    SECOND = auto()  # the next colour is the second object's
    JOIN = auto()
    NOT = auto()
    BUT = auto()  # ends what a negation takes back
    BREAK = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class _Token:
    kind: _Kind
    text: str
    slot: str = ""
    value: str = ""
    amount: int = 0


_LATIN = {
    _Kind.FILLER: (
        "the then while with of on in at to from by its it is are was were be as this that these those there "
        "here over above across through into onto up down out off very against toward towards around along "
        "under near when where which who they them their has have having can will we see you us i let both "
        "together also too some any other video clip scene shot film movie footage showing shows show please "
        "make create generate color colour colored coloured colors colours float floats floating move moves "
        "moving spread spreads spreading drift drifts drifting happens first "
        "in_front_of in_front each_other one_another up_and_down back_and_forth"
    ),
    _Kind.THING: "object objects thing things item items",
    _Kind.PLACE: "ground floor sky background backdrop wall walls horizon water air sun surface rope string camera",
    _Kind.SECOND: "second second_one the_second_one the_other the_other_one others",
    _Kind.JOIN: "and or nor plus as_well_as",
    _Kind.NOT: (
        "no not without never neither none isn't aren't wasn't doesn't don't didn't won't can't cannot avoid "
        "exclude excluding lacking free_of does_not do_not is_not are_not there_is_no there_are_no"
    ),
    _Kind.BUT: "but only except instead rather",
}
"""Latin words of the grammar; ``_`` is a space."""
_HAN = {
    _Kind.FILLER: (
        "块 片 段 的 地 得 着 了 过 并 且 在 里 中 上 下 被 把 向 往 朝 从 到 正 正在 一 它 它们 边 侧 时 "
        "时候 处 有 是 也 都 就 又 很 非常 来 去 起 起来 下来 出 出去 前 后 面 之 之中 之下 这 那 我 我们 "
        "看 看到 看见 请 让 使 其中 其 开 挂 漂 漂着 漂浮 漂浮着 浮 浮着 扩散 散开 起伏 缭绕 弥漫 荡漾 移动 "
        "移动着 运动 随 随着 伴着 画面 视频 短片 影片 场景 片段 生成 制作 拍摄 显示 展示 展现 颜色 为 向上 "
        "第一 第一个 第一只 第一颗 上空 滴 滴入 滴进 向下 互相 相互 彼此 一起 不停 不断 不同 不远处 特别 "
        "分别 天上 天气"
    ),
    _Kind.THING: "物体 东西 物件 物品",
    _Kind.PLACE: "地面 天空 背景 墙 墙壁 水 水中 水里 空中 绳子 绳 太阳 镜头 地板 表面",
    _Kind.SECOND: "第二 第二个 第二只 第二颗 另外 另 其余 其他",
    _Kind.JOIN: "和 与 跟 及 以及 还有 或 或者 、",
    _Kind.NOT: (
        "没有 没 不 不要 不要有 不想要 不用 不会 不是 不再 不带 不含 别 无 非 未 勿 避免 除了 除去 拒绝 "
        "禁止 并非 不要出现 没有任何 看不到 看不见"
    ),
    _Kind.BUT: "而是 但 但是 只有 只要 只",
    _Kind.UNKNOWN: (
        "无人机 烟花 烟火 香烟 雨伞 雨衣 地球 星球 全球 环球 圆满 快乐 快餐 愉快 左右 草莓 红豆 黄瓜 白菜 "
        "黑板 球迷 球员"
    ),
}
"""Han words of the grammar. The unknown ones hold a word of the world that means something else there."""
_NUMBERS = (
    "1 一1",
    "2 两 两二2",
    "3 三 三3",
    "four 4 四 四4",
    "five 5 五 五5",
    "six 6 六 六6",
    "seven 7 七 七7",
    "eight 8 八 八8",
    "nine 9 九 九9",
    "ten 10 dozen many several 十 十多几",
)
"""By amount (the last: that or more): words, and at the end the characters before a measure word."""
_MEASURES = "个 只 颗 枚 粒 块 条 团 辆 艘 串 位 滴 缕 片 座 堵 架".split()
_MORE_TRADITIONAL = str.maketrans("別巖並著沈", "别岩并着沉")
"""Characters that stay as they are where names matter, as in the policy's table; in a scene they are plain."""
_MOST_OBJECTS = 3
_WORD = re.compile(r"[^\W㐀-鿿豈-﫿]+(?:['-][^\W㐀-鿿豈-﫿]+)*")
_FIRST_WORD = re.compile(r"[^\W㐀-鿿豈-﫿]+")
_OPENS_PHRASE = re.compile(r"(?:in|on|at|by|under|before|the|a|an|while|it|to) |[在远背镜向往朝]")
_EITHER = ("or", "nor", "或", "或者", "、")
_BALLOONS = frozenset({"balloon", "balloons", "气球"})
_SCENERY = frozenset({"light", "ground", "backdrop", "weather"})
_MODIFIERS = frozenset({"color", "spring", "speed", "count"})
_TELLS_MORE = {
    "chain": {"swing"},
    "collide": {"roll", "throw"},
    "hide": {"roll", "throw"},
    "ink": {"bounce", "rise", "waves"},
    "smoke": {"rise"},
    "stack": {"bounce"},
    "throw": {"bounce"},
    "waves": {"roll", "rise"},
}
"""Events that go without saying in another: a thrown ball falls, what rolls behind a wall rolls."""
_OBJECTS_SHOWN = {
    "collide": 2,
    "chain": 2,
    "throw": 1,
    "roll": 1,
    "swing": 1,
    "hide": 1,
    "ink": 1,
    "smoke": 1,
}


@dataclass(frozen=True)
class PromptReading:
    """What a prompt says to the model.

    ``ids``: one concept id per slot (0: left open). ``understood``: slot to value. ``unused``: (words,
    reason) for words that are known but cannot be shown here. ``ignored``: words that the model does not
    know, in order. Words are reported as they were read: in lower case and simplified characters.
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


def read_prompt(text: str) -> PromptReading:
    """Read an English, Chinese or mixed prompt of any length, in time linear in it; never raises.

    Numbers of objects are added up ("a red ball and two blue balls": three); a plural without a number and
    a lone "a ball" leave the count open. What a negation takes back is not understood.
    """
    tokens = list(_tokens(text))
    denied = _denied(tokens)
    kept = [token for number, token in enumerate(tokens) if number not in denied]
    understood, words, unused = _choose(kept)
    _fit_to_event(understood, words, unused)
    unused += [
        (tokens[number].text, "it is said not to be there: nothing of it is asked of the model")
        for number in sorted(denied)
        if tokens[number].slot
    ]
    ids = [0] * len(SLOT_NAMES)
    for slot, value in understood.items():
        ids[slot_index(slot)] = concept_id(slot, value)
    ids[slot_index(STAGE)] = 1
    ignored = tuple(token.text for token in tokens if token.kind is _Kind.UNKNOWN)
    return PromptReading(tuple(ids), understood, tuple(dict.fromkeys(unused)), ignored)


def denied_values(text: str) -> frozenset[tuple[str, str]]:
    """(slot, value) of everything that the prompt says should not be there."""
    tokens = list(_tokens(text))
    return frozenset((tokens[n].slot, tokens[n].value) for n in _denied(tokens) if tokens[n].slot)


def known_words() -> dict[str, list[str]]:
    """Every slot with its words in both languages: what may be asked of the model."""
    return {slot: [w for c in concepts for w in (*c.en, *c.zh)] for slot, concepts in SLOTS.items()}


@cache
def _lexicon() -> dict[str, tuple[_Token, ...]]:
    """Every known phrase, longest first, under its first word or its first Han character."""
    tokens: dict[str, _Token] = {}

    def know(kind: _Kind, text: str, slot: str = "", value: str = "", amount: int = 0) -> None:
        tokens[text] = _Token(kind, text, slot, value, amount)

    for listing in (_LATIN, _HAN):
        for kind, words in listing.items():
            for word in words.split():
                know(kind, word.replace("_", " "))
    for amount, line in enumerate(_NUMBERS, start=1):
        *words_of_it, before_measure = line.split()
        for word in (*words_of_it, *(n + m for n in before_measure for m in _MEASURES)):
            know(_Kind.NUMBER, word, amount=amount)
    for word in ("a", "an"):
        know(_Kind.ARTICLE, word, amount=1)
    for word in ("another", *(other + m for other in ("另", "另一", "另外一") for m in _MEASURES)):
        know(_Kind.SECOND, word, amount=1)
    for slot, concepts in SLOTS.items():
        counts = slot == "count"
        for number, concept in enumerate(concepts, start=1):
            for word in (*concept.en, *concept.zh):
                kind, amount = (_Kind.NUMBER, number) if counts else (_Kind.CONCEPT, 0)
                know(kind, word, slot, concept.value, amount)
    by_start: dict[str, list[_Token]] = {}
    for text in sorted(tokens, key=len, reverse=True):
        by_start.setdefault(_start(text, 0), []).append(tokens[text])
    return {start: tuple(listed) for start, listed in by_start.items()}


def _start(text: str, position: int) -> str:
    word = _FIRST_WORD.match(text, position)
    return word[0] if word else text[position]


def _is_han(char: str) -> bool:
    return "㐀" <= char <= "鿿" or "豈" <= char <= "﫿"


def _ends_word(text: str, end: int) -> bool:
    """Latin phrases match whole words only; Chinese is written without spaces."""
    if end == len(text) or _is_han(text[end - 1]) or _is_han(text[end]):
        return True
    return not (text[end].isalnum() or (text[end] in "-'_" and text[end + 1 : end + 2].isalnum()))


def _tokens(text: str) -> Iterator[_Token]:
    """A text as known phrases, longest match first, unknown words and breaks."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    text = text.translate(traditional_to_simplified()).translate(_MORE_TRADITIONAL)
    text = re.sub(r"'s\b", "", text)
    lexicon = _lexicon()
    position, strange = 0, 0  # text[strange:position] is a run of Han characters that mean nothing here
    while position < len(text):
        char = text[position]
        known = next(
            (
                token
                for token in lexicon.get(_start(text, position), ())
                if text.startswith(token.text, position) and _ends_word(text, position + len(token.text))
            ),
            None,
        )
        if known is None and _is_han(char):
            position += 1
            continue
        if strange < position:
            yield _Token(_Kind.UNKNOWN, text[strange:position])
        if known is not None:
            yield known
            position += len(known.text)
        elif word := _WORD.match(text, position):
            yield _Token(_Kind.UNKNOWN, word[0])
            position = word.end()
        else:
            if not char.isspace() or char == "\n":
                yield _Token(_Kind.BREAK, char)
            position += 1
        strange = position
    if strange < position:
        yield _Token(_Kind.UNKNOWN, text[strange:])


def _denied(tokens: Sequence[_Token]) -> set[int]:
    """Numbers of the tokens that a negation takes back.

    It reaches over one phrase ("no red ball bounces") and what is joined to it ("no rain or snow"), not past
    a break, a "but" or the next phrase ("without rain on grass").
    """
    denied: set[int] = set()
    number = 0
    while number < len(tokens):
        number += 1
        if tokens[number - 1].kind is not _Kind.NOT:
            continue
        last: _Token | None = None
        joined = ""
        while number < len(tokens):
            token = tokens[number]
            if token.kind in (_Kind.BREAK, _Kind.BUT, _Kind.NOT):
                break
            if token.kind is _Kind.JOIN:
                if last is None or joined:
                    break
                joined = token.text
            elif token.kind in (_Kind.CONCEPT, _Kind.THING, _Kind.UNKNOWN):
                if last is not None and not _goes_on(last, joined, token):
                    break
                denied.add(number)
                last, joined = token, ""
            elif last is not None and not (joined in _EITHER and token.kind is _Kind.ARTICLE):
                break
            elif token.kind is _Kind.NUMBER:
                denied.add(number)
            number += 1
    return denied - {n for n in denied if tokens[n].kind is _Kind.UNKNOWN}


def _goes_on(last: _Token, joined: str, token: _Token) -> bool:
    """Whether ``token``, after ``last`` and maybe a joint, is still under the same negation."""
    if _OPENS_PHRASE.match(token.text):
        return False
    if joined:
        return joined in _EITHER or token.slot != "event"
    if last.slot in _MODIFIERS or last.kind is _Kind.UNKNOWN:
        return True
    return token.slot == "event" and (last.slot in ("shape", "weather") or last.kind is _Kind.THING)


def _choose(tokens: Sequence[_Token]) -> tuple[dict[str, str], dict[str, str], list[tuple[str, str]]]:
    """One value a slot, the words that said it, and what could not be taken; the first of a kind counts."""
    understood: dict[str, str] = {}
    words: dict[str, str] = {}
    unused: list[tuple[str, str]] = []

    def take(slot: str, token: _Token) -> None:
        understood[slot], words[slot] = token.value, token.text

    second = False
    for number, token in enumerate(tokens):
        if token.kind is _Kind.SECOND:
            second = True
        elif token.kind is _Kind.BREAK:
            second = False
        if token.kind is not _Kind.CONCEPT:
            continue
        slot, held = token.slot, understood.get(token.slot)
        if slot == "color":
            if thing := _scenery_after(tokens, number):
                unused.append((token.text, f"the colour of {thing} is not of choice"))
            elif second and COLOR2 not in understood:
                take(COLOR2, token)
            elif held is None:
                take("color", token)
            elif token.value in (held, understood.get(COLOR2)):
                pass
            elif COLOR2 not in understood:
                take(COLOR2, token)
            else:
                unused.append((token.text, "a clip shows two colours, and others came first"))
            second = False
        elif held is None or (slot == "event" and held in _TELLS_MORE.get(token.value, ())):
            take(slot, token)
        elif token.value != held and not (slot == "event" and token.value in _TELLS_MORE.get(held, ())):
            unused.append((token.text, f"a clip shows one {slot}, and {held} came first"))
    amount, text = _objects(tokens)
    if amount > _MOST_OBJECTS:
        unused.append((text, f"a clip shows {_MOST_OBJECTS} objects at most"))
    elif amount == 1 and COLOR2 in understood:
        unused.append((text, "two colours were said, and one object has one"))
    elif amount:
        understood["count"], words["count"] = SLOTS["count"][amount - 1].value, text
    return understood, words, unused


def _scenery_after(tokens: Sequence[_Token], number: int) -> str:
    """What a colour belongs to if not to an object: "blue sea", "purple wall", 蓝色的大海; else ""."""
    after = tokens[number + 1 : number + 3]
    if after and after[0].text == "的":
        after = after[1:]
    if not after or (after[0].slot in _SCENERY and _OPENS_PHRASE.match(after[0].text)):
        return ""
    scenery = after[0].kind is _Kind.PLACE or after[0].slot in _SCENERY
    sea = after[0].value == "waves" and not after[0].text.startswith(("float", "on ", "bob"))
    return after[0].text if scenery or sea else ""


def _objects(tokens: Sequence[_Token]) -> tuple[int, str]:
    """How many objects are named (0: left open), and the last words that say so."""
    total = phrases = 0
    text, exact, several = "", False, False
    loose: _Token | None = None
    number: _Token | None = None  # of the phrase that is open: "two red" … "balls"
    coloured = strange = after_noun = joined = False
    for token in (*tokens, _Token(_Kind.BREAK, "")):
        noun = token.slot == "shape" or token.kind is _Kind.THING or token.text in _BALLOONS
        pronoun = token.text == "one" and number is not None and coloured
        if noun:
            if number is not None:
                amount = number.amount
            else:  # "a red ball and blue ball"; a bare plural leaves the number open
                amount = int(joined and phrases > 0 and not token.text.endswith("s"))
        elif pronoun or token.kind in (_Kind.JOIN, _Kind.BREAK):
            # "a red and a blue ball"; in "two balls, one red" the one is of the two
            amount = number.amount if number and coloured and not strange and not several else 0
        else:
            amount = 0
        if amount:
            total, phrases = total + amount, phrases + 1
            several |= amount > 1
            if number is not None:
                text, exact = number.text, exact or number.kind is _Kind.NUMBER
        if noun or pronoun or token.kind in (_Kind.JOIN, _Kind.BREAK):
            joined = token.kind is _Kind.JOIN and after_noun
            if not (noun or amount or strange or several) and number is not None and number.slot:
                loose = loose or number
            after_noun, number = noun, None
        elif token.amount:
            number, coloured, strange = token, False, False
        elif token.kind is _Kind.UNKNOWN:
            strange, joined = True, False
        elif token.kind is _Kind.CONCEPT and token.slot not in _MODIFIERS:
            if number is not None and number.slot and not strange:
                loose = loose or number
            number, joined, after_noun = None, False, False
        coloured = coloured or token.slot == "color"
    if exact or phrases > 1:
        return total, text
    if loose is not None and loose.amount > 1:
        return loose.amount, loose.text
    return 0, ""


def _fit_to_event(understood: dict[str, str], words: dict[str, str], unused: list[tuple[str, str]]) -> None:
    """Take out of ``understood`` what a clip of its event does not show; report it unless it is shown anyway."""
    event = understood.get("event")
    if event is None:
        return
    for slot in [s for s in understood if s not in USES[event]]:
        value = understood.pop(slot)
        if slot == "shape" and event in ONE_SHAPE:
            if value != ONE_SHAPE[event]:
                unused.append((words[slot], f"a clip of the event {event} shows a {ONE_SHAPE[event]} only"))
        elif slot == "count" and event in _OBJECTS_SHOWN:
            # A sum of articles ("a red ball and a blue one") is no request for a number.
            shown = _OBJECTS_SHOWN[event]
            if value != SLOTS["count"][shown - 1].value and words[slot] not in ("a", "an", "another"):
                unused.append((words[slot], f"a clip of the event {event} shows {shown}"))
        elif slot == COLOR2:
            unused.append((words[slot], f"a clip of the event {event} shows one colour of choice"))
        else:
            unused.append((words[slot], f"a clip of the event {event} does not show a {slot} of choice"))


assert set(USES) == set(EVENTS)
