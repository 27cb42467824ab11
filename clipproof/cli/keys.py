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
    chain, retired = told["chain"], told["retired"]

    def text() -> None:
        for name, value in told.items():
            if value not in (chain, retired):
                out.print(f"{name.replace('_', ' '):<20} {escape(str(value))}")
        for one in chain:
            purposes = f" for {', '.join(one['purposes'])}" if one["purposes"] else ""
            validity = f"{one['not_before']:%Y-%m-%d} to {one['not_after']:%Y-%m-%d}"
            out.print(f"{'certificate':<20} {escape(one['subject'])}{purposes}, {validity}")
        for one in retired:
            out.print(
                f"{'retired':<20} {one['retired']:%Y-%m-%d}, root {one['root_sha256']}: still trusted here"
            )

    emit({"schema": "clipproof.keys/1", **told}, as_json=as_json, text=text)


@app.command("rotate")
def rotate(
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False, as_json: Json = False
) -> None:
    """Make a new development identity and checkpoint key; clips signed until now stay trusted here.

    The old private keys are gone afterwards; the old root and the old public key of the log are kept. The mark key
    stays as it is; `clipproof keys new-epoch` changes that.
    """
    from flows.settings import load_settings
    from provenance.keys import KeyStore

    settings = load_settings()
    store = KeyStore(settings.keys_folder)
    if dry_run:
        say(f"would retire the root {store.describe().root_sha256} and make a new one")
        return show(as_json=as_json)
    store.rotate(organization=settings.organisation)
    say("an older backup does not hold the new keys: run `clipproof keys backup FILE` again")
    show(as_json=as_json)


@app.command("new-epoch")
def new_epoch(as_json: Json = False) -> None:
    """Mark with a new key from now on, made from the same master; clips marked until now are still found.

    Do it now and then, and at once when a mark key has leaked: that key then tells nothing of later marks.
    """
    from flows.home import ledger_if_any
    from flows.settings import load_settings
    from provenance.keys import KeyStore

    settings = load_settings()
    used = 0
    if (ledger := ledger_if_any(settings)) is not None:
        with ledger:
            used = ledger.latest_mark_epoch()
    KeyStore(settings.keys_folder).new_epoch(after=used)
    say("an older backup would mark with an older key: run `clipproof keys backup FILE` again")
    show(as_json=as_json)


@app.command("stamp")
def stamp(
    everything: Annotated[
        bool, typer.Option("--all", help="Try also what is not due yet, or was given up.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch the time stamps of clips that were signed while the authority was down. Exits with 5 if one is missing."""
    from flows.home import open_home
    from flows.settings import load_settings
    from flows.stamping import stamp_waiting

    with open_home(load_settings(), say=say) as home:
        rows = stamp_waiting(home, due=not everything)

    def text() -> None:
        for row in rows:
            said = row.path if row.path is not None else f"still without a time stamp: {row.error}"
            out.print(f"{row.clip_id}  {escape(said)}")
        if not rows:
            say("nothing waits for a time stamp")

    data = {"schema": "clipproof.stamps/1", "rows": [asdict(row) for row in rows]}
    emit(data, as_json=as_json, text=text)
    if any(row.error for row in rows):
        raise typer.Exit(5)


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
