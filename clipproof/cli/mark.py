"""`clipproof mark`: make your own clip provable."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out, say


class Source(StrEnum):
    """Where the pictures come from, as the signer states it."""

    ai = "ai"
    camera = "camera"
    composite = "composite"
    unknown = "unknown"


def mark(
    src: Annotated[Path, typer.Argument(help="Your clip.")],
    dst: Annotated[Path, typer.Argument(help="The marked and signed MP4.")],
    source: Annotated[
        Source, typer.Option(help="Where its pictures come from; you sign this.")
    ] = Source.unknown,
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Watermark, sign and record your own clip. Sound, length and frame rate stay as they are.

    The original becomes the parent ingredient of the signed clip, with its own manifest where it has one.
    """
    from clipproof.api import mark as mark_path

    if dst.exists() and not force and not (src.exists() and dst.samefile(src)):
        raise typer.BadParameter(f"{dst} exists; --force replaces it", param_hint="DST")
    marked = mark_path(src, dst, source=source.value, say=say)

    def text() -> None:
        out.print(f"[green]✓[/] {escape(str(marked.path))}")
        out.print(f"  clip {marked.clip_id}, signed by {escape(marked.signer)}")
        for note in marked.notes:
            say(note, style="yellow")

    emit({"schema": "clipproof.mark/1", **asdict(marked)}, as_json=as_json, text=text)
