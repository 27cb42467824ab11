"""docs/detector-bench.md: every number comes from a head file or from measured.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from detector.attacks import ATTACKS
from detector.head import Head
from detector.model_card import markdown_table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _headline(heads: Sequence[Head]) -> str:
    rows = []
    for head in heads:
        card = head.card
        for name, found in (
            ("cross-validated", card["protocol"]["cross_fitted"]),
            ("report split", card["report"]),
        ):
            rows.append(
                [
                    head.head_id,
                    name,
                    f"{found['auroc']:.3f}",
                    f"{found['auroc_natural']:.3f}",
                    _percent(found["natural_camera"]["p_ai_over_half"]),
                    f"{found['calibration_error']:.3f} ({found['calibration_error_by_chance']:.3f})",
                    f"{_percent(found['camera']['wrong_average_over_sources'])} "
                    f"({_percent(found['camera']['wrong_worst_source']['rate'])})",
                    f"{_percent(found['camera']['abstained_average_over_sources'])} / "
                    f"{_percent(found['ai']['abstained_average_over_sources'])}",
                ]
            )
    columns = [
        "head",
        "measured on",
        "AUROC",
        "against natural footage",
        "natural footage with p_ai > 0.5",
        "calibration error (if perfect)",
        "camera called AI, mean (worst source of 4 clips or more)",
        "inconclusive, camera / AI",
    ]
    return markdown_table(columns, rows)


def _attacks(heads: Sequence[Head]) -> str:
    names = [name for name in ATTACKS if name in heads[0].card["report"]["robustness"]]
    rows = []
    for name in names:
        cells = [name]
        for head in heads:
            found = head.card["report"]["robustness"]
            cells.append(
                f"{found[name]['auroc']:.3f} ({found[name]['auroc'] - found[names[0]]['auroc']:+.3f})"
            )
            cells.append(_percent(found[name]["camera"]["likely_ai"]))
        rows.append(cells)
    columns = ["copy"]
    for head in heads:
        columns += [f"{head.head_id}: AUROC (change)", "camera called AI"]
    return markdown_table(columns, rows)


def _ablations(rows: Sequence[Mapping[str, Any]]) -> str:
    return markdown_table(
        ["scored by", "joint AUROC", "against natural footage", "gain over the first (95 %)"],
        [
            [
                row["name"],
                f"{row['auroc']:.3f}",
                f"{row['natural']:.3f}",
                "-" if k == 0 else f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})",
            ]
            for k, row in enumerate(rows)
        ],
    )


def _curves(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    first = next(iter(curves.values()))
    rows = [
        [
            f"{row['share']:.0%}",
            f"{row['groups']:.0f}",
            *(f"{curve[k]['auroc']:.3f}" for curve in curves.values()),
        ]
        for k, row in enumerate(first)
    ]
    return markdown_table(["of the groups", "groups trained on", *curves], rows)


def _own(found: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        [name, *(str(r[v]) for v in ("likely_ai", "inconclusive", "likely_camera"))]
        for name, r in found.items()
    ]
    return markdown_table(["head", "likely AI", "inconclusive", "likely camera"], rows)


def markdown(heads: Sequence[Head], measured: Mapping[str, Any]) -> str:
    """The whole document."""
    controls = heads[0].card["protocol"]["controls"]
    control_rows = [
        [name, f"{row['in_flow']:.3f}", f"{row['joint']:.3f}"] for name, row in sorted(controls.items())
    ]
    between = heads[0].card["protocol"]["camera_against_camera"]
    parts = [
        "# Detector benchmark",
        "Made by `python -m benchmarks.detection`; the model cards hold the same numbers by source, with intervals:\n"
        + "\n".join(f"- [{h.head_id}](../detector/heads/{h.head_id}/MODEL_CARD.md)" for h in heads),
        "## Generators and cameras that were not trained on",
        _headline(heads),
        "AUROC weighs sources, not clips. *Cross-validated*: fit split, whole groups of both classes held out "
        "together; families and strengths were chosen on it. *Report split*: sources that were used for no choice.",
        "![ROC](images/detector-roc.png) ![Reliability](images/detector-reliability.png)",
        "## Copies as they travel",
        _attacks(heads),
        "## Controls",
        markdown_table(["seen by a head of the same kind", "in flow", "joint"], control_rows),
        f"Two camera sources are told apart with AUROC {between['mean_auroc']:.2f} on average ({between['pairs']} "
        "pairs): sources differ for reasons that have nothing to do with being generated; only unseen ones count. "
        f"Labels drawn at random by group give {heads[0].card['protocol']['random_labels_joint']:.2f}.",
        "## What each part is worth",
        _ablations(measured["ablations"]),
        "Fit split, joint protocol; intervals resample groups of both classes.",
        "## What more sources would bring",
        _curves(measured["learning_curves"]),
        "Joint AUROC on the fit split when fewer groups are trained on.",
        "## Clips of the embedded generator",
        _own(measured["own"]),
        "Clips of other prompts and seeds than the two dozen that were fitted on. Provenance finds them first; this is "
        "for those whose marks are gone.",
    ]
    return "\n\n".join(parts) + "\n"
