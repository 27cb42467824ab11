"""Where did this clip come from? Evidence, in order of strength, and the one verdict that follows from it.

`gather` looks at everything: container, manifest, streams, mark, fingerprint, third-party marks. `decide` is the
verdict table, a pure function of what was found. The detector speaks only when nothing else is conclusive, and its
word never changes the verdict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from media import Limits, MediaError, Probe, open_clip, stream_digest
from provenance.agreement import agreement
from provenance.evidence import (
    Evidence,
    Findings,
    State,
    container_evidence,
    manifest_evidence,
    mark_evidence,
    picture_evidence,
    plain_json,
    stream_evidence,
)
from provenance.fingerprint import QUERY_RATE_HZ, ClipFingerprint, Fingerprinter
from provenance.keys import Keys
from provenance.ledger import Ledger, clip_id_hex
from provenance.reading import ManifestReading, read_manifest
from provenance.trust import TrustAnchors
from provenance.watermark import Detection, Detector
from provenance.watermark.detect import READ_RATE

Verdict = Literal[
    "malformed",
    "tampered",
    "substitution_suspected",
    "watermark_conflict",
    "expired",
    "trusted",
    "valid_untrusted",
    "recovered_exact",
    "recovered_derived",
    "remote_only",
    "unsigned",
]

EXIT_CODES: dict[Verdict, int] = {
    "malformed": 1,
    "tampered": 1,
    "substitution_suspected": 1,
    "watermark_conflict": 1,
    "expired": 1,
    "trusted": 0,
    "valid_untrusted": 6,
    "recovered_exact": 0,
    "recovered_derived": 6,
    "remote_only": 3,
    "unsigned": 3,
}

MEANING: dict[Verdict, str] = {
    "malformed": "This is not a media file, or it is broken.",
    "tampered": "It carries a signed manifest, and it was changed after signing.",
    "substitution_suspected": "Its manifest does not belong to this content, or a signed past was dropped.",
    "watermark_conflict": "Its watermark names one clip, its pictures are of another.",
    "expired": "Everything holds, but the signing certificate has expired and nothing proves when it was signed.",
    "trusted": "Signed by a signer that you trust, and unchanged since.",
    "valid_untrusted": "Signed and unchanged since, by a signer that you have no reason to trust yet.",
    "recovered_exact": "Its manifest is gone, but it plays exactly what the ledger recorded.",
    "recovered_derived": "Its manifest is gone and it was altered, but it comes from a clip in the ledger.",
    "remote_only": "It only links to a manifest elsewhere; the link was not followed.",
    "unsigned": "No evidence of where it comes from was found.",
}

AuditFunction = Callable[[Path], dict[str, Any]]

_SHORT_SIDE_PX = (
    1080  # a mark and a fingerprint lose nothing by it, and a 4K clip takes a quarter of the time
)
_THIRD_PARTY_FRAMES = 6


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of a file. `clip_id` is that of the clip it is, or comes from; None where nothing says."""

    path: Path
    verdict: Verdict
    clip_id: int | None
    signer: str | None
    evidence: tuple[Evidence, ...]

    @property
    def exit_code(self) -> int:
        """0 vouched for, 6 valid but not vouched for, 3 nothing found, 1 verified false."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return {
            "schema": "clipproof.verification/1",
            "path": str(self.path),
            "verdict": self.verdict,
            "meaning": MEANING[self.verdict],
            "clip_id": None if self.clip_id is None else clip_id_hex(self.clip_id),
            "signer": self.signer,
            "evidence": [plain_json(one) for one in self.evidence],
        }


def verify_clip(
    path: Path | str,
    *,
    trust: TrustAnchors,
    ledger: Ledger | None = None,
    keys: Keys | None = None,
    detector: AuditFunction | None = None,
    limits: Limits | None = None,
    reading: ManifestReading | None = None,
) -> Verification:
    """The verdict on a file and the evidence for it.

    `trust`: whose signatures count. `ledger`, `keys`: without them marks and records are not looked for, and the
    evidence says so. `detector`: called with the path when nothing else is conclusive; returns the audit as JSON.
    `reading`: that of its manifest, where it was read before, as of a file in segments.
    Raises `UnreadableFile` where there is no such file; a file that is junk has the verdict `malformed`.
    """
    path = Path(path)
    try:
        reading = reading or read_manifest(path, trust)
        findings, fingerprint, evidence = _gather(path, reading, trust, ledger, keys, limits)
    except MediaError as error:
        finding = Evidence(
            "container", "fails", str(error), {"error": type(error).__name__, "hint": error.hint}
        )
        return Verification(path, "malformed", None, None, (finding,))
    verdict, clip_id = decide(findings)
    if verdict in ("unsigned", "remote_only", "valid_untrusted"):
        if ledger is not None:
            evidence += _leads(ledger, fingerprint, clip_id)
        evidence += _third_party(path, limits)
        if detector is not None and verdict != "valid_untrusted":
            evidence += (_statistics(detector, path),)
    return Verification(path, verdict, clip_id, reading.signer, evidence)


def decide(found: Findings) -> tuple[Verdict, int | None]:
    """The verdict table: the first row that matches; and the clip that the evidence names, if any."""
    state = found.reading.state
    embedded = found.reading.clip_ids[0] if found.reading.clip_ids else None
    marked = (
        found.detection.payload if found.detection is not None and found.detection.state == "marked" else None
    )
    record = found.exact or found.same_packets or found.marked
    recorded = record.clip_id if record is not None else None
    named = embedded if embedded is not None else marked if marked is not None else recorded

    if state == "malformed":
        return "malformed", recorded
    if state == "invalid" or found.reading.guard_findings:
        return "tampered", recorded if recorded is not None else named
    if state in ("trusted", "valid_untrusted", "expired"):
        past = {*found.reading.clip_ids}.union(*(one.clip_ids for one in found.reading.ingredients))
        for claimed in (marked, recorded):
            if claimed is not None and claimed not in past:
                return "substitution_suspected", claimed
    if found.agreement is not None and found.agreement.state == "disagree":
        return "watermark_conflict", marked
    if state == "expired":
        return "expired", named
    if state == "trusted":
        return "trusted", named
    if state == "valid_untrusted":
        return "valid_untrusted", named
    if found.exact is not None:
        return "recovered_exact", found.exact.clip_id
    if found.same_packets is not None:
        return "recovered_derived", found.same_packets.clip_id
    if found.agreement is not None and found.agreement.state == "agree":
        return "recovered_derived", marked
    if state == "remote_only":
        return "remote_only", named
    return "unsigned", named


def _gather(
    path: Path,
    reading: ManifestReading,
    trust: TrustAnchors,
    ledger: Ledger | None,
    keys: Keys | None,
    limits: Limits | None,
) -> tuple[Findings, ClipFingerprint, tuple[Evidence, ...]]:
    exact = same_packets = marked = pictures = None
    differences: tuple[str, ...] = ()
    digest = stream_digest(path, limits=limits)
    if ledger is not None:
        exact = ledger.find_stream(digest.digest)
        packets = digest.components.get("video/0/packets")
        if exact is None and packets is not None:
            same_packets = ledger.find_component(packets)
            if same_packets is not None:
                differences = digest.differences(same_packets.streams)
    said, detection, fingerprint = _look(path, keys, limits)
    if ledger is not None and detection is not None and detection.payload is not None:
        marked = ledger.find_mark(detection.scheme, detection.payload)
        if marked is not None and marked.fingerprint is not None:
            pictures = agreement(fingerprint, marked.fingerprint)
    findings = Findings(reading, exact, same_packets, differences, detection, marked, pictures)
    evidence = (
        container_evidence(said),
        manifest_evidence(reading),
        stream_evidence(digest, findings, ledger, trust),
        mark_evidence(findings, keys, ledger, trust),
        picture_evidence(findings),
    )
    return findings, fingerprint, evidence


def _look(
    path: Path, keys: Keys | None, limits: Limits | None
) -> tuple[Probe, Detection | None, ClipFingerprint]:
    """Decode once; the mark's detector and the fingerprint read the same luma planes."""
    detector = Detector(keys.mark_key) if keys is not None else None
    fingerprinter = Fingerprinter(QUERY_RATE_HZ)
    with open_clip(
        path, pixel_format="gray", rate=READ_RATE, short_side=_SHORT_SIDE_PX, limits=limits
    ) as clip:
        for frame in clip:
            if detector is not None:
                detector.update(frame.planes[0], frame.time)
            fingerprinter.update(frame.planes[0], float(frame.time))
    return clip.probe, detector.finish() if detector is not None else None, fingerprinter.finish()


