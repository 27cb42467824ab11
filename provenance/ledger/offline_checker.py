#!/usr/bin/env python3
"""Check a proof that an entry is in a Clipproof transparency log. Needs Python and `cryptography`, and no network.

    python check.py proof.json --key 'clipproof/0123456789abcdef+01234567+AQ…' [--checkpoint kept-earlier.txt]

--key: the log's public key, as its owner published it. Without it the key inside of the proof is used, which shows only
that the proof agrees with itself. --checkpoint: a checkpoint of the same log that you kept; the proof must show
that the log has only grown since (made with `ledger log prove --since`).

Exit codes: 0 everything holds, 1 something does not, 2 not a proof that can be read.
"""

import argparse
import base64
import hashlib
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

MAX_BYTES = 4 << 20


class Unreadable(Exception):
    """Not a proof."""


class Wrong(Exception):
    """A proof that does not hold."""


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def text_of(value: Any, name: str, limit: int = 1 << 20) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise Unreadable(f"{name} is not a text")
    return value


def hashes_of(value: Any, name: str) -> list[bytes]:
    if not isinstance(value, list) or len(value) > 64:
        raise Unreadable(f"{name} is not a list of hashes")
    try:
        hashes = [bytes.fromhex(text_of(one, name, 64)) for one in value]
    except ValueError:
        raise Unreadable(f"{name} holds something that is not hex") from None
    if any(len(one) != 32 for one in hashes):
        raise Unreadable(f"{name} holds something that is not a hash")
    return hashes


