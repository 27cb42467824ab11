"""`clipproof keys`: who signs, and what marks."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out, say

app = typer.Typer(help="Signing identity and mark key.", no_args_is_help=True)


@app.command("init")
def init(as_json: Json = False) -> None:
    """Make a development identity, a mark key and a checkpoint key; never overwrites."""
    from flows.settings import load_settings
    from provenance.keys import KeyStore

    settings = load_settings()
    KeyStore(settings.keys_folder).create(organization=settings.organisation)
    say("whoever loses the mark key loses every clip: run `clipproof keys backup FILE` and keep it elsewhere")
    show(as_json=as_json)


@app.command("show")
def show(as_json: Json = False) -> None:
    """Who signs and with which keys; secrets are never shown."""
    from flows.settings import load_settings
    from provenance.keys import KeyStore

    told = asdict(KeyStore(load_settings().keys_folder).describe())

    def text() -> None:
        for name, value in told.items():
            out.print(f"{name.replace('_', ' '):<20} {escape(str(value))}")

    emit({"schema": "clipproof.keys/1", **told}, as_json=as_json, text=text)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write all keys. Keep it secret and elsewhere.")],
    as_json: Json = False,
) -> None:
    """Copy all keys into one file (mode 0600)."""
    from flows.settings import load_settings
    from provenance.keys import KeyStore

    written = KeyStore(load_settings().keys_folder).backup(file)
    emit(
        {"schema": "clipproof.keys-backup/1", "path": str(written)},
        as_json=as_json,
        text=lambda: out.print(
            f"{escape(str(written))}: secret; keep it where this machine's disk cannot take it along"
        ),
    )


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `keys backup` wrote.")], as_json: Json = False
) -> None:
    """Put the keys of a backup into this (empty) home."""
    from flows.settings import load_settings
    from provenance.keys import KeyStore

    KeyStore(load_settings().keys_folder).restore(file)
    show(as_json=as_json)
