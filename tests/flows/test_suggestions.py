"""What reviewers' decisions suggest for the policy: text that loads, names its reviews, and does what it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.distinctive import distinctive_terms, occurs, phrase_around
from flows.suggestions import Suggestion, suggest
from generator.safety import Policy, check_prompt, load_policy
from generator.safety.policy import shipped_sources
from provenance.ledger import Ledger, connect
from provenance.manifest import PromptCommitment

LOCKS = (
    "hands pick the lock of a shop door at night",
    "a hooded man picks a lock of a shop door with a bent pin",
)
CONCEPTS = """
concepts:
  - id: concept.break_in
    code: I1
    action: review
    examples: [hands pick the lock of a shop door in the dark]
    threshold: 0.6
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The shipped policy with a concept of this desk, without the head, whose next edition must change nothing."""
    written = yaml.safe_load(shipped_sources()["policy.yaml"])
    for part in ("head", "review_from"):
        written["learned"].pop(part)
    for code in written["codes"].values():
        code.pop("review_from", None)
        code.pop("block_from", None)
    taxonomy = yaml.safe_dump(written, allow_unicode=True).encode()
    return load_policy(shipped_sources() | {"policy.yaml": taxonomy, "concepts.yaml": CONCEPTS.encode()})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with connect(f"sqlite:///{tmp_path}/ledger.db", create=True) as opened:
        yield opened


def decided(
    ledger: Ledger, policy: Policy, prompt: str, *, approve: bool = False, code: str | None = None
) -> int:
    """A prompt that the policy sent to review, and a person decided; the review's number."""
    decision = check_prompt(prompt, policy=policy)
    assert decision.action == "review", (prompt, decision.matches)
    run = ledger.reserve_run(prompt, {}, prompt=prompt)
    commitment = PromptCommitment.of(prompt, salt=run.salt)
    number = ledger.record_decision(
        run.key, decision.as_record(), commitment.digest, prompt, prompt_salt=run.salt
    )
    review = ledger.enqueue_review(run.key, number)
    ledger.decide_review(review.id, approve=approve, reviewer="Ana", reason="because", code=code)
    return review.id


def of_kind(found: list[Suggestion], kind: str) -> Suggestion:
    (one,) = (suggestion for suggestion in found if suggestion.kind == kind)
    return one


def test_rejected_prompts_that_no_rule_stopped_suggest_a_rule_and_a_concept(
    ledger: Ledger, policy: Policy
) -> None:
    numbers = tuple(decided(ledger, policy, prompt) for prompt in LOCKS)
    found = suggest(ledger, policy)
    rule, concept = of_kind(found, "rule"), of_kind(found, "concept")
    assert rule.reviews == concept.reviews == numbers
    (written,) = yaml.safe_load(rule.text)["rules"]
    assert (written["code"], written["action"]) == ("I1", "review")
    assert written["all_of"] == ["shop door", "pick", "lock"]
    assert rule.trial is not None
    assert (rule.trial.rejected, rule.trial.of_rejected) == (2, 2)
    (written,) = yaml.safe_load(concept.text)["concepts"]
    assert tuple(written["examples"]) == LOCKS
    assert (written["id"], written["code"]) == (f"concept.reviewed_{numbers[0]}", "I1")


def test_a_suggestion_loads_in_a_policy_of_ones_own_and_does_what_it_says(
    ledger: Ledger, policy: Policy
) -> None:
    for prompt in LOCKS:
        decided(ledger, policy, prompt)
    found = suggest(ledger, policy)
    pasted = {
        "reviewed.yaml": of_kind(found, "rule").text.encode(),
        "concepts.yaml": of_kind(found, "concept").text.encode(),
    }
    own = load_policy(shipped_sources() | pasted)
    assert check_prompt(LOCKS[0]).action == "allow"
    assert {match.rule_id for match in check_prompt(LOCKS[0], policy=own).matches} == {
        "en.i1.reviewed_1",
        "concept.reviewed_1",
    }
    assert check_prompt("a boat in the harbour", policy=own).action == "allow"


def test_terms_of_approved_prompts_are_in_no_suggested_rule(ledger: Ledger, policy: Policy) -> None:
    for prompt in LOCKS:
        decided(ledger, policy, prompt)
    locksmith = "a locksmith picks the lock of a shop door for its owner"
    decided(ledger, policy, locksmith, approve=True)
    found = suggest(ledger, policy)
    rules = [one for one in found if one.kind == "rule"]
    for rule in rules:
        assert rule.trial is not None
        assert (rule.trial.approved, rule.trial.of_approved) == (0, 1)
    concept = of_kind(found, "concept")
    assert (
        "a locksmith picks the lock of a shop door for its owner"
        in yaml.safe_load(concept.text)["concepts"][0]["not"]
    )


def test_a_reviewers_code_outweighs_the_policys(ledger: Ledger, policy: Policy) -> None:
    number = decided(ledger, policy, "a gun lies on a table beside a school timetable", code="X1")
    found = suggest(ledger, policy)
    assert {one.code for one in found} == {"X1"}
    assert {one.reviews for one in found} == {(number,)}


def test_what_a_rule_of_that_code_stopped_suggests_no_second_rule(ledger: Ledger, policy: Policy) -> None:
    decided(ledger, policy, "a gun lies on a table")
    assert suggest(ledger, policy) == []
    decided(ledger, policy, "an old gun lies on a chair", code="V1")
    assert [one.kind for one in suggest(ledger, policy)] == ["concept"]


