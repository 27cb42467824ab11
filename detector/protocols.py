"""How a head is measured: which clips are held out together, with what controls beside it.

A score is always given by a model that has not seen the clip. `in_flow` holds out clips,
`unseen_generator` whole groups of AI clips, `unseen_camera` whole groups of camera clips, `joint` whole
groups of both: the headline, since in the wild neither the generator nor the camera is known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detector.calibration import auroc
from detector.fitting import RIDGE, fit_fused
from detector.head import LinearModel, clip_score

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

FOLDS = 5
PAIRED_SHARE = 0.3
"""Chosen by grouped folds of the fit split."""
PROTOCOLS = ("in_flow", "unseen_generator", "unseen_camera", "joint")


@dataclass(frozen=True)
class Table:
    """Windows of labelled clips.

    `x` [N, d] with the row of each window's clip in `clip` [N]; `scored` [N] marks windows at the sampling
    rate of an audit (the others, at other rates, only train); `paired` [N] marks windows of camera clips that were
    processed as generators do, and train as generated ones. Per clip [n]: `is_ai`, `source`, `group`.
    """

    x: npt.NDArray[np.float32]
    blocks: tuple[str, ...]
    clip: Ints
    scored: Bools
    paired: Bools
    is_ai: Bools
    source: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]

    def clip_weights(self) -> Floats:
        """1 / sqrt(clips of the source): between counting clips and counting sources."""
        _, place, count = np.unique(self.source, return_inverse=True, return_counts=True)
        return np.asarray(1 / np.sqrt(count[place]), np.float64)

    def window_weights(self) -> Floats:
        """A clip's weight, shared by its windows; pairs weigh `PAIRED_SHARE` of what the AI clips weigh."""
        whole = ~self.paired
        count = np.bincount(self.clip[whole], minlength=len(self.is_ai))
        weights = self.clip_weights()[self.clip] / np.maximum(count, 1)[self.clip]
        if self.paired.any():
            weights[self.paired] = PAIRED_SHARE * self.clip_weights()[self.is_ai].sum() / self.paired.sum()
        return np.asarray(weights)

    def columns(self, wanted: tuple[str, ...]) -> "Table":
        """The same clips with the features of some blocks only."""
        keep = np.isin(np.array(self.blocks), wanted)
        blocks = tuple(b for b in self.blocks if b in wanted)
        return replace(self, x=self.x[:, keep], blocks=blocks)

    def without_pairs(self) -> "Table":
        """The same clips as they were."""
        kept = ~self.paired
        return replace(
            self, x=self.x[kept], clip=self.clip[kept], scored=self.scored[kept], paired=self.paired[kept]
        )


def assign_folds(keys: npt.NDArray[np.str_], rng: np.random.Generator) -> Ints:
    """A fold in 0..4 for each key [n]; equal keys share one; folds are filled evenly, largest keys first."""
    names, place, count = np.unique(keys, return_inverse=True, return_counts=True)
    filled = np.zeros(FOLDS)
    fold = np.empty(len(names), np.intp)
    for k in np.argsort(-count - rng.random(len(names)), kind="stable"):
        fold[k] = int(np.argmin(filled + rng.random(FOLDS) * 1e-3))
        filled[fold[k]] += count[k]
    return np.asarray(fold[place], np.intp)


def protocol_folds(table: Table, protocol: str, seed: int) -> Ints:
    """The fold of every clip under a protocol."""
    rng = np.random.default_rng(seed)
    alone = np.array([f"clip{k}" for k in range(len(table.is_ai))])
    if protocol == "joint":  # a group may hold clips of both classes: it stays whole
        return assign_folds(table.group, rng)
    by_group = {
        "in_flow": np.zeros_like(table.is_ai),
        "unseen_generator": table.is_ai,
        "unseen_camera": ~table.is_ai,
    }[protocol]
    folds = np.empty(len(alone), np.intp)
    for chosen in (table.is_ai, ~table.is_ai):
        keys = np.where(by_group, table.group, alone)[chosen]
        folds[chosen] = assign_folds(keys, rng)
    return folds


def folds_hold_both_classes(table: Table, repeats: int = 4) -> bool:
    """Whether both classes are left to train on, whichever fold of the joint protocol is held out."""
    for seed in range(repeats):
        folds = protocol_folds(table, "joint", seed)
        for fold in range(FOLDS):
            if len(np.unique(table.is_ai[folds != fold])) < 2:
                return False
    return True


