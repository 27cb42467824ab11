"""Words, terms and where they occur.

A text is read as one stream of tokens: a Han character is a token, any other word is a token. A term is a
short sequence of tokens, so English words and Chinese words are found by the same walk through one trie.
There is no regular expression with nested repetition here: the walk costs (tokens x longest term), whatever
the text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:['\u2019][^\W\d_{HAN}]+)?")
_HAN_CHAR = re.compile(rf"[{HAN}]")
_SENTENCE_BREAK = re.compile(r"[!?;,\n。，、！？；]")
_AGES = re.compile(r"<(\d+)-(\d+)>")


class Token(NamedTuple):
    """A word of a text: `start` and `end` are character offsets, `follows` is false after a break."""

    word: str
    start: int
    end: int
    follows: bool


class Span(NamedTuple):
    """Token positions [first, last)."""

    first: int
    last: int


def tokenise(text: str) -> list[Token]:
    """Words of a case-folded text, in order; possessive 's is dropped, other apostrophes are closed up."""
    tokens: list[Token] = []
    previous_end = 0
    for found in _TOKEN.finditer(text):
        word = re.sub(r"['\u2019]s$", "", found.group())
        word = word.replace("'", "").replace("\u2019", "")
        gap = text[previous_end : found.start()]
        tokens.append(Token(word, found.start(), found.end(), _follows(tokens, word, gap)))
        previous_end = found.end()
    return tokens


def _follows(before: Sequence[Token], word: str, gap: str) -> bool:
    if not before:
        return False
    previous = before[-1].word
    if _HAN_CHAR.match(word) and _HAN_CHAR.match(previous):
        return not gap.strip() and "\n" not in gap
    if _SENTENCE_BREAK.search(gap):
        return False
    # A full stop after a longer word ends a sentence; after one or two letters it is an initial ("J. K.").
    return not (gap.startswith(".") and len(gap) > 1 and len(previous) > 2)


def expand(term: str) -> Iterator[tuple[str, ...]]:
    """Every token sequence that a written term stands for.

    `word~` gives the verb's regular forms, `<1-17>` each number, and the last Latin word of any other term
    also its plural.
    """
    numbered = _AGES.search(term)
    if numbered:
        low, high = int(numbered.group(1)), int(numbered.group(2))
        for number in range(low, high + 1):
            yield from expand(term.replace(numbered.group(), str(number), 1))
        return
    verb = re.search(r"(\w+)~", term)
    if verb:
        for form in _verb_forms(verb.group(1)):
            yield _words(term.replace(verb.group(), form, 1))
        return
    words = _words(term)
    yield words
    if re.fullmatch(r"[a-z]{3,}", words[-1]) and not words[-1].endswith("s"):
        yield (*words[:-1], _plural(words[-1]))


def _words(term: str) -> tuple[str, ...]:
    return tuple(token.word for token in tokenise(term))


def _plural(noun: str) -> str:
    if re.search(r"(?:[sx]|[cs]h)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def _verb_forms(verb: str) -> list[str]:
    if verb.endswith("e"):
        return [verb, verb + "s", verb + "d", verb[:-1] + "ing"]
    if re.search(r"[^aeiou]y$", verb):
        return [verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"]
    third = verb + ("es" if re.search(r"(?:[sx]|[cs]h)$", verb) else "s")
    forms = [verb, third, verb + "ed", verb + "ing"]
    if re.search(r"(?:^|[^aeiou])[aeiou][bdgmnprt]$", verb):
        forms += [verb + verb[-1] + "ed", verb + verb[-1] + "ing"]
    return forms


class TermIndex:
    """Finds every term of every group in one walk over the tokens."""

    def __init__(self, groups: Iterable[Iterable[str]]) -> None:
        """`groups[g]` is an iterable of written terms; a group is named by its position."""
        self._root: dict[str, dict] = {}
        self.words: set[str] = set()
        for group, terms in enumerate(groups):
            for term in terms:
                for sequence in expand(term):
                    self._add(sequence, group)

    def _add(self, sequence: tuple[str, ...], group: int) -> None:
        node = self._root
        for word in sequence:
            node = node.setdefault(word, {})
            if not _HAN_CHAR.match(word):
                self.words.add(word)
        # The empty string cannot be a token, so it can hold the groups that end here.
        node.setdefault("", {})[group] = True

    def find(self, tokens: Sequence[Token]) -> dict[int, list[Span]]:
        """Occurrences of each group, ordered by first token."""
        found: dict[int, list[Span]] = {}
        for first in range(len(tokens)):
            node = self._root.get(tokens[first].word)
            last = first + 1
            while node is not None:
                for group in node.get("", ()):
                    found.setdefault(group, []).append(Span(first, last))
                if last == len(tokens) or not tokens[last].follows:
                    break
                node = node.get(tokens[last].word)
                last += 1
        return found


def closest(occurrences: Sequence[Sequence[Span]], *, within: int | None, in_order: bool) -> Span | None:
    """The first stretch of text that holds one occurrence of every group, or None.

    `within` bounds the stretch in tokens. One sweep over the occurrences: for each group the latest one is
    the best partner of whatever comes next.
    """
    if not all(occurrences):
        return None
    events = sorted(
        (span.first, span.last, group) for group, spans in enumerate(occurrences) for span in spans
    )
    latest: list[Span | None] = [None] * len(occurrences)
    for first, last, group in events:
        if not in_order:
            latest[group] = Span(first, last)
            stretch = _stretch(latest)
        elif group == 0:
            latest[0] = Span(first, last)
            stretch = latest[0] if len(latest) == 1 else None
        else:
            chain = latest[group - 1]
            if chain is None or chain.last > first:
                continue
            latest[group] = Span(chain.first, last)
            stretch = latest[group] if group == len(latest) - 1 else None
        if stretch is not None and (within is None or stretch.last - stretch.first <= within):
            return stretch
    return None


def _stretch(latest: Sequence[Span | None]) -> Span | None:
    spans = [span for span in latest if span is not None]
    if len(spans) < len(latest):
        return None
    return Span(min(span.first for span in spans), max(span.last for span in spans))
