"""CBOR (RFC 8949), as much of it as COSE headers and Merkle proofs need: no floats, nothing of indefinite length."""

from typing import Final

_MAX_DEPTH: Final = 8


def decode_cbor(content: bytes) -> object:
    """The first item of some bytes; tags are dropped, simple values are None. Raises `ValueError` or `IndexError`."""
    return _item(content, 0, 0)[0]


def _item(content: bytes, at: int, depth: int) -> tuple[object, int]:
    """One CBOR item (RFC 8949) at an offset, and the offset behind it."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    major, low = content[at] >> 5, content[at] & 31
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(low, 0)
    if low > 27:
        raise ValueError("an item of indefinite length")
    value = int.from_bytes(content[at + 1 : at + 1 + width], "big") if width else low
    at += 1 + width
    if major in (2, 3):
        if value > len(content) - at:
            raise ValueError("a string is cut short")
        piece = content[at : at + value]
        return (piece if major == 2 else piece.decode()), at + value
    if major in (4, 5):
        items: list[object] = []
        for _ in range(min(value * (major - 3), len(content) - at + 1)):
            item, at = _item(content, at, depth + 1)
            items.append(item)
        return (items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))), at
    if major == 6:
        return _item(content, at, depth + 1)
    return (value if major == 0 else -1 - value if major == 1 else None), at
