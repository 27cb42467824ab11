"""Undo text encodings that hide words: percent, HTML entities, backslash escapes, hex and base64.

Only what decodes to readable text is replaced. Each pass shortens the text, and the number of passes is
bounded, so an onion of encodings costs no more than its own length.
"""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Callable

from generator.safety.characters import is_invisible

MAX_LAYERS = 24  # base64 grows by 4/3 a layer: 24 layers exceed any prompt length that the policy admits

_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,10});")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){4,}(?![0-9A-Za-z])")
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{8,}={0,2}|[A-Za-z0-9+/_-]{7}=|[A-Za-z0-9+/_-]{6}==)(?![A-Za-z0-9+/_=-])"
)
_URL_SAFE = str.maketrans("-_", "+/")


def decode(text: str) -> str:
    """Text with every readable encoded stretch replaced by what it says."""
    for _ in range(MAX_LAYERS):
        decoded = text
        for pattern, replace in _DECODERS:
            decoded = pattern.sub(replace, decoded)
        if decoded == text:
            return text
        text = decoded
    return text


def _percent(found: re.Match[str]) -> str:
    return _readable(bytes.fromhex(found.group().replace("%", "")), minimum=1) or found.group()


def _entity(found: re.Match[str]) -> str:
    character = html.unescape(found.group())
    return character if all(map(_is_text, character)) else found.group()


def _escape(found: re.Match[str]) -> str:
    character = chr(int(found.group()[2:], 16))
    return character if all(map(_is_text, character)) else found.group()


def _hex(found: re.Match[str]) -> str:
    return _readable(bytes.fromhex(found.group()), minimum=4, wordy=True) or found.group()


def _base64(found: re.Match[str]) -> str:
    encoded = found.group().rstrip("=")
    # Case-folded text is never base64: without a capital letter this is a long word.
    if not re.search(r"[A-Z]", encoded) or len(encoded) % 4 == 1:
        return found.group()
    padded = encoded.translate(_URL_SAFE) + "=" * (-len(encoded) % 4)
    try:
        raw = base64.b64decode(padded, validate=True)
    except binascii.Error:
        return found.group()
    return _readable(raw, minimum=4, wordy=True) or found.group()


def _readable(raw: bytes, *, minimum: int, wordy: bool = False) -> str:
    """The bytes as UTF-8 text, or "" where they are not text; `wordy` asks for letters above all."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if len(raw) < minimum or not all(_is_text(char) for char in text):
        return ""
    if wordy and not _BASE64.fullmatch(text):
        text = "".join(char for char in text if not is_invisible(char))
        # Random bytes that happen to be UTF-8 are full of signs; prose and Chinese are letters and spaces.
        letters = sum(unicodedata.category(char)[0] in "LMZ" for char in text)
        if letters < 0.8 * len(text):
            return ""
    return text


def _is_text(char: str) -> bool:
    return char.isprintable() or char.isspace() or is_invisible(char)


_DECODERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_PERCENT, _percent),
    (_ENTITY, _entity),
    (_ESCAPE, _escape),
    (_HEX, _hex),
    (_BASE64, _base64),
)
