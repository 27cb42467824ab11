"""All files of a report, each whole or not there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.reporting.clips import StillsOf
from flows.reporting.page import render_page
from flows.reporting.rows import Row, write_rows
from media import OutputError, atomic_path

if TYPE_CHECKING:
    from detector import Head


def card_of(head: "Head") -> dict[str, Any]:
    """The card of a loaded head as `write_report` takes it: with the head's id and digest in it."""
    return {**head.card, "head_id": head.head_id, "head_digest": head.digest}


def write_report(
    folder: Path,
    rows: Sequence[Row],
    *,
    head_card: Mapping[str, Any],
    before: Sequence[Row] | None = None,
    stills_of: StillsOf | None = None,
) -> list[Path]:
    """Writes report.json, report.csv, report.parquet and report.html into `folder`, which is made if need be.

    `head_card` is what `card_of` gives: error rates, tables by source and, if it has them, `head_id` and
    `head_digest`; whatever is missing from it is said to be missing on the page. `before` are the rows of an
    earlier audit of one's own: the page then shows what changed. `stills_of` gives a clip's pictures (JPEG) where its
    row has none (`row["stills"]`, base64), and is asked for those clips alone that the page lists. Returns the paths.
    Raises `OutputError`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror or error})", hint="Choose another folder."
        ) from error
    files = [folder / f"report.{kind}" for kind in ("json", "csv", "parquet")]
    for file in files:
        write_rows(file, rows)
    page = folder / "report.html"
    with atomic_path(page) as tmp, tmp.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(render_page(rows, head_card=head_card, before=before, stills_of=stills_of))
    return [*files, page]
