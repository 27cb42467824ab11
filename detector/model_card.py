"""The model card of a head, rendered from its head.json: every number in it is one of the file."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detector.attacks import ATTACKS

FORBIDDEN = (
    "as proof that a clip is generated or genuine, in court, in moderation or against a person: it is a lead",
    "to overrule a signature, a watermark or a ledger record",
    "to judge people: who filmed, who published, whether someone lies",
    "without the error rates below beside the verdict",
    "to tune a generator until it is no longer detected",
)


def render_card(record: Mapping[str, Any]) -> str:
    """Markdown of a head's record (`head_id`, `alpha`, `card`)."""
    card, alpha = record["card"], record["alpha"]
    fit, protocol, report = card["fit"], card["protocol"], card["report"]
    parts = [
        f"# Model card: {record['head_id']}",
        _what(fit, alpha),
        _summary(card["error_rates"]),
        _protocol(protocol),
        _sources("## Unseen groups, cross-validated on the fit split", protocol["cross_fitted"]),
    ]
    if report:
        parts.append(_sources("## Unseen sources, the report split", report))
        parts += _robustness(report)
    parts += [_data(card["data"]), "## Forbidden uses\n\n" + _bullets(card["forbidden_uses"])]
    parts.append(_limits(fit, protocol))
    return "\n\n".join(parts) + "\n"


def render_adaptation(head_id: str, card: Mapping[str, Any]) -> str:
    """Markdown of a head that was adapted: what was added, and that older error rates are not its own."""
    rows = []
    for one in card["adaptations"]:
        for name in ("before", "after"):
            found = one[name]
            shares = [_percent(found[v]) for v in ("likely_ai", "inconclusive", "likely_camera")]
            about = [f"{one['source']} ({one['class']}, {one['clips']} clips)", name]
            rows.append([*about, *shares, f"{found['mean_p_ai']:.2f}", _number(found["auroc"])])
    columns = ["source", "", "likely AI", "inconclusive", "likely camera", "mean p_ai", "AUROC"]
    moved = ", ".join(f"{one['source']} {one['moved']:.0%}" for one in card["adaptations"])
    parts = [
        f"# Model card: {head_id}",
        "A head that was adapted to a few clips of new sources. *After* leaves each clip out of its own adaptation.",
        markdown_table(columns, rows),
        f"How far the scores of other material move, as a share of their spread: {moved}. The error rates that the "
        "first head was published with are not those of this one, and were not measured again.",
        "## Forbidden uses\n\n" + _bullets(card["forbidden_uses"]),
    ]
    return "\n\n".join(parts) + "\n"


def _what(fit: Mapping[str, Any], alpha: float) -> str:
    encoder = fit["encoder"] or "none"
    lines = [
        "A linear score over features of two-second windows in the detector's normal form, calibrated to a "
        "probability, with a three-valued verdict.",
        "",
        f"- Feature families: {', '.join(fit['families'])}; image encoder: {encoder}",
        f"- {fit['features']} features, {fit['windows']} training windows, ridge {fit['ridge']}",
        f"- Verdict at alpha = {alpha}: a class is named when the other is rejected at that level, by "
        "class-conditional conformal p-values over out-of-fold scores; otherwise *inconclusive*",
        "- `p_ai` assumes as many AI clips as camera clips",
    ]
    if not fit["encoder"]:
        lines.append(
            "- **Capped**: without an image encoder this head never says more than *likely*, however high "
            "its score, and stands behind every other kind of evidence"
        )
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of text cells."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _summary(rates: Mapping[str, Any]) -> str:
    named = {
        "cross_validated_unseen_groups": "cross-validated, unseen groups",
        "report_split_unseen_sources": "report split, unseen sources",
    }
    rows = []
    for key, name in named.items():
        if key not in rates:
            continue
        r = rates[key]
        camera, ai = r["camera_called_ai"], r["ai_called_camera"]
        rows.append(
            [
                name,
                _number(r["auroc"]),
                f"{_percent(camera['average_over_sources'])} ({_worst(camera['worst_source'])})",
                _percent(camera["natural_footage"]),
                f"{_percent(ai['average_over_sources'])} ({_worst(ai['worst_source'])})",
                f"{_percent(r['inconclusive']['camera'])} / {_percent(r['inconclusive']['ai'])}",
            ]
        )
    head = [
        "measured on",
        "AUROC",
        "camera called AI (worst source of 4 clips or more)",
        "of natural footage",
        "AI called camera (worst)",
        "inconclusive camera / AI",
    ]
    return (
        "## Error rates\n\n"
        + markdown_table(head, rows)
        + (
            "\n\nAverages are over sources. The bound that alpha states is an average over sources like "
            "those fitted on; a single unlike source can be far worse, so the worst one of four clips or more "
            "stands beside it (one of fewer clips is all or nothing: see the tables by source). Features, ridge "
            "strength and the weight of pairs were chosen on the fit split, so its figures are optimistic; the "
            "report split was used for no choice."
        )
    )


def _worst(worst: Mapping[str, Any]) -> str:
    return f"{_percent(worst['rate'])}, {worst['source']}, n={worst['n']}" if worst["source"] else "-"


