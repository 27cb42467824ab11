"""Which recorded clips a soft binding or a media file leads to: the C2PA Soft Binding Resolution API without its web.

What is told of a clip is what the system did (`Origin`), never who asked for it: no prompts, no names, no
paths, no keys of runs. Who signed is in the manifest, which is handed out as it was signed.
"""

import base64
import binascii
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from media import Limits, stream_digest
from provenance.agreement import GOOD_QUALITY, Agreement, agreement
from provenance.errors import BindingError, ManifestIdError, UnsupportedAlgorithm
from provenance.fingerprint import ClipFingerprint
from provenance.ledger import ClipRow, Ledger, clip_id_hex
from provenance.manifest import DIGITAL_SOURCE_TYPES, SOFT_BINDING_ALG
from provenance.pictures import look
from provenance.watermark import Detection, MarkKeys

FoundBy = Literal["binding", "streams", "packets", "mark", "fingerprint"]

MANIFEST_ID: Final = re.compile(r"urn:(?:c2pa|uuid):[A-Za-z0-9][A-Za-z0-9:._-]{0,190}")
MAX_RESULTS: Final = 100

# 16 lower-case hex digits, the text of the soft binding's `value` in the manifest.
_BINDING_VALUE: Final = re.compile(rb"[0-9a-f]{16}")
# A model is told by its hub id or its own name. A folder on someone's disk may hold a person's name.
_PUBLIC_MODEL: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[\w.-]{1,96})?", re.ASCII)
_LOOKALIKES: Final = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """System provenance data of a clip, in the words of California's SB 942 (§22757.1): no personal data."""

    clip_id: str
    source: str
    digital_source_type: str | None
    recorded: dt.datetime
    system: str | None = None
    model: str | None = None
    model_version: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A recorded clip that a query leads to.

    `score` 0..100: 100 for the same binding or the same streams, else how well the pictures agree. `spans`: the
    parts of the query, in seconds, in which it was found; empty where the query has no time.
    """

    manifest_id: str
    score: int
    found_by: FoundBy
    origin: Origin
    spans: tuple[tuple[float, float], ...] = ()


def supported_watermarks() -> tuple[str, ...]:
    """Soft binding algorithms that `match_binding` looks up.

    `org.clipproof.mark.v2` is not in the C2PA list of algorithms: only who runs Clipproof reads it.
    """
    return (SOFT_BINDING_ALG,)


def match_binding(ledger: Ledger, alg: str, value: str) -> tuple[Match, ...]:
    """The clips whose manifest states this soft binding: none or one.

    `value`: base64 of the text that the manifest's soft binding assertion has as its value. Raises
    `UnsupportedAlgorithm`, `BindingError`.
    """
    require_algorithm(alg)
    row = ledger.find_mark(alg, _payload(value))
    return () if row is None else _match(row, 100, "binding")


def require_algorithm(alg: str) -> None:
    """Raises `UnsupportedAlgorithm` where it is none of ours."""
    if alg not in supported_watermarks():
        raise UnsupportedAlgorithm(
            "this soft binding algorithm is not resolved here",
            hint=f"Supported: {', '.join(supported_watermarks())}.",
        )


def check_hint(alg: str, value: str) -> None:
    """Raises `BindingError` for a hint that names our algorithm and is none of its values; others are ignored."""
    if alg in supported_watermarks():
        _payload(value)


def match_content(
    path: Path | str,
    *,
    ledger: Ledger,
    mark_keys: MarkKeys | None = None,
    hint: tuple[str, str] | None = None,
    limits: Limits | None = None,
) -> tuple[Match, ...]:
    """The clips that a media file is, or comes from; the strongest first, each once.

    By its streams exactly, by its mark where the pictures do not contradict it (a mark can be transplanted), by
    its pictures alone. `hint`, the algorithm and value of a soft binding that the caller has read, says where to
    look as well; it is no evidence by itself. Raises `media.MediaError`, `BindingError`.
    """
    path = Path(path)
    hinted = (
        ledger.find_mark(hint[0], _payload(hint[1])) if hint and hint[0] in supported_watermarks() else None
    )
    digest = stream_digest(path, limits=limits)
    exact = ledger.find_stream(digest.digest)
    packets = digest.components.get("video/0/packets")
    same = ledger.find_component(packets) if exact is None and packets is not None else None
    seen = look(path, mark_keys, ledger, limits)
    # Times from the first frame on, as the mark's segments have them.
    times = seen.fingerprint.times
    fingerprint = replace(seen.fingerprint, times=times - times[:1])
    whole = _whole(fingerprint)
    found: list[Match] = []
    if exact is not None:
        found += _match(exact, 100, "streams", whole)
    if same is not None:
        found += _match(same, 99, "packets", whole)
    for payload, spans in _payloads(seen.detection):
        row = ledger.find_mark(SOFT_BINDING_ALG, payload)
        if row is not None and row.fingerprint is not None:
            pictures = agreement(_within(fingerprint, spans), row.fingerprint)
            if pictures.state != "disagree":
                found += _match(row, _score(pictures), "mark", spans)
    known = {match.origin.clip_id for match in found}
    found += _lookalikes(ledger, fingerprint, known, hinted)
    unique = {match.manifest_id: match for match in reversed(found)}
    return tuple(sorted(unique.values(), key=lambda match: (-match.score, match.manifest_id)))


def manifest_store(ledger: Ledger, manifest_id: str, *, active_only: bool = False) -> bytes | None:
    """The manifest store as it was signed, byte for byte, or None where the ledger has none of that id.

    `active_only`: a store of that one manifest, without those of its ingredients. Raises `ManifestIdError`.
    """
    if not MANIFEST_ID.fullmatch(manifest_id):
        raise ManifestIdError(
            "this is not the identifier of a C2PA manifest", hint="urn:c2pa:… or urn:uuid:…"
        )
    row = ledger.find_manifest(manifest_id)
    if row is None or row.manifest is None:
        return None
    return active_manifest(row.manifest.store) if active_only else row.manifest.store


def active_manifest(store: bytes) -> bytes:
    """A store that holds the active manifest of `store` alone: the last one (C2PA 2.2 §11.1.4.2, §15.5)."""
    outer = next(_boxes(store, 0, len(store)))
    description, *manifests = _boxes(store, outer.content, outer.end)
    if not manifests:
        raise ManifestIdError("the kept manifest store holds no manifest")
    content = store[description.begin : description.end] + store[manifests[-1].begin : manifests[-1].end]
    return (8 + len(content)).to_bytes(4, "big") + b"jumb" + content


class _Box(NamedTuple):
    begin: int
    content: int
    end: int


def _boxes(store: bytes, begin: int, end: int) -> Iterator[_Box]:
    """The JUMBF boxes side by side in a part of a store (ISO 19566-5: boxes of ISO BMFF)."""
    while begin < end:
        size, head = int.from_bytes(store[begin : begin + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(store[begin + 8 : begin + 16], "big"), 16
        if size < head or begin + size > end:
            raise ManifestIdError("the kept manifest store is damaged")
        yield _Box(begin, begin + head, begin + size)
        begin += size


def _payload(value: str) -> int:
    try:
        text = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        text = b""
    if not _BINDING_VALUE.fullmatch(text):
        raise BindingError(
            f"the value is not one of {SOFT_BINDING_ALG}",
            hint="Base64 of the clip id's 16 lower-case hex digits, as in the manifest.",
        )
    return int(text, 16)


def _payloads(detection: Detection | None) -> Iterator[tuple[int, tuple[tuple[float, float], ...]]]:
    """Each payload that was read, with where: a compilation has several."""
    if detection is None or detection.payload is None:
        return
    told = [one for one in detection.segments if one.payload is not None]
    for payload in dict.fromkeys([detection.payload, *(one.payload for one in told)]):
        assert payload is not None
        yield payload, tuple((one.start_s, one.end_s) for one in told if one.payload == payload)


def _lookalikes(
    ledger: Ledger, fingerprint: ClipFingerprint, known: set[str], hinted: ClipRow | None
) -> list[Match]:
    """Clips of the same pictures, found without a mark: near frames are leads, the whole comparison decides."""
    detailed = fingerprint.qualities >= GOOD_QUALITY
    near = ledger.nearest_fingerprints(fingerprint.hashes[detailed]) if detailed.any() else []
    leads = [one for one in dict.fromkeys(frame.clip_id for frame in near) if clip_id_hex(one) not in known]
    rows = [ledger.clip(lead) for lead in leads[:_LOOKALIKES]]
    if hinted is not None and clip_id_hex(hinted.clip_id) not in known and hinted.clip_id not in leads:
        rows.append(hinted)
    times = fingerprint.times[detailed]
    found: list[Match] = []
    for row in rows:
        if row is None or row.fingerprint is None:
            continue
        pictures = agreement(fingerprint, row.fingerprint)
        if pictures.state == "agree":
            seen = [float(times[frame.query_index]) for frame in near if frame.clip_id == row.clip_id]
            spans = ((min(seen), max(seen)),) if seen else _whole(fingerprint)
            found += _match(row, _score(pictures), "fingerprint", spans)
    return found


def _whole(fingerprint: ClipFingerprint) -> tuple[tuple[float, float], ...]:
    if not len(fingerprint):
        return ()
    return ((float(fingerprint.times[0]), float(fingerprint.times[-1])),)


def _within(fingerprint: ClipFingerprint, spans: Sequence[tuple[float, float]]) -> ClipFingerprint:
    """The frames inside the spans: a compilation's other parts say nothing about this one."""
    if not spans:
        return fingerprint
    times = fingerprint.times
    inside = np.any([(times >= start) & (times <= end) for start, end in spans], axis=0)
    if not inside.any():
        return fingerprint
    return replace(
        fingerprint,
        times=times[inside],
        hashes=fingerprint.hashes[inside],
        qualities=fingerprint.qualities[inside],
        thumbnails=fingerprint.thumbnails[inside],
    )


def _score(pictures: Agreement) -> int:
    """How well the pictures agree, 0..98: what is exact stays above."""
    by_overlay = pictures.correlation if pictures.correlation is not None else 0.0
    return round(98 * min(1.0, max(0.0, pictures.matched, by_overlay)))


def _match(
    row: ClipRow, score: int, found_by: FoundBy, spans: tuple[tuple[float, float], ...] = ()
) -> tuple[Match, ...]:
    if row.manifest is None:
        return ()
    return (Match(row.manifest.label, score, found_by, _origin(row), spans),)


def _origin(row: ClipRow) -> Origin:
    made = row.generation
    named = made is not None and _PUBLIC_MODEL.fullmatch(made.model)
    return Origin(
        clip_id=clip_id_hex(row.clip_id),
        source=row.source,
        digital_source_type=DIGITAL_SOURCE_TYPES.get(row.source),
        recorded=row.created,
        system=None if made is None else f"{made.software} {made.software_version}",
        model=made.model if made is not None and named else None,
        model_version=made.weights_sha256.hex()[:16] if made is not None and made.weights_sha256 else None,
    )
