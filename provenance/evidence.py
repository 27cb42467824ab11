"""What each check found, in words for people and as JSON for machines."""

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import numpy as np

from media import Probe, StreamDigest
from provenance.agreement import Agreement
from provenance.keys import Keys
from provenance.ledger import ClipRow, Ledger, clip_id_hex
from provenance.reading import ManifestReading, read_kept_manifest
from provenance.recovery import RecoveredSegment
from provenance.recovery import summary as summary_of
from provenance.trust import TrustAnchors
from provenance.watermark import Detection, ThirdPartyMark
from provenance.watermark.third_party import MIN_AREA

State = Literal["holds", "fails", "found", "absent", "unclear", "not_checked"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One check's finding: what was looked at, what was found, in words and as JSON."""

    check: Literal[
        "container", "manifest", "streams", "mark", "fingerprint", "sound", "third_party", "detector"
    ]
    state: State
    summary: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the verdict follows from."""

    reading: ManifestReading
    exact: ClipRow | None = None  # the ledger's clip with this stream digest
    same_packets: ClipRow | None = None  # …with these video packets, whatever else differs
    stream_differences: tuple[str, ...] = ()
    detection: Detection | None = None
    epochs: tuple[int, ...] = ()  # whose keys the mark was looked for with, in the order of the detection's
    forged: tuple[int, ...] = ()  # clips that a mark names, made with the key of another epoch than theirs
    marked: ClipRow | None = None  # the ledger's clip with this mark
    agreement: Agreement | None = (
        None  # of the pictures with that record's; with segments, the worst of theirs
    )
    segments: tuple[RecoveredSegment, ...] = ()


def container_evidence(said: Probe) -> Evidence:
    """The file opens, and what it holds."""
    details = {
        "media_type": said.media_type,
        "width": said.width,
        "height": said.height,
        "duration_s": said.duration_s,
        "codec": said.codec,
        "audio_codecs": list(said.audio_codecs),
    }
    return Evidence(
        "container", "holds", f"{said.media_type}, {said.width}×{said.height}, {said.codec}", details
    )


def manifest_evidence(reading: ManifestReading) -> Evidence:
    """What the embedded manifest claims, and whether it holds."""
    said: dict[str, tuple[State, str]] = {
        "absent": ("absent", "no embedded C2PA manifest"),
        "remote_only": ("unclear", "only a link to a manifest elsewhere, which was not followed"),
        "malformed": ("fails", "the C2PA manifest store does not parse"),
        "invalid": ("fails", "the C2PA manifest does not match the file"),
        "expired": ("fails", "the signing certificate has expired and there is no time stamp"),
        "valid_untrusted": ("holds", f"signed by {reading.signer}, who is not among the trust anchors"),
        "trusted": ("holds", f"signed by {reading.signer}, unchanged since"),
    }
    state, summary = said[reading.state]
    if reading.state == "invalid" and reading.signer_trusted:
        summary = f"signed by {reading.signer}, but the file was changed since"
    elif reading.detail:
        summary = f"{summary}: {reading.detail}"
    if reading.guard_findings:
        state, summary = "fails", f"{summary}; but {'; '.join(f.message for f in reading.guard_findings)}"
    return Evidence("manifest", state, summary, plain_json(reading))


def stream_evidence(
    digest: StreamDigest, found: Findings, ledger: Ledger | None, trust: TrustAnchors
) -> Evidence:
    """Whether the file plays as a recorded clip does, and where it differs."""
    details: dict[str, Any] = {"stream_digest": digest.digest.hex()}
    if ledger is None:
        return Evidence("streams", "not_checked", "no ledger to compare with", details)
    if found.exact is not None:
        return Evidence(
            "streams",
            "holds",
            f"plays exactly as clip {clip_id_hex(found.exact.clip_id)} was recorded",
            details | _record_details(found.exact, trust),
        )
    if found.same_packets is not None:
        changed = ", ".join(found.stream_differences)
        return Evidence(
            "streams",
            "found",
            f"the pictures of clip {clip_id_hex(found.same_packets.clip_id)}, but changed in {changed}",
            details
            | {"differences": list(found.stream_differences)}
            | _record_details(found.same_packets, trust),
        )
    return Evidence("streams", "absent", "not a stream that this ledger recorded", details)


def mark_evidence(found: Findings, keys: Keys | None, ledger: Ledger | None, trust: TrustAnchors) -> Evidence:
    """Whether there is a mark, of which clip, where in time, under which geometry."""
    if found.exact is not None and found.detection is None:
        return Evidence("mark", "not_checked", _AS_RECORDED)
    if keys is None or found.detection is None:
        return Evidence("mark", "not_checked", "no mark key to look for a watermark with")
    detection = found.detection
    index = detection.key_index
    details: dict[str, Any] = {
        "scheme": detection.scheme,
        "epoch": None if index is None else found.epochs[index],
        "epochs_tried": list(found.epochs),
        "forged": [clip_id_hex(one) for one in found.forged],
        "p_value": detection.p_value,
        "clip_id": None if detection.payload is None else clip_id_hex(detection.payload),
        "segments": [
            {
                "start_s": one.start_s,
                "end_s": one.end_s,
                "state": one.state,
                "clip_id": None if one.payload is None else clip_id_hex(one.payload),
                "p_value": one.p_value,
            }
            for one in detection.segments
        ],
        "geometry": {
            "scale": detection.scale,
            "angle_deg": detection.angle_deg,
            "mirrored": detection.mirrored,
            "stretch": detection.stretch,
        },
    }
    if detection.state == "not_found":
        said, there_are = "no watermark of this home's key was found", keys.mark_keys.epoch + 1
        if len(found.epochs) < there_are:
            said = f"no watermark of this home was found with the keys of {len(found.epochs)} of {there_are} epochs"
        return Evidence("mark", "absent", said, details)
    if found.forged:
        names = ", ".join(details["forged"])
        said = (
            f"a forged watermark: it names clip {names}, but was made with the key of epoch {details['epoch']}, "
            "with which that clip was not marked: somebody else has that key, or the record was changed"
        )
        return Evidence("mark", "fails", said, details)
    if detection.payload is None:
        return Evidence(
            "mark",
            "unclear",
            "a watermark of this home's key is there, but too damaged to say which",
            details,
        )
    summary = f"watermark of clip {clip_id_hex(detection.payload)} ({_probability(detection.p_value)})"
    if found.marked is not None:
        return Evidence("mark", "found", summary, details | _record_details(found.marked, trust))
    where = "no ledger to look it up in" if ledger is None else "of which this ledger has no record"
    return Evidence("mark", "found", f"{summary}, {where}", details)


def _probability(p_value: float) -> str:
    return f"p ≤ {p_value:.0e}" if p_value > 1e-300 else "p < 1e-300"


_AS_RECORDED = "not searched: it plays exactly what was recorded with this mark"


def picture_evidence(found: Findings) -> Evidence:
    """Whether the pictures are those of the clip that the mark names, part by part where there are several."""
    if found.exact is not None and found.detection is None:
        return Evidence("fingerprint", "not_checked", "not compared: it plays exactly what was recorded")
    details = {"segments": [one.to_dict() for one in found.segments]}
    looks = [one for one in found.segments if one.known_by == "pictures" and one.clip_id is not None]
    if found.agreement is None and looks:
        names = ", ".join(dict.fromkeys(clip_id_hex(one.clip_id or 0) for one in looks))
        said = f"its pictures look like clip {names}: a lead, not a proof"
        return Evidence("fingerprint", "unclear", said, details | {"leads": names.split(", ")})
    problems = [one.manifest_problem for one in found.segments if one.manifest_problem]
    if found.agreement is not None and len(found.segments) > 1:
        if found.agreement.state == "disagree":
            wrong = next(one for one in found.segments if one.agreement and one.agreement.state == "disagree")
            said = (
                f"from {wrong.start_s:.1f} to {wrong.end_s:.1f} s the pictures are not those of the clip "
                f"{clip_id_hex(wrong.clip_id or 0)} that the mark there names: a transplanted watermark is suspected"
            )
            return Evidence("fingerprint", "fails", said, details)
        if found.agreement.state == "agree" and not problems:
            said = f"where mark and pictures agree: {summary_of(found.segments)}"
            return Evidence("fingerprint", "holds", said, plain_json(found.agreement) | details)
    if problems:
        return Evidence("fingerprint", "unclear", f"not vouched for: {problems[0]}", details)
    if found.agreement is None:
        return Evidence("fingerprint", "not_checked", "no marked record to compare the pictures with")
    states: dict[str, tuple[State, str]] = {
        "agree": ("holds", "the pictures agree with that record"),
        "disagree": (
            "fails",
            "the pictures are not those of that record: a transplanted watermark is suspected",
        ),
        "unclear": ("unclear", "too little in the pictures to compare them with that record"),
    }
    state, said = states[found.agreement.state]
    return Evidence("fingerprint", state, said, plain_json(found.agreement) | details)


def sound_evidence(found: Findings, has_sound: bool) -> Evidence:
    """Whether the sound is the recorded one, part by part."""
    if found.exact is not None:
        return Evidence("sound", "holds" if has_sound else "absent", _sound_words(has_sound))
    heard = [one for one in found.segments if one.sound is not None]
    if not heard:
        return Evidence("sound", "not_checked", "no recovered pictures whose sound could be compared")
    states: dict[str, State] = {
        "same": "holds",
        "absent": "absent",
        "swapped": "fails",
        "partly": "fails",
        "removed": "fails",
        "added": "fails",
        "not_comparable": "unclear",
    }
    findings = [one.sound for one in heard if one.sound is not None]
    gravest = max(findings, key=lambda one: ("absent", "same", "not_comparable").count(one.state) == 0)
    moved = any(one.offset_s for one in findings)
    words = {
        "same": "the recorded sound" + (", moved against the pictures" if moved else ""),
        "absent": "no sound, as recorded",
        "swapped": "SWAPPED: other sound than was recorded with these pictures",
        "partly": "partly replaced: some of it is the recorded sound, some is not",
        "removed": "removed, or drowned in even noise: the record has sound here",
        "added": "added: the record has no sound",
        "not_comparable": f"cannot be compared ({gravest.reason})",
    }
    state = states[gravest.state]
    if gravest.state in ("same", "absent", "not_comparable"):
        gravest = next((one for one in findings if one.state == "not_comparable"), findings[0])
        state = "fails" if moved else states[gravest.state]
    details = {
        "segments": [{"start_s": one.start_s, "end_s": one.end_s} | plain_json(one.sound) for one in heard]
    }
    return Evidence("sound", state, words[gravest.state], details)


def third_party_evidence(marks: Sequence[ThirdPartyMark], width: int, height: int) -> Evidence:
    """Which other generators' marks are there. `width`, `height`: the size at which they were looked for."""
    details = {"marks": [plain_json(mark) for mark in marks], "frame": [width, height]}
    if width * height < MIN_AREA:
        said = f"not looked for: at {width}×{height}, a picture is too small for the known ones"
        return Evidence("third_party", "not_checked", said, details)
    if not marks:
        said = "no watermark of another generator was found (a resize or a crop would have removed it)"
        return Evidence("third_party", "absent", said, details)
    found = [f"{_foreign_name(mark)} ({mark.method}, {_probability(mark.p_value)})" for mark in marks]
    state: State = "found" if any(mark.state == "marked" for mark in marks) else "unclear"
    return Evidence("third_party", state, f"a third party's watermark: {', '.join(found)}", details)


def _foreign_name(mark: ThirdPartyMark) -> str:
    if mark.state != "marked":
        return "there, but too damaged to read"
    text = mark.readings.get("text")
    return (
        mark.known_as
        or (f"“{text}”" if text else mark.readings.get("uuid"))
        or f"{mark.length} bits, {mark.payload_hex}"
    )


def _sound_words(has_sound: bool) -> str:
    return "the recorded sound, packet by packet" if has_sound else "no sound, as recorded"


def _record_details(row: ClipRow, trust: TrustAnchors) -> dict[str, Any]:
    """What the ledger says of a clip, and whether the manifest that it kept still holds by itself."""
    generated = row.generation
    kept = read_kept_manifest(row.manifest.store, trust) if row.manifest else None
    return {
        "record": {
            "clip_id": clip_id_hex(row.clip_id),
            "recorded": row.created.isoformat(),
            "source": row.source,
            "signer": row.manifest.signer if row.manifest else None,
            "manifest": row.manifest.label if row.manifest else None,
            "manifest_state": kept.state if kept else "absent",
            "model": generated.model if generated else None,
            "asset_sha256": row.asset.sha256.hex(),
        }
    }


def plain_json(value: Any) -> Any:
    """A frozen record as JSON types: digests as hex, times as ISO 8601, not-a-number as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain_json(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Path | Enum):
        return str(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
