"""What a prompt names that a rewrite replaces, and the signs that stand for it meanwhile."""

from typing import Final, Literal, NamedTuple

Maker = Literal["film_maker", "studio", "artist", "photographer", "game"]

ROLES: Final[dict[Maker, tuple[str, str]]] = {
    "film_maker": ("a fictional film director", "一位虚构的导演"),
    "studio": ("a fictional animation studio", "一家虚构的动画工作室"),
    "artist": ("a fictional artist", "一位虚构的艺术家"),
    "photographer": ("a fictional photographer", "一位虚构的摄影师"),
    "game": ("an invented game", "一款虚构的游戏"),
}
"""Who takes the place of a maker that is meant as a person or a thing, not as a style; English, Chinese."""

PRIVATE_USE = "\ue000-\uf8ff"
STYLES = "\ue000-\ue7ff"
THINGS = "\ue800-\uefff"


class Mention(NamedTuple):
    """A span of the normalised text, [start, end), and what to say instead.

    With a `maker` the `instead_*` describe a technique, without one they are a noun phrase for the thing named.
    `plural` is true where the text has the plural of what the rule names.
    """

    start: int
    end: int
    span: str
    instead_en: str
    instead_zh: str
    maker: Maker | None = None
    plural: bool = False


def sign_of(number: int, mention: Mention) -> str:
    """The private-use character that stands for the mention of this number (0 to 1023)."""
    return chr((ord(STYLES[0]) if mention.maker else ord(THINGS[0])) + number)


class Said:
    """Which noun phrases were used, and for whom, so that a second one reads as such."""

    def __init__(self) -> None:
        self._spans: dict[str, list[str]] = {}

    def before(self, phrase: str, span: str) -> Literal["nobody", "the same", "another"]:
        """Whom `phrase` stood for so far, compared with `span`; notes the span."""
        spans = self._spans.setdefault(phrase, [])
        if not spans:
            answer: Literal["nobody", "the same", "another"] = "nobody"
        elif any(_same(span, other) for other in spans):
            answer = "the same"
        else:
            answer = "another"
        spans.append(span)
        return answer


def _same(one: str, other: str) -> bool:
    """Full name and surname are one person: one spelling holds the other, or a word of it."""
    return one in other or other in one or bool(set(one.split()) & set(other.split()))
