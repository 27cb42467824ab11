"""`clipproof safety`: what the prompt policy says, and why it said it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from clipproof.cli import policy
from clipproof.cli.changes import lines_of
from clipproof.cli.output import Json, emit, out

if TYPE_CHECKING:
    from generator.safety import Decision

app = typer.Typer(help="What the prompt policy says, and why it said it.", no_args_is_help=True)
app.add_typer(policy.app, name="policy")

_COLOURS = {"allow": "green", "allow_label": "green", "rewrite": "yellow", "review": "yellow", "block": "red"}


@app.command("check")
def check(
    prompt: Annotated[str, typer.Argument(help="A prompt, in Chinese or English.")],
    policy_name: Annotated[
        str | None,
        typer.Option("--policy", help="A policy folder, `shipped`, or a version that was in force."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a prompt without producing anything. Exits with 4 where `produce` would stop."""
    from flows.policies import guard_in_force
    from flows.settings import load_settings
    from generator.safety import check_prompt

    guard = guard_in_force(load_settings())
    decision = check_prompt(prompt, policy=policy.named(policy_name), guard=guard)
    emit(decision.as_record(), as_json=as_json, text=lambda: _print(decision))
    if decision.action in ("block", "review", "rewrite"):
        raise typer.Exit(4)


@app.command("replay")
def replay(
    run: Annotated[str, typer.Argument(help="A run key, from `ledger show` or `review list`.")],
    prompt: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="File with the prompt, where the ledger keeps only its hash."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide a run's prompts again with the policy that decided them; exits with 1 if an answer differs."""
    from flows.home import open_home
    from flows.replay import replay_run
    from flows.settings import load_settings

    settings = load_settings()
    # Bytes, because reading as text would turn CR LF into LF, which has another hash.
    text = prompt.read_bytes().decode("utf-8", "surrogateescape") if prompt else None
    with open_home(settings) as home:
        rows = replay_run(home, run, text)

    def show() -> None:
        for row in rows:
            colour, word = ("green", "the same") if row["same"] else ("red", "DIFFERS")
            out.print(f"[{colour}]{word}[/]  {row['action']} by policy {row['policy_version']}")
            if not row["same"]:
                out.print(f"  now: {row['replayed']['action']} {' '.join(row['replayed']['codes'])}")

    emit({"schema": "clipproof.replay/1", "run_key": run, "decisions": rows}, as_json=as_json, text=show)
    if not all(row["same"] for row in rows):
        raise typer.Exit(1)


def _print(decision: "Decision") -> None:
    action = decision.action.value
    codes = " ".join(decision.codes) or "nothing speaks against it"
    out.print(f"[bold {_COLOURS[action]}]{action.upper()}[/]  {codes}")
    for match in decision.matches:
        seen = f" [dim]({escape(match.span)})[/]" if match.span else ""
        out.print(
            f"  {match.code} [dim]{match.rule_id}[/]{seen} {escape(match.explanation)} {escape(match.change)}"
        )
    if decision.rewrite:
        out.print(f"  proposed: {escape(decision.rewrite)}")
    for line in lines_of(decision.changes):
        out.print(f"    {line}")
    for note in decision.notes:
        out.print(f"  [cyan]note[/] {escape(note)}")
    highest = sorted(decision.scores.items(), key=lambda item: -item[1])[:4]
    if highest:
        out.print("  [dim]head: " + ", ".join(f"{name} {score:.3f}" for name, score in highest) + "[/]")
    out.print(f"  [dim]policy {decision.policy_version}[/]")
