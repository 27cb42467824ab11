"""What is erased is gone from every row and byte that we hold, and the log and its old proofs still hold."""

import json
from pathlib import Path

import pytest
from sqlalchemy import NullPool, text

from provenance.ledger import Ledger, ReviewDecided, RunUnknown, clip_id_hex, connect, merkle
from provenance.ledger.engine import ledger_url, open_engine
from provenance.ledger.schema import metadata
from provenance.manifest import PromptCommitment

SECRET = "Zaphod Beeblebrox at the 银河 restaurant"
REVIEWER = "Trillian Astra"


def decided(ledger: Ledger) -> str:
    """A reviewed run whose every row says something of its prompt."""
    run = ledger.reserve_run("a-run", {"seed": 1}, prompt=SECRET, campaign="spring", variant="0001")
    assert run.salt is not None
    commitment = PromptCommitment.of(SECRET, salt=run.salt)
    decision = {
        "action": "review",
        "policy_version": "1",
        "normalised": SECRET,
        "rewrite": f"not {SECRET}",
        "changes": [{"from": SECRET, "to": "another place"}],
        "matches": [{"code": "L1", "span": SECRET, "explanation": f"{SECRET} is a person"}],
    }
    number = ledger.record_decision("a-run", decision, commitment.digest, SECRET, prompt_salt=run.salt)
    review = ledger.enqueue_review("a-run", number)
    ledger.decide_review(
        review.id, approve=True, reviewer=REVIEWER, reason=f"{SECRET} is a friend of {REVIEWER}"
    )
    return clip_id_hex(run.clip_id)


def everything(url: str) -> str:
    engine = open_engine(ledger_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return "\n".join(
            json.dumps([str(value) for value in row], ensure_ascii=False)
            for table in metadata.sorted_tables
            for row in connection.execute(text(f"SELECT * FROM {table.name}")).all()  # noqa: S608
        )


@pytest.mark.parametrize("by", ["run key", "clip id"])
def test_an_erased_prompt_is_in_no_row_and_the_log_still_holds(ledger: Ledger, url: str, by: str) -> None:
    clip_id = decided(ledger)
    assert SECRET in everything(url)
    leaf, path = ledger.log_entries()[0].leaf, ledger.prove_inclusion(0, 1)
    touched = ledger.erase_prompt("a-run" if by == "run key" else clip_id)
    assert touched.run_key == "a-run"
    assert touched.rows == {
        "prompt": 1,
        "safety_decision": 1,
        "generation": 0,
        "review_item": 1,
        "review_event": 1,
        "generation_run": 1,
    }
    assert SECRET not in everything(url)
    assert "a-run" not in everything(url)
    check = ledger.verify_log()
    assert check.intact
    assert [entry.kind for entry in ledger.log_entries()][-1] == "erased"
    assert merkle.root_of_inclusion(0, 1, leaf, path) == leaf
    run = ledger.run(f"erased-{clip_id}")
    assert run is not None
    assert run.salt is None


def test_no_byte_of_the_sqlite_file_keeps_an_erased_prompt(sqlite_url: str, tmp_path: Path) -> None:
    with connect(sqlite_url, create=True) as ledger:
        decided(ledger)
        ledger.erase_prompt("a-run")
        ledger.erase_person(REVIEWER)
        for file in tmp_path.glob("ledger.db*"):
            content = file.read_bytes()
            assert SECRET.encode() not in content, file.name
            assert REVIEWER.encode() not in content, file.name


def test_an_erased_person_is_in_no_row_and_the_decision_stays(ledger: Ledger, url: str) -> None:
    decided(ledger)
    assert ledger.erase_person(REVIEWER).rows == {"review_item": 1, "review_event": 1, "agent": 1}
    assert REVIEWER not in everything(url)
    (review,) = ledger.reviews()
    assert review.status == "approved"
    assert ledger.verify_log().intact
    assert ledger.erase_person(REVIEWER).rows == {}


def test_what_was_said_in_a_review_goes_with_its_prompt_or_its_author(ledger: Ledger, url: str) -> None:
    decided(ledger)
    (review,) = ledger.reviews()
    ledger.comment_review(review.id, reviewer="Ford", text=f"ask {REVIEWER}, who knows the place")
    ledger.comment_review(review.id, reviewer="Ford", text="a quiet place")
    assert ledger.erase_person(REVIEWER).rows["review_event"] == 2
    assert [event.note for event in ledger.review_history(review.id)] == [None, None, "a quiet place"]
    assert ledger.erase_prompt("a-run").rows["review_event"] == 1
    assert "quiet" not in everything(url)
    assert [event.pinned for event in ledger.review_history(review.id)] == [True] * 3


def test_erasing_the_prompt_of_a_waiting_review_ends_it_for_good(ledger: Ledger) -> None:
    run = ledger.reserve_run("waits", {}, prompt=SECRET)
    commitment = PromptCommitment.of(SECRET, salt=run.salt)
    decision = {"action": "review", "policy_version": "1", "matches": []}
    number = ledger.record_decision("waits", decision, commitment.digest, SECRET, prompt_salt=run.salt)
    review = ledger.enqueue_review("waits", number)
    ledger.erase_prompt("waits")
    assert ledger.review(review.id).status == "rejected"
    assert [entry.kind for entry in ledger.log_entries()] == ["review.rejected", "erased"]
    with pytest.raises(ReviewDecided, match="erased"):
        ledger.reopen_review(review.id, reviewer=REVIEWER, reason="a second look")


def test_nobody_approves_twice_by_being_forgotten_in_between(ledger: Ledger) -> None:
    ledger.reserve_run("pair", {})
    review = ledger.enqueue_review("pair", approvals_needed=2)
    ledger.decide_review(review.id, approve=True, reviewer=REVIEWER, reason="fine", approvals_needed=2)
    ledger.erase_person(REVIEWER)
    again = ledger.decide_review(
        review.id, approve=True, reviewer=REVIEWER, reason="fine", approvals_needed=2
    )
    assert (again.status, again.approvals) == ("pending", 1)


def test_a_dry_run_changes_nothing(ledger: Ledger, url: str) -> None:
    decided(ledger)
    before = everything(url)
    assert ledger.erase_prompt("a-run", dry_run=True).rows["prompt"] == 1
    assert ledger.erase_person(REVIEWER, dry_run=True).rows["agent"] == 1
    assert everything(url) == before


@pytest.mark.parametrize("name", ["nobody", "0123456789abcdef", "not hex digits!!"])
def test_an_unknown_run_is_named(ledger: Ledger, name: str) -> None:
    with pytest.raises(RunUnknown, match=name):
        ledger.erase_prompt(name)


def test_nothing_that_the_ledger_keeps_of_a_prompt_can_be_guessed(ledger: Ledger, url: str) -> None:
    """Without its salt: every hash of it is a salted one."""
    from hashlib import sha256

    first = ledger.reserve_run("one", {}, prompt=SECRET)
    second = ledger.reserve_run("two", {}, prompt=SECRET)
    assert first.request["prompt_commitment"] != second.request["prompt_commitment"]
    assert sha256(SECRET.encode()).hexdigest() not in everything(url)


def test_a_killed_run_finds_its_salt_again(ledger: Ledger) -> None:
    first = ledger.reserve_run("one", {}, prompt=SECRET)
    assert ledger.reserve_run("one", {}, prompt=SECRET).salt == first.salt
