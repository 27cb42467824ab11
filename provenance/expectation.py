"""Whether a clip was signed by whom one expects: a name that a trust anchor vouches for, or one certificate."""

import re
from typing import Final

from provenance.verify import Verification

_FINGERPRINT: Final = re.compile(r"sha256:[0-9a-f]{64}")


def is_expectation(expected: str) -> bool:
    """Whether `expected` is a name, or `sha256:` and 64 hex digits."""
    said = _normal(expected)
    return bool(said) and (not said.startswith("sha256:") or _FINGERPRINT.fullmatch(said) is not None)


def signer_mismatch(report: Verification, expected: str) -> str | None:
    """Why the signer is not the one expected, as one sentence; None where it is.

    A name (common name or organisation) stands in any certificate that anybody makes: it counts only where an anchor
    vouches for the signer. A fingerprint names one certificate, and needs no anchor. Its signature must hold.
    """
    manifest = next((one.details for one in report.evidence if one.check == "manifest"), {})
    certificate, name = manifest.get("signer_sha256", ""), report.signer or ""
    if not certificate:
        return "nobody signed it, or the signature does not hold"
    said = _normal(expected)
    if said.startswith("sha256:"):
        return (
            None if said == f"sha256:{certificate}" else f"the signer's certificate is sha256:{certificate}"
        )
    if not manifest.get("signer_trusted"):
        return (
            f"the signer calls itself {name}, but no trust anchor vouches for it, and anybody can take a name; "
            f"its certificate is sha256:{certificate}"
        )
    if expected in (name, manifest.get("organization")):
        return None
    return f"the signer is {name} ({manifest.get('organization')}), not {expected}"


def _normal(expected: str) -> str:
    """Tools print fingerprints in capitals and with colons."""
    text = expected.strip()
    head, colon, digits = text.partition(":")
    return f"sha256:{digits.replace(':', '').lower()}" if colon and head.lower() == "sha256" else text
