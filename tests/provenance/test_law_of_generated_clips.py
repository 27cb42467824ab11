"""California's latent disclosure, from the manifest that a produced clip gets."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from provenance.keys import Keys
from provenance.law import CHECKS, ClipEvidence
from provenance.ledger import ClipRow
from provenance.manifest import Claim
from provenance.reading import read_manifest
from provenance.signing import sign_file
from provenance.trust import TrustAnchors


def test_a_produced_clip_names_system_and_version_time_and_generator(
    make_mp4: Callable[..., Path],
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    tmp_path: Path,
) -> None:
    sign_file(
        make_mp4(tmp_path / "clip.mp4"), tmp_path / "signed.mp4", generated_claim, home_keys.identity, anchors
    )
    reading = read_manifest(tmp_path / "signed.mp4", anchors)
    seen = ClipEvidence(cast(ClipRow, None), reading=reading)  # these checks look at the manifest alone
    system = CHECKS["system_and_version"](seen)
    assert system.status == "met", system.evidence
    assert generated_claim.generation is not None
    assert generated_claim.generation.model_id in system.evidence
    assert "Clipproof" in system.evidence
    assert CHECKS["creation_time"](seen).status == "met"
    assert CHECKS["says_generated"](seen).status == "met"
