"""`clipproof review`: prompts that wait for a person."""

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli.output import Json, emit, out

if TYPE_CHECKING:
    from provenance.ledger import Review

app = typer.Typer(help="Prompts that wait for a person's decision.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="The review's number, from `review list`.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
Reviewer = Annotated[str | None, typer.Option(help="Who decides; default: your login name.")]


@app.command("list")
def list_reviews(
    everything: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    as_json: Json = False,
) -> None:
    """The review queue, oldest first."""
    from flows.home import open_home
    from flows.settings import load_settings

    with open_home(load_settings()) as home:
        rows = [
            _row(home.ledger, review) for review in home.ledger.reviews(None if everything else "pending")
        ]

    def text() -> None:
        table = Table(box=None, header_style="dim")
        for name in ("review", "status", "codes", "prompt", "decided by", "reason"):
            table.add_column(name, overflow="fold")
        for row in rows:
            cells = (
                row["id"],
                row["status"],
                " ".join(row["codes"]),
                row["prompt"],
                row["reviewer"],
                row["reason"],
            )
            table.add_row(*(escape(str(cell or "")) for cell in cells))
        out.print(table if rows else "nothing waits")

    emit({"schema": "clipproof.reviews/1", "reviews": rows}, as_json=as_json, text=text)


@app.command("approve")
def approve(number: Number, reason: Reason, reviewer: Reviewer = None, as_json: Json = False) -> None:
    """Let a run go on; the command that asked for it then produces the clip."""
    _decide(number, True, reason, reviewer, as_json)


@app.command("reject")
def reject(number: Number, reason: Reason, reviewer: Reviewer = None, as_json: Json = False) -> None:
    """End a run for good."""
    _decide(number, False, reason, reviewer, as_json)


def _decide(number: int, approve: bool, reason: str, reviewer: str | None, as_json: bool) -> None:
    from flows.home import open_home
    from flows.settings import load_settings

    with open_home(load_settings()) as home:
        name = reviewer or getpass.getuser()
        review = home.ledger.decide_review(number, approve=approve, reviewer=name, reason=reason)
        row = _row(home.ledger, review)
    next_step = "run the same `clipproof produce` command again" if approve else "it ends here"
    emit(
        {"schema": "clipproof.review/1", **row},
        as_json=as_json,
        text=lambda: out.print(f"review {number} {review.status} by {escape(name)}; {next_step}"),
    )


def _row(ledger: Any, review: "Review") -> dict[str, Any]:
    prompts = [one.prompt_text for one in ledger.decisions(review.run_key) if one.stage == "prompt"]
    return {
        "id": review.id,
        "run_key": review.run_key,
        "status": review.status,
        "codes": list((review.decision or {}).get("codes", ())),
        "prompt": prompts[-1] if prompts else None,
        "reviewer": review.reviewer,
        "reason": review.reason,
        "created": review.created,
        "decided": review.decided,
    }
