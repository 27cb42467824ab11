"""The review queue in the ledger: who may decide what, and what of it can be proved afterwards."""

import datetime as dt
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from alembic import command
from sqlalchemy import NullPool, text, update

from provenance.ledger import (
    Ledger,
    NotOverridable,
    RecordRejected,
    Review,
    ReviewDecided,
    ReviewerRefused,
    ReviewPending,
    ReviewUnknown,
    connect,
    upgrade,
)
from provenance.ledger.engine import ledger_url, open_engine
from provenance.ledger.revisions import alembic_config, migrating
from provenance.ledger.schema import review_item

PROMPT = "the mayor juggles flaming torches"
HOUR = dt.timedelta(hours=1)


def parked(ledger: Ledger, key: str = "key", **options: object) -> Review:
    """A run that waits; `options` are of its decision, or of `enqueue_review`."""
    queued = {name: options.pop(name) for name in ("requester", "approvals_needed") if name in options}
    decision = {
        "action": "review",
        "policy_version": "1.0.0+aa",
        "codes": ["P1", "A1"],
        "language": "en",
        "overridable": True,
    }
    ledger.reserve_run(key, {"seed": 1})
    number = ledger.record_decision(key, decision | options, key.encode().ljust(32), PROMPT)
    return ledger.enqueue_review(key, number, **queued)  # type: ignore[arg-type]


def execute(url: str, statement: str, **values: object) -> None:
    with open_engine(ledger_url(url), poolclass=NullPool).begin() as connection:
        connection.execute(text(statement), values)


def kinds(ledger: Ledger, review: Review) -> list[str]:
    return [event.kind for event in ledger.review_history(review.id)]


def test_a_review_says_what_waits_and_since_when(ledger: Ledger) -> None:
    review = parked(ledger, requester="Ines")
    assert (review.status, review.codes, review.language) == ("pending", ("P1", "A1"), "en")
    assert (review.prompt_text, review.policy_version) == (PROMPT, "1.0.0+aa")
    assert (review.requester, review.produced) == ("Ines", False)
    assert review.waiting_since == review.created
    assert ledger.review_history(review.id) == ()


def test_one_approval_is_enough_unless_two_are_asked_for(ledger: Ledger) -> None:
    review = parked(ledger)
    done = ledger.decide_review(review.id, approve=True, reviewer="Ana", reason="satire")
    assert (done.status, done.approvals, done.approvals_needed) == ("approved", 1, 1)


def test_four_eyes_need_two_different_people(ledger: Ledger) -> None:
    review = parked(ledger, approvals_needed=2)
    first = ledger.decide_review(review.id, approve=True, reviewer="Ana Ruiz", reason="satire")
    assert (first.status, first.approvals, first.approvals_needed) == ("pending", 1, 2)
    for same in ("Ana Ruiz", "ana  ruiz", " ANA RUIZ", "Ａｎａ Ruiz"):
        with pytest.raises(ReviewerRefused, match="another person"):
            ledger.decide_review(review.id, approve=True, reviewer=same, reason="again")
    second = ledger.decide_review(review.id, approve=True, reviewer="Bo", reason="agreed")
    assert (second.status, second.reviewer, second.approvals) == ("approved", "Bo", 2)
    assert kinds(ledger, review) == ["endorsed", "approved"]
    assert [entry.kind for entry in ledger.log_entries()] == ["review.endorsed", "review.approved"]
    assert [entry.body["approvals"] for entry in ledger.log_entries()] == [1, 2]


def test_four_eyes_cannot_be_waived_after_a_run_was_parked_under_them(ledger: Ledger) -> None:
    review = parked(ledger, approvals_needed=2)
    assert ledger.decide_review(review.id, approve=True, reviewer="Ana", reason="").status == "pending"
    stricter = parked(ledger, "other")
    first = ledger.decide_review(stricter.id, approve=True, reviewer="Ana", reason="", approvals_needed=2)
    assert (first.status, first.approvals_needed) == ("pending", 2)


