"""Repair one disguised or misspelt word, if and only if the repair is a word that some rule reads.

Tying repairs to the rule vocabulary keeps ordinary text as it is: "4k" or "1080p" repair to nothing.
"""

import re
from collections.abc import Collection, Iterable

SWAP_MIN_LETTERS = 4
EDIT_MIN_LETTERS = 9
"""Shorter words have too many real neighbours at distance one: "staring" and "starving"."""

_LEET = str.maketrans("013456789@$€!|lz2", "oieasgtbgase" + "iii" + "zz")
_RUN_OF_THREE = re.compile(r"(\w)\1\1")
_RUN = re.compile(r"(\w)\1+")
_LEET_SIGN = re.compile(r"[0-9@$€!|]")
_LETTER = re.compile(r"[a-z]")


class Vocabulary:
    """The Latin words of all rules, with the indexes that map a damaged spelling back to them."""

    def __init__(self, words: Collection[str], *, real_words: Iterable[str] = ()) -> None:
        """`words` may hold digits. `real_words` look like a misspelt rule word and are never repaired."""
        self.words = frozenset(word for word in words if len(word) > 1 and word.isascii() and word.isalpha())
        self._real = frozenset(real_words) | frozenset(words)
        ordered = sorted(self.words)
        self._by_shape = {word.translate(_LEET): word for word in reversed(ordered)}
        self._by_single_letters = {
            _RUN.sub(r"\1", word): word for word in reversed(ordered) if len(word) >= 4
        }
        self._typos = {typo: word for word in reversed(ordered) for typo in _typos_of(word)}
        self.longest = max(map(len, ordered), default=0)

    def unleet(self, chunk: str) -> str | None:
        """The rule word behind "k1ll" or "n@k3d"."""
        if len(chunk) < 3 or chunk in self._real or not (_LEET_SIGN.search(chunk) and _LETTER.search(chunk)):
            return None
        for candidate in (chunk, chunk.rstrip("!|")):
            word = self._by_shape.get(candidate.translate(_LEET))
            if word is not None:
                return word
        return None

    def unstretch(self, word: str) -> str | None:
        """The rule word behind "kiiiill"."""
        if not _RUN_OF_THREE.search(word):
            return None
        return self._by_single_letters.get(_RUN.sub(r"\1", word))

    def untypo(self, word: str) -> str | None:
        """The rule word one slip away: two neighbours swapped, or in long words one letter wrong."""
        if not SWAP_MIN_LETTERS <= len(word) <= self.longest + 1 or word in self._real:
            return None
        if word in self._typos:
            return self._typos[word]
        if len(word) >= EDIT_MIN_LETTERS:
            for place in range(1, len(word) - 1):
                one_less = word[:place] + word[place + 1 :]
                if len(one_less) >= EDIT_MIN_LETTERS and one_less in self.words:
                    return one_less
                blanked = word[:place] + "?" + word[place + 1 :]
                if blanked in self._typos:
                    return self._typos[blanked]
        return None

    def segment(self, letters: str) -> str | None:
        """Letters that were written apart, parted again into words; None where no rule word is in them."""
        if letters in self.words:
            return letters
        pieces: list[str] = []
        unknown = ""
        found = False
        place = 0
        while place < len(letters):
            word = self._longest_at(letters, place)
            if word is None:
                unknown += letters[place]
                place += 1
                continue
            if unknown:
                pieces.append(unknown)
                unknown = ""
            pieces.append(word)
            found = found or len(word) >= 4
            place += len(word)
        if unknown:
            pieces.append(unknown)
        return " ".join(pieces) if found else None

    def _longest_at(self, letters: str, place: int) -> str | None:
        for length in range(min(self.longest, len(letters) - place), 2, -1):
            word = letters[place : place + length]
            if word in self.words:
                return word
        return None


def _typos_of(word: str) -> Iterable[str]:
    if len(word) < SWAP_MIN_LETTERS:
        return
    for place in range(len(word) - 1):
        if word[place] != word[place + 1]:
            yield word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if len(word) >= EDIT_MIN_LETTERS:
        # The ends stay: a lost or added last letter is inflection more often than a slip.
        for place in range(1, len(word) - 1):
            yield word[:place] + word[place + 1 :]
            yield word[:place] + "?" + word[place + 1 :]
