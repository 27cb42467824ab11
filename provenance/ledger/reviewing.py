"""Acts on the review queue: each changes where a review stands, adds to its history, and enters the transparency log.

The log has the policy version that is judged: without the words of the prompt and without names, which a log could not
forget, but with a salted commitment of the note, so that a changed one shows.
"""

import datetime as dt
import re
import secrets
import unicodedata
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, insert, select, update

from provenance.ledger import log, reviews, runs
from provenance.ledger.entities import agent_id, insert_row, now
from provenance.ledger.errors import (
    NotOverridable,
    RecordRejected,
    ReviewDecided,
    ReviewerRefused,
    ReviewPending,
)
from provenance.ledger.records import Json, Review, ReviewEventKind, clip_id_hex
from provenance.ledger.reviews import find, person
from provenance.ledger.schema import generation_run, review_event, review_item, safety_decision

SOFTWARE = "clipproof"  # the agent of what no person did


def park(
    connection: Connection,
    run_key: str,
    decision_id: int | None,
    *,
    requester: str | None,
    approvals_needed: int,
) -> Review:
    """The review of a run, made where there is none; parking it again changes nothing.

    Unless the policy now says something else: an approval holds for the decision that its reviewer saw, so another one
    re-opens it. A rejected review stays rejected, and an expired one waits for a person to re-open it.
    """
    known = reviews.of_run(connection, run_key)
    if known is None:
        run_id = connection.execute(
            select(generation_run.c.id).where(generation_run.c.key == runs.get(connection, run_key).key)
        ).scalar_one()
        asked_by = None if requester is None else agent_id(connection, "person", person(requester))
        number = insert_row(
            connection,
            review_item,
            generation_run_id=run_id,
            safety_decision_id=decision_id,
            status="pending",
            requester_id=asked_by,
            approvals_needed=approvals_needed,
            created=now(),
        )
        return find(connection, number)
    if known.status in ("pending", "approved") and decision_id is not None:
        query = select(safety_decision.c.decision).where(safety_decision.c.id == decision_id)
        decision = connection.execute(query).scalar_one()
        if _judged(decision) != _judged(known.decision):
            _set(connection, known.id, safety_decision_id=decision_id)
            if known.status == "approved" or known.approvals:
                why = f"policy {decision['policy_version']} says something else of this prompt"
                _reopen(connection, known.id, agent_id(connection, "software", SOFTWARE), why)
            return find(connection, known.id)
    return known


def comment(connection: Connection, number: int, by: str, text: str) -> Review:
    """A person's words, decided or not. Raises `ReviewUnknown`, `ReviewerRefused`."""
    review = find(connection, number)
    _happened(connection, review, "commented", agent_id(connection, "person", person(by)), note=text)
    return find(connection, number)


def decide(
    connection: Connection,
    number: int,
    *,
    approve: bool,
    reviewer: str,
    reason: str,
    code: str | None,
    approvals_needed: int,
) -> Review:
    """A person's decision. One rejection ends a review; an approval may need a second person.

    As many approvals are needed as now or when the run was parked, whichever is more. Raises `ReviewUnknown`,
    `ReviewDecided`, `ReviewerRefused`, `NotOverridable`.
    """
    review = find(connection, number)
    if review.status != "pending":
        raise ReviewDecided(
            f"review {number} was {review.status} by {review.reviewer or 'nobody'}",
            hint=f"`clipproof review reopen {number} --reason …` lets it wait again.",
        )
    name, needed = person(reviewer), max(approvals_needed, review.approvals_needed)
    if approve:
        _require_approval_counts(connection, review, name, needed)
    enough = review.approvals + 1 >= needed
    by = agent_id(connection, "person", name)
    kind: ReviewEventKind = ("approved" if enough else "endorsed") if approve else "rejected"
    more = {"approvals": review.approvals + 1, "needed": needed} if approve else {}
    _set(connection, number, approvals_needed=needed)
    if kind != "endorsed":
        _set(connection, number, status=kind, reviewer_id=by, reason=reason, decided=now())
    _happened(connection, review, kind, by, note=reason, code=code, **more)
    return find(connection, number)


