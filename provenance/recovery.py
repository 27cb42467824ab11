"""A clip taken apart: which of its seconds come from which recorded clip, and how that is known.

The mark says where parts of a clip carry which payload, to half a second; a hard cut between two pictures says it
to an eighth. Each part is then laid beside the record that its mark names, and parts without a mark beside the
records that look like them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from provenance.agreement import Agreement, agreement
from provenance.alignment import Span, align
from provenance.fingerprint import ClipFingerprint
from provenance.ledger import ClipRow, Ledger, clip_id_hex
from provenance.manifest import SOFT_BINDING_ALG
from provenance.pdq import BITS
from provenance.reading import ManifestReading
from provenance.sound import SoundFinding, SoundFingerprint, compare_sound
from provenance.watermark import Detection

Cuts = NDArray[np.float64]
KnownBy = Literal["mark_and_pictures", "mark", "pictures", "neither"]

_CUT = 80  # bits between neighbouring query pictures, 1/8 s apart; within a scene they stay below 60
_REACH_S = 0.6  # a border of the mark's parts is known to half a second, and to a query picture
_SHORTEST_S = 1.0  # below, a part has too few pictures for a disagreement to mean anything
_SAME_LINE_S = 0.4
_MOST_LOOK_ALIKES = 3
_MIN_QUALITY = 50


@dataclass(frozen=True, slots=True)
class RecoveredSegment:
    """A part of a clip, in seconds after its first picture, and where it comes from.

    `clip_id` and `row`: the recorded clip (`row` None: a mark that the ledger does not know). `place`: where in
    that clip, where the pictures say. `agreement`: of the pictures with the record that the mark names;
    `disagree` means a transplanted mark. `pictures` alone are a lead, not a proof.
    """

    start_s: float
    end_s: float
    known_by: KnownBy
    clip_id: int | None = None
    row: ClipRow | None = None
    place: Span | None = None
    agreement: Agreement | None = None
    manifest_problem: str | None = None  # why the manifest that the ledger kept does not vouch for this
    sound: SoundFinding | None = None

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    @property
    def is_recovered(self) -> bool:
        """Mark and pictures say the same, and nothing in the kept manifest objects."""
        return self.known_by == "mark_and_pictures" and self.manifest_problem is None

    def to_dict(self) -> dict[str, Any]:
        """The segment as JSON."""
        place = self.place
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "known_by": self.known_by,
            "clip_id": None if self.clip_id is None else clip_id_hex(self.clip_id),
            "recorded": self.row is not None,
            "record_start_s": None if place is None else round(_at(place, self.start_s), 3),
            "record_end_s": None if place is None else round(_at(place, self.end_s), 3),
            "speed": None if place is None else round(place.speed, 3),
            "score": None if place is None else place.score,
            "pictures": None if self.agreement is None else self.agreement.state,
            "manifest_problem": self.manifest_problem,
            "sound": None if self.sound is None else self.sound.state,
            "sound_offset_s": None if self.sound is None else self.sound.offset_s,
        }


def take_apart(
    detection: Detection | None,
    fingerprint: ClipFingerprint,
    sound: SoundFingerprint | None,
    ledger: Ledger,
    read_kept: Callable[[bytes], ManifestReading],
) -> tuple[RecoveredSegment, ...]:
    """The segments of a clip, in order and without gaps; empty for a clip without pictures."""
    if not len(fingerprint):
        return ()
    times = fingerprint.times - fingerprint.times[0]
    query = replace(fingerprint, times=times)
    parts = _marked_parts(detection, query) or [(0.0, float(times[-1]), None)]
    records: dict[int, ClipRow | None] = {}
    found: list[RecoveredSegment] = []
    for start, end, payload in parts:
        part = _slice(query, start, end)
        if payload is None or detection is None:
            found += _by_pictures(part, start, end, query, ledger, records)
            continue
        if payload not in records:
            records[payload] = ledger.find_mark(detection.scheme, payload)
        found += _by_mark(part, start, end, query, payload, records[payload], read_kept)
    return tuple(_with_sound(one, sound) for one in _bridged(_merged(found), _cuts(query)))


def summary(segments: Sequence[RecoveredSegment]) -> str:
    """How much of a clip comes from how many recorded clips."""
    ours = [one for one in segments if one.is_recovered]
    total = segments[-1].end_s - segments[0].start_s if segments else 0.0
    seconds = sum(one.seconds for one in ours)
    count = len({one.clip_id for one in ours})
    clips = "1 recorded clip" if count == 1 else f"{count} recorded clips"
    return f"{seconds:.1f} of {total:.1f} s come from {clips}"


def _marked_parts(
    detection: Detection | None, query: ClipFingerprint
) -> list[tuple[float, float, int | None]]:
    """The mark's parts, neighbours of one payload joined, their borders moved to the cut nearby."""
    if detection is None or not detection.segments:
        return []
    whole = float(query.times[-1])
    parts = [(one.start_s, one.end_s, one.payload) for one in detection.segments]
    if detection.payload is not None and all(payload is None for _, _, payload in parts):
        return [(0.0, whole, detection.payload)]  # only the whole clip together is strong enough
    cuts = _cuts(query)
    joined: list[tuple[float, float, int | None]] = []
    for start, end, payload in parts:
        if joined:
            start = _nearest_cut(cuts, start)
            before = joined[-1]
            if start <= before[0]:
                start = before[1]
            joined[-1] = (before[0], start, before[2])
        # A weak stretch within one clip, without a cut on either side, belongs to it.
        if len(joined) > 1 and joined[-2][2] == payload and payload is not None and joined[-1][2] is None:
            gap_start, gap_end, _ = joined[-1]
            if gap_end - gap_start <= 1.5 and not _has_cut(cuts, gap_start, gap_end):
                joined.pop()
                joined[-1] = (joined[-1][0], end, payload)
                continue
        if joined and joined[-1][2] == payload:
            joined[-1] = (joined[-1][0], end, payload)
        else:
            joined.append((start, end, payload))
    joined[-1] = (joined[-1][0], max(joined[-1][1], whole), joined[-1][2])
    return joined