def test_who_asked_for_a_clip_is_not_one_of_the_two(ledger: Ledger) -> None:
    review = parked(ledger, approvals_needed=2, requester="Ines Kohl")
    with pytest.raises(ReviewerRefused, match="asked for this clip"):
        ledger.decide_review(review.id, approve=True, reviewer="ines kohl", reason="mine")
    rejected = ledger.decide_review(
        review.id, approve=False, reviewer="Ines Kohl", reason="on second thought"
    )
    assert rejected.status == "rejected"


def test_who_works_alone_may_approve_their_own(ledger: Ledger) -> None:
    review = parked(ledger, requester="Ines")
    assert ledger.decide_review(review.id, approve=True, reviewer="Ines", reason="").status == "approved"


def test_one_rejection_ends_it_whatever_was_approved_before(ledger: Ledger) -> None:
    review = parked(ledger, approvals_needed=2)
    ledger.decide_review(review.id, approve=True, reviewer="Ana", reason="fine")
    done = ledger.decide_review(review.id, approve=False, reviewer="Bo", reason="how to rob", code="I1")
    assert (done.status, done.reviewer) == ("rejected", "Bo")
    assert ledger.review_history(review.id)[-1].code == "I1"
    with pytest.raises(ReviewDecided, match="rejected by Bo") as caught:
        ledger.decide_review(review.id, approve=True, reviewer="Cy", reason="no, fine")
    assert "reopen" in caught.value.hint


def test_what_no_person_may_override_no_person_approves(ledger: Ledger) -> None:
    review = parked(ledger, codes=["S0"], overridable=False)
    with pytest.raises(NotOverridable, match="S0"):
        ledger.decide_review(review.id, approve=True, reviewer="Ana", reason="art")
    assert ledger.log_entries() == []
    assert ledger.decide_review(review.id, approve=False, reviewer="Ana", reason="no").status == "rejected"


@pytest.mark.parametrize("name", ["", "  ", "\t\n"])
def test_a_decision_without_a_name_does_not_count(ledger: Ledger, name: str) -> None:
    review = parked(ledger)
    with pytest.raises(ReviewerRefused, match="without a name"):
        ledger.decide_review(review.id, approve=True, reviewer=name, reason="")


def test_what_is_no_reason_code_never_enters_the_log(ledger: Ledger) -> None:
    review = parked(ledger)
    with pytest.raises(RecordRejected, match="reason code"):
        ledger.decide_review(review.id, approve=False, reviewer="Bo", reason="", code="the mayor's name")
    assert ledger.review(review.id).status == "pending"
    assert ledger.log_entries() == []


def test_comments_stand_before_and_after_a_decision(ledger: Ledger) -> None:
    review = parked(ledger)
    ledger.comment_review(review.id, reviewer="Ana", text="who holds the rights?")
    ledger.decide_review(review.id, approve=False, reviewer="Bo", reason="no rights")
    ledger.comment_review(review.id, reviewer="Ana", text="thank you")
    told = [(event.kind, event.by, event.note) for event in ledger.review_history(review.id)]
    assert told == [
        ("commented", "Ana", "who holds the rights?"),
        ("rejected", "Bo", "no rights"),
        ("commented", "Ana", "thank you"),
    ]


def test_a_reopened_review_waits_anew_and_old_approvals_count_no_more(ledger: Ledger) -> None:
    review = parked(ledger, approvals_needed=2)
    for name in ("Ana", "Bo"):
        ledger.decide_review(review.id, approve=True, reviewer=name, reason="fine")
    again = ledger.reopen_review(review.id, reviewer="Cy", reason="the mayor complained")
    assert (again.status, again.reviewer, again.decided, again.approvals) == ("pending", None, None, 0)
    assert again.waiting_since > review.created
    with pytest.raises(ReviewPending):
        ledger.reopen_review(review.id, reviewer="Cy", reason="twice")
    assert ledger.decide_review(review.id, approve=True, reviewer="Ana", reason="still").approvals == 1


def test_a_reopened_rejection_lets_the_run_go_on(ledger: Ledger) -> None:
    review = parked(ledger)
    ledger.decide_review(review.id, approve=False, reviewer="Bo", reason="no")
    ledger.set_run_status("key", "refused", "review 1: no")
    ledger.reopen_review(review.id, reviewer="Bo", reason="consent came")
    run = ledger.run("key")
    assert run is not None
    assert (run.status, run.reason) == ("pending", None)


