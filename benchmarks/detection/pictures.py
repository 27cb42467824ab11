"""ROC and reliability of the shipped heads, from the scores that are kept in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.head import Head


def roc(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates over all thresholds, source-weighted, of the out-of-fold scores."""
    calibration = head.conformal
    thresholds = np.unique(np.concatenate([calibration.ai_scores, calibration.camera_scores]))[::-1]

    def above(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.array([weights[scores >= t].sum() for t in thresholds]) / weights.sum()

    return (
        above(calibration.camera_scores, calibration.camera_weights),
        above(calibration.ai_scores, calibration.ai_weights),
    )


def draw(heads: Sequence[Head], folder: Path) -> list[Path]:
    """Writes detector-roc.png and detector-reliability.png."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 4.6), layout="constrained")
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for head in heads:
        false, true = roc(head)
        auroc = head.card["protocol"]["cross_fitted"]["auroc"]
        axis.step([0, *false, 1], [0, *true, 1], where="post", label=f"{head.head_id} ({auroc:.2f})")
    axis.set(xlabel="camera clips above the threshold", ylabel="AI clips above it", xlim=(0, 1), ylim=(0, 1))
    axis.set_title("Unseen generators and cameras, sources weighing alike", fontsize=10)
    axis.legend(frameon=False, loc="lower right")
    figure.savefig(folder / "detector-roc.png", dpi=110)
    pyplot.close(figure)

    figure, axes = pyplot.subplots(
        1, len(heads), figsize=(4.4 * len(heads), 4.2), layout="constrained", squeeze=False
    )
    for axis, head in zip(axes[0], heads, strict=True):
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for name, key in (("cross-validated", "protocol"), ("report split", "report")):
            found = head.card[key]["cross_fitted"] if key == "protocol" else head.card[key]
            _reliability(axis, found, name)
        axis.set(xlabel="p_ai", ylabel="share of AI clips", xlim=(0, 1), ylim=(0, 1))
        axis.set_title(head.head_id, fontsize=10)
        axis.legend(frameon=False, loc="upper left")
    figure.savefig(folder / "detector-reliability.png", dpi=110)
    pyplot.close(figure)
    return [folder / "detector-roc.png", folder / "detector-reliability.png"]


def _reliability(axis: Any, found: Mapping[str, Any], name: str) -> None:
    rows = found["reliability"]
    line = axis.plot([r["p"] for r in rows], [r["rate"] for r in rows], "-", alpha=0.6)[0]
    sizes = [20 + 500 * r["weight"] for r in rows]
    label = f"{name} (error {found['calibration_error']:.2f})"
    axis.scatter(
        [r["p"] for r in rows], [r["rate"] for r in rows], s=sizes, color=line.get_color(), label=label
    )