def train_on(table: Table, clips: Bools, ridge: float = RIDGE, labels: Bools | None = None) -> LinearModel:
    """The linear model of the chosen clips' windows, at every sampling rate; other labels take no pairs."""
    rows = clips[table.clip]
    if labels is None:
        of_window = table.is_ai[table.clip] | table.paired
    else:
        rows, of_window = rows & ~table.paired, labels[table.clip]
    return fit_fused(table.x[rows], of_window[rows], table.window_weights()[rows], table.blocks, ridge)


def clip_scores(table: Table, model: LinearModel, clips: Bools) -> Floats:
    """Scores [n] of the chosen clips, NaN for the others."""
    scores = np.full(len(table.is_ai), np.nan)
    rows = np.flatnonzero(clips[table.clip] & table.scored)
    windows = model.score(table.x[rows])
    owner = table.clip[rows]
    for k in np.unique(owner):
        scores[k] = clip_score(windows[owner == k])
    return scores


def out_of_fold_scores(
    table: Table, folds: Ints, ridge: float = RIDGE, labels: Bools | None = None
) -> Floats:
    """Scores [n], each by the model fitted on the other folds."""
    scores = np.full(len(table.is_ai), np.nan)
    for k in range(FOLDS):
        held = folds == k
        scores = np.where(held, clip_scores(table, train_on(table, ~held, ridge, labels), held), scores)
    return scores


def protocol_draws(table: Table, protocol: str, ridge: float = RIDGE, repeats: int = 4) -> Floats:
    """Out-of-fold scores [repeats, n], one row for each draw of the folds."""
    return np.stack(
        [out_of_fold_scores(table, protocol_folds(table, protocol, seed), ridge) for seed in range(repeats)]
    )


def protocol_scores(table: Table, protocol: str, ridge: float = RIDGE, repeats: int = 4) -> Floats:
    """Out-of-fold scores [n], averaged over draws of the folds: for ranking, not for calibration."""
    return np.asarray(protocol_draws(table, protocol, ridge, repeats).mean(0))


def protocol_auroc(table: Table, protocol: str, ridge: float = RIDGE, repeats: int = 4) -> float:
    """Source-weighted AUROC, the mean over `repeats` draws of the folds."""
    draws = []
    for seed in range(repeats):
        scores = out_of_fold_scores(table, protocol_folds(table, protocol, seed), ridge)
        draws.append(auroc(scores, table.is_ai, table.clip_weights()))
    return float(np.mean(draws))


def bootstrap_interval(
    table: Table, statistic: Callable[[Floats], float], draws: int = 400, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a statistic of clip weights [n], resampling groups of each class with replacement."""
    rng = np.random.default_rng(seed)
    base = table.clip_weights()
    values = []
    for _ in range(draws):
        weights = np.zeros(len(base))
        for chosen in (table.is_ai, ~table.is_ai):
            names = np.unique(table.group[chosen])
            times = dict(zip(*np.unique(rng.choice(names, len(names)), return_counts=True), strict=True))
            weights += chosen * base * np.array([times.get(g, 0) for g in table.group])
        values.append(statistic(weights))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def random_label_auroc(table: Table, draws: int = 3) -> float:
    """The joint protocol with labels shuffled among groups: what chance looks like with this many groups."""
    values = []
    for seed in range(draws):
        rng = np.random.default_rng(100 + seed)
        names = np.unique(table.group)
        coin = dict(zip(names, rng.permutation(np.arange(len(names)) % 2 == 0), strict=True))
        labels = np.array([coin[g] for g in table.group])
        scores = out_of_fold_scores(table, assign_folds(table.group, rng), labels=labels)
        values.append(auroc(scores, labels, table.clip_weights()))
    return float(np.mean(values))


def camera_against_camera(table: Table, least: int = 5) -> tuple[float, int]:
    """Mean AUROC of telling two camera sources apart (by clip, folds of five), and how many pairs there are.

    High values mean that sources differ for reasons that have nothing to do with being generated.
    """
    names, count = np.unique(table.source[~table.is_ai], return_counts=True)
    large = names[count >= least]
    values = []
    for i, first in enumerate(large):
        for second in large[i + 1 :]:
            chosen = ~table.is_ai & np.isin(table.source, (first, second))
            labels = table.source == first
            folds = np.full(len(labels), -1, np.intp)
            rng = np.random.default_rng(0)
            for side in (first, second):
                one = chosen & (table.source == side)
                folds[one] = assign_folds(np.arange(one.sum()).astype(str), rng)
            scores = np.full(len(labels), np.nan)
            for k in range(FOLDS):
                held = chosen & (folds == k)
                model = train_on(table, chosen & ~held, labels=labels)
                scores[held] = clip_scores(table, model, held)[held]
            values.append(auroc(scores[chosen], labels[chosen]))
    return float(np.mean(values)) if values else float("nan"), len(values)
