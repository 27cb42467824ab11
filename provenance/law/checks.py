"""How a clip is looked at for each duty. A check says what it saw; it judges no law beyond that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from provenance.labels import LABEL_SECONDS
from provenance.law.evidence import ClipEvidence
from provenance.ledger import Label, clip_id_hex
from provenance.reading import ManifestReading

Status = Literal["met", "partly", "not_met", "not_certain", "organisation"]

_MIN_GLYPH_SHARE: Final = 0.05
_GENERATED: Final = "trainedAlgorithmicMedia"
_DEFAULT_PRODUCER: Final = "Clipproof"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw."""

    status: Status
    evidence: str


Check = Callable[[ClipEvidence], Finding]


def _organisation(_seen: ClipEvidence) -> Finding:
    return Finding("organisation", "Nothing in a clip can show this.")


def _of_manifest(look: Callable[[ClipEvidence, ManifestReading], Finding]) -> Check:
    """A check of the manifest: it must hold before anything that it says counts."""

    def check(seen: ClipEvidence) -> Finding:
        reading = seen.reading
        if reading is None:
            return Finding("not_certain", seen.problem)
        if reading.state not in ("trusted", "valid_untrusted"):
            return Finding("not_met", f"The manifest in the file is {reading.state.replace('_', ' ')}.")
        return look(seen, reading)

    return check


def _signed(_seen: ClipEvidence, reading: ManifestReading) -> Finding:
    says = _GENERATED in " ".join(reading.digital_source_types)
    what = f"Signed by {reading.signer} ({reading.state.replace('_', ' ')})"
    if not says:
        return Finding("partly", f"{what}; it does not say that the clip is AI-generated.")
    if reading.development or reading.state != "trusted":
        who = "a development identity" if reading.development else "a signer who is not trusted here"
        return Finding("partly", f"{what}, says AI-generated; by {who}.")
    return Finding("met", f"{what}, says AI-generated.")


def _says_generated(seen: ClipEvidence, reading: ManifestReading) -> Finding:
    types = [one.rpartition("/")[2] for one in reading.digital_source_types]
    if _GENERATED in types:
        return Finding("met", f"The manifest states the digital source type {_GENERATED}.")
    if seen.row.source in ("camera", "unknown"):
        return Finding("not_certain", f"The clip is recorded as {seen.row.source}, not as AI-generated.")
    return Finding("not_met", f"The manifest states {', '.join(types) or 'no digital source type'}.")


def _time_stamp(_seen: ClipEvidence, reading: ManifestReading) -> Finding:
    if not reading.has_timestamp:
        return Finding("not_met", "The signature has no trusted time stamp.")
    when = f" of {reading.signed_at:%Y-%m-%d %H:%M} UTC" if reading.signed_at else ""
    return Finding("met", f"A trusted time stamp{when}.")


def _inputs(seen: ClipEvidence, reading: ManifestReading) -> Finding:
    if not seen.row.edges:
        return Finding("met", "No recorded input.")
    if not reading.ingredients:
        return Finding("not_met", "Inputs are recorded, and none is an ingredient of the manifest.")
    named = [f"{one.relationship} ({one.status.replace('_', ' ')})" for one in reading.ingredients[:5]]
    return Finding("met", "Ingredients of the manifest: " + ", ".join(named) + ".")


def _provider(_seen: ClipEvidence, reading: ManifestReading) -> Finding:
    name = reading.organization or reading.signer
    if not name:
        return Finding("not_met", "The certificate names nobody.")
    if reading.development:
        return Finding(
            "partly", f"The signer is {name}: a development identity, whose name nobody vouches for."
        )
    return Finding("met", f"The signer's organisation is {name}.")


def _system(_seen: ClipEvidence, reading: ManifestReading) -> Finding:
    created = next((one for one in reading.actions if one.action == "c2pa.created"), None)
    if created is None:
        return Finding("not_met", "The manifest names no system that generated the clip.")
    digest = reading.generation.get("weights_sha256", "")
    if not created.agent or not digest:
        return Finding("partly", f"It names {created.agent or 'no system'} without a version.")
    return Finding(
        "met", f"{created.agent}, weights {digest[:16]}; claim generator {reading.claim_generator}."
    )


def _time(_seen: ClipEvidence, reading: ManifestReading) -> Finding:
    when = next((one.when for one in reading.actions if one.when), "")
    return (
        Finding("met", f"{when}, as the signer states.") if when else Finding("not_met", "No time is stated.")
    )


def _unique_id(seen: ClipEvidence, reading: ManifestReading) -> Finding:
    if seen.row.clip_id in reading.clip_ids:
        return Finding("met", f"Clip id {clip_id_hex(seen.row.clip_id)}, manifest {reading.label}.")
    return Finding("partly", f"Manifest {reading.label}; the clip id is not in it.")


