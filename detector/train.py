"""Fits a head on labelled clips, measures it, and writes it with its model card (`clipproof audit fit`).

The `fit` split trains, chooses and calibrates, always across whole groups; the `report` split is read at
the end, for the published tables only.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.attacks import ATTACKS, write_attacked
from detector.audit import contract_here, decide
from detector.calibration import auroc, fit_conformal, fit_platt
from detector.corpus import (
    EXTRA_RATES,
    Entry,
    Example,
    clip_table,
    load_example,
    read_manifest,
    table_of,
)
from detector.encoders import Encoder
from detector.errors import TrainingDataError
from detector.features import FAMILIES
from detector.fitting import RIDGE, fit_familiarity
from detector.head import Head, save_head
from detector.model_card import FORBIDDEN, render_card
from detector.normal_form import TARGET_RATE
from detector.protocols import (
    PROTOCOLS,
    Table,
    bootstrap_interval,
    camera_against_camera,
    folds_hold_both_classes,
    protocol_auroc,
    protocol_draws,
    random_label_auroc,
    train_on,
)
from detector.scorecard import Judged, cross_fitted, summarise
from media import MediaError, atomic_path

ALPHA = 0.05
FIT_FAMILIES = tuple(FAMILIES)
ATTACKED_PER_SOURCE = 2

Progress = Callable[[str, float], None]
"""Told of a step and the share of it that is done, 0 to 1."""


def train(
    clips: Path,
    manifest: Path,
    out: Path,
    *,
    cache: Path,
    encoder: Encoder | None = None,
    robustness: bool = True,
    progress: Progress = lambda step, share: None,
) -> Head:
    """Fits, measures and writes a head to `out`; returns it. Raises `TrainingDataError` where data do not
    suffice.
    """
    entries = read_manifest(manifest)
    contract = contract_here(FIT_FAMILIES, encoder)
    rates = (TARGET_RATE, *EXTRA_RATES)

    def load(split: str, split_rates: Sequence[float]) -> tuple[list[Example], dict[str, str]]:
        found, failed = [], {}
        chosen = [e for e in entries if e.split == split]
        for k, entry in enumerate(chosen):
            progress(f"measure the {split} split", k / len(chosen))
            try:
                found.append(
                    load_example(entry, clips / entry.path, cache, FIT_FAMILIES, encoder, split_rates)
                )
            except MediaError as error:
                failed[entry.path] = type(error).__name__
        return found, failed

    examples, unreadable = load("fit", rates)
    usable = [e for e in examples if not e.obstacles]
    for name, wanted in (("ai", True), ("real", False)):
        groups = {e.entry.group for e in usable if e.entry.is_ai is wanted}
        if len(groups) < 2:
            raise TrainingDataError(
                f"the fit split has {len(groups)} usable groups of {name} clips, at least 2 are needed",
                hint="Add sources: whole groups are held out to measure what a head does on unseen ones.",
            )
    table = table_of(usable, contract.schema.blocks)
    if not folds_hold_both_classes(table):
        raise TrainingDataError(
            "the groups are too few: with some of them held out, only one class is left to train on",
            hint="Add sources, or split groups that do not belong together.",
        )
    progress("fit and cross-validate", 0.0)
    draws = protocol_draws(table, "joint")
    weights = table.clip_weights()
    linear = train_on(table, np.ones(len(usable), bool))
    seen = table.without_pairs()
    head = Head(
        head_id=out.name,
        contract=contract,
        linear=linear,
        familiarity=fit_familiarity(linear.standardise(seen.x), seen.window_weights(), seen.group[seen.clip]),
        platt=fit_platt(draws, table.is_ai, weights),
        conformal=fit_conformal(draws, table.is_ai, weights),
        alpha=ALPHA,
        card={},
    )
    protocol = measure_fit(table, usable, draws)

    reported, failed = load("report", (TARGET_RATE,))
    unreadable |= failed
    report: dict[str, Any] = {}
    if len({e.entry.is_ai for e in reported}) == 2:
        report = summarise(judge_examples(head, reported))
        if robustness:
            report["robustness"] = measure_attacks(head, reported, clips, cache, encoder, progress)

    card = {
        "data": describe_data(manifest, entries, examples, reported, unreadable),
        "fit": {
            "families": list(FIT_FAMILIES),
            "encoder": contract.encoder,
            "features": len(contract.schema.names),
            "windows": len(table.x),
            "ridge": RIDGE,
        },
        "protocol": protocol,
        "report": report,
        "error_rates": error_rates(protocol["cross_fitted"], report),
        "forbidden_uses": list(FORBIDDEN),
    }
    head = Head(**{**vars(head), "card": card})
    digest = save_head(head, out)
    (out / "MODEL_CARD.md").write_text(
        render_card({"head_id": head.head_id, "alpha": head.alpha, "card": card}), encoding="utf-8"
    )
    return Head(**{**vars(head), "digest": digest})


def measure_fit(table: Table, examples: Sequence[Example], draws: np.ndarray) -> dict[str, Any]:
    """Every protocol for the head's features and for the controls, on the fit split."""

    def all_protocols(t: Table) -> dict[str, float]:
        return {p: round(protocol_auroc(t, p), 4) for p in PROTOCOLS}

    metadata = np.array([e.entry.metadata for e in examples])
    rows = {"all features": all_protocols(table)}
    families = tuple(dict.fromkeys(table.blocks))
    if len(families) > 1:
        rows |= {f"{family} alone": all_protocols(table.columns((family,))) for family in families}
    controls = {
        "file metadata (size, rate, frames, bytes)": clip_table(examples, _in_bins(metadata), "bins"),
        "survivors of the normal form (rate, crop, bytes)": clip_table(
            examples, _in_bins(np.array([e.survivors for e in examples])), "bins"
        ),
        "content of one frame": clip_table(examples, np.array([e.content for e in examples]), "content"),
    }
    camera, pairs = camera_against_camera(table)
    interval = bootstrap_interval(table, lambda w: auroc(draws.mean(0), table.is_ai, w))
    judged = cross_fitted(table, draws, ALPHA)
    return {
        "auroc": rows,
        "joint_interval_95": [round(v, 4) for v in interval],
        "controls": {name: all_protocols(t) for name, t in controls.items()},
        "random_labels_joint": round(random_label_auroc(table), 4),
        "camera_against_camera": {"mean_auroc": round(camera, 4), "pairs": pairs},
        "cross_fitted": summarise(judged),
    }


