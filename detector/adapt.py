"""Few-shot adaptation: a head that has seen a handful of clips of one new generator or camera.

A zero-shot detector fails on generators unlike those it was fitted on, and a few clips mend much of it (Vahdati
et al. 2024, arXiv 2404.15955). The material that a head was fitted on is not shipped; the head itself is the prior,
in the metric of that material's covariance C, which `Familiarity` holds:

    min_w  (w - w0)' (C + ridge I) (w - w0)  +  sum_i v_i (w'z_i + b - y_i)^2,

where b follows w so that the scores of that material keep their mean, and the new clips together weigh as much as one
source did (times `strength`).
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

    `after` is measured leaving each clip out of its own adaptation. `moved` is how far the scores of the material
    fitted on are expected to move, as a share of their spread: what the new source costs the others.
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
    rest = [z[:k] + z[k + 1 :] for k in range(len(z))]
    models = [_moved(head, others, is_ai, share) for others in rest]
    scores = np.array([clip_score(model.score(x)) for model, x in zip(models, usable, strict=True)])
    left_out = [
        _recalibrated(head, model, others, np.delete(scores, k), is_ai, share)
        for k, (model, others) in enumerate(zip(models, rest, strict=True))
    ]
    linear = _moved(head, z, is_ai, share)
    adapted = _recalibrated(head, linear, z, scores, is_ai, share)
    before = _outcome([head] * len(usable), usable, is_ai)
    after = _outcome(left_out, usable, is_ai)
    moved = _movement(head, linear) / float(np.std(_all_scores(head.conformal)[0]) + 1e-9)
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
    # What was measured of the first head is not true of this one.
    kept = {k: v for k, v in head.card.items() if k not in ("error_rates", "protocol", "report")}
    card = {**kept, "adaptations": [*head.card.get("adaptations", ()), record]}
    return Adaptation(replace(adapted, card=card, digest=""), before, after, moved)


def _moved(head: Head, clips: Sequence[Floats], is_ai: bool, share: float) -> LinearModel:
    """The solution with the windows of `clips` added, solved in their span (few rows, many features)."""
    z = np.concatenate(clips)
    weight = np.concatenate([np.full(len(c), share / len(clips) / len(c)) for c in clips])
    centred = z - head.familiarity.centre
    carried = _precision_solve(head.familiarity, centred)  # [n, d]
    missing = (1.0 if is_ai else -1.0) - (z @ head.linear.weight + head.linear.bias)
    change = np.linalg.solve(centred @ carried.T + np.diag(1 / weight), missing) @ carried
    bias = head.linear.bias - float(change @ head.familiarity.centre)
    return replace(head.linear, weight=head.linear.weight + change, bias=bias)


def _recalibrated(
    head: Head, linear: LinearModel, clips: Sequence[Floats], scores: Floats, is_ai: bool, share: float
) -> Head:
    """The head with another model, which knows the windows of `clips`; `scores` are theirs, out of sample.

    The calibration scores of the material fitted on were the old model's. The new one's differ by a random part of
    known spread, so each is kept twice, that far above and below: its tails grow as they must.
    """
    spread = _movement(head, linear)
    conformal = _with_source(_blurred(head.conformal, spread), scores, is_ai)
    joined, truth, weights = _all_scores(conformal)
    return replace(
        head,
        linear=linear,
        familiarity=_widened(head.familiarity, np.concatenate(clips), share),
        platt=fit_platt(joined, truth, weights),
        conformal=conformal,
    )


def _movement(head: Head, linear: LinearModel) -> float:
    """Standard deviation of the change of scores over the material fitted on."""
    shift = linear.weight - head.linear.weight
    known = head.familiarity
    along = shift @ known.axes
    rest = shift - along @ known.axes.T
    return math.sqrt(float((along**2 * known.variances).sum() + (rest**2).sum() * known.rest_variance))


def _precision_solve(known: Familiarity, rows: Floats) -> Floats:
    """(C + ridge I)^-1 of each row [n, d], C being principal axes and an even rest."""
    along = rows @ known.axes
    rest = rows - along @ known.axes.T
    return np.asarray(
        (along / (known.variances + RIDGE)) @ known.axes.T + rest / (known.rest_variance + RIDGE)
    )


def _widened(known: Familiarity, z: Floats, share: float) -> Familiarity:
    """The material fitted on together with the new windows, so that these are no longer strange."""
    q = share / (1 + share)
    old = known.axes.T * np.sqrt((1 - q) * known.variances)[:, None]
    new = (z - known.centre) * np.sqrt(q / len(z))
    _, singular, axes = np.linalg.svd(np.concatenate([old, new]), full_matrices=False)
    count = known.axes.shape[1]
    outside = len(known.centre) - count
    left = (1 - q) * known.rest_variance * outside + float((singular[count:] ** 2).sum())
    return replace(
        known,
        axes=axes[:count].T,
        variances=singular[:count] ** 2 + 1e-9,
        rest_variance=left / max(1, outside),
    )


def _blurred(conformal: Conformal, spread: float) -> Conformal:
    def twice(scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
        both = np.concatenate([scores - spread, scores + spread])
        order = np.argsort(both, kind="stable")
        return both[order], np.concatenate([weights, weights])[order] / 2

    return Conformal(
        *twice(conformal.ai_scores, conformal.ai_weights),
        *twice(conformal.camera_scores, conformal.camera_weights),
        conformal.ai_own,
        conformal.camera_own,
    )


def _with_source(conformal: Conformal, scores: Floats, is_ai: bool) -> Conformal:
    """The calibration scores with those of one more source, which weigh as any source of that many clips."""
    name = "ai" if is_ai else "camera"
    joined = np.concatenate([getattr(conformal, f"{name}_scores"), scores])
    own = np.full(len(scores), 1 / np.sqrt(len(scores)))
    weights = np.concatenate([getattr(conformal, f"{name}_weights"), own])
    order = np.argsort(joined, kind="stable")
    changed: dict[str, Any] = {f"{name}_scores": joined[order], f"{name}_weights": weights[order]}
    return replace(conformal, **changed)


def _all_scores(conformal: Conformal) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Scores of both classes, which of them are AI, and their weights."""
    scores = np.concatenate([conformal.ai_scores, conformal.camera_scores])
    weights = np.concatenate([conformal.ai_weights, conformal.camera_weights])
    return scores, np.arange(len(scores)) < len(conformal.ai_scores), weights


def _outcome(heads: Sequence[Head], clips: Sequence[Floats], is_ai: bool) -> Outcome:
    """What each clip's head says of it, and how it ranks beside the other class's calibration scores."""
    decisions = [decide(head, x) for head, x in zip(heads, clips, strict=True)]
    rankings = []
    for head, decision in zip(heads, decisions, strict=True):
        assert decision.score is not None  # every clip here has a window
        joined, truth, weights = _all_scores(head.conformal)
        others = truth != is_ai
        both = np.append(joined[others], decision.score)
        rankings.append(
            auroc(both, (np.arange(len(both)) == others.sum()) == is_ai, np.append(weights[others], 1.0))
        )
    verdicts = [decision.verdict for decision in decisions]
    share: Any = {
        v: verdicts.count(v) / len(verdicts) for v in ("likely_ai", "likely_camera", "inconclusive")
    }
    return Outcome(
        **share,
        mean_p_ai=float(np.mean([d.p_ai for d in decisions])),
        auroc=float(np.mean(rankings)),
    )
