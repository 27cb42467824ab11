"""Did what comes in change? Two audits of one's own compared."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from flows.reporting.rows import Row

VERDICTS: Final = ("likely_ai", "inconclusive", "likely_camera")
_EXACT_PAIRS: Final = 1_000_000  # above it the exact p-value costs seconds and says the same


def drift_report(rows_before: Sequence[Row], rows_after: Sequence[Row]) -> dict[str, Any]:
    """Two audits compared: plain types, ready for JSON.

    `clips`: how many are compared, duplicates of another row left out, as they are no new evidence. `verdicts`:
    share of each among clips with a verdict. `unfamiliar`: share of those with an `ood_score` for which it is above
    1. `errors`: share of all clips that have no verdict for an error. Each is `{"before": …, "after": …}`, None
    where there is nothing to take a share of. `p_ai`: the two-sample Kolmogorov–Smirnov `statistic` and its
    `p_value`, with the sizes `before` and `after`; None where one side has no scored clip. `heads`: the head ids of
    each side; probabilities of different heads are not comparable, and `same_head` says whether they are. The
    p-value takes clips for independent: several cuts of one video make it too small.
    """
    before, after = (
        [row for row in rows if not row.get("duplicate_of")] for rows in (rows_before, rows_after)
    )

    def both(share: Callable[[list[Row]], float | None]) -> dict[str, float | None]:
        return {"before": share(before), "after": share(after)}

    heads = [sorted({row["head_id"] for row in rows if row.get("head_id")}) for rows in (before, after)]
    return {
        "clips": {"before": len(before), "after": len(after)},
        "verdicts": {name: both(partial(_verdict_share, name)) for name in VERDICTS},
        "p_ai": _kolmogorov_smirnov(_scores(before), _scores(after)),
        "unfamiliar": both(_unfamiliar_share),
        "errors": both(lambda rows: _share([bool(row.get("error")) for row in rows])),
        "heads": {"before": heads[0], "after": heads[1]},
        "same_head": heads[0] == heads[1],
    }


def _share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _verdict_share(name: str, rows: list[Row]) -> float | None:
    return _share([row["verdict"] == name for row in rows if row.get("verdict")])


def _unfamiliar_share(rows: list[Row]) -> float | None:
    return _share([row["ood_score"] > 1 for row in rows if row.get("ood_score") is not None])


def _scores(rows: list[Row]) -> list[float]:
    # A clip with nothing to score has p_ai 0.5 and no ood_score: a pile of halves would pass for a change.
    return [row["p_ai"] for row in rows if row.get("p_ai") is not None and row.get("ood_score") is not None]


def _kolmogorov_smirnov(before: list[float], after: list[float]) -> dict[str, float] | None:
    if not before or not after:
        return None
    from scipy.stats import ks_2samp  # half a second to load, and whoever writes rows imports this package

    method = "exact" if len(before) * len(after) <= _EXACT_PAIRS else "asymp"
    found = ks_2samp(before, after, method=method)
    return {
        "statistic": float(found.statistic),
        "p_value": float(found.pvalue),
        "before": len(before),
        "after": len(after),
    }
