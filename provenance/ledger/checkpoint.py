"""Checkpoints: what the log was at one size, signed, in the text forms of C2SP.

tlog-checkpoint (c2sp.org/tlog-checkpoint): three lines, then the signature of a signed note (c2sp.org/signed-note):

    clipproof/0123456789abcdef          origin: whose log it is
    1234                                number of entries
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2…   root of the Merkle tree, base64

    — clipproof/0123456789abcdef az3grlgt…   key id (4 bytes) and Ed25519 signature (64), base64
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from provenance.ledger.errors import CheckpointInvalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519: Final = b"\x01"  # the algorithm byte of signed notes
_MAX_TEXT: Final = 4096
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log at one size. `text` is the signed note; `root` 32 bytes."""

    origin: str
    size: int
    root: bytes
    text: str


def origin_of(key: "Ed25519PublicKey") -> str:
    """The name of the log that this key signs for, which is also the name of the key."""
    return f"clipproof/{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]}"


def verifier_key(key: "Ed25519PublicKey") -> str:
    """The public key as one line, `name+id+key`, for whoever is to check checkpoints."""
    name, encoded = origin_of(key), base64.b64encode(_ED25519 + key.public_bytes_raw()).decode()
    return f"{name}+{_key_id(key).hex()}+{encoded}"


def sign_checkpoint(size: int, root: bytes, key: "Ed25519PrivateKey") -> Checkpoint:
    """The signed checkpoint of a log of `size` entries. Ed25519 is deterministic: the same again is the same text."""
    public = key.public_key()
    origin = origin_of(public)
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(_key_id(public) + key.sign(body.encode())).decode()
    return Checkpoint(origin, size, root, f"{body}\n\u2014 {origin} {signature}\n")


def parse_checkpoint(text: str) -> Checkpoint:
    """What a checkpoint says, whoever signed it. Raises `CheckpointInvalid` for any other text."""
    body, separator, _ = text.partition("\n\n")
    lines = body.split("\n")
    if len(text) > _MAX_TEXT or not separator or len(lines) < 3 or not _SIZE.fullmatch(lines[1]):
        raise CheckpointInvalid("not a checkpoint of a log", hint="Give the text as it was written.")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except (ValueError, binascii.Error):
        root = b""
    if len(root) != 32:
        raise CheckpointInvalid("the root of the checkpoint is not a hash", hint="It was damaged.")
    return Checkpoint(lines[0], int(lines[1]), root, text)


def read_checkpoint(text: str, *keys: "Ed25519PublicKey") -> Checkpoint:
    """A checkpoint that one of `keys` signed. Raises `CheckpointInvalid` for any other text."""
    from cryptography.exceptions import InvalidSignature

    found = parse_checkpoint(text)
    body, _, signatures = text.partition("\n\n")
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        for key in keys:
            if (dash, name, found.origin) != ("\u2014", origin_of(key), name):
                continue
            try:
                blob = base64.b64decode(encoded, validate=True)
                key.verify(blob[4:] if blob[:4] == _key_id(key) else b"", f"{body}\n".encode())
                return found
            except (ValueError, binascii.Error, InvalidSignature):
                continue
    raise CheckpointInvalid(
        f"the checkpoint of {found.origin[:80]!r} is not signed by this log",
        hint="It was altered, or is another log's.",
    )


def _key_id(key: "Ed25519PublicKey") -> bytes:
    name = origin_of(key)
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]
