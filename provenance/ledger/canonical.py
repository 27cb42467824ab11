"""Canonical JSON (RFC 8785): one text for one value, so that a hash of the text is a hash of the value."""

import json
import math
from decimal import Decimal
from typing import Any

# I-JSON (RFC 7493 §2.2): beyond this, readers that hold numbers as doubles see another integer.
MAX_SAFE_INTEGER = 2**53 - 1


def canonical_json(value: object) -> str:
    """RFC 8785 text of a JSON value: no white space, keys in UTF-16 order, numbers as ECMAScript writes them.

    Takes None, bool, int within ±(2^53-1), finite float, str, list, tuple and dict with str keys.
    Raises `ValueError` for NaN, infinities, greater integers and lone surrogates, `TypeError` for the rest.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"{value} is beyond 2^53-1, where JSON readers disagree; write it as a string")
        return int.__repr__(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(canonical_json(item) for item in value) + "]"
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a JSON key must be a string, not {type(key).__name__}")
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_string(key)}:{canonical_json(item)}" for key, item in members) + "}"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def read_canonical(text: str) -> Any:
    """The value of a canonical text; `canonical_json` of it is the text again. Raises `ValueError`.

    A great float is written as an integer, and must be read as a float again.
    """

    def integer(digits: str) -> int | float:
        return int(digits) if abs(int(digits)) <= MAX_SAFE_INTEGER else float(digits)

    return json.loads(text, parse_int=integer)


def _string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate cannot be written as UTF-8") from None
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """ECMAScript Number::toString (ECMA-262 §6.1.6.1.20): the shortest digits that mean the same double."""
    if not math.isfinite(value):
        raise ValueError(f"JSON has no {value}")
    if value == 0:
        return "0"
    shortest = Decimal(repr(abs(value))).normalize()
    digits = "".join(map(str, shortest.as_tuple().digits))
    point = shortest.adjusted() + 1  # value = 0.digits × 10^point
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{point - 1:+d}"
    return "-" + text if value < 0 else text
