"""A clip against the duties of a law: as data, as Markdown, as a page."""

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from provenance.law.checks import CHECKS, Finding, Status
from provenance.law.duties import Duty, Law
from provenance.law.evidence import ClipEvidence
from provenance.ledger import clip_id_hex
from provenance.manifest import display_text

NOT_ADVICE: Final = "This is not legal advice."
_WORDS: Final[dict[Status, str]] = {
    "met": "met",
    "partly": "partly met",
    "not_met": "not met",
    "not_certain": "not certain",
    "organisation": "yours to meet",
}
_COLUMNS: Final = ("Duty", "Asks", "Status", "Evidence", "To do")


@dataclass(frozen=True, slots=True)
class Answer:
    """One duty and what was seen of it; `todo` is empty where nothing is to be done."""

    duty: Duty
    finding: Finding

    @property
    def todo(self) -> str:
        return "" if self.finding.status == "met" else self.duty.todo


@dataclass(frozen=True, slots=True)
class Report:
    """One clip against one law."""

    clip_id: str
    law: Law
    answers: tuple[Answer, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many duties have each status."""
        found = Counter(one.finding.status for one in self.answers)
        return {status: found[status] for status in _WORDS}

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "clip_id": self.clip_id,
            "law": self.law.code,
            "title": self.law.title,
            "known_on": self.law.known_on,
            "notice": NOT_ADVICE,
            "counts": self.counts,
            "duties": [
                {
                    "id": one.duty.id,
                    "requires": one.duty.requires,
                    "clause": one.duty.clause,
                    "source": one.duty.source,
                    "confidence": one.duty.confidence,
                    "status": one.finding.status,
                    "evidence": display_text(one.finding.evidence),
                    "todo": one.todo,
                }
                for one in self.answers
            ],
            "sources": [
                {"id": one.id, "title": one.title, "date": one.date, "where": one.where}
                for one in self.law.sources
            ],
        }


def assess(seen: ClipEvidence, law: Law) -> Report:
    """Looks at a clip for every duty of a law."""
    answers = tuple(Answer(duty, CHECKS[duty.check](seen)) for duty in law.duties)
    return Report(clip_id_hex(seen.row.clip_id), law, answers)


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    lines = [f"# Clip {report.clip_id}", "", f"{report.law.title}. {_summary(report)}", ""]
    lines += [f"| {' | '.join(_COLUMNS)} |", f"|{' --- |' * len(_COLUMNS)}"]
    lines += [f"| {' | '.join(_cell(text) for text in row)} |" for row in _rows(report)]
    lines += ["", "## Sources", ""]
    lines += [f"- {_source(report, i)}" for i in range(len(report.law.sources))]
    lines += ["", f"As known on {report.law.known_on}. **{NOT_ADVICE}**"]
    return "\n".join(lines) + "\n"


def to_html(report: Report) -> str:
    """The report as one page without scripts."""
    style = (
        ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;"
        "padding:0 1rem}table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;"
        "padding:.4rem .7rem;border-bottom:1px solid #8886}td:nth-child(3){white-space:nowrap;font-weight:600}"
    )
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = (f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in _rows(report))
    sources = (f"<li>{escape(_source(report, i))}</li>" for i in range(len(report.law.sources)))
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Clip {report.clip_id}</title>',
        f"<style>{style}</style><h1>Clip {report.clip_id}</h1>",
        f"<p>{escape(report.law.title)}. {escape(_summary(report))}</p>",
        f"<table><thead><tr>{head}</tr></thead><tbody>",
        *rows,
        "</tbody></table><h2>Sources</h2><ul>",
        *sources,
        f"</ul><p>As known on {report.law.known_on}. <strong>{NOT_ADVICE}</strong></p></html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(report: Report) -> str:
    return ", ".join(f"{n} {_WORDS[s]}" for s, n in report.counts.items() if n) + "."  # type: ignore[index]


def _rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in report.answers:
        sure = (
            "" if one.duty.confidence == "high" else f" (our confidence in this point: {one.duty.confidence})"
        )
        asks = one.duty.requires + sure
        evidence = display_text(one.finding.evidence)
        rows.append(
            (f"{one.duty.id}: {one.duty.clause}", asks, _WORDS[one.finding.status], evidence, one.todo)
        )
    return rows


def _source(report: Report, number: int) -> str:
    one = report.law.sources[number]
    return f"{one.title} ({one.date}). {one.where}."


def _cell(text: str) -> str:
    # What was signed by others may hold markup, and a bar would end the cell.
    return escape(text, quote=False).replace("|", "\\|").replace("[", "\\[").replace("`", "\\`")
