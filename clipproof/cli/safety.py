"""`clipproof safety`: what the prompt policy says."""

from typing import Annotated

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out

app = typer.Typer(help="What the prompt policy says.", no_args_is_help=True)

_COLOURS = {"allow": "green", "allow_label": "green", "rewrite": "yellow", "review": "yellow", "block": "red"}


@app.callback()
def _group() -> None:
    pass


@app.command("check")
def check(
    prompt: Annotated[str, typer.Argument(help="A prompt, in Chinese or English.")], as_json: Json = False
) -> None:
    """Judge a prompt without producing anything. Exits with 4 where `produce` would stop."""
    from generator.safety import check_prompt

    decision = check_prompt(prompt)

    def text() -> None:
        action = decision.action.value
        codes = " ".join(decision.codes) or "no rule spoke"
        out.print(f"[bold {_COLOURS[action]}]{action.upper()}[/]  {codes}")
        for match in decision.matches:
            out.print(
                f"  {match.code} [dim]{match.rule_id}[/] {escape(match.explanation)} {escape(match.change)}"
            )
        if decision.rewrite:
            out.print(f"  proposed: {escape(decision.rewrite)}")
        out.print(f"  [dim]policy {decision.policy_version}[/]")

    emit(decision.as_record(), as_json=as_json, text=text)
    if decision.action in ("block", "review", "rewrite"):
        raise typer.Exit(4)
