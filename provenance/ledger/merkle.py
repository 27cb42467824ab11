"""The Merkle tree of the transparency log: RFC 6962 §2.1, whose proofs RFC 9162 §2.1 words as loops.

A tree over n leaves splits at the largest power of two below n. Its *complete* subtrees never change once they are
full: the one at (level, position) covers the leaves [position·2^level, (position + 1)·2^level). Whoever keeps their
hashes needs O(log n) of them for a root or a proof; `node` is asked for one by level and position.
"""

import hashlib
from collections.abc import Callable, Sequence

Node = Callable[[int, int], bytes]  # (level, position) of a complete subtree -> its hash


def leaf_hash(entry: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 ‖ d): the 0x00 keeps a leaf from passing as an inner node (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right) (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(seq: int, leaf: bytes, node: Node) -> list[tuple[int, int, bytes]]:
    """The subtrees that leaf number `seq` completes, lowest first: (level, position, hash); itself at level 0."""
    found, level, position, digest = [(0, seq, leaf)], 0, seq, leaf
    while position & 1:  # a right child: its parent is full now
        digest = node_hash(node(level, position - 1), digest)
        level, position = level + 1, position >> 1
        found.append((level, position, digest))
    return found


def root(size: int, node: Node) -> bytes:
    """The hash of the tree over the first `size` leaves; SHA-256 of nothing where there are none."""
    return _range_hash(0, size, node) if size else hashlib.sha256().digest()


def inclusion_proof(seq: int, size: int, node: Node) -> list[bytes]:
    """PATH(seq, D[size]): what leads from a leaf to the root (RFC 6962 §2.1.1). Raises `ValueError`."""
    if not 0 <= seq < size:
        raise ValueError(f"entry {seq} is not in a log of {size}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if seq < middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(start, middle, node))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]): that the first `old` leaves are those of before (RFC 6962 §2.1.2). Raises `ValueError`."""
    if not 0 < old <= new:
        raise ValueError(f"a log of {new} entries cannot be shown to have grown from {old}")
    path, start, end, whole = [], 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(start, middle, node))
            start, whole = middle, False
    if not whole:  # else the old root itself, which the verifier has
        path.append(_range_hash(start, end, node))
    return path[::-1]


def root_of_inclusion(seq: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to, None where it has the wrong length (RFC 9162 §2.1.3.2)."""
    if not 0 <= seq < size:
        return None
    position, last, digest = seq, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            digest = node_hash(sibling, digest)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        position, last = position >> 1, last >> 1
    return digest if last == 0 else None


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a consistency proof shows that one tree grew into the other (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    hashes = list(path) if old & (old - 1) else [old_root, *path]  # a full old tree is left out of the proof
    if not hashes:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """The largest power of two below `size` > 1."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(start: int, end: int, node: Node) -> bytes:
    """MTH of the leaves [start, end), where start is a multiple of the subtree sizes within."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range_hash(start, middle, node), _range_hash(middle, end, node))
