"""From raw scores to probabilities, to verdicts that may abstain, and how good both are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Verdict = Literal["likely_ai", "likely_camera", "inconclusive"]


@dataclass(frozen=True)
class Platt:
    """Probability of AI as sigmoid(slope * score + offset)."""

    slope: float
    offset: float

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """float64 in (0, 1), same shape as `scores`."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * np.asarray(scores, np.float64) + self.offset))))


def fit_platt(scores: Floats, is_ai: Bools, weights: Floats) -> Platt:
    """Platt (1999) by Newton's method on weighted, smoothed labels; `scores` [n] or [draws, n] must be out of fold.

    Both classes are given the same total weight: the probability is for as many AI clips as camera clips.
    """
    draws = np.atleast_2d(scores)
    smooth = 1 / (draws.shape[1] + 2)
    scores, is_ai, weights = draws.ravel(), np.tile(is_ai, len(draws)), np.tile(weights, len(draws))
    target = np.where(is_ai, 1 - smooth, smooth)
    weights = np.where(is_ai, weights / weights[is_ai].sum(), weights / weights[~is_ai].sum()) / 2
    design = np.stack([scores, np.ones_like(scores)], axis=1)
    theta = np.array([1 / (scores.std() + 1e-9), 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ theta))
        gradient = design.T @ (weights * (p - target)) + 1e-6 * theta
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        theta -= step
        if np.abs(step).max() < 1e-10:
            break
    return Platt(float(theta[0]), float(theta[1]))


@dataclass(frozen=True)
class Conformal:
    """Class-conditional conformal verdicts (Vovk et al. 2005, Mondrian), source-weighted.

    Holds the out-of-fold scores of each class in ascending order with their weights, and the weight that a clip to be
    judged has beside them. The bound on errors
    is an average over sources like these; for a single unlike source it does not hold.
    """

    ai_scores: Floats
    ai_weights: Floats
    camera_scores: Floats
    camera_weights: Floats
    ai_own: float
    camera_own: float

    def p_values(self, score: float) -> tuple[float, float]:
        """(p if the clip were AI, p if it were camera footage): the share of that class at least as unlike
        it.
        """
        ai = self.ai_weights[self.ai_scores <= score].sum() + self.ai_own
        camera = self.camera_weights[self.camera_scores >= score].sum() + self.camera_own
        return (
            float(ai / (self.ai_weights.sum() + self.ai_own)),
            float(camera / (self.camera_weights.sum() + self.camera_own)),
        )

    def verdict(self, score: float, alpha: float) -> Verdict:
        """The only class not rejected at `alpha`; "inconclusive" where both or none remain."""
        p_ai, p_camera = self.p_values(score)
        if p_ai > alpha >= p_camera:
            return "likely_ai"
        if p_camera > alpha >= p_ai:
            return "likely_camera"
        return "inconclusive"


def fit_conformal(scores: Floats, is_ai: Bools, weights: Floats) -> Conformal:
    """Keeps the out-of-fold scores that `Conformal` compares with: [n], or several draws of them [draws, n].

    A head scores a clip by one model, so the draws are kept beside each other: their mean would vary less than one
    model's score does, and verdicts would come too easily.
    """
    draws = np.atleast_2d(scores)

    def of(chosen: Bools) -> tuple[Floats, Floats]:
        joined = draws[:, chosen].ravel()
        shared = np.tile(weights[chosen] / len(draws), len(draws))
        order = np.argsort(joined, kind="stable")
        return joined[order], shared[order]

    return Conformal(*of(is_ai), *of(~is_ai), float(weights[is_ai].max()), float(weights[~is_ai].max()))


def auroc(scores: npt.ArrayLike, is_ai: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Probability that an AI clip scores above a camera clip, ties half; NaN where a class is missing."""
    s, y = np.asarray(scores, np.float64), np.asarray(is_ai, bool)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, np.float64)
    if y.all() or not y.any():
        return float("nan")
    difference = s[y][:, None] - s[~y][None]
    wins = (difference > 0) + 0.5 * (difference == 0)
    return float(w[y] @ wins @ w[~y] / (w[y].sum() * w[~y].sum()))


def calibration_error_by_chance(p: Floats, weights: Floats, draws: int = 400, seed: int = 0) -> float:
    """The mean `calibration_error` where every probability is right: what so few clips show at best.

    `weights` must weigh both classes alike, as `p` assumes.
    """
    rng = np.random.default_rng(seed)
    errors = [calibration_error(p, rng.random(len(p)) < p, weights) for _ in range(draws)]
    return float(np.mean(errors))


def calibration_error(p: Floats, is_ai: Bools, weights: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins, weighted."""
    index = np.minimum((p * bins).astype(int), bins - 1)
    total = np.bincount(index, weights, bins)
    gap = np.abs(np.bincount(index, weights * p, bins) - np.bincount(index, weights * is_ai, bins))
    return float(gap.sum() / total.sum())
