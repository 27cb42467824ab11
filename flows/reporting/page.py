"""The report as one page for people: no network, no other file, nothing in it that strangers can run."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flows.reporting import charts
from flows.reporting.clips import StillsOf, clip_rows, listed, stills_each, with_stills
from flows.reporting.drift import drift_report
from flows.reporting.rows import Row
from flows.reporting.wording import (
    PROVENANCE_GROUPS,
    VERDICT_NAMES,
    error_rates,
    error_text,
    percent,
    verdict_of,
    visible,
)
from provenance.verify import MEANING

_HERE: Final = Path(__file__).parent
_PREVALENCES: Final = (0.5, 0.1, 0.01)
_MOST_REASONS: Final = 50
_MOST_NAMES: Final = 20


def render_page(
    rows: Sequence[Row],
    *,
    head_card: Mapping[str, Any],
    before: Sequence[Row] | None = None,
    stills_of: StillsOf | None = None,
) -> Iterator[str]:
    """The page of `rows` in pieces of text; `before` are the rows of an earlier audit to compare with.

    The policy in its head allows the inline style and script by their digests, pictures from `data:` and nothing
    else.
    """
    page = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {
        "percent": percent,
        "visible": visible,
        "seconds": lambda s: f"{s:.1f}",
        "two": "{:.2f}".format,
    }
    page.globals["share_bar"] = lambda counts, name: charts.share_bar(
        [(one[name], one["count"]) for one in counts]
    )
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    shown = listed(rows)
    if stills_of is not None:
        shown = with_stills(shown, stills_of)
    stills = stills_each(shown)
    return page.get_template("page.html").generate(
        style=Markup(style),  # noqa: S704 - files of ours, word for word what the digests are of
        script=Markup(script),  # noqa: S704
        policy="; ".join(
            (
                "default-src 'none'",
                "img-src data:",
                f"style-src '{_digest(style)}'",
                f"script-src '{_digest(script)}'",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        written=datetime.now(UTC),
        total=len(rows),
        duplicates=sum(bool(row.get("duplicate_of")) for row in rows),
        head=_head(rows, head_card),
        verdicts=_verdict_counts(rows),
        provenances=_provenance_counts(rows),
        warning=_warning(rows, head_card),
        histogram=_histogram(rows),
        reliability=_reliability(head_card),
        failures=_failures(rows),
        drift=None if before is None else drift_report(before, rows),
        verdict_names=VERDICT_NAMES,
        shown=len(shown),
        stills=stills if any(row.get("stills") for row in shown) else 0,
        stills_left_out=not stills and any(row.get("stills") for row in shown),
        clips=clip_rows(shown, stills),
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _head(rows: Sequence[Row], card: Mapping[str, Any]) -> dict[str, Any]:
    ids = sorted({row["head_id"] for row in rows if row.get("head_id")}) or [card.get("head_id") or "none"]
    return {"ids": ids, "digest": card.get("head_digest") or ""}


def _verdict_counts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    counts = Counter(verdict_of(row) for row in rows)
    return [
        {"key": key, "name": name, "count": counts[key], "share": counts[key] / len(rows)}
        for key, name in VERDICT_NAMES.items()
        if counts[key]
    ]


def _provenance_counts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    counts = Counter(row.get("provenance") or "" for row in rows)
    order = [*PROVENANCE_GROUPS, *sorted(set(counts) - set(PROVENANCE_GROUPS))]
    meanings = {str(name): meaning for name, meaning in MEANING.items()}
    return [
        {
            "key": key,
            "name": key.replace("_", " ") or "unknown",
            "group": PROVENANCE_GROUPS.get(key, "none"),
            "meaning": meanings.get(key, "The file could not be read."),
            "count": counts[key],
            "share": counts[key] / len(rows),
        }
        for key in order
        if counts[key]
    ]


def _warning(rows: Sequence[Row], card: Mapping[str, Any]) -> dict[str, Any]:
    """Error rates of the head on material that it never saw, and what they mean for this audit."""
    rates = error_rates(card)
    report = card.get("report") or {}
    judged = sum(verdict_of(row) != "error" and not row.get("duplicate_of") for row in rows)
    robustness = [
        {
            "name": name,
            "n": table["camera"]["n"] + table["ai"]["n"],
            "camera_called_ai": table["camera"]["likely_ai"],
            "ai_called_camera": table["ai"]["likely_camera"],
            "inconclusive_camera": table["camera"]["inconclusive"],
            "inconclusive_ai": table["ai"]["inconclusive"],
        }
        for name, table in (report.get("robustness") or {}).items()
    ]
    sources = [
        {"class": name, "source": source, **table}
        for name in ("camera", "ai")
        for source, table in ((report.get(name) or {}).get("sources") or {}).items()
    ]
    return {
        "rates": rates,
        "right": [(share, rates.right_when_ai(share)) for share in _PREVALENCES] if rates else [],
        "judged": judged,
        "false_alarms": round(judged * rates.camera_called_ai) if rates else 0,
        "called_ai": sum(verdict_of(row) == "likely_ai" and not row.get("duplicate_of") for row in rows),
        "robustness": robustness,
        "sources": sources,
        "unfamiliar": sum((row.get("ood_score") or 0) > 1 for row in rows),
        "conflicts": sum(bool(row.get("conflict")) for row in rows),
        "forbidden": card.get("forbidden_uses") or [],
    }


def _histogram(rows: Sequence[Row]) -> Markup | None:
    scored = [
        (row["p_ai"], row["verdict"]) for row in rows if row.get("verdict") and row.get("p_ai") is not None
    ]
    return charts.histogram(scored) if scored else None


def _reliability(card: Mapping[str, Any]) -> Markup | None:
    points = (card.get("report") or {}).get("reliability")
    return charts.reliability(points) if points else None


def _failures(rows: Sequence[Row]) -> dict[str, Any]:
    """What could not be examined, by reason, the commonest first; a path in a reason does not split a group."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row.get("error"):
            groups.setdefault(error_text(row), []).append(str(row["path"]))
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    return {
        "count": sum(len(paths) for paths in groups.values()),
        "reasons": [
            {
                "reason": visible(said),
                "count": len(paths),
                "paths": [visible(path) for path in paths[:_MOST_NAMES]],
                "more": max(0, len(paths) - _MOST_NAMES),
            }
            for said, paths in ranked[:_MOST_REASONS]
        ],
        "more": max(0, len(ranked) - _MOST_REASONS),
    }
