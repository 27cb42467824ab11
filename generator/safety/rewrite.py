"""Propose a prompt that asks for the technique instead of the person or the brand."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_HAN = re.compile("[\u3400-\u9fff]")
_BEFORE = (
    r"(?P<binding>(?:(?:in|after|with)\s+(?:the\s+)?(?:(?:visual|film|art|cinematic|signature|unique|exact)\s+)*"
    r"(?:style|manner|look|aesthetic|vein|spirit)s?\s+of\s+"
    r"|(?:directed|painted|drawn|inspired|made|shot|filmed)\s+by\s+|by\s+"
    r"|(?:完全)?(?:模仿|仿照|复刻|致敬|按照)|以)?)《?"
)
_AFTER = (
    r"(?:['\u2019]s)?(?:[\s-]+(?:inspired|esque|like))?(?:[\s-]+(?:style|aesthetic|look)\b)?"
    r"》?(?:导演|大师)?(?:的?(?:电影|动画|作品)?(?:风格|画风|手法|美学)的?|式的?)?"
)
_JOINED_TO_ANOTHER = r"(?:\s*(?:,|\band\b|&|、|和|与)){0,3}\s*"


class Replacement(NamedTuple):
    """A span of the normalised text and what to say instead, in either language."""

    span: str
    instead_en: str
    instead_zh: str


def rewrite(text: str, normalised: str, replacements: Iterable[Replacement]) -> str | None:
    """`text` with each span, and the words that bind it ("in the style of ..."), replaced.

    Works on `normalised` where a span is not spelt in `text` as it was read. None where there is nothing to
    replace. The result is a proposal: check it again.
    """
    ordered = sorted(set(replacements), key=lambda replacement: (-len(replacement.span), replacement))
    if not ordered:
        return None
    patterns = [(_pattern(replacement.span), replacement) for replacement in ordered]
    text = re.sub(r"\s+", " ", text)
    base = text if all(re.search(pattern, text, re.IGNORECASE) for pattern, _ in patterns) else normalised
    for pattern, replacement in patterns:
        instead = replacement.instead_zh if _HAN.search(base) else replacement.instead_en
        base = _replace(base, pattern, instead)
    return re.sub(r"\s+(?=[ ,])", "", re.sub(r",\s*(?=,)", "", base)).strip(" ,，")


def _replace(text: str, name: str, instead: str) -> str:
    """The first mention becomes `instead`; later ones, which would only repeat it, are left out."""
    if instead not in text:
        text = re.sub(name, lambda found: _fitted(found, instead), text, count=1, flags=re.IGNORECASE)
    return re.sub(_JOINED_TO_ANOTHER + name, "", text, flags=re.IGNORECASE)


def _fitted(found: re.Match[str], instead: str) -> str:
    """`instead` as it reads in place: what stood for "in the style of ..." becomes a clause of its own."""
    bound = re.match(r"[a-z]+\b", found.group("binding"), re.IGNORECASE) and found.start() > 0
    return f", {instead}" if bound else instead


def _pattern(span: str) -> str:
    name = r"[\s\-.·'’]*".join(re.escape(part) for part in re.findall(r"\w+", span))
    edges = ("", "") if _HAN.search(span) else ("(?<![A-Za-z0-9])", "(?![A-Za-z0-9])")
    return f"{_BEFORE}{edges[0]}{name}{edges[1]}{_AFTER}"
