"""What was tried and what it adds, on the fit split with unseen generators and cameras: reported either way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection.native import clip_traces
from detector.calibration import auroc
from detector.corpus import Example, clip_table
from detector.fitting import RIDGE, fit_linear
from detector.head import LinearModel
from detector.protocols import (
    FOLDS,
    Table,
    bootstrap_interval,
    clip_scores,
    protocol_folds,
    protocol_scores,
    train_on,
)
from detector.scorecard import STAGED


@dataclass(frozen=True)
class Variant:
    """Out-of-fold scores [n] of one way of scoring the same clips."""

    name: str
    scores: np.ndarray


def compare(table: Table, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """AUROC of each variant, against natural footage too, and its gain over the first with a 95 % interval.

    The interval resamples groups of both classes.
    """
    natural = table.is_ai | ~np.isin(table.source, STAGED)
    base = variants[0].scores
    rows = []
    for variant in variants:

        def gain(weights: np.ndarray, scores: np.ndarray = variant.scores) -> float:
            return auroc(scores, table.is_ai, weights) - auroc(base, table.is_ai, weights)

        weights = table.clip_weights()
        low, high = bootstrap_interval(table, gain)
        rows.append(
            {
                "name": variant.name,
                "auroc": auroc(variant.scores, table.is_ai, weights),
                "natural": auroc(variant.scores[natural], table.is_ai[natural], weights[natural]),
                "gain": gain(weights),
                "gain_low": low,
                "gain_high": high,
            }
        )
    return rows


def fused(*scores: np.ndarray) -> np.ndarray:
    """The mean of score vectors, each brought to mean 0 and spread 1."""
    return np.mean([(s - s.mean()) / s.std() for s in scores], axis=0)


def native_scores(
    examples: Sequence[Example], clips: Path, tell: Callable[[str, float], None], ridge: float = 0.01
) -> np.ndarray:
    """Out-of-fold scores from native-resolution traces; a clip without them (too small) gets the mean of all."""
    found = []
    for k, example in enumerate(examples):
        tell("native traces", k / len(examples))
        found.append(clip_traces(clips / example.entry.path))
    width = max(len(t) for t in found if t is not None)
    known = np.array([t is not None for t in found])
    values = np.array([np.zeros(width) if t is None else t for t in found])
    values[~known] = values[known].mean(0)
    return protocol_scores(clip_table(examples, values, "native"), "joint", ridge)


def scores_blind_to_sources(
    table: Table, strength: float, ridge: float = RIDGE, repeats: int = 4
) -> np.ndarray:
    """Out-of-fold scores of a ridge that also shuns directions in which sources of one class differ.

    The linear form of training against an adversary that names the source: what tells two cameras apart, or two
    generators, should not tell cameras from generators. Penalty: `strength` times the scatter of source means within
    a class.
    """
    draws = []
    for seed in range(repeats):
        folds = protocol_folds(table, "joint", seed)
        scores = np.full(len(table.is_ai), np.nan)
        for fold in range(FOLDS):
            held = folds == fold
            model = _shunning(table, ~held, strength, ridge)
            scores = np.where(held, clip_scores(table, model, held), scores)
        draws.append(scores)
    return np.asarray(np.mean(draws, axis=0))


def learning_curve(table: Table, shares: Sequence[float] = (0.25, 0.5, 0.75, 1.0)) -> list[dict[str, float]]:
    """Joint AUROC when only a share of the groups that may be trained on is: what more sources would bring.

    Each share is the mean over four draws of the folds; groups are dropped at random within each class.
    """
    rows = []
    for share in shares:
        found, groups = [], []
        for seed in range(4):
            rng = np.random.default_rng(1000 + seed)
            folds = protocol_folds(table, "joint", seed)
            scores = np.full(len(table.is_ai), np.nan)
            for fold in range(FOLDS):
                held = folds == fold
                kept = np.zeros(len(held), bool)
                for chosen in (table.is_ai & ~held, ~table.is_ai & ~held):
                    names = np.unique(table.group[chosen])
                    some = rng.choice(names, max(2, round(share * len(names))), replace=False)
                    kept |= chosen & np.isin(table.group, some)
                scores = np.where(held, clip_scores(table, train_on(table, kept), held), scores)
                groups.append(len(np.unique(table.group[kept])))
            found.append(auroc(scores, table.is_ai, table.clip_weights()))
        rows.append({"share": share, "groups": float(np.mean(groups)), "auroc": float(np.mean(found))})
    return rows


def _shunning(table: Table, clips: np.ndarray, strength: float, ridge: float) -> LinearModel:
    rows = clips[table.clip]
    is_ai = table.is_ai[table.clip[rows]] | table.paired[rows]
    source = table.source[table.clip[rows]]
    weights = table.window_weights()[rows]
    plain = fit_linear(table.x[rows], is_ai, weights, table.blocks, ridge)
    z = plain.standardise(table.x[rows])
    w = np.where(is_ai, weights / weights[is_ai].sum(), weights / weights[~is_ai].sum()) / 2
    centre = w @ z
    centred = z - centre
    gram = (centred * w[:, None]).T @ centred
    for chosen in (is_ai, ~is_ai):
        middle = np.average(centred[chosen], axis=0, weights=w[chosen])
        names = np.unique(source[chosen])
        for name in names:
            of_source = chosen & (source == name)
            away = np.average(centred[of_source], axis=0, weights=w[of_source]) - middle
            gram += strength / (2 * len(names)) * np.outer(away, away)
    weight = np.linalg.solve(gram + ridge * np.eye(len(gram)), centred.T @ (w * np.where(is_ai, 1.0, -1.0)))
    return replace(plain, weight=weight, bias=float(-centre @ weight))
