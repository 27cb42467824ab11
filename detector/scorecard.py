"""Error rates of a head on labelled clips, by source, as they are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.calibration import (
    Verdict,
    auroc,
    calibration_error,
    calibration_error_by_chance,
    fit_conformal,
    fit_platt,
)
from detector.protocols import Table, assign_folds

Floats = npt.NDArray[np.float64]

STAGED = (
    "cutie",
    "grid",
    "intel-sample-videos",
    "liveportrait",
    "opencv-doc",
    "openvla",
    "udacity-lane",
    "video-retalking",
    "voxposer",
)
"""Camera sources that are not natural footage: fixed cameras, talking heads, robots, calibration films."""


_VERDICTS = ("likely_ai", "likely_camera", "inconclusive")


@dataclass(frozen=True)
class Judged:
    """One labelled clip and what the head said of it; `p_ai` is 0.5 where nothing was scored."""

    source: str
    is_ai: bool
    p_ai: float
    verdict: Verdict
    unfamiliar: bool = False


def cross_fitted(table: Table, draws: Floats, alpha: float) -> list[Judged]:
    """Judgements of the first of the out-of-fold draws [draws, n], with calibration from other groups' scores."""
    folds = assign_folds(table.group, np.random.default_rng(17))
    weights = table.clip_weights()
    judged: list[Judged] = []
    for k in np.unique(folds):
        rest = folds != k
        platt = fit_platt(draws[:, rest], table.is_ai[rest], weights[rest])
        conformal = fit_conformal(draws[:, rest], table.is_ai[rest], weights[rest])
        for i in np.flatnonzero(~rest):
            score = float(draws[0, i])
            p_ai, verdict = float(platt.probability(score)), conformal.verdict(score, alpha)
            judged.append(Judged(str(table.source[i]), bool(table.is_ai[i]), p_ai, verdict))
    return judged


def _round(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _rates(clips: Sequence[Judged]) -> dict[str, Any]:
    n = len(clips)
    if not n:
        return {"n": 0} | dict.fromkeys((*_VERDICTS, "p_ai_over_half", "mean_p_ai", "unfamiliar"))
    share = {v: sum(c.verdict == v for c in clips) / n for v in _VERDICTS}
    return {
        "n": n,
        "likely_ai": round(share["likely_ai"], 4),
        "inconclusive": round(share["inconclusive"], 4),
        "likely_camera": round(share["likely_camera"], 4),
        "p_ai_over_half": round(sum(c.p_ai > 0.5 for c in clips) / n, 4),
        "mean_p_ai": round(float(np.mean([c.p_ai for c in clips])), 4),
        "unfamiliar": round(sum(c.unfamiliar for c in clips) / n, 4),
    }


def _auroc(clips: Sequence[Judged], others: Sequence[Judged]) -> float | None:
    """How well one source's clips are told from all clips of the other class, clips weighing equally."""
    both = [*clips, *others]
    return _round(auroc([c.p_ai for c in both], [c.is_ai for c in both]))


def _class_summary(
    clips: Sequence[Judged], others: Sequence[Judged], wrong: Verdict, least: int
) -> dict[str, Any]:
    sources = {s: [c for c in clips if c.source == s] for s in dict.fromkeys(c.source for c in clips)}
    rates = {s: _rates(members) | {"auroc": _auroc(members, others)} for s, members in sources.items()}
    worst = max(((r[wrong], s) for s, r in rates.items() if r["n"] >= least), default=(float("nan"), ""))
    return {
        "clips": _rates(clips),
        "wrong_average_over_sources": _round(float(np.mean([r[wrong] for r in rates.values()]))),
        "abstained_average_over_sources": _round(float(np.mean([r["inconclusive"] for r in rates.values()]))),
        "wrong_worst_source": {
            "source": worst[1],
            "rate": _round(worst[0]),
            "n": rates[worst[1]]["n"] if worst[1] else 0,
        },
        "sources": dict(sorted(rates.items())),
    }


def reliability(p: Floats, is_ai: npt.NDArray[np.bool_], weights: Floats, bins: int = 10) -> list[Any]:
    """Mean probability and share of AI of each occupied bin of equal width, and its weight (all sum to 1)."""
    index = np.minimum((p * bins).astype(int), bins - 1)
    rows = []
    for k in np.unique(index):
        w = weights[index == k]
        mean, rate = np.average(p[index == k], weights=w), np.average(is_ai[index == k], weights=w)
        share = w.sum() / weights.sum()
        rows.append({"p": round(mean, 4), "rate": round(rate, 4), "weight": round(share, 4)})
    return rows


def summarise(judged: Sequence[Judged], least: int = 4) -> dict[str, Any]:
    """AUROC, calibration error and verdict rates, by class and source.

    "wrong" is `likely_ai` for camera clips and `likely_camera` for AI clips; the worst source is named
    among those with at least `least` clips. AUROC and calibration error weigh a clip by 1/sqrt(clips of
    its source).
    """
    count = {s: sum(c.source == s for c in judged) for s in {c.source for c in judged}}
    p = np.array([c.p_ai for c in judged])
    is_ai = np.array([c.is_ai for c in judged])
    weights = np.array([1 / np.sqrt(count[c.source]) for c in judged])
    balanced = np.where(is_ai, weights / weights[is_ai].sum(), weights / weights[~is_ai].sum())
    natural = np.array([c.is_ai or c.source not in STAGED for c in judged])
    ai, camera = [c for c in judged if c.is_ai], [c for c in judged if not c.is_ai]
    return {
        "auroc": _round(auroc(p, is_ai, weights)),
        "auroc_clips": _round(auroc(p, is_ai)),
        "auroc_natural": _round(auroc(p[natural], is_ai[natural], weights[natural])),
        "calibration_error": _round(calibration_error(p, is_ai, balanced)),
        "calibration_error_by_chance": _round(calibration_error_by_chance(p, balanced)),
        "reliability": reliability(p, is_ai, balanced),
        "ai": _class_summary(ai, camera, "likely_camera", least),
        "camera": _class_summary(camera, ai, "likely_ai", least),
        "natural_camera": _rates([c for c in camera if c.source not in STAGED]),
    }
