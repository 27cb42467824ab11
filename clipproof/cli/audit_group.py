"""`clipproof audit PATHS`, and beside it `audit fit` and `audit adapt`."""

from typing import Any

import typer
from typer.core import TyperGroup

from clipproof.cli.audit import audit
from clipproof.cli.audit_heads import adapt, fit

_FILES = "files"


class _PathsByDefault(TyperGroup):
    """What is no command of the group is paths to audit; a folder called `fit` is audited as `./fit`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [_FILES, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_PathsByDefault,
    no_args_is_help=True,
    help="Audit clips: provenance first, then statistics. `audit PATHS` is short for `audit files PATHS`.",
)
app.command(_FILES)(audit)
app.command("fit")(fit)
app.command("adapt")(adapt)
