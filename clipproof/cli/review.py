"""`clipproof review`: prompts that wait for a person."""

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape

from clipproof.cli import review_forms as forms
from clipproof.cli.output import Json, emit, out, say

if TYPE_CHECKING:
    from flows.settings import Settings
    from provenance.ledger import Ledger, Review
    from provenance.ledger.records import ReviewStatus

app = typer.Typer(help="Prompts that wait for a person's decision.", no_args_is_help=True)

_MAX_CHARS = 4000


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ALL = "all"


class Language(StrEnum):
    ZH = "zh"
    EN = "en"
    UND = "und"


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def _words(text: str | None) -> str | None:
    """A person's own words: some, not a book, and text."""
    if text is None:
        return None
    if not text.strip():
        raise typer.BadParameter("is empty")
    if len(text) > _MAX_CHARS:
        raise typer.BadParameter(f"has {len(text)} characters; {_MAX_CHARS} are the most")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("is not UTF-8 text") from None
    return text.strip()


Number = Annotated[int, typer.Argument(min=1, help="The review's number, from `review list`.")]
Reason = Annotated[str, typer.Option(callback=_words, help="Why; kept in the ledger.")]
Reviewer = Annotated[
    str | None,
    typer.Option(callback=_words, help="Whose word this is; default: CLIPPROOF_USER, or your login name."),
]
ByStatus = Annotated[Status, typer.Option(help="Where they stand.")]
ByCode = Annotated[str | None, typer.Option(help="Only those with this reason code, such as P1.")]
ByLanguage = Annotated[Language | None, typer.Option("--lang", help="Only prompts in this language.")]
Since = Annotated[dt.datetime | None, typer.Option(help="Only what was asked for since then (UTC).")]
ByReviewer = Annotated[
    str | None, typer.Option("--reviewer", help="Only those that this person decided or commented on.")
]


@app.command("list")
def list_reviews(
    status: ByStatus = Status.PENDING,
    code: ByCode = None,
    language: ByLanguage = None,
    since: Since = None,
    reviewer: ByReviewer = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to list.")] = 50,
    as_json: Json = False,
) -> None:
    """The review queue, oldest first."""
    with _open() as (ledger, settings):
        found = _matching(ledger, status, code, language, since, reviewer)
        rows = [_row(settings, review) for review in found[:limit]]
    emit(
        {"schema": "clipproof.reviews/1", "total": len(found), "reviews": rows},
        as_json=as_json,
        text=lambda: forms.print_list(rows),
    )
    if len(found) > limit:
        say(f"{len(found) - limit} more; --limit shows them")


@app.command("show")
def show(number: Number, as_json: Json = False) -> None:
    """One review: the prompt, what the policy found in it and why, and everything that was said and decided."""
    with _open() as (ledger, settings):
        whole = _whole(ledger, settings, ledger.review(number))
    emit({"schema": "clipproof.review/1", **whole}, as_json=as_json, text=lambda: forms.print_review(whole))


@app.command("comment")
def comment(
    number: Number,
    text: Annotated[str, typer.Option(callback=_words, help="What you have to say; kept in the ledger.")],
    reviewer: Reviewer = None,
    as_json: Json = False,
) -> None:
    """Say something about a review without deciding it."""
    with _open() as (ledger, settings):
        review = ledger.comment_review(number, reviewer=reviewer or settings.user, text=text)
        _tell(ledger, settings, review, as_json, f"review {number}: noted")


@app.command("approve")
def approve(number: Number, reason: Reason, reviewer: Reviewer = None, as_json: Json = False) -> None:
    """Let a run go on; the command that asked for it then produces the clip.

    Where CLIPPROOF_REVIEW_APPROVALS is 2 it takes two people, and neither may be who asked for the clip.
    """
    from flows import reviewing

    with _open() as (ledger, settings):
        name = reviewer or settings.user
        review = reviewing.decide(ledger, settings, number, approve=True, reviewer=name, reason=reason)
        if review.status == "pending":
            then = f"{reviewing.standing(settings, review)}; another person has to approve it"
        elif review.produced:
            then = f"approved by {name}; its clip is there already"
        else:
            then = f"approved by {name}; run the same `clipproof produce` command again"
        _tell(ledger, settings, review, as_json, f"review {number} {then}")


@app.command("reject")
def reject(
    number: Number,
    reason: Reason,
    code: Annotated[
        str | None, typer.Option(help="What it is, as a reason code of the policy; `review suggest` uses it.")
    ] = None,
    reviewer: Reviewer = None,
    as_json: Json = False,
) -> None:
    """End a run. One rejection is enough, whoever approved it before."""
    from flows import reviewing

    with _open() as (ledger, settings):
        name = reviewer or settings.user
        review = reviewing.decide(
            ledger, settings, number, approve=False, reviewer=name, reason=reason, code=code
        )
        words = f"review {number} rejected by {name}; it ends here{_stays(review)}"
        _tell(ledger, settings, review, as_json, words)


@app.command("reopen")
def reopen(number: Number, reason: Reason, reviewer: Reviewer = None, as_json: Json = False) -> None:
    """Let a decided or expired review wait again; earlier approvals then count no more.

    What was produced under them stays produced.
    """
    from flows import reviewing

    with _open() as (ledger, settings):
        review = reviewing.reopen(ledger, settings, number, reviewer=reviewer or settings.user, reason=reason)
        _tell(ledger, settings, review, as_json, f"review {number} waits again{_stays(review)}")


