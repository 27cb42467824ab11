"""Rows of an audit as Parquet: one schema for every audit, also where a column is empty from top to bottom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from flows.reporting.rows import SCHEMA, Row, cell

_TEXTS: Final = (
    "path",
    "verdict",
    "provenance",
    "clip_id",
    "signer",
    "conflict",
    "error",
    "head_id",
    "sha256",
    "duplicate_of",
)
_NUMBERS: Final = ("p_ai", "ood_score")
_ROWS_AT_ONCE: Final = 10_000  # a row group: what is in memory at a time

_SEGMENT = pa.struct(
    [(name, pa.float64()) for name in ("start_s", "end_s", "p_ai")]
    + [(name, pa.string()) for name in ("verdict", "note")]
)
_EVIDENCE = pa.struct([("kind", pa.string()), ("text", pa.string())])
# Which columns a manifest has is not ours to know: text by name, so that the schema stays the same.
_OPEN = pa.map_(pa.string(), pa.string())

PARQUET_SCHEMA: Final = pa.schema(
    [pa.field(name, pa.string()) for name in _TEXTS]
    + [pa.field(name, pa.float64()) for name in _NUMBERS]
    + [pa.field("segments", pa.list_(_SEGMENT)), pa.field("evidence", pa.list_(_EVIDENCE))]
    + [pa.field("given", _OPEN)],
    metadata={"schema": SCHEMA},
)


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Writes `rows` to `path` in `PARQUET_SCHEMA`; an absent field is null, a field outside it left out."""
    with pq.ParquetWriter(path, PARQUET_SCHEMA, compression="zstd") as writer:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = [_record(row) for row in rows[start : start + _ROWS_AT_ONCE]]
            writer.write_table(pa.Table.from_pylist(part, schema=PARQUET_SCHEMA))


def _record(row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {name: _text(row.get(name)) for name in _TEXTS}
    record |= {name: row.get(name) for name in _NUMBERS}
    for name, kind in (("segments", _SEGMENT), ("evidence", _EVIDENCE)):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        record[name] = [
            {f.name: _text(one.get(f.name)) if f.type == pa.string() else one.get(f.name) for f in fields}
            for one in row.get(name) or []
        ]
    given = row.get("given") or {}
    record["given"] = [(_text(key), _text(cell(value))) for key, value in given.items()]
    return record


def _text(value: object) -> str | None:
    # Arrow holds UTF-8 only, and a file name may be any bytes.
    return None if value is None else str(value).encode("utf-8", "backslashreplace").decode()
