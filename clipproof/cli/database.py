"""`clipproof db`: the ledger's schema."""

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out

app = typer.Typer(help="The ledger's database.", no_args_is_help=True)


@app.command("upgrade")
def upgrade(as_json: Json = False) -> None:
    """Make the ledger, or bring it to this version's schema."""
    from flows.settings import load_settings
    from provenance.ledger import upgrade as upgrade_ledger

    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    upgrade_ledger(settings.ledger_url)
    current(as_json=as_json)


@app.command("current")
def current(as_json: Json = False) -> None:
    """The revision of the ledger's schema."""
    from flows.settings import load_settings
    from provenance.ledger import current as current_revision

    revision = current_revision(load_settings().ledger_url)
    emit(
        {"schema": "clipproof.db/1", "revision": revision},
        as_json=as_json,
        text=lambda: out.print(escape(revision or "there is no ledger yet: run `clipproof db upgrade`")),
    )