def test_what_waits_too_long_expires_by_the_software_and_can_be_reopened(ledger: Ledger, url: str) -> None:
    old, new = parked(ledger, "old"), parked(ledger, "new")
    with open_engine(ledger_url(url), poolclass=NullPool).begin() as connection:
        long_ago = dt.datetime.now(dt.UTC) - 3 * HOUR
        connection.execute(update(review_item).where(review_item.c.id == old.id).values(created=long_ago))
    (ended,) = ledger.expire_reviews(2 * HOUR)
    assert (ended.id, ended.status, ended.reason) == (old.id, "expired", "nobody decided within 2 h")
    assert ledger.expire_reviews(2 * HOUR) == []
    (event,) = ledger.review_history(old.id)
    assert (event.kind, event.by_software, event.pinned) == ("expired", True, True)
    assert ledger.review(new.id).status == "pending"
    with pytest.raises(ReviewDecided, match="expired"):
        ledger.decide_review(old.id, approve=True, reviewer="Ana", reason="late")
    ledger.reopen_review(old.id, reviewer="Ana", reason="back from leave")
    assert ledger.expire_reviews(2 * HOUR) == []  # its clock starts anew
    assert ledger.decide_review(old.id, approve=True, reviewer="Ana", reason="fine").status == "approved"


def test_another_decision_of_the_policy_voids_an_approval_but_no_rejection(ledger: Ledger) -> None:
    approved, rejected = parked(ledger, "a"), parked(ledger, "b")
    ledger.decide_review(approved.id, approve=True, reviewer="Ana", reason="fine")
    ledger.decide_review(rejected.id, approve=False, reviewer="Ana", reason="no")
    assert parked(ledger, "a").status == "approved"  # asked again, the policy says the same
    again = parked(ledger, "a", policy_version="1.1.0+bb", codes=["P1", "I1"])
    assert (again.status, again.policy_version) == ("pending", "1.1.0+bb")
    assert kinds(ledger, again) == ["approved", "reopened"]
    assert ledger.review_history(again.id)[-1].by_software
    assert parked(ledger, "b", policy_version="1.1.0+bb").status == "rejected"


def test_scores_that_differ_by_a_rounding_are_not_another_decision(ledger: Ledger) -> None:
    review = parked(ledger, score=0.25)
    ledger.decide_review(review.id, approve=True, reviewer="Ana", reason="fine")
    assert parked(ledger, score=0.25000001).status == "approved"


def test_of_people_who_approve_at_the_same_moment_each_counts_once(ledger: Ledger) -> None:
    review = parked(ledger, approvals_needed=2)
    barrier = Barrier(6)

    def approve(name: str) -> str:
        barrier.wait(30)
        try:
            return ledger.decide_review(review.id, approve=True, reviewer=name, reason="fine").status
        except (ReviewerRefused, ReviewDecided) as error:
            return type(error).__name__

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(approve, ["Ana", "ana", "ANA", "Bo", "bo", "BO"]))
    assert Counter(outcomes)["pending"] == Counter(outcomes)["approved"] == 1
    assert ledger.review(review.id).approvals == 2
    assert len({event.by.casefold() for event in ledger.review_history(review.id)}) == 2


def test_the_queue_is_filtered_by_everything_that_is_given(ledger: Ledger) -> None:
    english, chinese = parked(ledger, "en"), parked(ledger, "zh", language="zh", codes=["I1"])
    ledger.decide_review(chinese.id, approve=True, reviewer="Ana", reason="news")
    ledger.comment_review(english.id, reviewer="Bo", text="hm")

    def found(*status: str, **filters: object) -> list[int]:
        return [one.id for one in ledger.reviews(*status, **filters)]  # type: ignore[arg-type]

    assert found() == [english.id, chinese.id]
    assert found("pending") == [english.id]
    assert found(code="A1") == [english.id]
    assert found(language="zh") == [chinese.id]
    assert found(reviewer="Ana") == [chinese.id]
    assert found(reviewer="Bo") == [english.id]
    assert found(since=dt.datetime.now(dt.UTC) - HOUR) == [english.id, chinese.id]
    assert found(since=dt.datetime.now(dt.UTC) + HOUR) == []
    assert found("pending", code="I1") == []


