"""Results as rows, JSON and Markdown. A row holds the number, the renderer's, chance, and the target."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["at least", "at most", "share of rendered", "times rendered", "between"]


@dataclass(frozen=True)
class Target:
    """What a number must reach. ``low``: the bound, an upper one of "at most" and "times rendered"; ``high``: the
    other one of "between". ``from_issue``: asked for by the issue, not set here."""

    kind: Kind
    low: float
    high: float = math.nan
    from_issue: bool = True

    def met(self, generated: float, rendered: float | None) -> bool | None:
        """``None`` if it cannot be said: without the renderer's number there is no share of it."""
        if not math.isfinite(generated):
            return False
        if self.kind in ("share of rendered", "times rendered"):
            if rendered is None or not math.isfinite(rendered):
                return None
            return (
                generated >= self.low * rendered
                if self.kind == "share of rendered"
                else generated <= self.low * rendered
            )
        if self.kind == "between":
            return self.low <= generated <= self.high
        return generated >= self.low if self.kind == "at least" else generated <= self.low

    def __str__(self) -> str:
        text = {
            "at least": f"≥ {self.low:g}",
            "at most": f"≤ {self.low:g}",
            "share of rendered": f"≥ {self.low:g} × rendered",
            "times rendered": f"≤ {self.low:g} × rendered",
            "between": f"{self.low:g}–{self.high:g}",
        }[self.kind]
        return text if self.from_issue else f"{text} (own)"


@dataclass(frozen=True)
class Row:
    """One measure. ``n``: clips asked for; ``coverage``: the share of them that gave a number, if that can
    be less than all."""

    measure: str
    generated: float
    rendered: float | None = None
    chance: float | None = None
    target: Target | None = None
    n: int = 0
    coverage: float | None = None

    @property
    def met(self) -> bool | None:
        return self.target.met(self.generated, self.rendered) if self.target else None


@dataclass(frozen=True)
class Answer:
    """The rows of one question. ``note``: what the numbers do not show."""

    key: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-able; numbers that are not finite become null."""
        rows = [
            {
                **{k: _finite(v) for k, v in asdict(row).items() if k != "target"},
                "target": str(row.target or ""),
                "met": row.met,
            }
            for row in self.rows
        ]
        return {"key": self.key, "title": self.title, "rows": rows, "note": self.note}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(answers: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    """The page of the results, from the JSON of the answers and of what was measured."""
    judged = [row for answer in answers for row in answer["rows"] if row["met"] is not None]
    met = sum(row["met"] for row in judged)
    missed = [f"{a['key']} {row['measure']}" for a in answers for row in a["rows"] if row["met"] is False]
    lines = [
        "# Benchmark of the embedded generator",
        "",
        f"Made by `python -m benchmarks.generation` from {about['clips']} held-out scenes; the numbers are in "
        "[generator-bench.json](generator-bench.json). Clip *k* has noise seed *k*; none was picked. Weights "
        f"`{about['weights'][:16]}`, {about['versions']}.",
        "",
        "*Rendered* is the same measure on the world's own renderer: the ceiling of the probe and of the "
        "trackers, not always 1. Frames are measured as delivered, averaged to 128 pixels. A clip in which "
        "nothing was drawn is a miss, and *coverage* is the share of clips that gave a number at all. Targets are the "
        "issue's, those marked *own* the benchmark's.",
        "",
        f"**{met} of {len(judged)} targets are met.**" + (f" Missed: {', '.join(missed)}." if missed else ""),
    ]
    for answer in answers:
        lines += ["", f"## {answer['key']} {answer['title']}", ""]
        lines += [
            "| measure | generated | rendered | chance | target | met | coverage | clips |",
            "| --- " * 8 + "|",
        ]
        for row in answer["rows"]:
            verdict = {True: "yes", False: "**no**", None: ""}[row["met"]]
            covered = "" if row["coverage"] is None else f"{row['coverage']:.0%}"
            cells = [row["measure"], *(number(row[k]) for k in ("generated", "rendered", "chance"))]
            cells[1] = cells[1] or "not measurable"
            lines.append(
                "| " + " | ".join([*cells, row["target"], verdict, covered, str(row["n"] or "")]) + " |"
            )
        if answer["note"]:
            lines += ["", answer["note"]]
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 4)}f}"


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
