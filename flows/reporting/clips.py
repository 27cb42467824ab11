"""One clip's row of the page, and which clips and stills the page has room for."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from flows.reporting.charts import segment_words, timeline
from flows.reporting.rows import Row, cell, reason
from flows.reporting.wording import PROVENANCE_GROUPS, VERDICT_NAMES, error_text, verdict_of, visible

MAX_CLIPS: Final = 5_000
"""Clips that the page lists: browsers stay quick, and the rest is in the other files."""
MAX_PAGE_BYTES: Final = 60_000_000
"""About what the whole page may take: stills are thinned out, and then left out, to keep it so."""
_ROW_BYTES: Final = (
    1_000  # markup of a row; its texts and bars take about twice what they do in the row itself
)
_LONGEST_ROW: Final = 20_000  # texts are cut on the page
_MOST_STILLS: Final = 6
_MOST_GIVEN: Final = 16
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_JPEG = "/9j/"  # the first three bytes of every JPEG
_KINDS: Final = {
    "looked_at": "looked at",
    "limit": "no verdict because",
    "reason": "reason",
    "missing": "not looked at",
}


StillsOf = Callable[[Row], Sequence[bytes]]
"""A clip's pictures, JPEG, evenly spaced in time."""


@dataclass(frozen=True)
class ClipRow:
    """What the template shows of one clip; all texts are visible and cut, none is escaped yet."""

    folder: str
    name: str
    verdict: str
    verdict_name: str
    provenance: str
    provenance_name: str
    provenance_group: str
    p_ai: float | None
    peak: float | None
    end_s: float
    timeline: Markup | None
    stills: Sequence[str]
    headline: str
    duplicate_of: str
    evidence: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    segments: str


def listed(rows: Sequence[Row]) -> list[Row]:
    """The rows for which the page has room, in their order: all, or errors (a fifth at most) and the highest p_ai."""
    if len(rows) <= MAX_CLIPS:
        return list(rows)
    numbers = range(len(rows))
    errors = [i for i in numbers if verdict_of(rows[i]) == "error"][: MAX_CLIPS // 5]
    scored = (i for i in numbers if verdict_of(rows[i]) != "error")
    highest = sorted(scored, key=lambda i: -(rows[i].get("p_ai") or 0.0))[: MAX_CLIPS - len(errors)]
    return [rows[i] for i in sorted([*errors, *highest])]


def with_stills(rows: Sequence[Row], stills_of: StillsOf) -> list[Row]:
    """The rows with as many of their clips' stills as the page can show of one."""
    return [
        {**row, "stills": [base64.b64encode(s).decode() for s in _spread(stills_of(row), _MOST_STILLS)]}
        for row in rows
    ]


def stills_each(rows: Sequence[Row]) -> int:
    """How many stills a clip may show so that the page keeps about its size; 0 where not even one fits."""
    room = MAX_PAGE_BYTES - sum(_text_bytes(row) for row in rows)
    for number in range(_MOST_STILLS, 0, -1):
        if sum(len(still) for row in rows for still in _spread(row.get("stills") or [], number)) <= room:
            return number
    return 0


def _text_bytes(row: Row) -> int:
    texts = repr([value for name, value in row.items() if name != "stills"])
    return _ROW_BYTES + 2 * min(len(texts), _LONGEST_ROW)


def clip_rows(rows: Sequence[Row], stills: int) -> Iterator[ClipRow]:
    """Each row as the template wants it, made when it is asked for."""
    for row in rows:
        yield _clip_row(row, stills)


def _clip_row(row: Row, stills: int) -> ClipRow:
    folder, slash, name = str(row["path"]).rpartition("/")
    verdict, provenance = verdict_of(row), row.get("provenance") or ""
    segments = row.get("segments") or []
    error = visible(error_text(row))
    headline = error or visible(reason(row)) or "no reason given"
    return ClipRow(
        folder=visible(folder + slash),
        name=visible(name or row["path"]),
        verdict=verdict,
        verdict_name=VERDICT_NAMES[verdict],
        provenance=provenance,
        provenance_name=provenance.replace("_", " ") or "unknown",
        provenance_group=PROVENANCE_GROUPS.get(provenance, "none"),
        p_ai=row.get("p_ai"),
        peak=max((one["p_ai"] for one in segments if one.get("p_ai") is not None), default=None),
        end_s=max((one["end_s"] for one in segments), default=0.0),
        timeline=timeline(segments) if segments else None,
        stills=[one for one in _spread(row.get("stills") or [], stills) if _is_jpeg(one)],
        headline=headline,
        duplicate_of=visible(row.get("duplicate_of") or ""),
        evidence=_evidence(row, headline),
        facts=list(_facts(row)),
        segments=" · ".join(segment_words(one) for one in segments),
    )


def _evidence(row: Row, headline: str) -> list[tuple[str, str]]:
    """What was said, kind by kind; what the headline says already is not said again."""
    said: dict[str, list[str]] = {}
    for one in row.get("evidence") or []:
        text = visible(one["text"])
        if text not in headline:
            said.setdefault(_KINDS.get(one["kind"], visible(one["kind"])), []).append(text)
    return [(kind, "; ".join(texts)) for kind, texts in said.items()]


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    for name, label in (
        ("conflict", "conflict"),
        ("signer", "signer"),
        ("clip_id", "clip id"),
        ("sha256", "SHA-256"),
        ("head_id", "head"),
    ):
        if row.get(name):
            yield label, visible(row[name])
    if row.get("ood_score") is not None:
        far = "unlike" if row["ood_score"] > 1 else "like"
        yield (
            "distance",
            f"{row['ood_score']:.2f} ({far} the material that the head was fitted on; 1 is the limit)",
        )
    given = [(key, value) for key, value in (row.get("given") or {}).items() if cell(value)]
    for key, value in given[:_MOST_GIVEN]:
        yield f"given: {visible(key, 60)}", visible(cell(value), 240)  # a column called signer is no signer
    if len(given) > _MOST_GIVEN:
        yield "…", f"{len(given) - _MOST_GIVEN} more columns, in the other files"


def _spread(stills: Sequence[Any], number: int) -> list[Any]:
    """`number` of the stills, evenly spaced from the first one."""
    if len(stills) <= number:
        return list(stills)
    return [stills[i * len(stills) // number] for i in range(number)]


def _is_jpeg(still: object) -> bool:
    return isinstance(still, str) and still.startswith(_JPEG) and _BASE64.fullmatch(still) is not None
