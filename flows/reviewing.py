"""The review queue under the settings of one installation: four eyes, time-outs, and notices of what happened."""

import datetime as dt

from flows.notices import announce
from flows.policies import policy_in_force
from flows.settings import Settings
from provenance.ledger import Ledger, Review


class ReviewInputError(Exception):
    """Something said about a review that cannot be used; `hint` says what can."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def ask(ledger: Ledger, settings: Settings, run_key: str, decision_id: int) -> Review:
    """The review of a run, which it is parked in where it has none yet."""
    end_overdue(ledger, settings)
    known = ledger.review_of(run_key)
    review = ledger.enqueue_review(
        run_key,
        decision_id,
        requester=settings.user,
        approvals_needed=settings.review_approvals,
    )
    if known is None:
        announce(settings, "requested", review)
    elif (known.status, known.approvals) != (review.status, review.approvals):
        announce(settings, "reopened", review)
    return review


def decide(
    ledger: Ledger,
    settings: Settings,
    number: int,
    *,
    approve: bool,
    reviewer: str,
    reason: str,
    code: str | None = None,
) -> Review:
    """A person's decision; still pending where a second person has to approve too.

    Raises `ReviewInputError` where the policy has no such code, and the errors of `Ledger.decide_review`.
    """
    if code is not None:
        codes = policy_in_force(settings).codes
        if code not in codes:
            raise ReviewInputError(f"the policy has no code {code!r}", hint=f"Codes: {', '.join(codes)}.")
    end_overdue(ledger, settings)
    review = ledger.decide_review(
        number,
        approve=approve,
        reviewer=reviewer,
        reason=reason,
        code=code,
        approvals_needed=settings.review_approvals,
    )
    announce(settings, "requested" if review.status == "pending" else "decided", review)
    return review


def reopen(ledger: Ledger, settings: Settings, number: int, *, reviewer: str, reason: str) -> Review:
    """A decided review waits again. Raises as `Ledger.reopen_review`."""
    end_overdue(ledger, settings)
    review = ledger.reopen_review(number, reviewer=reviewer, reason=reason)
    announce(settings, "reopened", review)
    return review


def end_overdue(ledger: Ledger, settings: Settings) -> list[Review]:
    """Expires what has waited longer than the settings allow; to be called before the queue is read."""
    if settings.review_timeout_hours is None:
        return []
    ended = ledger.expire_reviews(dt.timedelta(hours=settings.review_timeout_hours))
    for review in ended:
        announce(settings, "expired", review)
    return ended


def standing(settings: Settings, review: Review) -> str:
    """Where a review stands, in words that follow its number."""
    if review.status != "pending":
        return review.status
    if not review.overridable:
        return "waits; can only be rejected"
    people = needed(settings, review)
    if review.approvals:
        return f"approved by {review.approvals} of {people}"
    return "waits" if people == 1 else f"waits for {people} people"


def needed(settings: Settings, review: Review) -> int:
    """How many people have to approve a review; for one that is decided, how many had to."""
    if review.status != "pending":
        return review.approvals_needed
    return max(settings.review_approvals, review.approvals_needed)
