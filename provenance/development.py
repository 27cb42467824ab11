"""The development identity: a signer that C2PA's certificate profile accepts, vouched for by nobody else."""

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provenance.errors import IdentityError
from provenance.identity import DEVELOPMENT_MARKER
from provenance.manifest import display_text

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Without a time stamp a clip expires with its certificate, so this one lives long.
_VALIDITY = datetime.timedelta(days=3650)
_CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DevelopmentChain:
    """PEM bytes of a new root, of a chain (leaf, then intermediate) and of the leaf's private key."""

    root_pem: bytes
    chain_pem: bytes
    key_pem: bytes = field(repr=False)


def new_development_chain(
    organization: str, *, now: datetime.datetime | None = None, validity: datetime.timedelta = _VALIDITY
) -> DevelopmentChain:
    """Root, intermediate and P-256 leaf of a fresh development identity, valid from `now` on.

    The profile is C2PA 2.2 §14.5: key usage digitalSignature, extended key usage emailProtection, and an
    authority key identifier, without which the SDK refuses to sign. The private keys of the two authorities
    are not returned: they are gone when this function is. Raises `IdentityError` where the organisation does
    not fit into a certificate (1 to 64 characters, RFC 5280 appendix A.1).
    """
    if organization != display_text(organization, 64) or not organization:
        raise IdentityError(
            f"the organisation {organization[:80]!r} does not fit into a certificate",
            hint="Give a name of 1 to 64 visible characters.",
        )
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    start = (now or datetime.datetime.now(datetime.UTC)) - _CLOCK_SKEW
    end = start + _CLOCK_SKEW + validity

    def issue(
        role: str,
        key: "EllipticCurvePrivateKey",
        issuer_key: "EllipticCurvePrivateKey",
        issuer: "x509.Name | None",
        path_length: int | None,
    ) -> "x509.Certificate":
        is_authority = path_length is not None
        subject = _name(f"Clipproof {DEVELOPMENT_MARKER} {role}".rstrip(), organization)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
            .add_extension(_key_usage(is_authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
        )
        if not is_authority:
            purposes = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purposes, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    root_key, middle_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = issue("root", root_key, root_key, None, 1)
    middle = issue("intermediate", middle_key, root_key, root.subject, 0)
    leaf = issue("", leaf_key, middle_key, middle.subject, None)
    return DevelopmentChain(
        root_pem=root.public_bytes(Encoding.PEM),
        chain_pem=leaf.public_bytes(Encoding.PEM) + middle.public_bytes(Encoding.PEM),
        key_pem=private_pem(leaf_key),
    )


def private_pem(key: "EllipticCurvePrivateKey | Ed25519PrivateKey") -> bytes:
    """A private key as unencrypted PKCS #8 PEM: the file's mode is its only protection."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(common_name: str, organization: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(is_authority: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
