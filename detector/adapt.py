"""Few-shot adaptation: a head that has seen a handful of clips of one new generator or camera.

A zero-shot detector fails on generators unlike those it was fitted on, and a few clips mend much of it (Vahdati
et al. 2024, arXiv 2404.15955). The material that a head was fitted on is not shipped, but what a linear head
needs of it is: the covariance of its features, which `Familiarity` holds. So the ridge problem is continued
instead of started anew,

    min_w  (w - w0)' (C + ridge I) (w - w0)  +  sum_i v_i (w' z_i + b - y_i)^2,

where the new clips together weigh as much as one source did (times `strength`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.audit import decide
from detector.calibration import Conformal, auroc, fit_platt
from detector.errors import TrainingDataError
from detector.fitting import RIDGE
from detector.head import Familiarity, Head, LinearModel, clip_score

Floats = npt.NDArray[np.float64]

LEAST_CLIPS = 5


@dataclass(frozen=True)
class Outcome:
    """How a head fares on the new clips: shares of verdicts, mean probability, and AUROC against the other
    class's calibration scores."""

    likely_ai: float
    likely_camera: float
    inconclusive: float
    mean_p_ai: float
    auroc: float


@dataclass(frozen=True)
class Adaptation:
    """The adapted head, and what the change does.

    `after` is measured leaving each clip out of its own adaptation. `moved` is how far the scores of the
    material fitted on are expected to move, as a share of their spread: what the new source costs the others.
    """

    head: Head
    before: Outcome
    after: Outcome
    moved: float


def adapt(
    head: Head, clips: Sequence[npt.NDArray[np.floating]], *, is_ai: bool, name: str, strength: float = 2.0
) -> Adaptation:
    """`head` adapted to `clips`, each the features [n, d] of the windows of one clip of the source `name`.

    `strength`: the weight of the new source, in sources. Raises `TrainingDataError` for fewer than 5 clips with
    a window.
    """
    usable = [np.asarray(x, np.float64) for x in clips if len(x)]
    if len(usable) < LEAST_CLIPS:
        raise TrainingDataError(
            f"{len(usable)} usable clips of {name}, at least {LEAST_CLIPS} are needed",
            hint="Add clips that move and are longer than two seconds.",
        )
    z = [head.linear.standardise(x) for x in usable]
    fitted = head.card.get("data", {}).get("fit", {}).get("ai" if is_ai else "camera", {}).get("sources", ())
    share = strength * 0.5 / max(1, len(fitted))  # the sources of a class weigh one half together
    linear = _continued(head, z, is_ai, share)
    left_out = np.array(
        [
            clip_score(_continued(head, z[:k] + z[k + 1 :], is_ai, share).score(usable[k]))
            for k in range(len(usable))
        ]
    )
    conformal = _with_source(head.conformal, left_out, is_ai)
    scores = np.concatenate([conformal.ai_scores, conformal.camera_scores])
    truth = np.arange(len(scores)) < len(conformal.ai_scores)
    weights = np.concatenate([conformal.ai_weights, conformal.camera_weights])
    adapted = replace(
        head,
        linear=linear,
        familiarity=_widened(head.familiarity, np.concatenate(z), share),
        platt=fit_platt(scores, truth, weights),
        conformal=conformal,
    )
    before = _outcome(head, usable, [clip_score(head.linear.score(x)) for x in usable], is_ai)
    after = _outcome(adapted, usable, left_out.tolist(), is_ai)
    shift = linear.weight - head.linear.weight
    variance = float(shift @ _covariance_times(head.familiarity, shift))
    moved = math.sqrt(max(0.0, variance)) / float(scores.std() + 1e-9)
    record = {
        "source": name,
        "class": "ai" if is_ai else "camera",
        "clips": len(usable),
        "strength": strength,
        "before": vars(before),
        "after": vars(after),
        "moved": round(moved, 4),
        "from": head.digest,
    }
    card = {**head.card, "adaptations": [*head.card.get("adaptations", ()), record]}
    return Adaptation(replace(adapted, card=card, digest=""), before, after, moved)