def _watermark(seen: ClipEvidence) -> Finding:
    if seen.reading is None:
        return Finding("not_certain", seen.problem)
    recorded = ", ".join(one.scheme for one in seen.row.marks)
    if not seen.looked_for_mark:
        return Finding(
            "not_certain", f"Recorded: {recorded or 'none'}; without the mark key none can be read."
        )
    if seen.payload == seen.row.clip_id:
        return Finding("met", f"Read from the pictures now: {clip_id_hex(seen.row.clip_id)} ({recorded}).")
    return Finding("not_met", "The recorded watermark does not read back from the stored file.")


def _two_layers(seen: ClipEvidence) -> Finding:
    findings = (CHECKS["says_generated"](seen), _watermark(seen))
    held = sum(one.status == "met" for one in findings)
    if any(one.status == "not_certain" for one in findings) and held < 2:
        status: Status = "not_certain"
    else:
        status = ("not_met", "partly", "met")[held]
    return Finding(status, " ".join(one.evidence for one in findings))


def _fingerprint(seen: ClipEvidence) -> Finding:
    frames = 0 if seen.row.fingerprint is None else len(seen.row.fingerprint)
    if not frames:
        return Finding("not_met", "No fingerprint is recorded.")
    return Finding("met", f"{frames} frames (PDQ) in the ledger, whose log is append-only.")


def _aigc(look: Callable[[ClipEvidence], Finding]) -> Check:
    def check(seen: ClipEvidence) -> Finding:
        if seen.reading is None:
            return Finding("not_certain", seen.problem)
        if seen.aigc is None:
            return Finding("not_met", "The file has no AIGC metadata that can be read.")
        return look(seen)

    return check


def _aigc_present(seen: ClipEvidence) -> Finding:
    assert seen.aigc is not None
    return Finding("met", f"AIGC metadata in the file, Label {seen.aigc.label}.")


def _aigc_fields(seen: ClipEvidence) -> Finding:
    label = seen.aigc
    assert label is not None
    if not (label.content_producer and label.produce_id):
        return Finding("partly", "ContentProducer or ProduceID is empty.")
    if label.produce_id != clip_id_hex(seen.row.clip_id):
        return Finding("partly", f"ProduceID {label.produce_id} is not this clip's id.")
    return Finding("met", f"ContentProducer {label.content_producer}, ProduceID {label.produce_id}.")


def _aigc_generated(seen: ClipEvidence) -> Finding:
    assert seen.aigc is not None
    return Finding("met" if seen.aigc.label == "1" else "partly", f"Label is {seen.aigc.label}.")


def _producer_code(seen: ClipEvidence) -> Finding:
    assert seen.aigc is not None
    code = seen.aigc.content_producer
    if code == _DEFAULT_PRODUCER:
        return Finding("not_met", f"ContentProducer is {code}, the default: it names no organisation.")
    return Finding("met" if code else "not_met", f"ContentProducer is {code or 'empty'}.")


def _visible(seen: ClipEvidence) -> Label | None:
    return next((one for one in seen.row.labels if one.kind == "visible"), None)


def _visible_label(seen: ClipEvidence) -> Finding:
    if seen.reading is None:
        return Finding("not_certain", seen.problem)
    label = _visible(seen)
    if label is None:
        return Finding("not_met", "No visible label is recorded.")
    where = "the whole clip" if label.details.get("extent") == "whole" else "its start"
    said = f"{label.details.get('text')} on {where}"
    return Finding("met", f"Recorded as burnt in: {said}; the file is the one recorded.")


def _chinese_form(seen: ClipEvidence) -> Finding:
    found, label = _visible_label(seen), _visible(seen)
    if found.status != "met" or label is None:
        return found
    wrong = []
    if label.details.get("language") not in ("zh", "both"):
        wrong.append("its text is not Chinese")
    if float(label.details.get("glyph_share") or 0) < _MIN_GLYPH_SHARE:
        wrong.append("its characters are too small")
    if (seen.duration_s or 0) < LABEL_SECONDS:
        wrong.append(f"the clip is shorter than {LABEL_SECONDS:g} s")
    if wrong:
        return Finding("partly", f"{found.evidence} But {', '.join(wrong)}.")
    share = 100 * float(label.details["glyph_share"])
    return Finding("met", f"{found.evidence} Characters {share:.1f} % of the short side.")


CHECKS: Final[Mapping[str, Check]] = {
    "organisation": _organisation,
    "signed_metadata": _of_manifest(_signed),
    "says_generated": _of_manifest(_says_generated),
    "time_stamp": _of_manifest(_time_stamp),
    "inputs_retained": _of_manifest(_inputs),
    "provider_name": _of_manifest(_provider),
    "system_and_version": _of_manifest(_system),
    "creation_time": _of_manifest(_time),
    "unique_id": _of_manifest(_unique_id),
    "watermark": _watermark,
    "two_layers": _two_layers,
    "fingerprint": _fingerprint,
    "aigc_present": _aigc(_aigc_present),
    "aigc_fields": _aigc(_aigc_fields),
    "aigc_is_generated": _aigc(_aigc_generated),
    "producer_code": _aigc(_producer_code),
    "visible_label": _visible_label,
    "chinese_label_form": _chinese_form,
}
