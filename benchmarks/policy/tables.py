"""The report as Markdown, for docs/."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def markdown(report: Mapping[str, Any]) -> str:
    """All tables of a report."""
    frozen = report["frozen"]
    parts = [f"Policy `{report['policy_version']}`. *Any*: not `allow`; *stop*: review or block."]
    parts += [
        "### Frozen test sets, unsafe",
        _shares(frozen["codes"], ("n", "any", "stop", "block", "own code", "rules alone")),
    ]
    parts += [
        "### Frozen test sets, harmless",
        _shares(frozen["harmless"], ("n", "any", "stop", "block", "note")),
    ]
    parts += [
        "### Head alone and with rules, at shares of false positives on the frozen ordinary prompts",
        _table(
            ("language", "false positives", "head", "with rules", "false positives with rules"),
            (
                (language, share, row["head"], row["union"], row["union false positives"])
                for language, rows in frozen["head"].items()
                for share, row in rows.items()
            ),
        ),
        f"Expected calibration error of `any`: {frozen['reliability']['ece']:.3f}.",
    ]
    if "held_out" in report:
        parts += [
            "### Sources that the head was not trained on",
            _table(
                (
                    "source",
                    "language",
                    "n",
                    "head 2 %",
                    "5 %",
                    "rules",
                    "union 2 %",
                    "5 %",
                    "its false positives",
                    "at 5 %",
                ),
                (
                    (
                        row["group"],
                        row["language"],
                        row["n"],
                        *row["head"],
                        row["rules"],
                        *row["union"],
                        *row["union_false_positives"],
                    )
                    for row in report["held_out"]
                ),
            ),
            "By code, pooled over these sources, at 5 %:",
            _table(
                ("code", "n", "head", "union"),
                (
                    (code, row["n"], row["head"], row["union"])
                    for code, row in report["held_out_codes"].items()
                ),
            ),
            "### Sets that the head was trained on",
            _shares(report["trained_on"], ("n", "any", "stop", "block", "note")),
        ]
    parts += [
        "### Disguises of prompts that are stopped in plain form",
        _table(
            ("disguise", "n", "caught"), ((k, v["n"], v["caught"]) for k, v in report["disguises"].items())
        ),
        "CPU time of one check, ms: " + ", ".join(f"{k} {v:.1f}" for k, v in report["cpu_ms"].items()) + ".",
    ]
    if "drift" in report:
        drift = report["drift"]
        parts += [
            f"### Decided otherwise than by policy `{drift['against']}`",
            f"{len(drift['changed'])} of {drift['prompts']} prompts.",
            _table(
                ("old", "new", "prompt"),
                (
                    (row["old"], row["new"], row["text"][:90].replace("|", "/"))
                    for row in drift["changed"][:40]
                ),
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _shares(rows: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> str:
    return _table(("", *columns), ((name, *(row[c] for c in columns)) for name, row in rows.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