def _in_bins(values: np.ndarray, bins: int = 6) -> np.ndarray:
    """One-hot quantile bins of each column, so that a linear control can read any shape of dependence."""
    columns = []
    for column in values.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]))
        columns.append(np.eye(len(edges) + 1)[np.searchsorted(edges, column, side="right")])
    return np.concatenate(columns, axis=1)


def judge_examples(head: Head, examples: Sequence[Example]) -> list[Judged]:
    """What the head says of each example, by the same rules as an audit."""
    judged = []
    for example in examples:
        decision = decide(head, example.x, example.obstacles)
        entry = example.entry
        unfamiliar = (decision.ood_score or 0) > 1
        judged.append(Judged(entry.source, entry.is_ai, decision.p_ai, decision.verdict, unfamiliar))
    return judged


def measure_attacks(
    head: Head,
    examples: Sequence[Example],
    clips: Path,
    cache: Path,
    encoder: Encoder | None,
    progress: Progress,
) -> dict[str, Any]:
    """Tables on copies of two clips a source after each of `ATTACKS`; the first of these barely changes them."""
    chosen: list[Example] = []
    for e in examples:
        taken = sum(c.entry.source == e.entry.source for c in chosen)
        if not e.obstacles and taken < ATTACKED_PER_SOURCE:
            chosen.append(e)
    tables = {}
    copies = cache / "copies"
    copies.mkdir(parents=True, exist_ok=True)
    for number, attack in enumerate(ATTACKS):
        progress("measure attacked copies", number / len(ATTACKS))
        attacked = []
        for e in chosen:
            copy = copies / f"{e.sha256[:32]}-{re.sub('[^a-z0-9]+', '-', attack.lower())}.mp4"
            try:
                if not copy.exists():
                    with atomic_path(copy) as temporary:
                        write_attacked(clips / e.entry.path, temporary, attack)
                attacked.append(load_example(e.entry, copy, cache, head.contract.families, encoder))
            except MediaError:
                continue  # a copy that cannot be made or read is missing from its row's count
        if len({e.entry.is_ai for e in attacked}) == 2:
            tables[attack] = short_summary(judge_examples(head, attacked))
    return tables


def short_summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The rows of `summarise` without its sources."""
    table = summarise(judged)
    return {
        "auroc": table["auroc"],
        "calibration_error": table["calibration_error"],
        "ai": table["ai"]["clips"],
        "camera": table["camera"]["clips"],
    }


def describe_data(
    manifest: Path,
    entries: Sequence[Entry],
    fitted: Sequence[Example],
    reported: Sequence[Example],
    unreadable: dict[str, str],
) -> dict[str, Any]:
    """What the head was fitted and measured on, with digests."""

    def count(examples: Sequence[Example]) -> dict[str, Any]:
        usable = [e for e in examples if not e.obstacles]
        return {
            name: {
                "clips": sum(e.entry.is_ai is wanted for e in examples),
                "usable": sum(e.entry.is_ai is wanted for e in usable),
                "sources": sorted({e.entry.source for e in usable if e.entry.is_ai is wanted}),
            }
            for name, wanted in (("ai", True), ("camera", False))
        }

    joined = "\n".join(sorted(e.sha256 for e in [*fitted, *reported]))
    return {
        "manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "clips_sha256": hashlib.sha256(joined.encode()).hexdigest(),
        "fit": count(fitted),
        "report": count(reported),
        "unreadable": len(unreadable),
        "manifest_rows": len(entries),
    }


def error_rates(cross: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The rates that go with every audit: on sources that the head has not seen."""

    def short(summary: dict[str, Any]) -> dict[str, Any]:
        return {
            "camera_called_ai": {
                "average_over_sources": summary["camera"]["wrong_average_over_sources"],
                "worst_source": summary["camera"]["wrong_worst_source"],
                "natural_footage": summary["natural_camera"]["likely_ai"],
            },
            "ai_called_camera": {
                "average_over_sources": summary["ai"]["wrong_average_over_sources"],
                "worst_source": summary["ai"]["wrong_worst_source"],
            },
            "inconclusive": {
                "ai": summary["ai"]["abstained_average_over_sources"],
                "camera": summary["camera"]["abstained_average_over_sources"],
            },
            "auroc": summary["auroc"],
        }

    rates = {"alpha": ALPHA, "cross_validated_unseen_groups": short(cross)}
    if report:
        rates["report_split_unseen_sources"] = short(report)
    return rates