def reopen(connection: Connection, number: int, by: str, reason: str) -> Review:
    """Lets a decided or expired review wait again; earlier approvals no longer count, what was produced stays.

    Raises `ReviewUnknown`, `ReviewPending`, `ReviewDecided` where the prompt was erased, `ReviewerRefused`.
    """
    review = find(connection, number)
    if review.status == "pending":
        raise ReviewPending(
            f"review {number} waits already", hint="Decide it: `clipproof review approve | reject`."
        )
    if runs.get(connection, review.run_key).request.get("erased"):
        raise ReviewDecided(f"the prompt of review {number} was erased", hint="Ask for the clip anew.")
    _reopen(connection, number, agent_id(connection, "person", person(by)), reason)
    return find(connection, number)


def expire(connection: Connection, after: dt.timedelta) -> list[Review]:
    """Ends what is overdue, as a decision of the software."""
    by, ended = agent_id(connection, "software", SOFTWARE), []
    reason = f"nobody decided within {after / dt.timedelta(hours=1):g} h"
    for review in reviews.overdue(connection, after):
        _set(connection, review.id, status="expired", reviewer_id=by, reason=reason, decided=now())
        _happened(connection, review, "expired", by, note=reason)
        ended.append(find(connection, review.id))
    return ended


def withdraw(connection: Connection, run_key: str) -> None:
    """Ends a waiting review whose prompt is being erased, as a decision of the software."""
    review = reviews.of_run(connection, run_key)
    if review is not None and review.status == "pending":
        by = agent_id(connection, "software", SOFTWARE)
        _set(connection, review.id, status="rejected", reviewer_id=by, decided=now())
        _happened(connection, review, "rejected", by)


def void_approvals(connection: Connection, of_agents: Iterable[int]) -> None:
    """Re-opens what still waits with an approval of these people: once forgotten, they could give it twice."""
    by = agent_id(connection, "software", SOFTWARE)
    for number in reviews.waiting_for_another(connection, of_agents):
        _reopen(connection, number, by, "a person who had approved it was erased")


def _require_approval_counts(connection: Connection, review: Review, name: str, needed: int) -> None:
    if not review.overridable:
        raise NotOverridable(
            f"review {review.id} ({', '.join(review.codes)}): the policy lets no person approve it",
            hint="It can be rejected, or commented on.",
        )
    if needed < 2:
        return
    if review.requester is not None and _same(review.requester, name):
        raise ReviewerRefused(
            f"{name} asked for this clip, so {needed} other people have to approve it",
            hint="CLIPPROOF_REVIEW_APPROVALS says how many.",
        )
    if any(_same(name, other) for other in reviews.approvers(connection, review.id)):
        raise ReviewerRefused(
            f"{name} has approved it already; it waits for another person",
            hint=f"{review.approvals} of {needed} have approved it.",
        )


def _same(one: str, other: str) -> bool:
    """Whether two names are one person's, as far as writing can tell: in width and case they may differ."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _judged(decision: Json | None) -> tuple[Any, ...]:
    """What a reviewer was asked. Scores are no part of it: they may differ by a rounding on another machine."""
    said = decision or {}
    return said.get("policy_version"), said.get("action"), tuple(said.get("codes", ()))


def _reopen(connection: Connection, number: int, by: int, reason: str) -> None:
    _set(connection, number, status="pending", reviewer_id=None, reason=None, decided=None)
    review = find(connection, number)
    if runs.get(connection, review.run_key).status == "refused":
        runs.set_status(connection, review.run_key, "pending")
    _happened(connection, review, "reopened", by, note=reason)


def _set(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(review_item).where(review_item.c.id == number).values(**values))


def _happened(
    connection: Connection,
    review: Review,
    kind: ReviewEventKind,
    by: int,
    *,
    note: str | None = None,
    code: str | None = None,
    **more: int,
) -> None:
    if code is not None and not re.fullmatch("[A-Z][A-Z0-9]{0,7}", code):
        raise RecordRejected(f"{code!r} is not a reason code", hint="One of the policy's, such as I1.")
    salt = secrets.token_bytes(16) if note else None
    body: dict[str, Any] = {
        "clip_id": clip_id_hex(review.clip_id),
        "review": review.id,
        "policy_version": review.policy_version,
        "codes": list(review.codes),
        **more,
    }
    if code is not None:
        body["code"] = code
    if note and salt:
        body["note"] = runs.commitment(salt, sha256(note.encode()).digest()).hex()
    connection.execute(
        insert(review_event).values(
            review_item_id=review.id,
            kind=kind,
            agent_id=by,
            policy_version=review.policy_version,
            code=code,
            note=note or None,
            salt=salt,
            log_seq=log.append(connection, f"review.{kind}", body),
            created=now(),
        )
    )
