"""Which words a rewrite took out of a prompt, and which it put in."""

import re
from difflib import SequenceMatcher
from typing import NamedTuple

# A Han character is a word; spaces and signs are kept so that joined words give the text again.
_WORD = re.compile("[\u3400-\u9fff]|[^\\W\u3400-\u9fff]+(?:['’-][^\\W\u3400-\u9fff]+)*|\\s+|[^\\w\\s]")
_SMALL = 3


class WordChange(NamedTuple):
    """Words that were there and those in their place; one of the two may be empty."""

    old: str
    new: str


def word_changes(old: str, new: str) -> tuple[WordChange, ...]:
    """The changed stretches in order. Stretches that only a sign or a space parts are one."""
    return tuple(
        WordChange(before.strip(), after.strip())
        for before, after in word_diff(old, new)
        if before.strip() != after.strip()
    )


def word_diff(old: str, new: str) -> list[tuple[str, str]]:
    """All of both texts as pairs (old, new), equal where nothing changed; joined they give the texts again."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    pairs: list[tuple[str, str]] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        pairs.append(("".join(before[i1:i2]), "".join(after[j1:j2])))
    merged: list[tuple[str, str]] = []
    for number, pair in enumerate(pairs):
        was, now = pair
        between = was == now and 0 < number < len(pairs) - 1
        # A lone space, comma or particle between two changes would only chop them up.
        if merged and merged[-1][0] != merged[-1][1] and (was != now or (between and _is_small(was))):
            merged[-1] = (merged[-1][0] + was, merged[-1][1] + now)
        else:
            merged.append(pair)
    return merged


def _is_small(words: str) -> bool:
    return len(words.strip()) < _SMALL and not re.search("[\u3400-\u9fff]{2}", words)
