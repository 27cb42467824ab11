"""A run in review, under the settings of an installation."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from flows import reviewing
from flows.home import Home, open_home
from flows.notices import announce, payload
from flows.production import Cleared, Job, Outcome, clear_prompt, reserve
from flows.settings import Settings
from generator.safety.policy import shipped_sources

SINGER = "Taylor Swift throws a red ball on a beach"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    settings = Settings(home=tmp_path / "home", user="Ines", review_approvals=2)
    with open_home(settings) as opened:
        yield opened


def asked(home: Home, job: Job) -> Cleared | Outcome:
    return clear_prompt(home, job, reserve(home, job, None))


def decide(home: Home, number: int, *, approve: bool, reviewer: str) -> str:
    review = reviewing.decide(
        home.ledger, home.settings, number, approve=approve, reviewer=reviewer, reason="because"
    )
    return review.status


def test_a_run_waits_for_two_people_and_neither_asked_for_it(home: Home) -> None:
    job = Job(SINGER)
    waits = asked(home, job)
    assert isinstance(waits, Outcome)
    assert (waits.status, "waits for 2 people" in waits.message) == ("review", True)
    review = home.ledger.review_of(job.run_key)
    assert review is not None
    assert (review.requester, review.approvals_needed) == ("Ines", 2)
    decide(home, review.id, approve=True, reviewer="Ana")
    waits = asked(home, job)
    assert isinstance(waits, Outcome)
    assert "approved by 1 of 2" in waits.message
    decide(home, review.id, approve=True, reviewer="Bo")
    assert isinstance(asked(home, job), Cleared)


def test_a_reopened_rejection_goes_on_once_it_is_approved(home: Home) -> None:
    job = Job(SINGER)
    asked(home, job)
    (review,) = home.ledger.reviews()
    decide(home, review.id, approve=False, reviewer="Ana")
    refused = asked(home, job)
    assert isinstance(refused, Outcome)
    assert refused.status == "refused"
    reviewing.reopen(home.ledger, home.settings, review.id, reviewer="Ana", reason="consent came")
    for name in ("Ana", "Bo"):
        decide(home, review.id, approve=True, reviewer=name)
    assert isinstance(asked(home, job), Cleared)


def test_a_review_that_nobody_decides_in_time_says_how_to_ask_again(home: Home) -> None:
    job = Job(SINGER)
    asked(home, job)
    hasty = replace(home, settings=home.settings.model_copy(update={"review_timeout_hours": 1e-9}))
    late = asked(hasty, job)
    assert isinstance(late, Outcome)
    assert (late.status, "review reopen" in late.message) == ("review", True)


def under_policy(home: Home, folder: Path, **of_public_figures: object) -> Home:
    """The same home under a policy of its own, in which the code P1 says otherwise."""
    folder.mkdir()
    for name, content in shipped_sources().items():
        (folder / name).write_bytes(content)
    taxonomy = yaml.safe_load((folder / "policy.yaml").read_text(encoding="utf-8"))
    taxonomy["codes"]["P1"] |= of_public_figures
    (folder / "policy.yaml").write_text(yaml.safe_dump(taxonomy), encoding="utf-8")
    return replace(home, settings=home.settings.model_copy(update={"policy": folder}))


def test_an_approval_is_of_the_decision_that_was_seen(home: Home, tmp_path: Path) -> None:
    """A campaign names its runs, so a run outlives the policy that it was approved under."""
    job = Job(SINGER, run_id="campaign-0001")
    asked(home, job)
    (review,) = home.ledger.reviews()
    for name in ("Ana", "Bo"):
        decide(home, review.id, approve=True, reviewer=name)
    assert isinstance(asked(home, job), Cleared)
    again = asked(under_policy(home, tmp_path / "policy", explain="Ask the desk."), job)
    assert isinstance(again, Outcome)
    assert (again.status, "waits for 2 people" in again.message) == ("review", True)
    assert [event.kind for event in home.ledger.review_history(review.id)][-1] == "reopened"


def test_what_no_person_may_approve_is_refused_at_once(home: Home, tmp_path: Path) -> None:
    refused = asked(under_policy(home, tmp_path / "policy", overridable=False), Job(SINGER))
    assert isinstance(refused, Outcome)
    assert refused.status == "refused"
    assert home.ledger.reviews() == []
    assert [entry.kind for entry in home.ledger.log_entries()] == ["run.refused"]


def test_a_notice_says_nothing_of_the_prompt_and_nobodys_name(home: Home) -> None:
    job = Job(SINGER)
    asked(home, job)
    (review,) = home.ledger.reviews()
    home.ledger.decide_review(review.id, approve=False, reviewer="Ana", reason=f"{SINGER}: no")
    said = json.dumps(payload(home.ledger.review(review.id)))
    for secret in ("Taylor", "ball", "Ana", "Ines", job.run_key):
        assert secret not in said
    assert '"P1"' in said


def test_without_a_server_nobody_waits(home: Home) -> None:
    asked(home, Job(SINGER))
    (review,) = home.ledger.reviews()
    started = time.monotonic()
    assert announce(home.settings, "requested", review) is False
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("trouble", ["closed port", "silent server", "no address"])
def test_a_server_that_does_not_answer_fails_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    asked(home, Job(SINGER))
    (review,) = home.ledger.reviews()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if trouble == "silent server":
            listening.listen()
        port = listening.getsockname()[1]
        url = "not a url" if trouble == "no address" else f"http://127.0.0.1:{port}/api"
        monkeypatch.setenv("PREFECT_API_URL", url)
        started = time.monotonic()
        assert announce(home.settings, "decided", review) is False
        assert time.monotonic() - started < 5
