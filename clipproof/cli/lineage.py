"""`clipproof ledger graph` and `export`: where clips come from, drawn or for other software."""

import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipproof.cli.ledger import clip_number
from clipproof.cli.output import Json, emit, out, say

if TYPE_CHECKING:
    from provenance.ledger import Ledger, Lineage

ClipId = Annotated[str, typer.Argument(help="16 hex digits.")]
AnyClipId = Annotated[str | None, typer.Argument(help="16 hex digits; or --campaign, or --all.")]
Depth = Annotated[
    int, typer.Option(min=0, max=10, help="How many clips away parents and copies are followed.")
]
Force = Annotated[bool, typer.Option(help="Replace an existing file.")]
Campaign = Annotated[str | None, typer.Option(help="All clips of this campaign.")]
Every = Annotated[bool, typer.Option("--all", help="All clips.")]


class Format(StrEnum):
    """Whose form."""

    prov = "prov"
    openlineage = "openlineage"
    dot = "dot"


def graph(
    clip_id: ClipId,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="SVG file; default: clip-<id>.svg, `-` prints it.")
    ] = None,
    depth: Depth = 3,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw where a clip comes from, and what came of it, as an SVG."""
    from flows.settings import load_settings
    from provenance.ledger import connect
    from provenance.ledger.drawing import draw

    number = clip_number(clip_id)
    with connect(load_settings().ledger_url) as ledger:
        lineage = _lineage(ledger, number, depth)
    target = output or Path(f"clip-{clip_id.lower()}.svg")
    if str(target) == "-":
        sys.stdout.write(draw(lineage))
        return
    write_text(target, [draw(lineage)], force=force)
    if lineage.truncated:
        say("more clips are related than are drawn; --depth follows them further", style="yellow")
    data = {"schema": "clipproof.graph/1", "clip_id": clip_id.lower(), "path": str(target)}
    counts = {"nodes": len(lineage.nodes), "relations": len(lineage.relations)}
    emit(
        data | counts | {"truncated": lineage.truncated}, as_json=as_json, text=lambda: out.print(str(target))
    )


def export(
    clip_id: AnyClipId = None,
    to: Annotated[
        Format, typer.Option("--format", help="W3C PROV-JSON, OpenLineage events, or Graphviz DOT.")
    ] = Format.prov,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File; without it, standard output.")
    ] = None,
    campaign: Campaign = None,
    every: Every = False,
    since: Annotated[
        dt.datetime | None, typer.Option(help="With --all or --campaign: recorded since, in UTC.")
    ] = None,
    depth: Depth = 3,
    force: Force = False,
) -> None:
    """The lineage of one clip, or of many, for other software. Deterministic.

    Of many clips each has a document of its own, one a line (openlineage: one event a line; dot: one graph after
    another), written as they are read. Prompts are salted digests; the names of reviewers are in it.
    """
    from flows.settings import load_settings
    from provenance.ledger import connect

    with connect(load_settings().ledger_url) as ledger:
        numbers = chosen(ledger, clip_id, campaign, every, since)
        lines = _lines(ledger, numbers, to, depth, compact=clip_id is None)
        if output is not None:
            write_text(output, (f"{line}\n" for line in lines), force=force)
            say(f"wrote {output}")
            return
        for line in lines:
            sys.stdout.write(f"{line}\n")


def chosen(
    ledger: "Ledger",
    clip_id: str | None,
    campaign: str | None,
    every: bool,
    since: dt.datetime | None = None,
) -> Iterable[int]:
    """The clips that a command is about: one, those of a campaign, or all."""
    if (clip_id is not None) + (campaign is not None) + every != 1:
        raise typer.BadParameter("give a clip id, or --campaign, or --all", param_hint="CLIP_ID")
    if clip_id is not None:
        if since is not None:
            raise typer.BadParameter("--since goes with --all or --campaign", param_hint="--since")
        return [clip_number(clip_id)]
    moment = since.replace(tzinfo=dt.UTC) if since is not None and since.tzinfo is None else since
    return ledger.clip_ids(campaign=campaign, since=moment)


def write_text(target: Path, parts: Iterable[str], *, force: bool) -> None:
    """A file that appears whole or not at all."""
    from media import atomic_path

    if target.exists() and not force:
        raise typer.BadParameter(f"{target} exists; --force replaces it", param_hint="--output")
    with atomic_path(target) as tmp, tmp.open("w", encoding="utf-8") as file:
        file.writelines(parts)


def unknown(number: int) -> typer.BadParameter:
    return typer.BadParameter(f"there is no clip {number:016x} in this ledger", param_hint="CLIP_ID")


def _lineage(ledger: "Ledger", number: int, depth: int) -> "Lineage":
    found = ledger.lineage(number, depth=depth)
    if found is None:
        raise unknown(number)
    return found


def _lines(
    ledger: "Ledger", numbers: Iterable[int], to: Format, depth: int, *, compact: bool
) -> Iterator[str]:
    from provenance.ledger.exports import export as exported

    for number in numbers:
        yield from exported(_lineage(ledger, number, depth), to.value, compact=compact)