@app.command("expire")
def expire(as_json: Json = False) -> None:
    """End what has waited longer than CLIPPROOF_REVIEW_TIMEOUT_HOURS.

    Reading the queue does it too; this is for a scheduler.
    """
    from flows import reviewing
    from flows.settings import load_settings
    from provenance.ledger import connect

    settings = load_settings()
    if settings.review_timeout_hours is None:
        raise reviewing.ReviewInputError(
            "reviews wait for ever here", hint="CLIPPROOF_REVIEW_TIMEOUT_HOURS sets how long they may."
        )
    with connect(settings.ledger_url) as ledger:
        rows = [_row(settings, review) for review in reviewing.end_overdue(ledger, settings)]
    emit(
        {"schema": "clipproof.reviews/1", "total": len(rows), "reviews": rows},
        as_json=as_json,
        text=lambda: out.print(f"expired: {', '.join(str(one['id']) for one in rows) or 'none'}"),
    )


@app.command("suggest")
def suggest(
    number: Annotated[int | None, typer.Argument(min=1, help="Only what this review gives rise to.")] = None,
    as_json: Json = False,
) -> None:
    """What the decisions so far suggest for the policy: rules, concepts, exceptions. Nothing is changed.

    Paste what you want into a policy folder of your own and test it: docs/review.md.
    """
    from flows.policies import policy_in_force
    from flows.suggestions import suggest as suggestions

    with _open() as (ledger, settings):
        policy = policy_in_force(settings)
        found = [asdict(one) for one in suggestions(ledger, policy, number)]
    emit(
        {"schema": "clipproof.review-suggestions/1", "policy_version": policy.version, "suggestions": found},
        as_json=as_json,
        text=lambda: forms.print_suggestions(found),
    )


@app.command("export")
def export(
    path: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    form: Annotated[Format, typer.Option("--format", help="CSV has one row an event.")] = Format.JSON,
    status: ByStatus = Status.ALL,
    since: Since = None,
    prompts: Annotated[bool, typer.Option(help="With the text of prompts, where it is kept.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write reviews with their whole history, codes and policy versions to a file.

    Names and reasons are in it; prompts only if you ask for them.
    """
    from media import atomic_path

    if path.exists() and not force:
        raise typer.BadParameter(f"{path} exists; --force replaces it", param_hint="--out")
    with _open() as (ledger, settings):
        reviews = [
            _whole(ledger, settings, review) for review in _matching(ledger, status, None, None, since, None)
        ]
    if not prompts:
        reviews = [_without_words(one) for one in reviews]
    if form is Format.CSV:
        text = forms.table_text(reviews)
    else:
        data = {"schema": "clipproof.review-export/1", "reviews": reviews}
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    with atomic_path(path) as tmp:
        tmp.write_text(text, encoding="utf-8")
    counted = {"reviews": len(reviews), "events": sum(len(one["history"]) for one in reviews)}
    emit(
        {"schema": "clipproof.review-exported/1", "path": str(path), **counted},
        as_json=as_json,
        text=lambda: out.print(
            f"{counted['reviews']} reviews, {counted['events']} events: {escape(str(path))}"
        ),
    )


@contextlib.contextmanager
def _open() -> "Iterator[tuple[Ledger, Settings]]":
    """The ledger alone: a reviewer needs no keys. What is overdue has expired in it."""
    from flows import reviewing
    from flows.settings import load_settings
    from provenance.ledger import LedgerReadOnly, connect

    settings = load_settings()
    with connect(settings.ledger_url) as ledger:
        try:
            reviewing.end_overdue(ledger, settings)
        except LedgerReadOnly:
            say("this ledger cannot be written: what is overdue is shown as pending")
        yield ledger, settings


def _matching(
    ledger: "Ledger",
    status: Status,
    code: str | None,
    language: Language | None,
    since: dt.datetime | None,
    reviewer: str | None,
) -> "list[Review]":
    moment = since.replace(tzinfo=dt.UTC) if since is not None and since.tzinfo is None else since
    return ledger.reviews(
        None if status is Status.ALL else cast("ReviewStatus", status.value),
        code=code,
        language=language.value if language else None,
        since=moment,
        reviewer=reviewer,
    )


def _row(settings: "Settings", review: "Review") -> dict[str, Any]:
    from flows.reviewing import needed, standing

    return forms.row(review, state=standing(settings, review), needed=needed(settings, review))


def _whole(ledger: "Ledger", settings: "Settings", review: "Review") -> dict[str, Any]:
    history = [forms.event_row(event) for event in ledger.review_history(review.id)]
    return _row(settings, review) | {
        "matches": list((review.decision or {}).get("matches", ())),
        "history": history,
    }


def _without_words(review: dict[str, Any]) -> dict[str, Any]:
    """Without the prompt, what the policy quotes of it, and the run key: a hash of it that could be guessed."""
    kept = ("rule", "code", "action", "disguised")
    matches = [{name: match.get(name) for name in kept} for match in review["matches"]]
    told = {name: value for name, value in review.items() if name not in ("prompt", "run_key")}
    return told | {"matches": matches}


def _stays(review: "Review") -> str:
    from provenance.ledger import clip_id_hex

    return f"; clip {clip_id_hex(review.clip_id)} was produced and stays" if review.produced else ""


def _tell(ledger: "Ledger", settings: "Settings", review: "Review", as_json: bool, words: str) -> None:
    emit(
        {"schema": "clipproof.review/1", **_whole(ledger, settings, review)},
        as_json=as_json,
        text=lambda: out.print(escape(forms.visible(words))),
    )