def _protocol(protocol: Mapping[str, Any]) -> str:
    columns = ("in_flow", "unseen_generator", "unseen_camera", "joint")
    rows = [[name, *(_number(r[c]) for c in columns)] for name, r in sorted(protocol["auroc"].items())]
    rows += [
        [f"*control:* {name}", *(_number(r[c]) for c in columns)]
        for name, r in sorted(protocol["controls"].items())
    ]
    low, high = protocol["joint_interval_95"]
    between = protocol["camera_against_camera"]
    notes = [
        f"95 % interval of the joint AUROC, resampling groups: {low:.3f} to {high:.3f}",
        f"random labels by group, joint: {protocol['random_labels_joint']:.3f}",
        f"one camera source against another: mean AUROC {_number(between['mean_auroc'])} over "
        f"{between['pairs']} pairs. Sources differ for reasons that have nothing to do with being generated; "
        "only the columns with unseen sources mean anything",
        "file metadata are not seen by the head; the row shows what a detector that reads files as they come "
        "would have learnt",
    ]
    return (
        "## Protocols and controls (fit split)\n\nSource-weighted AUROC. *joint*: neither the generator "
        "nor the camera source was seen in training.\n\n"
        + markdown_table(["scored on", *columns], rows)
        + "\n\n"
        + _bullets(notes)
    )


def _sources(title: str, summary: Mapping[str, Any]) -> str:
    lines = [
        title,
        "",
        f"AUROC {_number(summary['auroc'])} (weighing clips equally {_number(summary['auroc_clips'])}; "
        f"against natural camera footage {_number(summary['auroc_natural'])}); "
        f"calibration error {_number(summary['calibration_error'])}, of which so few clips would show "
        f"{_number(summary['calibration_error_by_chance'])} if every probability were right.",
        "",
    ]
    rows = []
    for name in ("ai", "camera"):
        for source, r in summary[name]["sources"].items():
            rows.append([name, source, *_rate_cells(r)])
        rows.append([f"**{name}**", "**all clips**", *_rate_cells(summary[name]["clips"])])
    rows.append(["**camera**", "**natural footage**", *_rate_cells(summary["natural_camera"])])
    head = [
        "class",
        "source",
        "n",
        "AUROC",
        "likely AI",
        "inconclusive",
        "likely camera",
        "p_ai > 0.5",
        "unfamiliar",
    ]
    return "\n".join(lines) + "\n" + markdown_table(head, rows)


def _rate_cells(r: Mapping[str, Any]) -> list[str]:
    n = r["n"]
    if not n:
        return ["0", *["-"] * 6]
    over_half = f"{_percent(r['p_ai_over_half'])} ({_interval(r['p_ai_over_half'], n)})"
    shares = (_percent(r[key]) for key in ("likely_ai", "inconclusive", "likely_camera"))
    return [str(n), _number(r.get("auroc")), *shares, over_half, _percent(r["unfamiliar"])]


def _interval(rate: float, n: int) -> str:
    """Wilson's 95 % interval of a share."""
    z = 1.96
    middle, half = rate + z * z / (2 * n), z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return f"{(middle - half) / (1 + z * z / n):.0%} to {(middle + half) / (1 + z * z / n):.0%}"


def _robustness(report: Mapping[str, Any]) -> list[str]:
    if "robustness" not in report:
        return []
    rows = [
        [
            name,
            str(r["ai"]["n"] + r["camera"]["n"]),
            _number(r["auroc"]),
            _number(r["calibration_error"]),
            _percent(r["ai"]["likely_ai"]),
            _percent(r["camera"]["likely_ai"]),
            f"{_percent(r['camera']['inconclusive'])} / {_percent(r['ai']['inconclusive'])}",
        ]
        for name, r in ((name, report["robustness"].get(name)) for name in ATTACKS)
        if r
    ]
    head = [
        "copy",
        "clips",
        "AUROC",
        "calibration error",
        "AI called AI",
        "camera called AI",
        "inconclusive camera / AI",
    ]
    title = (
        "## Copies as they travel (the first seconds of up to two clips of each source of the report split)"
    )
    return [title + "\n\n" + markdown_table(head, rows)]


def _data(data: Mapping[str, Any]) -> str:
    rows = []
    for split in ("fit", "report"):
        for name in ("ai", "camera"):
            d = data[split][name]
            rows.append([split, name, str(d["clips"]), str(d["usable"]), ", ".join(d["sources"])])
    return (
        "## Data\n\nPublic demonstration clips of generators and public camera clips, most of them without "
        "a stated licence, none stated as non-commercial. They were used for training and measuring only and "
        "are not redistributed; the head holds weights and score statistics, no pictures. Usable: long "
        "enough, moving, and sampled at a rate that the head judges.\n\n"
        + markdown_table(["split", "class", "clips", "usable", "sources of the usable ones"], rows)
        + f"\n\nManifest SHA-256 `{data['manifest_sha256']}`, clips SHA-256 `{data['clips_sha256']}`; "
        f"{data['unreadable']} of {data['manifest_rows']} files are of a kind that is not opened."
    )


def _limits(fit: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    items = [
        "Most AI clips are of 2022 to 2025 generators from curated pages; newer ones are few or absent",
        "Camera clips lean to people, robots and fixed cameras; other footage has its own row, natural footage",
        "Rates of a source with few clips are coarse: with n = 4 one clip is 25 %",
        "Generators differ by far more than the averages tell, and a newer one is not always the harder one",
        "Short (under 16 sampled frames), static, blank, tiny and slow clips always end inconclusive",
    ]
    if not fit["encoder"]:
        items.append(
            "No image encoder: what the pictures show, wrong hands and melted text included, is not looked at"
        )
    alone = {name: r["joint"] for name, r in protocol["auroc"].items() if name.endswith(" alone")}
    if alone and max(alone, key=alone.__getitem__) == "filters alone":
        items.append(
            "The filters look at single frames and rank better alone than any motion family: part of what the "
            "head reads is the look of a source, not that it was generated"
        )
    return "## Limits\n\n" + _bullets(items)