def root_of(seq: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= seq < size:
        raise Wrong(f"entry {seq} is not in a log of {size}")
    position, last, digest = seq, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Wrong("the inclusion proof is too long")
        if position & 1 or position == last:
            digest = sha256(b"\x01", sibling, digest)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            digest = sha256(b"\x01", digest, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise Wrong("the inclusion proof is too short")
    return digest


def require_growth(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """RFC 9162 section 2.1.4.2."""
    fault = Wrong(f"the log of {new} entries is not what the log of {old} grew into: its past was rewritten")
    if not 0 < old <= new:
        raise fault
    if old == new:
        if path or old_root != new_root:
            raise fault
        return
    hashes = [*path] if old & (old - 1) else [old_root, *path]
    if not hashes:
        raise fault
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise fault
        if position & 1 or position == last:
            first, second = sha256(b"\x01", sibling, first), sha256(b"\x01", sibling, second)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            second = sha256(b"\x01", second, sibling)
        position, last = position >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise fault


def read_key(text: str) -> tuple[str, bytes, Any]:
    """The name, id and Ed25519 key of a verifier key (c2sp.org/signed-note)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        name, key_id, encoded = text.strip().split("+", 2)
        blob = base64.b64decode(encoded, validate=True)
        key = Ed25519PublicKey.from_public_bytes(blob[1:])
    except ValueError:
        raise Unreadable("the verifier key is not one") from None
    if blob[:1] != b"\x01" or sha256(name.encode() + b"\n" + blob)[:4].hex() != key_id:
        raise Unreadable("the verifier key does not have the id that it says")
    return name, bytes.fromhex(key_id), key


def read_checkpoint(text: Any, key: tuple[str, bytes, Any]) -> tuple[int, bytes]:
    """(size, root) of a signed checkpoint (c2sp.org/tlog-checkpoint)."""
    from cryptography.exceptions import InvalidSignature

    name, key_id, public = key
    body, separator, signatures = text_of(text, "the checkpoint", 4096).partition("\n\n")
    lines = body.split("\n")
    if (
        not separator
        or len(lines) < 3
        or not (lines[1].isascii() and lines[1].isdigit() and len(lines[1]) < 19)
    ):
        raise Unreadable("not a checkpoint")
    if lines[0] != name:
        raise Wrong(f"the checkpoint is of another log: {lines[0][:80]!r}")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        raise Unreadable("the root of the checkpoint is not base64") from None
    for line in signatures.split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or parts[1] != name:
            continue
        try:
            blob = base64.b64decode(parts[2], validate=True)
            if blob[:4] == key_id:
                public.verify(blob[4:], (body + "\n").encode())
                return int(lines[1]), root
        except (ValueError, InvalidSignature):
            continue
    raise Wrong("the checkpoint is not signed by this key")


def check(bundle: Any, key_text: str | None, kept: str | None) -> Iterator[str]:
    """What holds, line by line. Raises Wrong or Unreadable."""
    if not isinstance(bundle, dict) or bundle.get("schema") != "clipproof.log-proof/1":
        raise Unreadable("not a proof of this version")
    key = read_key(key_text or text_of(bundle.get("verifier_key"), "the verifier key", 500))
    entry, seq = text_of(bundle.get("entry"), "the entry"), bundle.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise Unreadable("the number of the entry is not a number")
    size, root = read_checkpoint(bundle.get("checkpoint"), key)
    yield f"checkpoint: {size} entries, signed by {key[0]}"
    if (
        root_of(seq, size, sha256(b"\x00", entry.encode()), hashes_of(bundle.get("inclusion"), "inclusion"))
        != root
    ):
        raise Wrong(f"entry {seq} is not in this log as it stands here")
    said = json.loads(entry)
    if not isinstance(said, dict) or said.get("seq") != seq:
        raise Wrong(f"the entry has another number than {seq}")
    yield f"entry {seq} is in the log: {said.get('kind')} at {said.get('at')}"
    older = bundle.get("older")
    if kept is not None or older is not None:
        older = older if isinstance(older, dict) else {}
        old_size, old_root = read_checkpoint(kept if kept is not None else older.get("checkpoint"), key)
        path = hashes_of(older.get("consistency", []), "consistency")
        require_growth(old_size, old_root, size, root, path)
        yield f"the log has only grown since its checkpoint of {old_size} entries"
    openings = bundle.get("openings", [])
    if not isinstance(openings, list):
        raise Unreadable("the openings are not a list")
    for opening in openings:
        if not isinstance(opening, dict):
            raise Unreadable("an opening is not an object")
        text, salt = (
            text_of(opening.get("text"), "an opened text"),
            text_of(opening.get("salt"), "a salt", 128),
        )
        try:
            digest = sha256(bytes.fromhex(salt), unicodedata.normalize("NFC", text).encode())
        except ValueError:
            raise Unreadable("a salt is not hex") from None
        if digest.hex() not in entry:
            raise Wrong(f"the entry does not commit to the text {text[:80]!r}")
        yield f"the entry commits to the text {text[:200]!r}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("proof", help="a file that `clipproof ledger log prove` wrote")
    parser.add_argument("--key", help="the log's verifier key, from a source that you trust")
    parser.add_argument("--checkpoint", help="a checkpoint of this log that you kept earlier")
    options = parser.parse_args(arguments)
    try:
        with open(options.proof, "rb") as file:  # noqa: PTH123 (pathlib's open is the same; the script stays plain)
            content = file.read(MAX_BYTES + 1)
        kept = None
        if options.checkpoint:
            with open(options.checkpoint, encoding="utf-8") as file:  # noqa: PTH123
                kept = file.read(1 << 16)
        if len(content) > MAX_BYTES:
            raise Unreadable("larger than any proof")
        for line in check(json.loads(content), options.key, kept):
            print("ok    " + line.encode("ascii", "backslashreplace").decode())
    except Wrong as fault:
        print("WRONG " + str(fault).encode("ascii", "backslashreplace").decode())
        return 1
    except Unreadable as fault:
        print(f"{options.proof}: {fault}", file=sys.stderr)
        return 2
    except (OSError, ValueError, RecursionError) as fault:
        print(f"{options.proof}: cannot be read ({type(fault).__name__})", file=sys.stderr)
        return 2
    if not options.key:
        print("note  the key came with the proof: compare it with the one that the log's owner published")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
