"""What the page says in words: names of verdicts, numbers for people, texts from strangers made visible."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flows.reporting.rows import Row

VERDICT_NAMES: Final = {
    "likely_ai": "likely AI",
    "inconclusive": "inconclusive",
    "likely_camera": "likely camera",
    "error": "not examined",
}

# Of each provenance verdict: its group, which gives mark and colour.
PROVENANCE_GROUPS: Final = {
    "trusted": "proven",
    "recovered_exact": "proven",
    "valid_untrusted": "lead",
    "recovered_derived": "lead",
    "unsigned": "none",
    "remote_only": "none",
    "expired": "failed",
    "tampered": "failed",
    "substitution_suspected": "failed",
    "watermark_conflict": "failed",
    "malformed": "failed",
}

_JOINERS = "\u200c\u200d"  # invisible, but part of how Persian, Hindi and emoji are written


def verdict_of(row: Row) -> str:
    """The row's verdict, `error` where there is none."""
    return row.get("verdict") or "error"


def error_text(row: Row) -> str:
    """The row's error without its path before it, which stands beside it; empty where there is none."""
    return str(row.get("error") or "").removeprefix(f"{row['path']}: ")


def visible(value: object, limit: int = 400) -> str:
    """Text of strangers on one line, every hidden character spelled out, cut to `limit` with an ellipsis.

    A right-to-left override turns `gpj.exe` round, a newline makes one name two. Markup stays: escape it.
    """
    text = str(value)
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(_spelled(c) if _is_hidden(c) else c for c in cut)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def percent(share: float | None) -> str:
    """A share as a whole percentage that never rounds something to nothing."""
    if share is None:
        return "–"
    if 0 < share < 0.01:
        return "<\u00a01\u00a0%"
    return ">\u00a099\u00a0%" if 0.99 < share < 1 else f"{100 * share:.0f}\u00a0%"


@dataclass(frozen=True)
class ErrorRates:
    """How often a head errs on sources it never saw: shares from 0 to 1, averaged over sources."""

    camera_called_ai: float
    ai_called_camera: float
    inconclusive_camera: float
    inconclusive_ai: float
    worst_camera: Mapping[str, Any]
    worst_ai: Mapping[str, Any]

    @property
    def ai_called_ai(self) -> float:
        return max(0.0, 1 - self.ai_called_camera - self.inconclusive_ai)

    def right_when_ai(self, prevalence: float) -> float | None:
        """Share of "likely AI" verdicts that are right where `prevalence` of the clips are AI (Bayes' rule)."""
        hits, false_alarms = self.ai_called_ai * prevalence, self.camera_called_ai * (1 - prevalence)
        return hits / (hits + false_alarms) if hits + false_alarms else None


def error_rates(head_card: Mapping[str, Any]) -> ErrorRates | None:
    """Those of the report split, or else the cross-validated ones; None where the card has neither."""
    tables = head_card.get("error_rates") or {}
    for name in ("report_split_unseen_sources", "cross_validated_unseen_groups"):
        if (table := tables.get(name)) is not None:
            camera, ai = table["camera_called_ai"], table["ai_called_camera"]
            if camera["average_over_sources"] is None or ai["average_over_sources"] is None:
                continue  # a split without clips of a class
            return ErrorRates(
                camera["average_over_sources"],
                ai["average_over_sources"],
                table["inconclusive"]["camera"],
                table["inconclusive"]["ai"],
                camera.get("worst_source") or {},
                ai.get("worst_source") or {},
            )
    return None
