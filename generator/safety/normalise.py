"""Undo what hides a word from a reader of rules.

`plain` undoes what honest writers do too (width, case, accents, traditional characters, stretched letters,
slips of the keyboard). `undisguised` also undoes what only makes sense as a disguise: invisible characters,
look-alike letters, digits for letters, letters or Han characters written apart, encodings. A rule that fires
on the second and not on the first has met a disguise.
"""

import re
import unicodedata
from collections.abc import Callable

from generator.safety import encodings
from generator.safety.characters import (
    BOXED_TO_LATIN,
    LOOK_ALIKE_TO_LATIN,
    is_invisible,
    overridden,
    pinyin_words,
    traditional_to_simplified,
    without_accents,
)
from generator.safety.terms import HAN
from generator.safety.vocabulary import Vocabulary

MAX_PASSES = 32

_WORD = re.compile(r"[a-z]+")
_LEET_CHUNK = re.compile(r"[a-z0-9@$€!|]+")
_ANY_WORD = re.compile(r"[^\W\d_]+")
_LATIN_LETTER = re.compile(r"[a-z]")
_LETTERS_APART = re.compile(r"(?<![^\W_])[a-z0-9@$](?:[\W_]{1,3}[a-z0-9@$](?![^\W_]))+")
# The look-behind keeps the search from starting anew inside a long word, which would be quadratic.
_SIGNS_INSIDE_WORD = re.compile(r"(?<![a-z0-9])[a-z0-9]+(?:[-*_.·~|/\\+#\"]{1,2}[a-z0-9]+)+")
_WORD_GAP = re.compile(r"\s{2,}|\s*[/|\n]\s*")
_HAN_SPACE = re.compile(rf"(?<=[{HAN}])[ \t\u3000]+(?=[{HAN}])")
_QUOTES_AND_STOPS = "《》〈〉“”‘’「」『』（）()，。！？；：、,!?;:\n"
_HAN_SIGNS = re.compile(rf"(?<=[{HAN}])(?:[^\w{re.escape(_QUOTES_AND_STOPS)}]|_)+(?=[{HAN}])")
_HAN_STOPS = re.compile(rf"(?<![{HAN}])[{HAN}](?:[，。！？；：、,!?;:][{HAN}](?![{HAN}])){{2,}}")


def plain(text: str, vocabulary: Vocabulary) -> str:
    """The text as an honest reader takes it; idempotent."""
    return _settle(text, lambda given: _plain_pass(given, vocabulary))


def undisguised(text: str, vocabulary: Vocabulary) -> str:
    """The text with every known disguise undone; idempotent. What is shown backwards is read both ways."""
    return _settle(text + overridden(text), lambda given: _undisguise_pass(given, vocabulary))


def _settle(text: str, one_pass: Callable[[str], str]) -> str:
    for _ in range(MAX_PASSES):
        settled = one_pass(text)
        if settled == text:
            break
        text = settled
    return text


def _fold(text: str) -> str:
    """Compatibility forms, case, accents and traditional characters, in their one canonical spelling."""
    folded = without_accents(unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", folded).translate(traditional_to_simplified())


def _plain_pass(text: str, vocabulary: Vocabulary) -> str:
    text = _HAN_SPACE.sub("", _fold(text))
    return _WORD.sub(lambda found: _mend(found.group(), vocabulary), text)


def _mend(word: str, vocabulary: Vocabulary) -> str:
    return vocabulary.unstretch(word) or vocabulary.untypo(word) or word


def _undisguise_pass(text: str, vocabulary: Vocabulary) -> str:
    text = "".join(char for char in unicodedata.normalize("NFKC", text) if not is_invisible(char))
    text = encodings.decode(text).translate(BOXED_TO_LATIN)
    text = _latin_look_alikes(_fold(text))
    text = _HAN_STOPS.sub(lambda found: re.sub(r"\W", "", found.group()), _HAN_SIGNS.sub("", text))
    text = _LETTERS_APART.sub(lambda found: _together(found.group(), vocabulary), text)
    text = _SIGNS_INSIDE_WORD.sub(lambda found: _closed_up(found.group(), vocabulary), text)
    text = pinyin_words(text)
    text = _LEET_CHUNK.sub(lambda found: vocabulary.unleet(found.group()) or found.group(), text)
    return _plain_pass(text, vocabulary)


def _latin_look_alikes(text: str) -> str:
    """Fold Greek, Cyrillic, ... twins, but only in a text that is written in Latin letters elsewhere."""
    if text.isascii() or not _LATIN_LETTER.search(text):
        return text
    return _ANY_WORD.sub(_latin_word, text)


def _latin_word(found: re.Match[str]) -> str:
    folded = found.group().translate(LOOK_ALIKE_TO_LATIN)
    # A word that keeps a foreign letter and has no Latin one of its own is really foreign.
    return folded if folded.isascii() or _LATIN_LETTER.search(found.group()) else found.group()


def _together(run: str, vocabulary: Vocabulary) -> str:
    """Join letters written apart; a gap wider or other than the one between letters keeps two words apart."""
    joined = []
    signs = len(re.findall(r"[^\w\s]|_", run))
    for part in re.split(r"\s+", run) if signs > len(re.findall(r"\s+", run)) else _WORD_GAP.split(run):
        letters = re.sub(r"[^a-z0-9@$]", "", part)
        joined.append(vocabulary.unleet(letters) or vocabulary.segment(letters) or part)
    return " ".join(joined) if any(word in vocabulary.words for word in " ".join(joined).split()) else run


def _closed_up(word: str, vocabulary: Vocabulary) -> str:
    letters = re.sub(r"[^a-z0-9]", "", word)
    return letters if letters in vocabulary.words else vocabulary.unleet(letters) or word
