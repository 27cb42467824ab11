"""What a manifest's hard binding leaves out of its hash, as the signer wrote it, and whether it may.

C2PA 2.2 §A.5.2 names the boxes that `c2pa.hash.bmff` may skip. The list stands in the assertion itself, so a signer
can write another one.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from provenance.bmff import C2PA_UUID
from provenance.boxes import Finding, GuardFinding

_ALLOWED: Final = frozenset({"/ftyp", "/mfra", "/free", "/skip", "/emsg", "/moov/pssh", "/moov[1]/pssh"})


def unexpected_exclusions(hard_binding: Mapping[str, object]) -> tuple[GuardFinding, ...]:
    """Findings for a decoded `c2pa.hash.bmff` assertion that leaves out what may not be left out.

    `mdat` may be left out only where Merkle trees cover it instead.
    """
    exclusions = hard_binding.get("exclusions")
    findings = []
    for exclusion in exclusions if isinstance(exclusions, Sequence) else ():
        xpath = exclusion.get("xpath") if isinstance(exclusion, Mapping) else None
        if xpath == "/uuid":
            covered = _names_c2pa_box(exclusion.get("data"))
        elif xpath == "/mdat":
            covered = bool(hard_binding.get("merkle"))
        else:
            covered = isinstance(xpath, str) and xpath in _ALLOWED
        if not covered:
            findings.append(GuardFinding(Finding.UNEXPECTED_EXCLUSION, f"not hashed: {str(xpath)[:60]!r}"))
    return tuple(findings[:100])


def _names_c2pa_box(conditions: object) -> bool:
    """Whether an exclusion of `uuid` boxes is limited to C2PA's own: offset 8 must hold its UUID."""
    expected = (base64.b64encode(C2PA_UUID).decode(), list(C2PA_UUID))
    return isinstance(conditions, Sequence) and any(
        isinstance(condition, Mapping) and condition.get("offset") == 8 and condition.get("value") in expected
        for condition in conditions
    )
