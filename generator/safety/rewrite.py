"""Propose a prompt that asks for the technique instead of the maker, for an invented thing instead of a protected one,
for a fictional role instead of a real person.

Every mention becomes one private-use character; the grammars of `english.py` and `chinese.py` then work on a text in
which a name is one letter, whatever it was spelt like.
"""

import re
from collections.abc import Iterable

from generator.safety import chinese, english
from generator.safety.legibility import language_of
from generator.safety.mentions import PRIVATE_USE, Mention, sign_of
from generator.safety.normalise import HAN_GAP, fold

_MOST_MENTIONS = 100
_BRACKETED = re.compile(
    rf"《[^《》]{{0,40}}?([{PRIVATE_USE}])[^《》]{{0,40}}》|[“「『\"]([{PRIVATE_USE}])[”」』\"]"
)


def rewrite(text: str, normalised: str, mentions: Iterable[Mention]) -> str | None:
    """`text` with every mention, and the words that bind it ("in the style of ..."), replaced.

    The offsets of `mentions` are those of `normalised`. Where the two differ by more than width, case, accents and
    traditional characters, the result is made from `normalised`. None where there is nothing to replace. The result
    is a proposal: check it before it is shown as one.
    """
    kept = _longest(mentions)
    if not kept or len(kept) > _MOST_MENTIONS or re.search(f"[{PRIVATE_USE}]", text + normalised):
        return None
    base, places = _placed(text, normalised, kept)
    marked, rest, last = "", "", 0
    for number, (mention, (start, end)) in enumerate(zip(kept, places, strict=True)):
        marked += base[last:start] + sign_of(number, mention)
        rest += base[last:start] + " "
        last = end
    marked, rest = marked + base[last:], rest + base[last:]
    named = {sign_of(number, mention): mention for number, mention in enumerate(kept)}

    def without_brackets(found: re.Match[str]) -> str:
        sign = str(found.group(1) or found.group(2))
        if found.group(1) and named[sign].maker is None:
            named[sign] = named[sign]._replace(instead_en="an invented story", instead_zh="原创故事")
        return sign

    marked = _BRACKETED.sub(without_brackets, marked)
    # A Chinese sentence with a Latin name in it stays Chinese, and the other way round.
    language = language_of(rest) if language_of(rest) != "und" else language_of(base)
    grammar = chinese if language == "zh" else english
    result = grammar.rewritten(marked, named)
    return None if re.search(f"[{PRIVATE_USE}]", result) else result or None


def _longest(mentions: Iterable[Mention]) -> list[Mention]:
    """Mentions that do not overlap, the longest where they would, in order."""
    kept: list[Mention] = []
    for mention in sorted(set(mentions), key=lambda one: (one.start - one.end, one.start, one.instead_en)):
        if all(mention.end <= other.start or mention.start >= other.end for other in kept):
            kept.append(mention)
    return sorted(kept, key=lambda one: one.start)


def _placed(text: str, normalised: str, mentions: list[Mention]) -> tuple[str, list[tuple[int, int]]]:
    """The text to work on and where the mentions stand in it: the author's own spelling where it can be traced."""
    folded: str = ""
    origins: list[int] = []
    gaps = {place for gap in HAN_GAP.finditer(text) for place in range(*gap.span())}
    for place, char in enumerate(text):
        letters = "" if place in gaps else fold(char)
        folded += letters
        origins += [place] * len(letters)
    if folded != normalised:
        return normalised, [(mention.start, mention.end) for mention in mentions]
    return text, [(origins[mention.start], origins[mention.end - 1] + 1) for mention in mentions]
