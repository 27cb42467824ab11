"""Who signs: a certificate chain that C2PA accepts, and a way to sign with its key."""

import datetime
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from provenance.errors import CertificateExpired, IdentityError, KeysUnsafe
from provenance.trust import (
    ACCEPTED_EKUS,
    EKU_C2PA_CLAIM_SIGNING,
    EKU_DOCUMENT_SIGNING,
    EKU_EMAIL_PROTECTION,
)

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

# Part of the common name of every certificate of a development identity, so that whoever looks can tell.
DEVELOPMENT_MARKER: Final = "development identity"

_PURPOSES: Final = {
    EKU_EMAIL_PROTECTION: "emailProtection",
    EKU_DOCUMENT_SIGNING: "documentSigning",
    EKU_C2PA_CLAIM_SIGNING: "C2PA claim signing",
}

_MAX_PEM_BYTES = 64 << 10

Algorithm = Literal["ES256", "ES384", "ED25519"]
IdentityKind = Literal["development", "production"]


@dataclass(frozen=True, slots=True)
class CertificateDescription:
    """One certificate, as shown: its names, its purposes (extended key usage, by name or number), its validity."""

    subject: str
    issuer: str
    purposes: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A signer of claims. The key itself is never held here, only the function that signs with it.

    `sign` takes the bytes to be signed and gives a raw signature (r‖s for ECDSA); it may call an HSM.
    `not_before` and `not_after` are the narrowest of the whole chain, in UTC.
    """

    kind: IdentityKind
    algorithm: Algorithm
    common_name: str
    organization: str
    serial_number: int
    certificate_sha256: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    chain_pem: str = field(repr=False)
    sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, chain_path: Path | str, key_path: Path | str) -> "Identity":
        """A production identity: PEM chain, leaf first, and its unencrypted PEM private key (mode 0600).

        Raises `IdentityError` (unreadable, key of another certificate, broken chain, wrong purpose),
        `CertificateExpired` or `KeysUnsafe`.
        """
        identity = load_identity(chain_path, key_path, kind="production")
        identity.require_valid()
        return identity

    @classmethod
    def from_chain(
        cls,
        chain_pem: bytes,
        sign: Callable[[bytes], bytes],
        *,
        kind: IdentityKind = "production",
        source: str,
    ) -> "Identity":
        """An identity whose key lives elsewhere, for example in an HSM behind `sign`. Raises `IdentityError`.

        The profile of C2PA §14.5 is checked here, where the fault can be named: the SDK says only "the
        certificate is invalid". An expired chain loads, so that it can be shown; `require_valid` refuses it.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import NameOID

        try:
            chain = x509.load_pem_x509_certificates(chain_pem)
            algorithm = _check_profile(chain, source)
        except ValueError as error:
            raise IdentityError(
                f"{source}: not a PEM certificate chain ({error})",
                hint="Put the leaf first, then its issuers.",
            ) from None
        leaf = chain[0]

        def name(oid: x509.ObjectIdentifier) -> str:
            attributes = leaf.subject.get_attributes_for_oid(oid)
            return str(attributes[0].value) if attributes else ""

        return cls(
            kind=kind,
            algorithm=algorithm,
            common_name=name(NameOID.COMMON_NAME),
            organization=name(NameOID.ORGANIZATION_NAME),
            serial_number=leaf.serial_number,
            certificate_sha256=hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest(),
            not_before=max(certificate.not_valid_before_utc for certificate in chain),
            not_after=min(certificate.not_valid_after_utc for certificate in chain),
            chain_pem="".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in chain),
            sign=sign,
        )

    def leaf(self) -> "x509.Certificate":
        """The certificate of the signing key."""
        from cryptography import x509

        return x509.load_pem_x509_certificates(self.chain_pem.encode())[0]

    def certificates(self) -> tuple[CertificateDescription, ...]:
        """What may be shown of each certificate of the chain, leaf first."""
        from cryptography import x509

        return tuple(map(_describe, x509.load_pem_x509_certificates(self.chain_pem.encode())))

    def ends_within(self, period: datetime.timedelta) -> bool:
        """Whether any certificate of the chain ends so soon; then a clip without a time stamp does too."""
        return datetime.datetime.now(datetime.UTC) + period > self.not_after

    def require_valid(self, at: datetime.datetime | None = None) -> None:
        """Raise `CertificateExpired` unless the whole chain is valid at `at` (now, by default)."""
        at = at or datetime.datetime.now(datetime.UTC)
        if at > self.not_after:
            raise CertificateExpired(
                f"the certificate of {self.common_name!r} expired on {self.not_after:%Y-%m-%d %H:%M} UTC",
                hint="Renew it; clips that it signed without a time stamp have expired with it.",
            )
        if at < self.not_before:
            raise CertificateExpired(
                f"the certificate of {self.common_name!r} begins on {self.not_before:%Y-%m-%d %H:%M} UTC",
                hint="Check the clock of this machine.",
            )


