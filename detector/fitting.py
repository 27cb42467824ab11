"""Fits the parts of a head from labelled window features."""

import numpy as np
import numpy.typing as npt

from detector.head import CLIP_DEVIATIONS, Familiarity, LinearModel

Floats = npt.NDArray[np.float64]

RIDGE = 0.03
"""Ridge strength, on features whose blocks each have variance 1 in total; chosen by grouped folds of the
fit split.
"""

AXES = 24
FAMILIAR_SHARE = 0.99


def fit_linear(
    x: npt.NDArray[np.floating],
    is_ai: npt.NDArray[np.bool_],
    weights: Floats,
    blocks: tuple[str, ...],
    ridge: float = RIDGE,
) -> LinearModel:
    """Weighted ridge on labels +1 (AI) and -1, features [n, d]; the bias is not penalised.

    Both classes are given the same total weight.
    """
    x = np.asarray(x, np.float64)
    w = np.where(is_ai, weights / weights[is_ai].sum(), weights / weights[~is_ai].sum()) / 2
    mean = w @ x
    spread = np.sqrt(w @ (x - mean) ** 2) + 1e-6
    sizes = np.array([blocks.count(b) for b in blocks], np.float64)
    z = np.clip((x - mean) / spread, -CLIP_DEVIATIONS, CLIP_DEVIATIONS) / np.sqrt(sizes)
    centre = w @ z
    centred = z - centre
    target = np.where(is_ai, 1.0, -1.0)
    if z.shape[1] <= len(z):
        gram = (centred * w[:, None]).T @ centred
        weight = np.linalg.solve(gram + ridge * np.eye(len(gram)), centred.T @ (w * target))
    else:  # the dual: n x n instead of d x d
        root = np.sqrt(w)
        scaled = centred * root[:, None]
        weight = scaled.T @ np.linalg.solve(scaled @ scaled.T + ridge * np.eye(len(z)), root * target)
    return LinearModel(mean, spread, sizes, weight, float(-centre @ weight))


def fit_fused(
    x: npt.NDArray[np.floating],
    is_ai: npt.NDArray[np.bool_],
    weights: Floats,
    blocks: tuple[str, ...],
    ridge: float = RIDGE,
) -> LinearModel:
    """`fit_linear` of our own features and of the encoder's apart, their scores scaled alike and averaged.

    Fused late: one ridge over both would let the encoder's many numbers decide, and did worse on unseen sources.
    The mean of linear scores is a linear score, so a head stays one linear model.
    """
    of_encoder = np.array([b.startswith("encoder_") for b in blocks])
    views = [view for view in (~of_encoder, of_encoder) if view.any()]
    if len(views) == 1:
        return fit_linear(x, is_ai, weights, blocks, ridge)
    width = len(blocks)
    mean, spread, sizes, weight = (np.zeros(width) for _ in range(4))
    bias = 0.0
    for view in views:
        chosen = tuple(b for b, inside in zip(blocks, view, strict=True) if inside)
        part = fit_linear(x[:, view], is_ai, weights, chosen, ridge)
        scores = part.score(x[:, view])
        centred = scores - np.average(scores, weights=weights)
        scale = 1 / (len(views) * np.sqrt(np.average(centred**2, weights=weights)) + 1e-9)
        mean[view], spread[view], sizes[view] = part.mean, part.spread, part.block_size
        weight[view] = part.weight * scale
        bias += part.bias * scale
    return LinearModel(mean, spread, sizes, weight, bias)


def fit_familiarity(z: Floats, weights: Floats, groups: npt.NDArray[np.str_]) -> Familiarity:
    """Probabilistic PCA of standardised training features [n, d]; the threshold from groups left out in
    fives.
    """
    unscaled = _principal_axes(z, weights)
    names = np.unique(groups)
    fold = {name: k % 5 for k, name in enumerate(names)}
    part = np.array([fold[g] for g in groups])
    distance = np.empty(len(z))
    for k in range(min(5, len(names))):
        held = part == k
        distance[held] = _principal_axes(z[~held], weights[~held]).distance(z[held])
    order = np.argsort(distance)
    reached = np.cumsum(weights[order]) / weights.sum()
    threshold = distance[order][min(int(np.searchsorted(reached, FAMILIAR_SHARE)), len(order) - 1)]
    return Familiarity(
        unscaled.centre, unscaled.axes, unscaled.variances, unscaled.rest_variance, float(threshold)
    )


def _principal_axes(z: Floats, weights: Floats) -> Familiarity:
    w = weights / weights.sum()
    centre = w @ z
    centred = (z - centre) * np.sqrt(w)[:, None]
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    count = min(AXES, max(1, len(singular) - 1))
    rest = float((singular[count:] ** 2).sum()) / max(1, z.shape[1] - count)
    return Familiarity(centre, axes[:count].T, singular[:count] ** 2 + 1e-9, rest + 1e-9, 1.0)
