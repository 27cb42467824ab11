"""Whom to believe: trust anchors, and the C2PA SDK context that is hardened around them."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """The certificate authorities whose signers count as trusted.

    `pem` holds normalised PEM certificates, or nothing: then no signer is trusted. `kind` is `development`
    (the root that this home made for itself), `file` or `none`; `source` names where they came from.
    Build one with `none`, `from_file`, `from_pem` or `KeyStore.anchors`.
    """

    kind: Literal["development", "file", "none"]
    source: str
    pem: str = field(repr=False)
    fingerprints: tuple[str, ...]  # SHA-256 of each certificate's DER, hex

    @classmethod
    def none(cls) -> "TrustAnchors":
        """Trust nobody: an intact file is at best valid with an unknown signer."""
        return cls(kind="none", source="none", pem="", fingerprints=())

    @classmethod
    def from_file(cls, path: Path | str) -> "TrustAnchors":
        """Anchors of a PEM file, for example the C2PA trust list. Raises `TrustError`."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                pem = file.read(_MAX_ANCHORS_BYTES + 1)
        except OSError as error:
            raise TrustError(
                f"{path}: trust anchors cannot be read ({error.strerror})", hint="Check the path."
            ) from None
        return cls.from_pem(pem, source=str(path))

    @classmethod
    def from_pem(
        cls, pem: bytes, *, source: str, kind: Literal["development", "file"] = "file"
    ) -> "TrustAnchors":
        """Anchors of PEM text; comments between certificates are allowed. Raises `TrustError`.

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
        ders = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        return cls(
            kind=kind,
            source=source,
            pem="".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates),
            fingerprints=tuple(hashlib.sha256(der).hexdigest() for der in ders),
        )


def _is_authority(certificate: "x509.Certificate") -> bool:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1  # old roots have no extensions at all


# The SDK's contexts do not survive a fork ("Context is not valid" in the child): each process makes its own.
_contexts: dict[tuple[int, str, bool], "c2pa.Context"] = {}


def sdk_context(anchors: TrustAnchors, *, fragmented: bool = False) -> "c2pa.Context":
    """The hardened SDK context of this process for these anchors; threads may share it.

    The SDK's defaults fetch a manifest from whatever address a file names (a request forgery by any clip,
    measured) and hold the whole file in memory. Here nothing is fetched and memory stays constant: 500 MB
    are signed and verified without growth, against 1 GB by default.

    `fragmented` is for signing a fragmented MP4: the Merkle trees that keep memory constant come out wrong
    there, and the SDK's own check after signing does not notice (measured, 0.91.3). Reading needs no such care.
    """
    key = (os.getpid(), anchors.pem, fragmented)
    context = _contexts.get(key)
    if context is None:
        import c2pa

        context = _contexts[key] = c2pa.Context.from_dict(_settings(anchors, fragmented))
    return context


def updating_context(anchors: TrustAnchors, relay_origin: str) -> "c2pa.Context":
    """The same context for one late time stamp: it may speak to our relay at `host:port`, and to nothing else."""
    import c2pa

    settings: dict[str, Any] = _settings(anchors, fragmented=False)
    settings["core"]["allowed_network_hosts"] = [relay_origin]
    stamp = {"enabled": True, "skip_existing": True, "fetch_scope": "parent"}
    settings["builder"]["auto_timestamp_assertion"] = stamp
    return c2pa.Context.from_dict(settings)


def _settings(anchors: TrustAnchors, fragmented: bool) -> dict[str, Any]:
    trust: dict[str, object] = {"trust_config": "\n".join(ACCEPTED_EKUS) + "\n"}
    if anchors.pem:
        trust["user_anchors"] = anchors.pem
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
