"""Tables of the normaliser: invisible characters, look-alike letters, traditional Chinese, pinyin.

Look-alikes follow the letter pairs of Unicode UTS #39 (confusables) that a reader takes for a Latin letter.
"""

import re
import unicodedata
from functools import cache
from importlib.resources import files

_LOOK_ALIKES = {
    "a": "аɑαａ𐊠ᴀ",
    "b": "ЬвʙƄ",
    "c": "сϲᴄⅽ",
    "d": "ԁɗᴅⅾ",
    "e": "еєҽεᴇ℮",
    "f": "ƒꜰϝ",
    "g": "ɡցɢ",
    "h": "һнհʜ",
    "i": "іιıɪɩӏⅰ",
    "j": "јʝϳᴊ",
    "k": "кκᴋ",
    "l": "ⅼʟǀ",
    "m": "мᴍⅿ",
    "n": "ոηɴпп",
    "o": "оοօσᴏ",
    "p": "рρᴘ",
    "q": "ԛգ",
    "r": "гᴦʀɾ",
    "s": "ѕꜱʂ",
    "t": "тτᴛ",
    "u": "սυᴜμ",
    "v": "ѵνᴠⅴ",
    "w": "ԝѡωᴡ",
    "x": "хχⅹ×",
    "y": "уүγʏ",
    "z": "ᴢʐ",
}
_LETTERS_WITHOUT_DECOMPOSITION = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe", "ß": "ss", "þ": "th", "ð": "d", "ŧ": "t"}
)


def _folded(letter: str) -> str:
    return unicodedata.normalize("NFKC", letter).casefold()


LOOK_ALIKE_TO_LATIN: dict[int, str] = {
    ord(_folded(twin)): latin
    for latin, twins in _LOOK_ALIKES.items()
    for twin in twins
    if len(_folded(twin)) == 1 and not ("a" <= _folded(twin) <= "z")
}
"""Case-folded look-alike code point -> Latin letter."""

# Letters in boxes and flags have no compatibility decomposition: 🅺 (negative squared) and 🇰 (regional).
BOXED_TO_LATIN: dict[int, str] = {
    base + offset: chr(ord("a") + offset) for base in (0x1F150, 0x1F170, 0x1F1E6) for offset in range(26)
}

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0")


def is_invisible(char: str) -> bool:
    """True for zero-width, bidirectional, tag and variation characters, which show nothing of themselves."""
    code = ord(char)
    if code < 0xAD:
        return char < " " and char not in "\t\n\r"
    return (
        char in _BLANKS
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
        or unicodedata.category(char) in ("Cf", "Cc")
    )


def without_accents(text: str) -> str:
    """Text without the combining marks of Latin, Greek and Cyrillic letters; other scripts keep theirs."""
    if text.isascii():
        return text
    kept = "".join(char for char in unicodedata.normalize("NFD", text) if not _is_accent(char))
    return unicodedata.normalize("NFC", kept).translate(_LETTERS_WITHOUT_DECOMPOSITION)


def _is_accent(char: str) -> bool:
    code = ord(char)
    return (
        0x300 <= code <= 0x36F
        or 0x483 <= code <= 0x489
        or 0x1AB0 <= code <= 0x1AFF
        or 0x1DC0 <= code <= 0x1DFF
        or 0x20D0 <= code <= 0x20FF
        or 0xFE20 <= code <= 0xFE2F
    )


_OVERRIDE = re.compile("[\u202d\u202e]([^\u202c-\u202e]{3,})")


def overridden(text: str) -> str:
    """What a reader sees where direction overrides (UAX #9: LRO, RLO) turn the order of letters, or ""."""
    return "".join("\n" + run[::-1] for run in _OVERRIDE.findall(text))


def pinyin_words(text: str) -> str:
    """Case-folded text with the words of `policy/pinyin.txt` in Han characters."""
    pattern, words = _pinyin()
    return pattern.sub(lambda found: words[re.sub("[^a-zü]", "", found.group())], text)


@cache
def _pinyin() -> tuple[re.Pattern[str], dict[str, str]]:
    words: dict[str, str] = {}
    spellings = []
    listing = files("generator.safety").joinpath("policy/pinyin.txt").read_text(encoding="utf-8")
    for line in listing.splitlines():
        if line.startswith("#"):
            continue
        *syllables, word = line.split()
        # Accents are folded before words are read, so that lü arrives as lu.
        for spelt in dict.fromkeys((tuple(syllables), tuple(s.replace("ü", "u") for s in syllables))):
            words["".join(spelt)] = word
            spellings.append("[1-5]?[ '-]?".join(spelt))
    spellings.sort(key=len, reverse=True)
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(spellings)})[1-5]?(?![a-z0-9])"), words


@cache
def traditional_to_simplified() -> dict[int, str]:
    """Code point of a traditional character -> simplified character, from `policy/traditional.txt`."""
    table: dict[int, str] = {}
    listing = files("generator.safety").joinpath("policy/traditional.txt").read_text(encoding="utf-8")
    for line in listing.splitlines():
        if line.startswith("#"):
            continue
        for pair in line.split():
            table[ord(pair[0])] = pair[1]
    return table
