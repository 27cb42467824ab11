"""`clipproof ledger erase`: forget a prompt or a person, without breaking the log."""

import hashlib
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from clipproof.cli.output import Json, emit, out, say

if TYPE_CHECKING:
    from provenance.ledger.erasure import Erasure


def erase(
    prompt: Annotated[
        str | None, typer.Option(metavar="CLIP_ID|RUN_KEY", help="Forget the prompt of this clip or run.")
    ] = None,
    person: Annotated[
        str | None, typer.Option(metavar="NAME", help="Forget this person: the name, and what they wrote.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a prompt's or a person's data from the ledger. It cannot be undone; the log stays intact.

    Not reached: names inside of signed files, backups, and Prefect's own database (`clipproof down`, then remove it).
    """
    from flows.settings import load_settings
    from provenance.ledger import connect

    if (prompt is None) == (person is None):
        raise typer.BadParameter("give one of --prompt and --person")
    settings = load_settings()
    with connect(settings.ledger_url) as ledger:

        def run(*, dry: bool) -> "Erasure":
            if prompt is not None:
                return ledger.erase_prompt(prompt, dry_run=dry)
            return ledger.erase_person(str(person), dry_run=dry)

        found = run(dry=True)
        touched = found.rows
        if not dry_run and touched:
            if not yes:
                if not sys.stdin.isatty():
                    raise typer.BadParameter("nobody is there to be asked", param_hint="--yes")
                say(_words(touched))
                typer.confirm("Erase for good?", abort=True, err=True)
            run(dry=False)
            if found.run_key is not None:  # what a killed run left holds the prompt, too
                name = hashlib.sha256(found.run_key.encode()).hexdigest()[:32]
                shutil.rmtree(settings.work_folder / name, ignore_errors=True)
    erased = bool(touched) and not dry_run
    emit(
        {"schema": "clipproof.erase/1", "erased": erased, "rows": touched},
        as_json=as_json,
        text=lambda: out.print(("erased: " if erased else "would erase: ") + _words(touched)),
    )


def _words(touched: dict[str, int]) -> str:
    told = [f"{count} in {table.replace('_', ' ')}" for table, count in touched.items() if count]
    return ", ".join(told) or "nothing; the ledger does not know that name"
