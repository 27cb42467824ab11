"""Whose certificate signed: the chain as it stands in a manifest store, and the anchor that vouches for it.

The SDK has one pool of anchors, for signers and for time stamps alike, and says "trusted", but not by whom. So the
path from the signer to an anchor is found once more here, among the anchors of signers alone. It can only take trust
away: what is not read, or not understood, is vouched for by nobody.
"""

import datetime
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from provenance.cbor import decode_cbor

if TYPE_CHECKING:
    from cryptography import x509

_MAX_CERTIFICATES: Final = 10
_MAX_DEPTH: Final = 8
_X5CHAIN: Final = (33, "x5chain")  # RFC 9360; the text is what C2PA wrote before it


@dataclass(frozen=True, slots=True)
class Vouching:
    """From a signer to an anchor. `anchor` is the SHA-256 of its certificate, hex; empty where none vouches."""

    state: Literal["vouched", "expired", "unknown"]
    anchor: str = ""
    anchor_name: str = ""


def signer_chain(store: bytes, label: str) -> "tuple[x509.Certificate, ...]":
    """The certificates in the signature of one manifest of a JUMBF store, signer first; () where unreadable."""
    from cryptography import x509
    from cryptography.utils import CryptographyDeprecationWarning

    try:
        (signature,) = _content(store, (label, "c2pa.signature"))
        cose: Any = decode_cbor(signature)
        protected: Any = decode_cbor(cose[0]) if cose[0] else {}
        found = [part[name] for part in (protected, cose[1]) for name in _X5CHAIN if name in part]
        (chain,) = found  # two would be two stories
        ders = [chain] if isinstance(chain, bytes) else chain
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)  # of what RFC 5280 forbids
            certificates = tuple(x509.load_der_x509_certificate(der) for der in ders[:_MAX_CERTIFICATES])
            for one in certificates:  # parsed on first use: here, where a broken one can still be refused
                _ = one.extensions, one.subject, one.issuer, one.not_valid_before_utc, one.not_valid_after_utc
        return certificates
    except Exception:  # hostile bytes; `cryptography` has a dozen error classes of its own for them
        return ()


def sha256_of(certificate: "x509.Certificate") -> str:
    """The fingerprint that tools show: SHA-256 of the DER, hex."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def path_to_anchor(
    chain: "Sequence[x509.Certificate]",
    anchors: "Iterable[x509.Certificate]",
    at: datetime.datetime | None,
) -> Vouching:
    """Which anchor vouches for the first certificate of a chain at a time; None asks of no time.

    `expired` where there is a path, but not at that time.
    """
    anchors = tuple(anchors)
    if not chain:
        return Vouching("unknown")
    for path in _climb(chain[0], chain[1:], anchors, 0):
        anchor = path[-1]
        inside = at is None or all(
            one.not_valid_before_utc <= at <= one.not_valid_after_utc for one in path[:-1] or path
        )
        return Vouching(
            "vouched" if inside else "expired", sha256_of(anchor), anchor.subject.rfc4514_string()
        )
    return Vouching("unknown")


def _climb(
    certificate: "x509.Certificate",
    others: "Sequence[x509.Certificate]",
    anchors: "Sequence[x509.Certificate]",
    depth: int,
) -> "Iterator[list[x509.Certificate]]":
    if depth > _MAX_DEPTH:
        return
    for anchor in anchors:
        if _issued(certificate, anchor):
            yield [certificate, anchor]
    for at, issuer in enumerate(others):
        if issuer in anchors:
            continue
        if may_issue(issuer, below=depth) and _issued(certificate, issuer):
            rest = [*others[:at], *others[at + 1 :]]
            yield from ([certificate, *path] for path in _climb(issuer, rest, anchors, depth + 1))


def may_issue(certificate: "x509.Certificate", *, below: int = 0) -> bool:
    """Whether it is of an authority that may issue, with `below` other authorities under it (RFC 5280 §4.2.1.9)."""
    from cryptography import x509

    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    deep_enough = constraints.path_length is None or constraints.path_length >= below
    return constraints.ca and deep_enough and (usage is None or usage.key_cert_sign)


def _issued(certificate: "x509.Certificate", issuer: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _content(store: bytes, labels: Sequence[str]) -> list[bytes]:
    """Payloads of the CBOR boxes in the superbox at a path of labels below the store (ISO/IEC 19566-5)."""
    level = [payload for kind, payload in _boxes(store) if kind == b"jumb"]
    for label in labels:
        inside = [one for payload in level for kind, one in _boxes(payload) if kind == b"jumb"]
        level = [payload for payload in inside if _label(payload) == label]
        if len(level) != 1:  # none, or two of one name: then nobody knows which one the SDK read
            raise ValueError(label)
    return [payload for kind, payload in _boxes(level[0]) if kind == b"cbor"]


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, header = int.from_bytes(content[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        size = size or len(content) - at
        if size < header or at + size > len(content):
            raise ValueError("a box does not fit")
        yield content[at + 4 : at + 8], content[at + header : at + size]
        at += size


def _label(superbox: bytes) -> str | None:
    """The label in the description box that a superbox begins with: UUID, toggles, then text to a zero."""
    kind, description = next(_boxes(superbox), (b"", b""))
    if kind != b"jumd" or len(description) < 18 or not description[16] & 2:
        return None
    return description[17:].split(b"\0")[0].decode()
