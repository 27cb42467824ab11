"""`clipproof audit`: how likely are these clips generated, and how sure can one be?"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli.output import Json, emit, out, progress, say

_VERDICTS = ("likely_ai", "likely_camera", "inconclusive")
_COLOURS = {"likely_ai": "red", "likely_camera": "green", "inconclusive": "yellow"}


class Runner(StrEnum):
    """Prefect's task runners."""

    threads = "threads"
    dask = "dask"
    ray = "ray"


def audit(
    paths: Annotated[list[Path], typer.Argument(help="Clips, folders, or .txt lists of clips (one a line).")],
    out_path: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the rows here: .json or .csv.")
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit 1 if any clip has this verdict.", metavar="VERDICT")
    ] = None,
    runner: Annotated[
        Runner, typer.Option(help="What runs many files; dask and ray are extras.")
    ] = Runner.threads,
    as_json: Json = False,
) -> None:
    """Audit clips: provenance first, then a calibrated statistical verdict that may say "inconclusive".

    Every clip gets a row, broken ones too. Exits with 0 when every file has its row. Many files run as a Prefect flow.
    """
    from flows import runtime
    from flows.auditing import audit_row, clips_under
    from flows.reporting import write_rows
    from flows.settings import load_settings

    if fail_on is not None and fail_on not in _VERDICTS:
        raise typer.BadParameter(f"{fail_on!r} is not one of {', '.join(_VERDICTS)}", param_hint="--fail-on")
    if out_path is not None and out_path.suffix not in (".json", ".csv"):
        raise typer.BadParameter("give a .json or .csv file", param_hint="--out")
    settings = load_settings()
    clips = clips_under(paths)
    if not clips:
        raise typer.BadParameter("no clip is there", param_hint="PATHS")
    with progress() as tell:
        if len(clips) == 1:
            rows = [audit_row(settings, clips[0])]
        else:
            runtime.use(settings, say=say)
            from flows.audit import run_audit

            rows = run_audit(settings, clips, progress=tell, runner=runner.value)
    if out_path is not None:
        write_rows(out_path, rows)
        say(f"{len(rows)} rows in {out_path}")
    emit({"schema": "clipproof.audit/1", "rows": rows}, as_json=as_json, text=lambda: _print(rows))
    if fail_on is not None and any(row["verdict"] == fail_on for row in rows):
        raise typer.Exit(1)


def _print(rows: list[dict[str, Any]]) -> None:
    if len(rows) == 1:
        return _print_one(rows[0])
    table = Table(box=None, header_style="dim")
    for name in ("clip", "provenance", "statistics", "p_ai", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        colour = _COLOURS.get(row["verdict"], "dim")
        p_ai = "" if row["p_ai"] is None else f"{row['p_ai']:.2f}"
        table.add_row(
            escape(row["path"]),
            row["provenance"] or "",
            f"[{colour}]{row['verdict'] or ''}[/]",
            p_ai,
            escape(row["error"] or ""),
        )
    out.print(table)


def _print_one(row: dict[str, Any]) -> None:
    if row["error"]:
        out.print(f"[red]✗[/] {escape(row['error'])}")
        return
    colour = _COLOURS[row["verdict"]]
    out.print(f"[bold {colour}]{row['verdict'].replace('_', ' ').upper()}[/]  {escape(row['path'])}")
    out.print(f"  probability that it is AI-generated: {row['p_ai']:.2f}; provenance: {row['provenance']}")
    for evidence in row["evidence"]:
        out.print(f"  [dim]{evidence['kind'].replace('_', ' '):<10}[/] {escape(evidence['text'])}")
    if row["segments"]:
        out.print("  " + _timeline(row["segments"]))


def _timeline(segments: list[dict[str, Any]]) -> str:
    bars = "▁▂▃▄▅▆▇█"
    drawn = "".join(
        f"[{_COLOURS[s['verdict']]}]{bars[min(7, int(8 * s['p_ai']))]}[/]"
        for s in segments
        if s["p_ai"] is not None
    )
    return f"{drawn}  0–{segments[-1]['end_s']:.1f} s"
