"""Where did this clip come from? Evidence, in order of strength, and the one verdict that follows from it.

`gather` looks at container, manifest and streams, and, unless these say all, at mark, fingerprint and sound.
`decide` is the verdict table, a pure function of what was found. The detector speaks only when nothing else
is conclusive, and its word never changes the verdict.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from media import Limits, MediaError, Probe, StreamDigest, examine, open_clip, read_sound
from provenance.evidence import (
    Evidence,
    Findings,
    State,
    container_evidence,
    manifest_evidence,
    mark_evidence,
    picture_evidence,
    plain_json,
    sound_evidence,
    stream_evidence,
    third_party_evidence,
)
from provenance.fingerprint import ClipFingerprint
from provenance.keys import Keys
from provenance.ledger import Ledger, clip_id_hex
from provenance.pictures import look
from provenance.reading import ManifestReading, read_kept_manifest, read_manifest
from provenance.recovery import RecoveredSegment, summary, take_apart
from provenance.sound import RATE_HZ, SoundFingerprint, sound_fingerprint
from provenance.trust import TrustAnchors

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

_SHORT_SIDE_PX = 1080  # a mark and a fingerprint lose nothing by it; a 4K clip takes a quarter of the time
_THIRD_PARTY_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known of a file. `clip_id` is that of the clip it is, or comes from; None where nothing says."""

    path: Path
    verdict: Verdict
    clip_id: int | None
    signer: str | None
    evidence: tuple[Evidence, ...]
    segments: tuple[RecoveredSegment, ...] = ()  # where its parts come from, where it was taken apart

    @property
    def exit_code(self) -> int:
        """0 vouched for, 6 valid but not vouched for, 3 nothing found, 1 verified false."""
        return EXIT_CODES[self.verdict]

    @property
    def summary(self) -> str:
        """The verdict in words; for what was recovered, how much of it and what became of the sound."""
        said = MEANING[self.verdict]
        if self.verdict != "recovered_derived":
            return said
        parts = [summary(self.segments)] if any(one.is_recovered for one in self.segments) else []
        sound = next((one for one in self.evidence if one.check == "sound"), None)
        if sound is not None:
            parts.append(f"sound: {sound.summary}")
        return f"{said} ({'; '.join(parts)})" if parts else said

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return {
            "schema": "clipproof.verification/2",
            "path": str(self.path),
            "verdict": self.verdict,
            "meaning": MEANING[self.verdict],
            "clip_id": None if self.clip_id is None else clip_id_hex(self.clip_id),
            "signer": self.signer,
            "summary": self.summary,
            "segments": [one.to_dict() for one in self.segments],
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
        findings, evidence = _gather(path, reading, trust, ledger, keys, limits)
    except MediaError as error:
        finding = Evidence(
            "container", "fails", str(error), {"error": type(error).__name__, "hint": error.hint}
        )
        return Verification(path, "malformed", None, None, (finding,))
    verdict, clip_id = decide(findings)
    if verdict in ("unsigned", "remote_only", "valid_untrusted"):
        if findings.exact is None:
            evidence += (_third_party(path, limits),)
        if detector is not None and verdict != "valid_untrusted":
            evidence += (_statistics(detector, path),)
    return Verification(path, verdict, clip_id, findings.reading.signer, evidence, findings.segments)


def conflict(known: Verification, statistics: str) -> str | None:
    """Where a detector's verdict and provenance that holds say opposite things, in words; None where they do not.

    `statistics`: `likely_ai`, `likely_camera` or `inconclusive`. A record that somebody trusted vouches for stands: a
    detector errs far more often than a signature. What a stranger signed is a claim.
    """
    if known.verdict not in ("trusted", "recovered_exact", "recovered_derived", "valid_untrusted"):
        return None
    origins = set()
    for one in known.evidence:
        if one.state != "holds":
            continue
        for action in one.details.get("actions", ()):
            origins.add(str(action.get("digital_source_type", "")).rsplit("/", 1)[-1])
        if record := one.details.get("record"):
            origins.add(str(record["source"]))
    generated = {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "generated",
        "ai",
    } & origins
    filmed = {"digitalCapture", "computationalCapture", "camera"} & origins
    if bool(filmed) == bool(generated) or statistics != ("likely_ai" if filmed else "likely_camera"):
        return None
    says = "filmed" if filmed else "generated"
    if known.verdict == "valid_untrusted":
        record = f"a signer whom you have no reason to trust says {says}"
    else:
        record = f"its record, which stands, says {says}"
    return f"{record}; the detector says {statistics.replace('_ai', ' AI').replace('_', ' ')}: a person should look"


def decide(found: Findings) -> tuple[Verdict, int | None]:
    """The verdict table: the first row that matches; and the clip that the evidence names, if any."""
    state = found.reading.state
    embedded = found.reading.content_clip_id
    if embedded is None and found.reading.clip_ids:
        embedded = found.reading.clip_ids[0]
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
        past = {embedded, *found.reading.clip_ids}.union(*(one.clip_ids for one in found.reading.ingredients))
        parts = (one.clip_id for one in found.segments if one.is_recovered)
        for claimed in (marked, recorded, *parts):
            if claimed is not None and claimed not in past:
                return "substitution_suspected", claimed
        # Anybody may write our clip's id into a manifest of their own. What was recorded must be in its past, too.
        labels = {found.reading.label, *(one.label for one in found.reading.ingredients)}
        rows = (record, *(one.row for one in found.segments if one.is_recovered))
        for row in rows:
            if row is not None and row.manifest is not None and row.manifest.label not in labels:
                return "substitution_suspected", row.clip_id
    # An edit that we recorded under its own id may look unlike each single clip whose mark it carries.
    is_recorded = found.exact is not None and found.exact.clip_id == embedded and marked != embedded
    if found.agreement is not None and found.agreement.state == "disagree" and not is_recorded:
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
    if found.segments:
        seconds: Counter[int | None] = Counter()
        for one in found.segments:
            if one.is_recovered:
                seconds[one.clip_id] += one.seconds  # type: ignore[assignment]
        if seconds:
            return "recovered_derived", seconds.most_common(1)[0][0]
    elif found.agreement is not None and found.agreement.state == "agree":
        return "recovered_derived", marked
    if state == "remote_only":
        return "remote_only", named
    return "unsigned", named


def _gather(
    path: Path,
    reading: ManifestReading | None,
    trust: TrustAnchors,
    ledger: Ledger | None,
    keys: Keys | None,
    limits: Limits | None,
) -> tuple[Findings, tuple[Evidence, ...]]:
    # The child that hashes the packets takes longest to start: meanwhile this process reads the manifest.
    with ThreadPoolExecutor(2) as beside:
        examined = beside.submit(examine, path, limits=limits)
        reading = reading or read_manifest(path, trust)
        said, digest = examined.result()
        findings = Findings(reading)
        if ledger is not None:
            findings = _streams(findings, digest, ledger)
        if not _plays_as_recorded(findings) and (keys is not None or _has_no_past(reading, ledger)):
            hearing = beside.submit(_listen, path, said, limits) if ledger is not None else None
            seen = look(path, None if keys is None else keys.mark_keys, ledger, limits)
            sound = hearing.result() if hearing is not None else None
            findings = replace(findings, detection=seen.detection, epochs=seen.epochs, forged=seen.forged)
            findings = _recover(findings, seen.fingerprint, sound, ledger, trust)
    evidence = (
        container_evidence(said),
        manifest_evidence(reading),
        stream_evidence(digest, findings, ledger, trust),
        mark_evidence(findings, keys, ledger, trust),
        picture_evidence(findings),
        sound_evidence(findings, bool(said.audio_codecs)),
    )
    return findings, evidence


def _streams(findings: Findings, digest: StreamDigest, ledger: Ledger) -> Findings:
    exact = ledger.find_stream(digest.digest)
    packets = digest.components.get("video/0/packets")
    if exact is not None or packets is None:
        return replace(findings, exact=exact)
    same_packets = ledger.find_component(packets)
    differences = digest.differences(same_packets.streams) if same_packets is not None else ()
    return replace(findings, same_packets=same_packets, stream_differences=differences)


def _plays_as_recorded(found: Findings) -> bool:
    """Whether the exact streams say all that mark and pictures could.

    Only where no manifest claims anything else: it must hold, name the very clip that these streams were recorded
    as, and be the one that was recorded. A stranger's new signature, or another clip's manifest, is not.
    """
    reading, row = found.reading, found.exact
    if row is None or reading.guard_findings:
        return False
    if reading.state == "absent":
        return True
    return (
        reading.state in ("trusted", "valid_untrusted")
        and row.manifest is not None
        and row.manifest.label == reading.label
        and row.clip_id in (*reading.clip_ids, reading.content_clip_id)
    )


def _has_no_past(reading: ManifestReading, ledger: Ledger | None) -> bool:
    """Without a mark key, pictures are only worth decoding where a look-alike in the ledger would be news."""
    return ledger is not None and reading.state in ("absent", "remote_only", "invalid", "valid_untrusted")


def _recover(
    findings: Findings,
    fingerprint: ClipFingerprint,
    sound: SoundFingerprint | None,
    ledger: Ledger | None,
    trust: TrustAnchors,
) -> Findings:
    if ledger is None:
        return findings
    segments = take_apart(
        findings.detection, fingerprint, sound, ledger, lambda store: read_kept_manifest(store, trust)
    )
    detection = findings.detection
    marked = next(
        (
            one.row
            for one in segments
            if detection is not None and one.clip_id == detection.payload and one.row
        ),
        None,
    )
    found = [one.agreement for one in segments if one.agreement is not None]
    # A single part that disagrees counts, then a single one that agrees.
    rank = {"disagree": 0, "agree": 1, "unclear": 2}
    agreed = min(found, key=lambda one: rank[one.state], default=None)
    return replace(findings, marked=marked, agreement=agreed, segments=segments)


def _listen(path: Path, said: Probe, limits: Limits | None) -> SoundFingerprint | None:
    if not said.audio_codecs:
        return None
    sound = read_sound(path, rate_hz=RATE_HZ, limits=limits)
    return None if sound is None else sound_fingerprint(sound.samples, sound.start_s)


def _third_party(path: Path, limits: Limits | None) -> Evidence:
    """Watermarks of other generators, as far as `invisible-watermark` can read them.

    Frames are read at their own size: scaling removes such marks.
    """
    from provenance.watermark.third_party import read_third_party

    try:
        with open_clip(path, pixel_format="rgb24", rate=2, limits=limits) as clip:
            marks = read_third_party(frame.planes[0] for frame in islice(clip, _THIRD_PARTY_FRAMES))
            width, height = clip.probe.width, clip.probe.height
    except MediaError as error:
        return Evidence("third_party", "not_checked", str(error), {"hint": error.hint})
    return third_party_evidence(marks, width, height)


def _statistics(detector: AuditFunction, path: Path) -> Evidence:
    report = detector(path)
    words = {
        "likely_ai": "the pictures are likely AI-generated, by their statistics",
        "likely_camera": "no evidence of AI generation in the pictures' statistics",
        "inconclusive": "the pictures' statistics do not say",
    }
    state: State = "unclear" if report["verdict"] == "inconclusive" else "found"
    return Evidence("detector", state, words[report["verdict"]], report)