def _by_mark(
    part: ClipFingerprint,
    start: float,
    end: float,
    query: ClipFingerprint,
    payload: int,
    row: ClipRow | None,
    read_kept: Callable[[bytes], ManifestReading],
) -> list[RecoveredSegment]:
    """A part that carries the mark of one clip; two where it shows two places of that clip.

    The mark is read from seconds at a time: a leader, or a still, that was cut to the clip may seem to carry it. What
    lies before the first picture of the record, and before a cut, is nobody's; so is what lies behind the last.
    """
    if row is None or row.fingerprint is None or not len(part):
        return [RecoveredSegment(start, end, "mark", payload, row)]
    shown = agreement(part, row.fingerprint)
    if shown.state == "disagree" and end - start < _SHORTEST_S and len(part) < len(query):
        shown = replace(shown, state="unclear")
    problem = _manifest_problem(row, payload, read_kept)
    known: KnownBy = "mark_and_pictures" if shown.state == "agree" else "mark"
    one = RecoveredSegment(start, end, known, row.clip_id, row, None, shown, problem)
    if known == "mark":
        return [one]
    spans = align(part, row.fingerprint)
    if not spans:
        return [one]
    cuts = _cuts(query)
    begin, finish = _cut_off(cuts, start, spans[0].start_s), _cut_off(cuts, end, spans[-1].end_s)
    borders = [begin]
    for left, right in pairwise(spans):
        borders.append(_nearest_cut(cuts, (left.end_s + right.start_s) / 2))
    borders.append(finish)
    shown_parts = [
        replace(one, start_s=first, end_s=last, place=span)
        for first, last, span in zip(borders, borders[1:], spans, strict=False)
        if last > first
    ]
    before = [RecoveredSegment(start, begin, "neither")] if begin > start else []
    after = [RecoveredSegment(finish, end, "neither")] if finish < end else []
    return [*before, *shown_parts, *after]


def _by_pictures(
    part: ClipFingerprint,
    start: float,
    end: float,
    query: ClipFingerprint,
    ledger: Ledger,
    records: dict[int, ClipRow | None],
) -> list[RecoveredSegment]:
    """A part without a readable mark: the spans that look like a record, and what is foreign between them."""
    told = part.hashes[part.qualities >= _MIN_QUALITY]
    near = ledger.nearest_fingerprints(told) if len(told) else []
    votes = Counter(clip_id for clip_id, _ in {(match.clip_id, match.query_index) for match in near})
    spans: list[tuple[Span, ClipRow]] = []
    for clip_id, _ in votes.most_common(_MOST_LOOK_ALIKES):
        row = records.get(clip_id) or ledger.clip(clip_id)
        records.setdefault(clip_id, row)
        if row is not None and row.fingerprint is not None:
            spans += [(span, row) for span in align(part, row.fingerprint)]
    kept: list[tuple[Span, ClipRow]] = []
    for span, row in sorted(spans, key=lambda pair: -pair[0].score):
        if all(span.end_s <= other.start_s or span.start_s >= other.end_s for other, _ in kept):
            kept.append((span, row))
    cuts = _cuts(query)
    found: list[RecoveredSegment] = []
    at = start
    for span, row in sorted(kept, key=lambda pair: pair[0].start_s):
        first = max(at, _edge(cuts, span.start_s, start))
        last = min(end, max(first, _edge(cuts, span.end_s, end)))
        if first > at:
            found.append(RecoveredSegment(at, first, "neither"))
        found.append(RecoveredSegment(first, last, "pictures", row.clip_id, row, span))
        at = last
    if at < end or not found:
        found.append(RecoveredSegment(at, end, "neither"))
    return found


