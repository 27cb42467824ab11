"""Whom to believe: lists of trust anchors, and the C2PA SDK context that is hardened around them."""

import functools
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from provenance.chain import sha256_of
from provenance.errors import TrustError

if TYPE_CHECKING:
    import c2pa
    from cryptography import x509

_MAX_ANCHORS_BYTES = 4 << 20

# Purposes (EKU) under which a leaf may sign claims. The SDK knows emailProtection by itself; a verifier
# without the other two calls every certificate of the real C2PA trust list invalid (measured, 0.91.3).
EKU_EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"
EKU_DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"
EKU_C2PA_CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"
ACCEPTED_EKUS = (EKU_EMAIL_PROTECTION, EKU_DOCUMENT_SIGNING, EKU_C2PA_CLAIM_SIGNING)


Purpose = Literal["signer", "tsa"]
_DECLARED: Final = re.compile(
    rb"^#\s*(?:version|date)\s*[:=]\s*([\x20-\x7e]{1,60})", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class TrustList:
    """One file of certificate authorities, for signers or for time stamps.

    `id` is the SHA-256 over the sorted fingerprints of its certificates: equal lists have equal ids, however they
    are written. `version` is what the file says of itself in a comment such as `# version: 2026-03`.
    """

    purpose: Purpose
    source: str
    pem: str = field(repr=False)  # normalised
    fingerprints: tuple[str, ...]  # SHA-256 of each certificate's DER, hex
    id: str
    version: str = ""

    @classmethod
    def from_pem(cls, pem: bytes, *, source: str, purpose: Purpose) -> "TrustList":
        """A list of PEM text; comments between certificates are allowed. Raises `TrustError`.

        Checked here, once: with one broken certificate among its anchors the SDK fails on *every* file it
        reads (measured), which would look like an attack on all of them.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        hint = "Give a PEM file of root or intermediate CA certificates, or 'none'."
        if len(pem) > _MAX_ANCHORS_BYTES:
            raise TrustError(f"{source}: more than {_MAX_ANCHORS_BYTES} bytes of trust anchors", hint=hint)
        try:
            certificates = x509.load_pem_x509_certificates(pem)
            authorities = [_is_authority(certificate) for certificate in certificates]
        except ValueError as error:
            raise TrustError(f"{source}: not PEM certificates ({error})", hint=hint) from None
        for certificate, is_authority in zip(certificates, authorities, strict=True):
            if not is_authority:
                raise TrustError(
                    f"{source}: {certificate.subject.rfc4514_string()} is not a certificate authority",
                    hint=hint,
                )
        prints = {sha256_of(certificate): certificate for certificate in certificates}
        declared = _DECLARED.search(pem)
        return cls(
            purpose=purpose,
            source=source,
            pem="".join(one.public_bytes(Encoding.PEM).decode() for one in prints.values()),
            fingerprints=tuple(prints),
            id=hashlib.sha256(b"".join(map(bytes.fromhex, sorted(prints)))).hexdigest(),
            version=declared[1].decode().strip() if declared else "",
        )

    @classmethod
    def from_path(cls, path: Path | str, *, purpose: Purpose = "signer") -> "tuple[TrustList, ...]":
        """The lists of a PEM file, or of every `*.pem` in a folder, one each. Raises `TrustError`."""
        path = Path(path)
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        if not files:
            raise TrustError(
                f"{path}: no *.pem file in this folder", hint="Put the lists there, or unset it."
            )
        return tuple(cls.from_pem(_read(file), source=str(file), purpose=purpose) for file in files)


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """The certificate authorities whose signers count as trusted, and those whose time stamps do.

    `kind` is `development` (the root that this home made for itself), `file` or `none`. One pool never vouches for
    the other: an authority for time stamps makes no signer trusted, nor the other way round.
    Build one with `none`, `from_file`, `from_pem` or `KeyStore.anchors`, and add with `plus`.
    """

    kind: Literal["development", "file", "none"]
    lists: tuple[TrustList, ...] = ()

    @property
    def source(self) -> str:
        """Where the anchors of signers came from."""
        return " and ".join(one.source for one in self.lists if one.purpose == "signer") or "none"

    @property
    def pem(self) -> str:
        """The anchors of signers, normalised PEM; empty where no signer is trusted."""
        return "".join(one.pem for one in self.lists if one.purpose == "signer")

    @property
    def tsa_pem(self) -> str:
        """The anchors of time stamps, likewise."""
        return "".join(one.pem for one in self.lists if one.purpose == "tsa")

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each signer anchor's DER, hex."""
        return tuple(name for one in self.lists if one.purpose == "signer" for name in one.fingerprints)

    @classmethod
    def none(cls) -> "TrustAnchors":
        """Trust nobody: an intact file is at best valid with an unknown signer."""
        return cls("none")

    @classmethod
    def from_file(cls, path: Path | str) -> "TrustAnchors":
        """Signers' anchors of a PEM file or a folder of them, for example the C2PA list. Raises `TrustError`."""
        return cls("file", TrustList.from_path(path))

    @classmethod
    def from_pem(
        cls, pem: bytes, *, source: str, kind: Literal["development", "file"] = "file"
    ) -> "TrustAnchors":
        """Signers' anchors of PEM text. Raises `TrustError`."""
        return cls(kind, (TrustList.from_pem(pem, source=source, purpose="signer"),))

    def plus(self, lists: Iterable[TrustList]) -> "TrustAnchors":
        """These anchors and more lists."""
        added = (*self.lists, *lists)
        signers = any(one.purpose == "signer" for one in lists)
        return TrustAnchors("file" if signers else self.kind, added)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_ANCHORS_BYTES + 1)
    except OSError as error:
        raise TrustError(
            f"{path}: trust anchors cannot be read ({error.strerror})", hint="Check the path."
        ) from None


