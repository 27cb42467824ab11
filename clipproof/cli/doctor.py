"""`clipproof doctor`: what is wrong here?"""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out

_SIGNS = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "bad": "[red]✗[/]"}


def doctor(
    repair: Annotated[bool, typer.Option(help="Remove orphan files and leftovers of killed runs.")] = False,
    as_json: Json = False,
) -> None:
    """Check packages, models, keys, ledger, log, store and server. Exits with 5 if something is broken."""
    from clipproof.doctor import examine
    from flows.settings import load_settings

    checks = examine(load_settings(), repair=repair)

    def text() -> None:
        for check in checks:
            out.print(f"{_SIGNS[check.state]} {check.name:<16} {escape(check.message)}")

    broken = any(check.state == "bad" for check in checks)
    emit(
        {
            "schema": "clipproof.doctor/1",
            "healthy": not broken,
            "checks": [asdict(check) for check in checks],
        },
        as_json=as_json,
        text=text,
    )
    if broken:
        raise typer.Exit(5)