def _leads(ledger: Ledger, fingerprint: ClipFingerprint, clip_id: int | None) -> tuple[Evidence, ...]:
    """Look-alikes in the ledger: where to look next, never a proof."""
    told = fingerprint.hashes[fingerprint.qualities >= 50]
    near = ledger.nearest_fingerprints(told) if len(told) else []
    ids = [found for found in dict.fromkeys(match.clip_id for match in near) if found != clip_id][:5]
    if not ids:
        return ()
    names = [clip_id_hex(found) for found in ids]
    summary = f"its pictures look like clip {', '.join(names)}: a lead, not a proof"
    return (Evidence("fingerprint", "unclear", summary, {"leads": names}),)


def _third_party(path: Path, limits: Limits | None) -> tuple[Evidence, ...]:
    """Watermarks of other generators, as far as `invisible-watermark` can read them."""
    from provenance.watermark.errors import WatermarkError
    from provenance.watermark.third_party import read_third_party

    frames: list[NDArray[np.uint8]] = []
    with open_clip(path, pixel_format="rgb24", rate=2, limits=limits) as clip:
        for frame in clip:
            frames.append(frame.planes[0])
            if len(frames) == _THIRD_PARTY_FRAMES:
                break
    try:
        marks: Sequence[Any] = read_third_party(frames)
    except WatermarkError as error:
        return (Evidence("third_party", "not_checked", str(error), {"hint": error.hint}),)
    details = {"marks": [plain_json(mark) for mark in marks]}
    if not marks:
        return (Evidence("third_party", "absent", "no watermark of another generator was found", details),)
    names = ", ".join(mark.known_as or mark.method for mark in marks)
    return (Evidence("third_party", "found", f"a third party's watermark: {names}", details),)


def _statistics(detector: AuditFunction, path: Path) -> Evidence:
    report = detector(path)
    words = {
        "likely_ai": "the pictures are likely AI-generated, by their statistics",
        "likely_camera": "no evidence of AI generation in the pictures' statistics",
        "inconclusive": "the pictures' statistics do not say",
    }
    state: State = "unclear" if report["verdict"] == "inconclusive" else "found"
    return Evidence("detector", state, words[report["verdict"]], report)
