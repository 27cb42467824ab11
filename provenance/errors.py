"""What can go wrong with keys, manifests and labels.

ProvenanceError
├── KeyStoreError          the key store cannot be used
│   ├── KeysMissing            there is none; one is made only on request
│   ├── KeysExist              there is one already; it is never overwritten
│   ├── KeysUnsafe             a private key can be read by others
│   └── KeysDamaged            a file of it is missing or does not parse
├── IdentityError          a certificate chain and key that cannot sign C2PA claims
│   ├── CertificateExpired     its certificate is not valid now
│   ├── SignerFailed           the command that holds the key did not sign, or with another key
│   └── DevelopmentRefused     only a development identity is there, and production was asked for
├── TrustError             trust anchors that are not certificates of an authority
├── ClaimError             a claim that must not be signed as it stands
├── SigningError           a file could not be signed; nothing was published
│   ├── AlreadySigned          signing it would drop the manifest that it carries
│   └── TimeStampError         the time-stamp authority gave no good stamp; it may later
├── BmffError              an ISO BMFF file that is not walked to its end: a bomb, or past the limits
├── LawError               the texts of the duties that ship with the program are damaged
├── LabelError             an AIGC label that cannot be written or read
├── ResolutionError        a query that no recorded clip can answer
│   ├── UnsupportedAlgorithm   a soft binding algorithm that is not ours
│   ├── BindingError           a soft binding value that is none of its algorithm
│   └── ManifestIdError        not the identifier of a manifest
└── UnreadableFile         no such file, or it may not be read
"""


class ProvenanceError(Exception):
    """A provenance step failed; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class KeyStoreError(ProvenanceError):
    """The key store cannot be used."""


class KeysMissing(KeyStoreError):
    """There is no key store at this place."""


class KeysExist(KeyStoreError):
    """There is a key store at this place already; keys are never overwritten."""


class KeysUnsafe(KeyStoreError):
    """A private key file can be read or written by other users."""


class KeysDamaged(KeyStoreError):
    """A file of the key store, or of its backup, is missing or does not parse."""


class IdentityError(ProvenanceError):
    """A certificate chain and private key that cannot sign C2PA claims."""


class CertificateExpired(IdentityError):
    """The signing certificate, or one above it, is expired or not yet valid."""


class SignerFailed(IdentityError):
    """The external signer hangs, fails, answers junk, or signs with another key."""


class DevelopmentRefused(IdentityError):
    """Production was asked for, and the only identity is one that nobody else trusts."""


class TrustError(ProvenanceError):
    """Trust anchors that are not PEM certificates of certificate authorities."""


class ClaimError(ProvenanceError):
    """A claim that must not be signed: untrue, incomplete, too large or not representable."""


class SigningError(ProvenanceError):
    """A file could not be signed; the source is untouched and nothing was published."""


class AlreadySigned(SigningError):
    """The source carries a manifest that signing would silently drop."""


class TimeStampError(SigningError):
    """The time-stamp authority is down, slow, or its answer does not verify. Trying later may help."""


class BmffError(ProvenanceError):
    """An ISO BMFF file that is not walked to its end: nested too deep, or larger than the limits."""


class LawError(ProvenanceError):
    """A law's file of duties that does not load."""


class LabelError(ProvenanceError):
    """An AIGC label that cannot be written, or metadata that look like one but do not parse."""


class ResolutionError(ProvenanceError):
    """A query for a manifest that is not well formed."""


class UnsupportedAlgorithm(ResolutionError):
    """A soft binding algorithm that is not resolved here."""


class BindingError(ResolutionError):
    """A soft binding value that is not base64, or not of its algorithm's form."""


class ManifestIdError(ResolutionError):
    """Not the identifier of a C2PA manifest."""


class UnreadableFile(ProvenanceError):
    """No such file, not a file, or it may not be read."""