def _manifest_problem(
    row: ClipRow, payload: int, read_kept: Callable[[bytes], ManifestReading]
) -> str | None:
    """A validator shall ensure that the soft binding in a manifest that was found by a mark names that mark."""
    if row.manifest is None:
        return None
    kept = read_kept(row.manifest.store)
    if kept.state in ("malformed", "invalid", "absent", "remote_only"):
        return f"the manifest that the ledger kept is {kept.state}"
    if payload not in kept.clip_ids:
        return f"the manifest that the ledger kept binds no {SOFT_BINDING_ALG} mark of this clip"
    return None


def _merged(found: Sequence[RecoveredSegment]) -> list[RecoveredSegment]:
    """Neighbours that show one clip along one line are one segment; so is foreign beside foreign."""
    merged: list[RecoveredSegment] = []
    for one in found:
        last = merged[-1] if merged else None
        if last is not None and last.clip_id == one.clip_id:
            if last.known_by == one.known_by and (one.known_by == "neither" or _on_one_line(last, one)):
                merged[-1] = replace(last, end_s=one.end_s)
                continue
            # One take goes on where its mark is too weak to be read: the pictures go on along the same line.
            recovered = next((part for part in (last, one) if part.is_recovered), None)
            if (
                recovered is not None
                and "pictures" in (last.known_by, one.known_by)
                and _on_one_line(last, one)
            ):
                merged[-1] = replace(recovered, start_s=last.start_s, end_s=one.end_s)
                continue
        merged.append(one)
    return merged


def _bridged(found: Sequence[RecoveredSegment], cuts: Cuts) -> list[RecoveredSegment]:
    """Without a stretch of one take that says too little by itself: no cut leads into it or out of it."""
    kept: list[RecoveredSegment] = []
    for one in found:
        if len(kept) > 1 and one.is_recovered and kept[-1].known_by == "neither":
            before, gap = kept[-2], kept[-1]
            same_take = before.is_recovered and before.clip_id == one.clip_id and _on_one_line(before, one)
            if same_take and not _has_cut(cuts, gap.start_s, gap.end_s):
                kept[-2:] = [replace(before, end_s=one.end_s)]
                continue
        kept.append(one)
    return kept


def _on_one_line(last: RecoveredSegment, one: RecoveredSegment) -> bool:
    """Whether two parts show their record as if it had played on."""
    if last.place is None or one.place is None:
        return False
    return abs(_at(last.place, one.start_s) - _at(one.place, one.start_s)) <= _SAME_LINE_S


def _with_sound(one: RecoveredSegment, sound: SoundFingerprint | None) -> RecoveredSegment:
    if one.row is None or one.known_by != "mark_and_pictures":
        return one
    place = one.place
    return replace(
        one,
        sound=compare_sound(
            sound,
            one.row.sound,
            span=(one.start_s, one.end_s),
            offset_s=None if place is None else place.offset_s,
            speed=1.0 if place is None else place.speed,
        ),
    )


def _at(place: Span, time: float) -> float:
    return place.offset_s + place.speed * time


def _slice(query: ClipFingerprint, start: float, end: float) -> ClipFingerprint:
    """The pictures of a span; those at its very borders may be of its neighbours and are left out."""
    inside = (query.times >= start - 1e-6) & (query.times < end - 1e-6)
    if end >= query.times[-1]:
        inside |= query.times >= query.times[-1]
    return ClipFingerprint(
        query.times[inside], query.hashes[inside], query.qualities[inside], query.thumbnails[inside]
    )


def _cuts(query: ClipFingerprint) -> Cuts:
    """Pictures that differ from the one before as one scene from another: [N,2] of time and bits."""
    if len(query) < 2:
        return np.zeros((0, 2))
    bits = np.bitwise_count(query.hashes[1:] ^ query.hashes[:-1]).sum(axis=1)
    flat = (query.qualities[1:] < _MIN_QUALITY) != (query.qualities[:-1] < _MIN_QUALITY)
    bits = np.where(flat, BITS // 2, bits)
    return np.column_stack([query.times[1:], bits])[bits >= _CUT].astype(np.float64)


def _nearest_cut(cuts: Cuts, time: float) -> float:
    """The hardest cut near a time, which fast movement never reaches; else the time itself."""
    near = cuts[np.abs(cuts[:, 0] - time) <= _REACH_S]
    return float(near[near[:, 1].argmax(), 0]) if len(near) else time


def _edge(cuts: Cuts, time: float, limit: float) -> float:
    """A span ends at a recorded picture, up to half a second within what it shows."""
    return limit if abs(limit - time) <= _REACH_S else _nearest_cut(cuts, time)


def _cut_off(cuts: Cuts, border: float, shown: float) -> float:
    """Where a part really begins or ends, whose recorded pictures begin or end at `shown`: at a cut in between."""
    if abs(shown - border) <= _REACH_S:
        return border
    return _nearest_cut(cuts, shown) if _has_cut(cuts, shown - _REACH_S, shown + _REACH_S) else border


def _has_cut(cuts: Cuts, start: float, end: float) -> bool:
    return bool(((cuts[:, 0] >= start - 0.1) & (cuts[:, 0] <= end + 0.1)).any())