def _continued(head: Head, clips: Sequence[Floats], is_ai: bool, share: float) -> LinearModel:
    """The ridge solution with the windows of `clips` added, solved in their span (few rows, many features)."""
    z = np.concatenate(clips)
    weight = np.concatenate([np.full(len(c), share / len(clips) / len(c)) for c in clips])
    target = 1.0 if is_ai else -1.0
    centred = z - head.familiarity.centre
    carried = _precision_solve(head.familiarity, centred)  # P^-1 z', [n, d]
    gram = (
        centred @ carried.T + 1.0
    )  # the bias has prior precision 1: the total weight of what it was fitted on
    missing = target - (z @ head.linear.weight + head.linear.bias)
    dual = np.linalg.solve(gram + np.diag(1 / weight), missing)
    change = dual @ carried
    bias = head.linear.bias + float(dual.sum() - change @ head.familiarity.centre)
    return replace(head.linear, weight=head.linear.weight + change, bias=bias)


def _precision_solve(known: Familiarity, rows: Floats) -> Floats:
    """(C + ridge I)^-1 of each row [n, d], C being principal axes and an even rest."""
    along = rows @ known.axes
    rest = rows - along @ known.axes.T
    return np.asarray(
        (along / (known.variances + RIDGE)) @ known.axes.T + rest / (known.rest_variance + RIDGE)
    )


def _covariance_times(known: Familiarity, row: Floats) -> Floats:
    along = row @ known.axes
    rest = row - along @ known.axes.T
    return np.asarray((along * known.variances) @ known.axes.T + rest * known.rest_variance)


def _widened(known: Familiarity, z: Floats, share: float) -> Familiarity:
    """The material fitted on together with the new windows, so that these are no longer strange."""
    q = share / (1 + share)
    old = known.axes.T * np.sqrt((1 - q) * known.variances)[:, None]
    new = (z - known.centre) * np.sqrt(q / len(z))
    _, singular, axes = np.linalg.svd(np.concatenate([old, new]), full_matrices=False)
    count = known.axes.shape[1]
    return replace(known, axes=axes[:count].T, variances=singular[:count] ** 2 + 1e-9)


def _with_source(conformal: Conformal, scores: Floats, is_ai: bool) -> Conformal:
    """The calibration scores with those of one more source, which weigh as any source of that many clips."""
    name = "ai" if is_ai else "camera"
    joined = np.concatenate([getattr(conformal, f"{name}_scores"), scores])
    weights = np.concatenate(
        [getattr(conformal, f"{name}_weights"), np.full(len(scores), 1 / np.sqrt(len(scores)))]
    )
    order = np.argsort(joined, kind="stable")
    return replace(conformal, **{f"{name}_scores": joined[order], f"{name}_weights": weights[order]})


def _outcome(head: Head, clips: Sequence[Floats], scores: Sequence[float], is_ai: bool) -> Outcome:
    verdicts = []
    for x, score in zip(clips, scores, strict=True):
        strange = decide(head, x).obstacles
        verdicts.append("inconclusive" if strange else head.verdict(score))
    others = head.conformal.camera_scores if is_ai else head.conformal.ai_scores
    weights = head.conformal.camera_weights if is_ai else head.conformal.ai_weights
    both = np.concatenate([scores, others])
    truth = (np.arange(len(both)) < len(scores)) == is_ai
    ranking = auroc(both, truth, np.concatenate([np.ones(len(scores)), weights]))
    share: Any = {
        v: verdicts.count(v) / len(verdicts) for v in ("likely_ai", "likely_camera", "inconclusive")
    }
    return Outcome(**share, mean_p_ai=float(np.mean([head.probability(s) for s in scores])), auroc=ranking)
