"""The command line. Data go to standard output, everything else to standard error.

Exit codes: 0 ok, 1 verified false, 2 usage or a bad input file, 3 no provenance found, 4 stopped by policy,
5 environment, 6 valid but not vouched for, 70 a bug in Clipproof, 130 interrupted.
"""

import typer

from clipproof.cli import (
    audit_group,
    campaign,
    database,
    doctor,
    keys,
    law,
    ledger,
    lineage,
    mark,
    produce,
    review,
    safety,
    serve,
    server,
    verify,
)
from clipproof.cli.failures import run

app = typer.Typer(
    name="clipproof",
    help="Make every clip provable: produce, mark and sign AI video; verify and audit any video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok · 1 verified false · 2 usage · 3 no provenance · 4 policy · 5 environment · "
    "6 valid, not vouched for · 130 interrupted",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clipproof {version('clipproof')}")
        for name in ("c2pa-python", "av", "torch", "diffusers", "prefect", "sqlalchemy", "open_clip_torch"):
            typer.echo(f"  {name} {version(name)}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print versions and exit."
    ),
) -> None:
    pass


app.command("produce")(produce.produce)
app.command("mark")(mark.mark)
app.command("verify")(verify.verify)
app.add_typer(audit_group.app, name="audit")
app.add_typer(campaign.app, name="campaign")
app.add_typer(review.app, name="review")
app.add_typer(safety.app, name="safety")
ledger.app.command("graph")(lineage.graph)
ledger.app.command("export")(lineage.export)
ledger.app.command("report")(law.report)
app.add_typer(ledger.app, name="ledger")
app.add_typer(keys.app, name="keys")
app.add_typer(database.app, name="db")
app.command("up")(server.up)
app.command("down")(server.down)
app.command("status")(server.status)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line and exit with its code; the only place that exits."""
    run(app)
