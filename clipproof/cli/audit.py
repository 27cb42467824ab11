"""`clipproof audit`: how likely are these clips generated, and how sure can one be?"""

import functools
import json
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli.audit_progress import audit_progress, verdict_words
from clipproof.cli.output import Json, out, say, visible

if TYPE_CHECKING:
    from flows.audit_run import InPool, Session
    from flows.settings import Settings

_VERDICTS = ("likely_ai", "likely_camera", "inconclusive")
_COLOURS = {"likely_ai": "red", "likely_camera": "green", "inconclusive": "yellow"}
_TABLE_ROWS = 200  # nobody reads a longer table on a screen
# Worker processes take some ten seconds to start on two cores, threads none; from here on that is made up for.
_PROCESSES_FROM = 100
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class Runner(StrEnum):
    """Prefect's task runners."""

    processes = "processes"
    threads = "threads"
    dask = "dask"
    ray = "ray"


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmg]?)b?", text.strip().lower())
    if not found:
        raise typer.BadParameter(f"{text!r} is not a size such as 500MB or 2GB")
    return int(float(found[1]) * _SIZES[found[2]])


def audit(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Clips, folders, 'patterns', .txt lists (a path a line), .csv or .parquet manifests (column path or "
            "url), URLs, or - for a list on standard input.",
            show_default=False,
        ),
    ],
    out_path: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the report and the rows; the same command goes on where it was stopped. Or one file for "
            "the rows: .json, .csv, .parquet.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Examine all anew, whatever is in the folder.")
    ] = False,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit 1 if any clip has this verdict.", metavar="VERDICT")
    ] = None,
    allow_urls: Annotated[
        bool,
        typer.Option("--allow-urls", help="Fetch the URLs that lists name, from public addresses alone."),
    ] = False,
    max_download: Annotated[
        Any, typer.Option(parser=_bytes, metavar="SIZE", help="Fetch no clip that is larger.")
    ] = "1GB",
    runner: Annotated[
        Runner | None,
        typer.Option(
            help=f"What runs many files; default: processes from {_PROCESSES_FROM} clips on, else threads. dask and "
            "ray are extras.",
            show_default=False,
        ),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="The detector's head: a shipped one, or a folder.", show_default=False)
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="open_clip architecture that the head looks with, or local-dir:FOLDER.", show_default=False
        ),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Its weights: a file, or a pretrained tag.", show_default=False)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where that encoder runs: cpu, cuda.", show_default=False)
    ] = None,
    drift: Annotated[
        Path | None,
        typer.Option(help="An earlier audit (its folder or report.json): the page shows what changed."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Clips at a time; default: one a core.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Audit clips: provenance first, then a calibrated statistical verdict that may say "inconclusive".

    Every clip gets a row, broken ones too, and equal files are examined once. Exits with 0 when every file has its row.
    Many files run as a Prefect flow.
    """
    from flows.audit_outputs import FILE_SUFFIXES, audited, in_this_process
    from flows.audit_run import require_runner, usable_cores
    from flows.clip_lists import clips_of
    from flows.reporting import read_rows
    from flows.settings import load_settings
    from media.fetch import FetchLimits, fetch

    if fail_on is not None and fail_on not in _VERDICTS:
        raise typer.BadParameter(f"{fail_on!r} is not one of {', '.join(_VERDICTS)}", param_hint="--fail-on")
    if out_path is not None and out_path.suffix not in ("", *FILE_SUFFIXES) and not out_path.is_dir():
        raise typer.BadParameter("give a folder, or a .json, .csv or .parquet file", param_hint="--out")
    if fresh and (out_path is None or out_path.suffix in FILE_SUFFIXES):
        raise typer.BadParameter("there is no folder to go on with; give --out FOLDER", param_hint="--fresh")
    if drift is not None and (out_path is None or out_path.suffix in FILE_SUFFIXES):
        raise typer.BadParameter("the page that shows it needs --out FOLDER", param_hint="--drift")
    named = {"head": head, "encoder": encoder, "encoder_weights": checkpoint, "encoder_device": device}
    settings = load_settings().model_copy(update={name: value for name, value in named.items() if value})
    before = read_rows(drift) if drift is not None else None
    entries = clips_of(paths)
    if not entries:
        raise typer.BadParameter("no clip is there", param_hint="PATHS")
    count = workers or usable_cores()
    chosen = runner or (Runner.processes if len(entries) >= _PROCESSES_FROM else Runner.threads)
    require_runner(chosen.value)
    if len(entries) >= _PROCESSES_FROM and (out_path is None or out_path.suffix in FILE_SUFFIXES):
        say("with --out FOLDER an audit that is interrupted goes on; without, it starts anew")
    # While clips are examined the bar is shown; the rows can be read until the stack ends.
    with ExitStack() as stack:
        with audit_progress() as tell:
            rows, tally = stack.enter_context(
                audited(
                    settings,
                    entries,
                    in_pool=_pool(settings, chosen, count) if len(entries) > 1 else in_this_process,
                    workers=count,
                    out=out_path,
                    is_fresh=fresh,
                    fetch=functools.partial(fetch, limits=FetchLimits(max_download)) if allow_urls else None,
                    before=before,
                    tell=tell,
                )
            )
        if out_path is not None:
            say(f"{len(rows)} rows in {out_path}")
        if as_json:
            _print_json(rows)
        elif len(rows) == 1:
            _print_one(rows[0])
        elif len(rows) <= _TABLE_ROWS:
            _print_table(rows)
        else:
            out.print(f"{len(rows)} clips: {verdict_words(tally)}")
            if out_path is None:
                say("no table of so many; --out FOLDER keeps every row")
    if fail_on is not None and tally.verdicts[fail_on]:
        raise typer.Exit(1)


def _pool(settings: "Settings", runner: Runner, workers: int) -> "InPool":
    """Workers, started when there is something for them to do."""

    def in_pool(session: "Session") -> None:
        from flows import runtime

        runtime.use(settings, say=say)
        from flows.audit import prefect_pool  # after `use`: Prefect reads its environment on import

        prefect_pool(runner.value, workers)(session)

    return in_pool


def _print_json(rows: Sequence[dict[str, Any]]) -> None:
    """One object, written row by row: a million rows do not fit into memory."""
    sys.stdout.write('{"schema": "clipproof.audit/1", "rows": [')
    for number, row in enumerate(rows):
        text = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
        sys.stdout.write((",\n" if number else "\n") + text)
    sys.stdout.write("\n]}\n")


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="dim")
    for name in ("clip", "provenance", "statistics", "p_ai", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        colour = _COLOURS.get(row["verdict"], "dim")
        p_ai = "" if row["p_ai"] is None else f"{row['p_ai']:.2f}"
        table.add_row(
            escape(visible(row["path"])),
            row["provenance"] or "",
            f"[{colour}]{row['verdict'] or ''}[/]",
            p_ai,
            escape(visible(row["error"] or row["conflict"] or _duplicate(row))),
        )
    out.print(table)


def _duplicate(row: dict[str, Any]) -> str:
    return f"same file as {row['duplicate_of']}" if row["duplicate_of"] else ""


def _print_one(row: dict[str, Any]) -> None:
    if row["error"]:
        out.print(f"[red]✗[/] {escape(visible(row['error']))}")
        return
    colour = _COLOURS[row["verdict"]]
    out.print(f"[bold {colour}]{row['verdict'].replace('_', ' ').upper()}[/]  {escape(visible(row['path']))}")
    out.print(f"  probability that it is AI-generated: {row['p_ai']:.2f}; provenance: {row['provenance']}")
    if row["conflict"]:
        out.print(f"  [bold yellow]conflict[/] {escape(row['conflict'])}")
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
