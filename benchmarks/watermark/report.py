"""Results as tables."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.watermark.attacks import ATTACKS, EVERYDAY, Attack
from benchmarks.watermark.methods import BASELINES
from benchmarks.watermark.quality import GATES, LOW_IS_WORSE
from benchmarks.watermark.runner import OWN, Record
from benchmarks.watermark.speed import TARGETS

FULL_SIDE = 480  # px: the short side from which the targets hold
LARGE, SMALL = f"clipproof ≥ {FULL_SIDE} px", f"clipproof < {FULL_SIDE} px"
COLUMNS: dict[str, tuple[str, Callable[[int], bool]]] = {
    LARGE: (OWN, lambda short_side: short_side >= FULL_SIDE),
    SMALL: (OWN, lambda short_side: short_side < FULL_SIDE),
    **{name: (name, lambda short_side: True) for name in BASELINES},
}
_WORDS = {True: "yes", False: "**no**", None: ""}


def summary(
    records: Sequence[Record], attacks: Sequence[str], speed: dict[str, dict[str, float]] | None
) -> dict[str, Any]:
    """Everything that the tables and the ladder show of these attacks."""
    taken = [
        {**record, "outcomes": {name: found for name, found in record["outcomes"].items() if name in attacks}}
        for record in records
        if not record.get("refused")
    ]
    rows = [_attack_row(attack, taken) for attack in ATTACKS if attack.name in attacks]
    return {
        "clips": len(taken),
        "refused": {record["clip"]: record["refused"] for record in records if record.get("refused")},
        "attacks": rows,
        "classes": [_class_row(kind, rows) for kind in ("everyday", "hard", "extreme")],
        "mark": _ranges([record["mark"] for record in taken if "mark" in record]),
        "quality": _quality(taken),
        "speed": speed,
        "controls": _controls(taken),
        "wrong_payloads": sum(found["state"] == "wrong" for *_, found in _own(taken)),
        "errors": sum(found["state"] == "error" for *_, found in _own(taken)),
        "misses": _misses(taken),
    }


def _ranges(details: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each figure of the mark: least, median, most."""
    columns = {name: [one[name] for one in details] for name in (details[0] if details else ())}
    return {
        name: {"least": min(values), "median": float(np.median(values)), "most": max(values)}
        for name, values in columns.items()
    }


def _own(records: Iterable[Record]) -> Iterable[tuple[Record, str, dict[str, Any]]]:
    for record in records:
        for attack, found in record["outcomes"].items():
            if OWN in found:
                yield record, attack, found[OWN]


def _in_column(column: str, records: Iterable[Record]) -> Iterable[tuple[Record, str]]:
    method, takes = COLUMNS[column]
    return ((record, method) for record in records if takes(min(record["size"])))


def _attack_row(attack: Attack, records: Sequence[Record]) -> dict[str, Any]:
    counts, seconds, present = {}, [], 0
    for column in COLUMNS:
        found = [r["outcomes"].get(attack.name, {}).get(method) for r, method in _in_column(column, records)]
        known = [one for one in found if one]
        if known:
            counts[column] = [sum(one["state"] == "exact" for one in known), len(known)]
        if column in (LARGE, SMALL):
            seconds += [one["seconds"] for one in known if one["seconds"] is not None]
            present += sum(one["state"] == "present_unreadable" for one in known)
    large = counts.get(LARGE)
    return {
        "name": attack.name,
        "family": attack.family,
        "class": attack.kind,
        "target": attack.target,
        "parameters": attack.what,
        "exact": counts,
        "present_unreadable": present,
        "meets_target": large[0] / large[1] >= attack.target if attack.target and large else None,
        "median_read_s": float(np.median(seconds)) if seconds else None,
    }