def load_identity(chain_path: Path | str, key_path: Path | str, *, kind: IdentityKind) -> Identity:
    """An identity of PEM files, whether or not it is valid now. Raises as `Identity.from_pem` does."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        chain_pem = Path(chain_path).read_bytes()
    except OSError as error:
        raise IdentityError(
            f"{chain_path}: cannot be read ({error.strerror})", hint="Check the path."
        ) from None
    try:
        key = load_pem_private_key(read_private_bytes(Path(key_path)), password=None)
    except TypeError:
        raise IdentityError(
            f"{key_path}: is encrypted", hint="Decrypt it (openssl pkey), or sign through an HSM callback."
        ) from None
    except ValueError:
        # The parser's own message is not passed on: it may quote what it read.
        raise IdentityError(
            f"{key_path}: not a PEM private key", hint="Give an unencrypted PKCS #8 key."
        ) from None
    identity = Identity.from_chain(chain_pem, _signing_function(key), kind=kind, source=str(chain_path))
    if key.public_key() != identity.leaf().public_key():
        raise IdentityError(
            f"{key_path}: is not the key of the first certificate in {chain_path}",
            hint="Put the leaf first in the chain, and give its own key.",
        )
    return identity


def read_private_bytes(path: Path) -> bytes:
    """The bytes of a secret file. Raises `KeysUnsafe` where others may touch it, `IdentityError` unread."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MAX_PEM_BYTES)
    except OSError as error:
        raise IdentityError(f"{path}: cannot be read ({error.strerror})", hint="Check the path.") from None
    if mode & 0o077:
        raise KeysUnsafe(
            f"{path}: a private key that others may read or write (mode {mode:04o})", hint=f"chmod 600 {path}"
        )
    return content


def _describe(certificate: "x509.Certificate") -> CertificateDescription:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        purposes = tuple(_PURPOSES.get(oid.dotted_string, oid.dotted_string) for oid in usage)
    except x509.ExtensionNotFound:
        purposes = ()
    return CertificateDescription(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        purposes=purposes,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
    )


def _signing_function(key: "PrivateKeyTypes") -> Callable[[bytes], bytes]:
    """A function that holds the key in its closure, where neither `repr` nor a log finds it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    if isinstance(key, ec.EllipticCurvePrivateKey):
        private_key = key
        size = (private_key.curve.key_size + 7) // 8
        digest = hashes.SHA256() if size == 32 else hashes.SHA384()

        def sign(message: bytes) -> bytes:
            r, s = decode_dss_signature(private_key.sign(message, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return sign
    raise IdentityError(
        "the private key is neither ECDSA nor Ed25519", hint="Use a P-256, P-384 or Ed25519 key."
    )


def _check_profile(chain: "list[x509.Certificate]", source: str) -> Algorithm:
    """The algorithm of a chain that fits C2PA's certificate profile; `IdentityError` names the fault."""
    from cryptography.exceptions import InvalidSignature

    leaf = chain[0]
    if fault := _fault_of_leaf(leaf):
        raise IdentityError(
            f"{source}: the first certificate {fault}",
            hint="Ask the authority for a claim signing certificate.",
        )
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise IdentityError(
                f"{source}: {certificate.subject.rfc4514_string()} was not issued by the next certificate",
                hint="Order the chain from the leaf upwards.",
            ) from None
    return _algorithm_of(leaf, source)


def _fault_of_leaf(leaf: "x509.Certificate") -> str:
    """What keeps this certificate from signing claims, as the end of a sentence; empty where nothing does."""
    from cryptography import x509

    extensions = {type(extension.value): extension.value for extension in leaf.extensions}
    constraints = extensions.get(x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        return "is that of an authority, not of a signer"
    if leaf.issuer == leaf.subject:
        return "is self-signed"
    usage = extensions.get(x509.KeyUsage)
    if not isinstance(usage, x509.KeyUsage) or not usage.digital_signature:
        return "is not for digital signatures (key usage)"
    purposes = extensions.get(x509.ExtendedKeyUsage)
    given = [oid.dotted_string for oid in purposes] if isinstance(purposes, x509.ExtendedKeyUsage) else []
    if not set(given) & set(ACCEPTED_EKUS):
        return f"is not for signing claims (extended key usage: {', '.join(given) or 'none'})"
    if x509.AuthorityKeyIdentifier not in extensions:
        return "has no authority key identifier"
    return ""


def _algorithm_of(leaf: "x509.Certificate", source: str) -> Algorithm:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    match leaf.public_key():
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return "ES256"
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return "ES384"
        case ed25519.Ed25519PublicKey():
            return "ED25519"
    raise IdentityError(f"{source}: this kind of key is not supported", hint="Use P-256, P-384 or Ed25519.")
