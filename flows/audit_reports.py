"""The report of an audit, as files for programs."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.row_log import Row
from media import OutputError, atomic_path

_CSV_COLUMNS = ("path", "verdict", "p_ai", "provenance", "clip_id", "signer", "ood_score", "error")


def write_report(folder: Path, rows: Sequence[Row], *, head_card: Mapping[str, Any]) -> list[Path]:
    """Writes the report's files into `folder`; returns them. Raises `OutputError`."""
    files = [folder / "report.json", folder / "report.csv"]
    for file in files:
        write_rows(file, rows)
    return files


def write_rows(target: Path, rows: Sequence[Row]) -> None:
    """All rows as JSON, or the main columns as CSV, by the name's suffix. Raises `OutputError`."""
    if target.suffix == ".parquet":
        raise OutputError(f"{target}: Parquet is not written", hint="Give a .json or .csv file.")
    with (
        atomic_path(target) as tmp,
        tmp.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        if target.suffix == ".csv":
            writer = csv.DictWriter(file, _CSV_COLUMNS, extrasaction="ignore")
            writer.writeheader()
            # A cell that starts with = + - @ is a formula to a spreadsheet, and file names are not ours.
            writer.writerows({name: _as_text(value) for name, value in row.items()} for row in rows)
        else:
            json.dump({"schema": "clipproof.audit/1", "rows": list(rows)}, file, ensure_ascii=False, indent=1)


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value
