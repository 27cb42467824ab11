"""The review queue as it stands: runs that wait for a person, and what happened to each.

`review_item` says where a review stands, `review_event` how it came there (`provenance.ledger.reviewing` writes both).
"""

import datetime as dt
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, true

from provenance.ledger import log, runs
from provenance.ledger.entities import now
from provenance.ledger.errors import ReviewerRefused, ReviewUnknown
from provenance.ledger.records import Review, ReviewEvent, ReviewStatus
from provenance.ledger.schema import (
    agent,
    generation_run,
    prompt,
    review_event,
    review_item,
    safety_decision,
)

_reviewer, _requester = agent.alias("reviewer"), agent.alias("requester")
_past = review_event.alias("past")


def _latest_reopening(column: str) -> Any:
    query = select(func.max(_past.c[column])).where(
        _past.c.review_item_id == review_item.c.id, _past.c.kind == "reopened"
    )
    return query.correlate(review_item).scalar_subquery()


_waiting_since = func.coalesce(_latest_reopening("created"), review_item.c.created)
# Approvals count from the last re-opening on; row numbers grow in the order of commits.
_counts = (
    review_event.c.kind.in_(("endorsed", "approved")),
    review_event.c.id > func.coalesce(_latest_reopening("id"), 0),
)


def find(connection: Connection, number: int) -> Review:
    """One review. Raises `ReviewUnknown`."""
    found = _reviews(connection, review_item.c.id == number)
    if not found:
        raise ReviewUnknown(f"no review item {number}", hint="See `clipproof review list --status all`.")
    return found[0]


def of_run(connection: Connection, run_key: str) -> Review | None:
    """The review of a run, or None."""
    found = _reviews(connection, generation_run.c.key == run_key)
    return found[0] if found else None


def matching(
    connection: Connection,
    *,
    status: ReviewStatus | None,
    code: str | None,
    language: str | None,
    since: dt.datetime | None,
    reviewer: str | None,
) -> list[Review]:
    """The reviews that fit everything that is given, oldest first; `since`: asked for since that moment."""
    condition = true() if status is None else review_item.c.status == status
    if since is not None:
        condition &= review_item.c.created >= since
    if reviewer is not None:
        acted = (
            select(review_event.c.id)
            .join(agent, review_event.c.agent_id == agent.c.id)
            .where(review_event.c.review_item_id == review_item.c.id)
            .where(agent.c.kind == "person", agent.c.name == person(reviewer))
        )
        condition &= acted.exists()
    return [
        review
        for review in _reviews(connection, condition)
        if (code is None or code in review.codes) and (language is None or language == review.language)
    ]


def history(connection: Connection, number: int) -> tuple[ReviewEvent, ...]:
    """What happened to a review, first to last. Raises `ReviewUnknown`."""
    find(connection, number)
    query = (
        select(review_event, agent.c.name, agent.c.kind.label("agent_kind"))
        .join(agent, review_event.c.agent_id == agent.c.id)
        .where(review_event.c.review_item_id == number)
        .order_by(review_event.c.id)
    )
    return tuple(
        ReviewEvent(
            kind=row.kind,
            by=row.name,
            by_software=row.agent_kind == "software",
            code=row.code,
            note=row.note,
            policy_version=row.policy_version,
            at=row.created,
            log_seq=row.log_seq,
            pinned=_pinned(connection, row),
        )
        for row in connection.execute(query)
    )


def overdue(connection: Connection, after: dt.timedelta) -> list[Review]:
    """What has waited longer than `after` since it was parked or re-opened."""
    return _reviews(connection, (review_item.c.status == "pending") & (_waiting_since < now() - after))


def approvers(connection: Connection, number: int) -> list[str]:
    """Who has approved a review since it last began to wait."""
    query = (
        select(agent.c.name)
        .join(review_event, review_event.c.agent_id == agent.c.id)
        .join(review_item, review_event.c.review_item_id == review_item.c.id)
        .where(review_item.c.id == number, *_counts)
    )
    return list(connection.execute(query).scalars())


def waiting_for_another(connection: Connection, agents: Iterable[int]) -> list[int]:
    """The numbers of pending reviews that one of these agents has approved."""
    query = (
        select(review_item.c.id)
        .join(review_event, review_event.c.review_item_id == review_item.c.id)
        .where(review_item.c.status == "pending", review_event.c.agent_id.in_(list(agents)), *_counts)
        .distinct()
    )
    return list(connection.execute(query).scalars())


def person(name: str) -> str:
    """A person's name as it is kept: without stray spaces. Raises `ReviewerRefused` where nothing is left."""
    kept = " ".join(name.split())
    if not kept:
        raise ReviewerRefused("a decision without a name does not count", hint="Give it with --reviewer.")
    return kept


def _pinned(connection: Connection, row: Row[Any]) -> bool | None:
    if row.log_seq is None:
        return None
    entry = log.entry(connection, row.log_seq)
    if entry is None or entry.kind != f"review.{row.kind}":
        return False
    said = entry.body
    if (said["review"], said.get("code")) != (row.review_item_id, row.code):
        return False
    if said["policy_version"] != row.policy_version:
        return False
    if row.note is None:
        return row.salt is None  # never said, or erased with its salt
    return bool(
        row.salt and said.get("note") == runs.commitment(row.salt, sha256(row.note.encode()).digest()).hex()
    )


def _reviews(connection: Connection, condition: ColumnElement[bool]) -> list[Review]:
    approvals = (
        select(func.count(review_event.c.id))
        .where(review_event.c.review_item_id == review_item.c.id, *_counts)
        .correlate(review_item)
        .scalar_subquery()
    )
    query = (
        select(
            review_item,
            *(generation_run.c[name] for name in ("key", "clip_id")),
            generation_run.c.status.label("run_status"),
            _reviewer.c.name.label("reviewer"),
            _requester.c.name.label("requester"),
            *(safety_decision.c[name] for name in ("decision", "policy_version")),
            *(prompt.c[name] for name in ("sha256", "text")),
            approvals.label("approvals"),
            _waiting_since.label("waiting_since"),
        )
        .join(generation_run, review_item.c.generation_run_id == generation_run.c.id)
        .outerjoin(_reviewer, review_item.c.reviewer_id == _reviewer.c.id)
        .outerjoin(_requester, review_item.c.requester_id == _requester.c.id)
        .outerjoin(safety_decision, review_item.c.safety_decision_id == safety_decision.c.id)
        .outerjoin(prompt, safety_decision.c.prompt_id == prompt.c.id)
        .where(condition)
        .order_by(review_item.c.id)
    )
    return [
        Review(
            id=row.id,
            run_key=row.key,
            status=row.status,
            reviewer=row.reviewer,
            reason=row.reason,
            decision=row.decision,
            created=row.created,
            decided=row.decided,
            clip_id=row.clip_id,
            produced=row.run_status == "done",
            policy_version=row.policy_version,
            prompt_sha256=row.sha256,
            prompt_text=row.text,
            requester=row.requester,
            approvals=row.approvals,
            approvals_needed=row.approvals_needed,
            waiting_since=row.waiting_since,
        )
        for row in connection.execute(query)
    ]