def test_the_log_has_every_event_with_its_policy_version_and_no_words_or_names(ledger: Ledger) -> None:
    review = parked(ledger, requester="Ines")
    ledger.comment_review(review.id, reviewer="Ana", text=f"is this it: {PROMPT}?")
    ledger.decide_review(review.id, approve=False, reviewer="Bo", reason=PROMPT, code="I1")
    ledger.reopen_review(review.id, reviewer="Cy", reason=f"{PROMPT}!")
    entries = ledger.log_entries()
    assert [one.kind for one in entries] == ["review.commented", "review.rejected", "review.reopened"]
    for entry in entries:
        assert entry.body["policy_version"] == "1.0.0+aa"
        assert entry.body["codes"] == ["P1", "A1"]
        for secret in ("mayor", "torches", "Ana", "Bo", "Cy", "Ines"):
            assert secret not in json.dumps(entry.body["note"]) + entry.text
    assert all(event.pinned for event in ledger.review_history(review.id))


@pytest.mark.parametrize(
    "change", ["note = 'fine'", "kind = 'approved'", "code = 'A1'", "policy_version = '2'", "note = NULL"]
)
def test_an_event_that_was_changed_shows_against_the_log(ledger: Ledger, url: str, change: str) -> None:
    review = parked(ledger)
    ledger.decide_review(review.id, approve=False, reviewer="Bo", reason="how to rob", code="I1")
    execute(url, f"UPDATE review_event SET {change}")  # noqa: S608
    assert [event.pinned for event in ledger.review_history(review.id)] == [False]


@pytest.mark.parametrize("act", ["review", "review_history", "comment", "reopen"])
def test_a_number_that_nothing_has_is_named(ledger: Ledger, act: str) -> None:
    actions = {
        "review": lambda: ledger.review(99),
        "review_history": lambda: ledger.review_history(99),
        "comment": lambda: ledger.comment_review(99, reviewer="Ana", text="?"),
        "reopen": lambda: ledger.reopen_review(99, reviewer="Ana", reason="?"),
    }
    with pytest.raises(ReviewUnknown, match="99"):
        actions[act]()


def test_decisions_from_before_there_was_a_history_become_its_first_events(url: str) -> None:
    upgrade(url, "0005")
    moment = "2026-11-20 08:00:00.000000"
    for statement in (
        "INSERT INTO agent (id, kind, name, version, key_id) VALUES (101, 'person', 'Ana', '', '')",
        "INSERT INTO generation_run (id, key, clip_id, status, request, created, updated)"
        " VALUES (1, 'a', :one, 'done', '{}', :moment, :moment), (2, 'b', :two, 'pending', '{}', :moment, :moment)",
        "INSERT INTO review_item (id, generation_run_id, status, reviewer_id, reason, created, decided)"
        " VALUES (1, 1, 'approved', 101, 'satire', :moment, :moment), (2, 2, 'pending', NULL, NULL, :moment, NULL)",
    ):
        values = {"moment": moment, "one": bytes(7) + b"\1", "two": bytes(7) + b"\2"}
        execute(url, statement, **{name: it for name, it in values.items() if f":{name}" in statement})
    upgrade(url)
    with connect(url) as ledger:
        (event,) = ledger.review_history(1)
        assert (event.kind, event.by, event.note, event.pinned) == ("approved", "Ana", "satire", None)
        assert (ledger.review(1).approvals, ledger.review(1).produced) == (1, True)
        assert ledger.review_history(2) == ()
        (ended,) = ledger.expire_reviews(HOUR)
        assert ended.id == 2
    with migrating(url) as connection:
        command.downgrade(alembic_config(connection), "0005")
    upgrade(url)
    with connect(url) as ledger:
        assert [one.status for one in ledger.reviews()] == ["approved", "pending"]
