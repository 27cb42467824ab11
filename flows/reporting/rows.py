"""Rows of an audit as a file for programs: JSON, CSV or Parquet; none of them holds stills."""

import csv
import datetime
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from media import atomic_path

Row = dict[str, Any]

SCHEMA: Final = "clipproof.audit/1"

_CSV_COLUMNS: Final = (
    "path",
    "verdict",
    "p_ai",
    "provenance",
    "clip_id",
    "signer",
    "conflict",
    "ood_score",
    "error",
    "reason",
    "sha256",
    "duplicate_of",
    "head_id",
)
_NESTED: Final = ("given",)  # one column a key, named after both: given.uploader


class NotAReport(Exception):
    """A file was given as an earlier audit and is none."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def read_rows(report: Path) -> list[Row]:
    """The rows of an earlier audit, from its JSON file or the folder with its report.json. Raises `NotAReport`."""
    file = report / "report.json" if report.is_dir() else report
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotAReport(
            f"{file}: cannot be read as an audit ({getattr(error, 'strerror', None) or 'not JSON'})",
            hint="Give the report.json that an audit wrote, or its folder.",
        ) from error
    if (
        not isinstance(found, dict)
        or found.get("schema") != SCHEMA
        or not isinstance(found.get("rows"), list)
        or not all(isinstance(row, dict) and isinstance(row.get("path"), str) for row in found["rows"])
    ):
        raise NotAReport(f"{file}: is not an audit", hint="Give the report.json that an audit wrote.")
    rows: list[Row] = found["rows"]
    return rows


def write_rows(target: Path, rows: Sequence[Row]) -> None:
    """All rows by the suffix of `target`: .csv (main columns), .parquet, or else JSON with everything but stills.

    In CSV a text that a spreadsheet would take for a formula has an apostrophe before it. A byte of a file name
    that is not UTF-8 is written as `\\udcXX`. The file is whole or not there. Raises `OutputError`.
    """
    with atomic_path(target) as tmp:
        if target.suffix == ".parquet":
            from flows.reporting.parquet import write_parquet  # pyarrow: only who wants it waits for it

            write_parquet(tmp, rows)
            return
        # In JSON, too, \udcXX is how an unpaired surrogate is written: it reads back as it was.
        with tmp.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if target.suffix == ".csv":
                _write_csv(file, rows)
            else:
                _write_json(file, rows)


def plain(value: object) -> Any:
    """`value` as JSON can hold it: dates as ISO 8601, NaN and infinity as None, what is left as its text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)


def cell(value: object) -> str:
    """`value` of a manifest's column as the text of one cell; empty for nothing."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def reason(row: Row) -> str:
    """Why there is no verdict, or else what spoke for it; empty where nothing is said."""
    if row.get("conflict"):
        return str(row["conflict"])
    evidence = row.get("evidence") or []
    for kind in ("limit", "reason"):
        texts = [one["text"] for one in evidence if one["kind"] == kind]
        if texts:
            return "; ".join(texts)
    return ""


def _write_json(file: TextIO, rows: Iterable[Row]) -> None:
    """One row a line, written as it comes: a million of them need no text of gigabytes in memory."""
    file.write(f'{{"schema": "{SCHEMA}", "rows": [')
    before = "\n"
    for row in rows:
        kept = {name: plain(value) for name, value in row.items() if name != "stills"}
        file.write(before + json.dumps(kept, ensure_ascii=False, allow_nan=False))
        before = ",\n"
    file.write("\n]}\n")


def _write_csv(file: TextIO, rows: Sequence[Row]) -> None:
    keys = {group: dict.fromkeys(k for row in rows for k in row.get(group) or {}) for group in _NESTED}
    columns = [*_CSV_COLUMNS, *(f"{group}.{key}" for group in _NESTED for key in keys[group])]
    writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        flat = {name: plain(row.get(name)) for name in _CSV_COLUMNS} | {"reason": reason(row)}
        for group in _NESTED:
            flat |= {f"{group}.{key}": cell(value) for key, value in (row.get(group) or {}).items()}
        writer.writerow({name: _as_text(value) for name, value in flat.items()})


def _as_text(value: object) -> object:
    """A cell that starts so is a formula to some spreadsheet, and file names and manifests are not ours."""
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")):
        return f"'{value}"
    return f"'{value}" if isinstance(value, str) and value.startswith(("\t", "\r", "\n")) else value
