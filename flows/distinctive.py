"""Words that set some prompts apart from others, in the form in which a rule writes them.

A term is what the policy's own matcher makes of it (`generator.safety.terms`): "pipe bomb" also stands for its plural.
There is no word segmentation for Chinese here, so a Chinese term is a stretch that several prompts share.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from generator.safety.terms import TermIndex, Token, tokenise

MAX_TERMS = 8
_TERMS_A_PROMPT = 3
_MAX_CANDIDATES = 500
_LONGEST_PHRASE = 3  # words
_LONGEST_STRETCH = 6  # Han characters
_FILLERS = frozenset(
    "a an the of in on at to for with without and or is are be being by from as that this these those it its his her "
    "their our your my into onto over under up down out off while who which how what when where there then than very "
    "的 了 在 是 和 与 一 个 着 把 被 里 上 下 中 有 这 那 他 她 它 们 就 也 都 不 到 从 给 对".split()
)


def distinctive_terms(ours: Sequence[str], others: Sequence[str]) -> dict[str, set[int]]:
    """Up to eight terms that occur in `ours`, each with the numbers of those texts, and in none of `others`.

    Few that cover much come first, longer ones before shorter; none holds another. Texts are normalised, as rules read
    them. Two texts have to share a term: what one alone has is more likely the scene than what was wrong with it. Of a
    single text phrases of two and three words are given, for a person to choose from.
    """
    read = [tokenise(text) for text in ours]
    terms = sorted({term for tokens in read for term in _candidates(tokens)})
    index = TermIndex([[term] for term in terms])
    found: dict[str, set[int]] = {}
    for number, tokens in enumerate(read):
        for group in index.find(tokens):
            found.setdefault(terms[group], set()).add(number)
    for text in others:
        for group in index.find(tokenise(text)):
            found.pop(terms[group], None)
    alone = len(ours) == 1
    found = {
        term: where
        for term, where in found.items()
        if len(where) > 1 or (alone and _says_enough(tokenise(term)))
    }
    most = sorted(found, key=lambda term: (len(found[term]), len(tokenise(term)), term))[-_MAX_CANDIDATES:]
    found = {term: found[term] for term in most}

    chosen: dict[str, set[int]] = {}
    while found and len(chosen) < MAX_TERMS:
        said = Counter(number for where in chosen.values() for number in where)
        gain = {
            term: sum(said[number] < _TERMS_A_PROMPT for number in where) for term, where in found.items()
        }
        best = max(found, key=lambda term: (gain[term], len(tokenise(term)), len(term), term))
        if gain[best] == 0:
            break
        chosen[best] = found[best]
        found = {
            term: where
            for term, where in found.items()
            if not occurs(term, [best]) and not occurs(best, [term])
        }
    return chosen


def occurs(term: str, texts: Sequence[str]) -> bool:
    """Whether a rule with this term would find it in any of the texts."""
    index = TermIndex([[term]])
    return any(index.find(tokenise(text)) for text in texts)


def phrase_around(text: str, span: str, others: Sequence[str]) -> str | None:
    """The shortest stretch of `text` that holds `span` and more, and occurs in none of `others`; None if none does.

    For a `harmless` phrase: the span alone would silence its rule for everybody.
    """
    tokens, inner = tokenise(text), [token.word for token in tokenise(span)]
    words = [token.word for token in tokens]
    first = next((n for n in range(len(words)) if words[n : n + len(inner)] == inner), None)
    if first is None or not inner:
        return None
    last = first + len(inner)
    for more in range(1, _LONGEST_PHRASE + 1):
        for before in range(more + 1):
            stretch = tokens[max(first - before, 0) : last + more - before]
            if len(stretch) < len(inner) + more or not all(token.follows for token in stretch[1:]):
                continue
            phrase = _written(stretch)
            if not occurs(phrase, others):
                return phrase
    return None


def _candidates(tokens: Sequence[Token]) -> set[str]:
    terms = set()
    for first in range(len(tokens)):
        for last in range(first + 1, min(first + _LONGEST_STRETCH, len(tokens)) + 1):
            stretch = tokens[first:last]
            if last - first > 1 and not stretch[-1].follows:
                break
            han = [_is_han(token) for token in stretch]
            if any(han) != all(han) or (not any(han) and last - first > _LONGEST_PHRASE):
                break
            if stretch[-1].word in _FILLERS:
                if any(han):
                    continue  # it may stand inside of a word
                break
            if stretch[0].word in _FILLERS:
                break
            if any(han) and last - first < 2:
                continue
            if not any(han) and sum(len(token.word) for token in stretch) < 4:
                continue
            terms.add(_written(stretch))
    return terms


def _says_enough(term: Sequence[Token]) -> bool:
    """Whether a term of a single prompt is worth showing: a phrase of Latin words."""
    return len(term) > 1 and not any(map(_is_han, term))


def _written(tokens: Sequence[Token]) -> str:
    parts = [tokens[0].word]
    for before, token in pairwise(tokens):
        parts += ["" if _is_han(before) and _is_han(token) else " ", token.word]
    return "".join(parts)


def _is_han(token: Token) -> bool:
    return any("\u3400" <= char <= "\u9fff" or char >= "\U00020000" for char in token.word)