def _class_row(kind: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums: dict[str, list[int]] = {}
    for row in rows:
        for column, (exact, total) in row["exact"].items() if row["class"] == kind else ():
            so_far = sums.setdefault(column, [0, 0])
            so_far[0] += exact
            so_far[1] += total
    target, large = (EVERYDAY if kind == "everyday" else None), sums.get(LARGE)
    meets = large[0] / large[1] >= target if target and large else None
    return {"class": kind, "target": target, "exact": sums, "meets_target": meets}


def _quality(records: Sequence[Record]) -> list[dict[str, Any]]:
    rows = []
    names = dict.fromkeys(name for r in records for values in r["quality"].values() for name in values)
    for name in sorted(names, key=_quality_order):
        row: dict[str, Any] = {"measure": name, "gate": GATES.get(name), "values": {}}
        for column in COLUMNS:
            values = [
                r["quality"][method][name]
                for r, method in _in_column(column, records)
                if name in r["quality"].get(method, {})
            ]
            if values:
                row["values"][column] = _spread(name, values)
        rows.append(row)
    return rows


def _quality_order(name: str) -> tuple[bool, bool]:
    return "after" in name or name == "bitrate", name not in GATES


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    worst = min(values) if name in LOW_IS_WORSE else max(values)
    spread = {"mean": float(np.mean(values)), "worst": worst, "clips": len(values)}
    if name in GATES:
        way, gate = GATES[name]
        spread["within_gate"] = sum(v >= gate if way == "at least" else v <= gate for v in values)
    return spread


def _controls(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """How often something was found where nothing is, and the least p-value that was seen."""
    names = ("not marked", "another key")
    found = {name: [r["controls"][name] for r in records if "controls" in r] for name in names}
    return {
        name: {
            "searches": len(ones),
            "found": sum(one["state"] != "not_found" for one in ones),
            "least_p_value": min(one["p_value"] for one in ones),
        }
        for name, ones in found.items()
        if ones
    }


def _misses(records: Sequence[Record]) -> list[dict[str, Any]]:
    order = {attack.name: (index, attack.kind) for index, attack in enumerate(ATTACKS)}
    misses = [
        {
            "attack": attack,
            "class": order[attack][1],
            "clip": record["clip"],
            "size": "{}×{}".format(*record["size"]),
            "state": found["state"],
            "p_value": found["p_value"],
            "error": found["error"],
        }
        for record, attack, found in _own(records)
        if found["state"] != "exact"
    ]
    return sorted(misses, key=lambda miss: (order[miss["attack"]][0], miss["clip"]))


# ---------------------------------------------------------------- Markdown


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(found: dict[str, Any], heading: str) -> str:
    parts = [heading, _attacks_table(found), _classes_table(found), _certainty(found)]
    if found["quality"]:
        parts.append(_quality_table(found))
    if found["speed"]:
        parts.append(_speed_table(found["speed"]))
    return "\n\n".join(part for part in parts if part)


def columns_of(found: dict[str, Any]) -> list[str]:
    return [name for name in COLUMNS if any(name in row["exact"] for row in found["attacks"])]


def _share(counts: list[int] | None) -> str:
    return f"{counts[0]}/{counts[1]}" if counts else ""


def _percent(target: float | None) -> str:
    return "" if target is None else f"≥ {target:.0%}"


def _attacks_table(found: dict[str, Any]) -> str:
    columns = columns_of(found)
    rows = [
        [row["name"], row["class"], _percent(row["target"])]
        + [_share(row["exact"].get(column)) for column in columns]
        + [str(row["present_unreadable"] or ""), _WORDS[row["meets_target"]]]
        + ["" if row["median_read_s"] is None else f"{row['median_read_s']:.2f}"]
        for row in found["attacks"]
    ]
    return table(["attack", "class", "target", *columns, "present, unreadable", "met", "read, CPU s"], rows)


def _classes_table(found: dict[str, Any]) -> str:
    columns = columns_of(found)
    rows = []
    for row in found["classes"]:
        shares = [row["exact"].get(column) for column in columns]
        said = [f"{_share(counts)} ({counts[0] / counts[1]:.1%})" if counts else "" for counts in shares]
        rows.append([row["class"], _percent(row["target"]), *said, _WORDS[row["meets_target"]]])
    return table(["class", "target", *columns, "met"], rows)


def _certainty(found: dict[str, Any]) -> str:
    lines = [f"Wrong payloads: {found['wrong_payloads']}. Failures of the reader: {found['errors']}."]
    for name, spread in found["mark"].items():
        lines.append("Mark: {}: {least:g} to {most:g}, median {median:g}.".format(name, **spread))
    for name, seen in found["controls"].items():
        lines.append(
            f"{name.capitalize()}: {seen['found']} found in {seen['searches']} searches"
            f" (least p-value {seen['least_p_value']:.2g})."
        )
    lines += [f"Refused: {clip}: {reason}." for clip, reason in found["refused"].items()]
    return "\n".join(f"- {line}" for line in lines)


def _quality_table(found: dict[str, Any]) -> str:
    columns = [column for column in COLUMNS if any(column in row["values"] for row in found["quality"])]
    rows = []
    for row in found["quality"]:
        gate = (
            ""
            if row["gate"] is None
            else f"{'≥' if row['gate'][0] == 'at least' else '≤'} {row['gate'][1]:g}"
        )
        cells = []
        for column in columns:
            spread = row["values"].get(column)
            cell = "" if spread is None else f"{spread['mean']:.4g} ({spread['worst']:.4g})"
            if spread and "within_gate" in spread:
                cell += f", {spread['within_gate']}/{spread['clips']} within"
            cells.append(cell)
        rows.append([row["measure"], gate, *cells])
    return table(["quality: mean (worst clip)", "gate", *columns], rows)


def _speed_table(speed: dict[str, dict[str, float]]) -> str:
    sizes = list(next(iter(speed.values())))
    rows = []
    for name, values in speed.items():
        targets = TARGETS.get(name)
        said = "" if targets is None else "≤ " + " / ".join(dict.fromkeys(f"{t:g}" for t in targets.values()))
        rows.append([name, said, *(f"{values[size]:.3g}" for size in sizes)])
    return table(["speed: CPU time, one thread, without decoding", "target", *sizes], rows)


def misses_table(found: dict[str, Any]) -> str:
    rows = [
        [
            m["attack"],
            m["class"],
            m["clip"],
            m["size"],
            m["error"] or m["state"].replace("_", " "),
            _p(m["p_value"]),
        ]
        for m in found["misses"]
    ]
    return table(["not read exactly", "class", "clip", "size", "state", "p-value"], rows)


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
