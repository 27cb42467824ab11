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


class Training(StrEnum):
    """What the manifest says of AI training and data mining."""

    allowed = "allowed"
    not_allowed = "notAllowed"


def _credited(text: str) -> tuple[str, str]:
    name, _, role = text.rpartition(":")
    return (name.strip(), role.strip()) if name else (text.strip(), "creator")


def mark(
    src: Annotated[Path, typer.Argument(help="Your clip.")],
    dst: Annotated[Path, typer.Argument(help="The marked and signed MP4.")],
    source: Annotated[
        Source, typer.Option(help="Where its pictures come from; you sign this.")
    ] = Source.unknown,
    ingredient: Annotated[
        list[Path] | None, typer.Option(help="Another file that went into it; repeat for more.")
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(metavar="ACTION[=DESCRIPTION]", help="What was done: trimmed, cropped, dubbed, …"),
    ] = None,
    credit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:ROLE]",
            help="Name a person in the signed file, as creator or in another role. It cannot be taken back.",
        ),
    ] = None,
    training: Annotated[
        Training | None, typer.Option(help="May AI be trained on it? Default: the setting, notAllowed.")
    ] = None,
    production: Annotated[bool, typer.Option(help="Refuse to sign as a development identity.")] = False,
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Watermark, sign and record your own clip. Sound, length and frame rate stay as they are.

    The original becomes the parent ingredient of the signed clip, with its own manifest where it has one. An edit of
    clips of this home keeps their watermark, and names them as its ingredients.
    """
    from clipproof.api import mark as mark_path
    from flows.settings import load_settings

    chosen: dict[str, object] = {"production": True} if production else {}
    if training is not None:
        chosen["training"] = training.value
    if dst.exists() and not force and not (src.exists() and dst.samefile(src)):
        raise typer.BadParameter(f"{dst} exists; --force replaces it", param_hint="DST")
    marked = mark_path(
        src,
        dst,
        source=source.value,
        ingredients=ingredient or (),
        actions=action or (),
        credits=[_credited(text) for text in credit or ()],
        settings=load_settings().model_copy(update=chosen),
        say=say,
    )

    def text() -> None:
        out.print(f"[green]✓[/] {escape(str(marked.path))}")
        out.print(f"  clip {marked.clip_id}, signed by {escape(marked.signer)}")
        for note in marked.notes:
            say(note, style="yellow")

    emit({"schema": "clipproof.mark/1", **asdict(marked)}, as_json=as_json, text=text)
