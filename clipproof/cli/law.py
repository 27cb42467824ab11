"""`clipproof ledger report`: clips against laws on labelling."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli.lineage import AnyClipId, Campaign, Every, Force, chosen, unknown, write_text
from clipproof.cli.output import Json, emit, out, say

if TYPE_CHECKING:
    from provenance.law import Report

_COLOURS = {
    "met": "green",
    "partly": "yellow",
    "not_met": "red",
    "not_certain": "yellow",
    "organisation": "dim",
}


class LawName(StrEnum):
    """Whose law."""

    eu = "eu"
    ca = "ca"
    cn = "cn"


class FailOn(StrEnum):
    """The status of a duty that makes the command exit with 1."""

    not_met = "not_met"
    partly = "partly"
    not_certain = "not_certain"


def report(
    clip_id: AnyClipId = None,
    law: Annotated[
        LawName, typer.Option(help="eu: AI Act; ca: California SB 942; cn: GB 45438-2025.")
    ] = LawName.eu,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write FILE.md or FILE.html (one clip).")
    ] = None,
    campaign: Campaign = None,
    every: Every = False,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option(help="Exit with 1 where a duty has this status; may be repeated.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """What a law asks of a clip and how far it meets that, looked at now on the stored file. Not legal advice.

    Of many clips (--all, --campaign), a table of counts. Exits with 0 whenever a report could be made.
    """
    from flows.home import keys_if_any, trust_of
    from flows.settings import load_settings
    from media import Store
    from provenance.law import NOT_ADVICE, assess, gather, load_law, to_html, to_markdown
    from provenance.ledger import connect

    if output is not None and (output.suffix not in (".md", ".html") or clip_id is None):
        raise typer.BadParameter("FILE.md or FILE.html, of one clip", param_hint="--output")
    settings = load_settings()
    keys, trust, duties = keys_if_any(settings), trust_of(settings), load_law(law.value)
    store = Store(settings.store_folder)
    reports: list[Report] = []
    with connect(settings.ledger_url) as ledger:
        for number in chosen(ledger, clip_id, campaign, every):
            row = ledger.clip(number)
            if row is None:
                raise unknown(number)
            mark_keys = None if keys is None else keys.mark_keys
            seen = gather(row, store.path(row.asset.sha256), trust, mark_keys=mark_keys)
            reports.append(assess(seen, duties))
    if output is not None:
        render = to_html if output.suffix == ".html" else to_markdown
        write_text(output, [render(reports[0])], force=force)
        say(f"wrote {output}")
    if clip_id is not None:
        data = {"schema": "clipproof.law-report/1", **reports[0].to_dict()}
        emit(data, as_json=as_json, text=lambda: None if output else _print(reports[0]))
    else:
        rows = [{"clip_id": one.clip_id, **one.counts} for one in reports]
        data = {"schema": "clipproof.law-reports/1", "law": law.value, "notice": NOT_ADVICE, "clips": rows}
        emit(data, as_json=as_json, text=lambda: _print_many(reports))
    failing = {one.value for one in fail_on or ()}
    if any(answer.finding.status in failing for one in reports for answer in one.answers):
        raise typer.Exit(1)


def _print(one: "Report") -> None:
    from provenance.law import to_markdown

    if not sys.stdout.isatty():
        sys.stdout.write(to_markdown(one))
        return
    out.print(f"[bold]clip {one.clip_id}[/]  {escape(one.law.title)}\n")
    for answer in one.answers:
        colour = _COLOURS[answer.finding.status]
        sure = "" if answer.duty.confidence == "high" else f" [dim](confidence: {answer.duty.confidence})[/]"
        out.print(
            f"[{colour}]{answer.finding.status:<13}[/]{escape(answer.duty.clause)}  "
            f"{escape(answer.duty.requires)}{sure}"
        )
        out.print(f"             [dim]{escape(answer.finding.evidence)}[/]")
        if answer.todo:
            out.print(f"             → {escape(answer.todo)}")
    _notice(one)


def _print_many(reports: "list[Report]") -> None:
    if not reports:
        out.print("no clips")
        return
    table = Table(box=None, header_style="dim")
    for name in ("clip_id", *reports[0].counts):
        table.add_column(name)
    for one in reports:
        table.add_row(one.clip_id, *map(str, one.counts.values()))
    out.print(table)
    _notice(reports[0])


def _notice(one: "Report") -> None:
    from provenance.law import NOT_ADVICE

    out.print()
    for source in one.law.sources:
        out.print(f"[dim]{escape(source.title)} ({source.date}). {escape(source.where)}.[/]")
    out.print(f"[dim]As known on {one.law.known_on}.[/] {NOT_ADVICE}")
