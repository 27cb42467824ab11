"""What was tried and what it adds, on the fit split with unseen generators and cameras: reported either way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection.native import clip_traces
from detector.calibration import auroc
from detector.corpus import Example, clip_table
from detector.protocols import Table, bootstrap_interval, protocol_scores
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
