"""The reliability picture of the head."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw_reliability(found: Mapping[str, Any], path: Path) -> None:
    """Share of unsafe prompts against the head's score, with where the scores lie."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(
        2, 1, figsize=(5, 5.4), height_ratios=(4, 1), sharex=True, layout="constrained"
    )
    upper.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="calibrated")
    upper.plot(found["score"], found["unsafe"], "o-", color="tab:blue", label="frozen test sets")
    upper.set(ylabel="unsafe (classes at equal weight)", xlim=(0, 1), ylim=(0, 1))
    upper.set_title(f"What the head's score means (error {found['ece']:.3f})", fontsize=10)
    upper.legend(frameon=False)
    lower.bar(found["score"], found["mass"], width=0.06, color="tab:blue")
    lower.set(xlabel="score `any`", ylabel="weight")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