def _is_authority(certificate: "x509.Certificate") -> bool:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1  # old roots have no extensions at all


@functools.lru_cache(maxsize=16)
def certificates_of(pem: str) -> "tuple[x509.Certificate, ...]":
    """The certificates of normalised PEM text, parsed once."""
    from cryptography import x509

    return tuple(x509.load_pem_x509_certificates(pem.encode())) if pem else ()


# The SDK's contexts do not survive a fork ("Context is not valid" in the child): each process makes its own.
_contexts: dict[tuple[int, str, bool], "c2pa.Context"] = {}


def sdk_context(anchors: TrustAnchors, *, fragmented: bool = False) -> "c2pa.Context":
    """The hardened SDK context of this process for these anchors; threads may share it.

    The SDK's defaults fetch a manifest from whatever address a file names (a request forgery by any clip,
    measured) and hold the whole file in memory. Here nothing is fetched and memory stays constant: 500 MB
    are signed and verified without growth, against 1 GB by default.

    The SDK knows one pool of anchors: signers' and time stamps' are both in it. So its word "trusted" is not the last
    (`provenance.reading`).

    `fragmented` is for signing a fragmented MP4: the Merkle trees that keep memory constant come out wrong
    there, and the SDK's own check after signing does not notice (measured, 0.91.3). Reading needs no such care.
    """
    return _context(anchors.pem + anchors.tsa_pem, fragmented)


def time_stamp_context(anchors: TrustAnchors) -> "c2pa.Context":
    """The same, knowing the authorities of time stamps alone."""
    return _context(anchors.tsa_pem, False)


def _context(pem: str, fragmented: bool) -> "c2pa.Context":
    key = (os.getpid(), pem, fragmented)
    context = _contexts.get(key)
    if context is None:
        import c2pa

        context = _contexts[key] = c2pa.Context.from_dict(_settings(pem, fragmented))
    return context


def updating_context(anchors: TrustAnchors, relay_origin: str) -> "c2pa.Context":
    """The same context for one late time stamp: it may speak to our relay at `host:port`, and to nothing else."""
    import c2pa

    settings: dict[str, Any] = _settings(anchors.pem + anchors.tsa_pem, fragmented=False)
    settings["core"]["allowed_network_hosts"] = [relay_origin]
    stamp = {"enabled": True, "skip_existing": True, "fetch_scope": "parent"}
    settings["builder"]["auto_timestamp_assertion"] = stamp
    return c2pa.Context.from_dict(settings)


def _settings(pem: str, fragmented: bool) -> dict[str, Any]:
    trust: dict[str, object] = {"trust_config": "\n".join(ACCEPTED_EKUS) + "\n"}
    if pem:
        trust["user_anchors"] = pem
    core: dict[str, object] = {"allowed_network_hosts": [], "backing_store_memory_threshold_in_mb": 16}
    if not fragmented:
        core["merkle_tree_chunk_size_in_kb"] = 1024
    # Unknown keys are ignored in silence: a typo here would turn the network on again. Tests therefore
    # count connections instead of reading this dictionary.
    return {
        "version": 1,
        "trust": trust,
        "verify": {
            "verify_trust": True,
            "verify_after_sign": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "core": core,
        "builder": {"thumbnail": {"enabled": False}},
    }