def test_an_approved_prompt_that_a_rule_stopped_suggests_a_harmless_phrase(
    ledger: Ledger, policy: Policy
) -> None:
    number = decided(ledger, policy, "a gun dog runs over a meadow", approve=True)
    decided(ledger, policy, "a gun lies on a table")
    (one,) = suggest(ledger, policy)
    assert (one.kind, one.code, one.reviews) == ("harmless", "V1", (number,))
    assert yaml.safe_load(one.text) == {"harmless": "gun dog"}
    assert one.trial is not None
    assert (one.trial.approved, one.trial.rejected) == (1, 0)
    own = load_policy(shipped_sources() | {"reviewed.yaml": one.text.encode()})
    assert check_prompt("a gun dog swims", policy=own).action == "allow"
    assert check_prompt("a gun lies on a table", policy=own).action == "review"


def test_an_approved_prompt_that_a_concept_stopped_becomes_its_counterexample(
    ledger: Ledger, policy: Policy
) -> None:
    prompt = "a locksmith picks the lock of a shop door for its owner"
    decided(ledger, policy, prompt, approve=True)
    (one,) = suggest(ledger, policy)
    assert one.kind == "counterexample"
    own = load_policy(shipped_sources() | {"concepts.yaml": one.text.encode()})
    assert check_prompt(prompt, policy=own).action == "allow"
    assert check_prompt(LOCKS[0], policy=own).action == "review"


def test_only_what_one_review_gave_rise_to_is_shown_on_demand(ledger: Ledger, policy: Policy) -> None:
    lock = decided(ledger, policy, LOCKS[0])
    dog = decided(ledger, policy, "a gun dog runs over a meadow", approve=True)
    assert {one.kind for one in suggest(ledger, policy, dog)} == {"harmless"}
    assert "harmless" not in {one.kind for one in suggest(ledger, policy, lock)}


def test_nothing_is_learned_from_a_prompt_that_was_erased_or_waits(ledger: Ledger, policy: Policy) -> None:
    decided(ledger, policy, LOCKS[0])
    ledger.erase_prompt(LOCKS[0])
    ledger.reserve_run("waits", {})
    ledger.enqueue_review("waits")
    assert suggest(ledger, policy) == []


def test_a_code_that_the_policy_no_longer_has_suggests_nothing(ledger: Ledger, policy: Policy) -> None:
    decided(ledger, policy, LOCKS[0], code="Z9")
    assert suggest(ledger, policy) == []


def test_a_concept_keeps_the_counterexamples_that_it_has(ledger: Ledger) -> None:
    known = [f"a locksmith's workshop, number {number}" for number in range(45)]
    concept = yaml.safe_load(CONCEPTS)["concepts"][0] | {"not": known}
    full = load_policy(
        shipped_sources() | {"concepts.yaml": yaml.safe_dump({"concepts": [concept]}).encode()}
    )
    decided(ledger, full, LOCKS[0], approve=True)
    (one,) = suggest(ledger, full)
    assert yaml.safe_load(one.text)["concepts"][0]["not"] == [*known, LOCKS[0]]


def test_terms_are_few_long_and_in_no_other_text() -> None:
    ours = ["a pipe bomb in a kitchen", "a kitchen with pipe bombs", "a brass organ in a church"]
    assert distinctive_terms(ours, ["a kitchen with an organ"]) == {"pipe bomb": {0, 1}}
    assert distinctive_terms(ours[2:], ["a church"]) == {"brass organ": {0}}
    assert distinctive_terms(ours, ours) == {}
    assert distinctive_terms([], ["a kitchen"]) == {}


def test_chinese_terms_are_what_several_prompts_share() -> None:
    ours = ["手把手教你撬开门锁", "夜里有人撬开门锁进店"]
    assert distinctive_terms(ours, ["有人进店买东西"]) == {"撬开门锁": {0, 1}}
    assert distinctive_terms(ours[:1], []) == {}


@pytest.mark.parametrize(
    ("text", "span", "others", "phrase"),
    [
        ("the gun dog runs", "gun", ["a gun"], "gun dog"),
        ("a gun dog runs", "gun", ["a gun dog bites"], "a gun"),
        ("一把玩具枪在桌上", "枪", ["一把枪在桌上"], "枪在"),
        ("gun", "gun", [], None),
        ("a gun. dog", "cat", [], None),
    ],
)
def test_a_harmless_phrase_holds_its_span_and_something_more(
    text: str, span: str, others: list[str], phrase: str | None
) -> None:
    found = phrase_around(text, span, others)
    if phrase is None or phrase == "gun dog":
        assert found == phrase
    if found is not None:
        assert span in found
        assert found != span
        assert not occurs(found, others)


_WORDS = st.lists(
    st.sampled_from("gun dog lock shop pick the a of 枪 锁 撬 开 don't , .".split()), max_size=12
)


@given(st.lists(_WORDS.map(" ".join), max_size=4), st.lists(_WORDS.map(" ".join), max_size=4))
def test_every_term_is_found_in_ours_and_in_none_of_the_others(ours: list[str], others: list[str]) -> None:
    for term in distinctive_terms(ours, others):
        assert occurs(term, ours)
        assert not occurs(term, others)
        assert "," not in term
        assert not term.startswith("@")
