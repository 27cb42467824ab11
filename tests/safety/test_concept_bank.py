"""A concept of a handful of examples is met by paraphrases, in both languages, and not by its counterexamples."""

from collections.abc import Callable

import pytest
from bare_policy import bare_taxonomy

from generator.safety import Action, Policy, PolicyError, check_prompt, load_policy
from generator.safety.policy import shipped_sources

SWATTING = """
concepts:
  - id: concept.swatting
    code: I1
    examples:
      - someone phones the police with a false hostage alarm to send armed officers to a streamer's home
      - 谎报人质劫持，让特警冲进主播家里
    not: [police officers rescue hostages in a training exercise]
    threshold: 0.6
"""


@pytest.fixture(scope="module")
def policy_of() -> Callable[[str], Policy]:
    return lambda concepts: load_policy(shipped_sources() | {"concepts.yaml": concepts.encode()})


@pytest.fixture(scope="module")
def policy(policy_of: Callable[[str], Policy]) -> Policy:
    return policy_of(SWATTING)


@pytest.mark.parametrize(
    "prompt",
    [
        "a prank caller sends a swat team to a gamer's house with a fake hostage call",
        "有人谎报人质劫持，特警冲进游戏主播的家",
    ],
)
def test_a_paraphrase_meets_the_concept(policy: Policy, prompt: str) -> None:
    decision = check_prompt(prompt, policy=policy)
    match = next(match for match in decision.matches if match.rule_id == "concept.swatting")
    assert match.code == "I1"
    assert float(match.span) >= 0.6
    assert decision.action is Action.BLOCK


@pytest.mark.parametrize(
    "prompt", ["a red ball bounces on grass", "警察在路口指挥交通", "officers rescue hostages in a drill"]
)
def test_other_prompts_do_not(policy: Policy, prompt: str) -> None:
    assert not any(
        match.rule_id.startswith("concept.") for match in check_prompt(prompt, policy=policy).matches
    )


def test_editing_a_concept_changes_the_policy_version(policy_of: Callable[[str], Policy]) -> None:
    assert policy_of(SWATTING).version != policy_of(SWATTING.replace("0.6", "0.61")).version


@pytest.mark.parametrize(
    ("concepts", "says"),
    [
        ("concepts: [{id: swatting, code: I1, examples: [a]}]", r"concepts\.yaml: .*id"),
        ("concepts: [{id: concept.a, code: Z9, examples: [a]}]", "concept.a: no code Z9"),
        ("concepts: [{id: concept.a, code: I1, examples: []}]", "examples"),
        ("concepts: [{id: concept.a, code: I1, examples: [a], threshold: 0.1}]", "threshold"),
        (
            "concepts: [{id: concept.a, code: I1, examples: [a]}, {id: concept.a, code: I1, examples: [b]}]",
            "concept.a is there twice",
        ),
    ],
)
def test_a_malformed_concept_is_named(policy_of: Callable[[str], Policy], concepts: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says) as caught:
        policy_of(concepts)
    assert caught.value.hint


def test_concepts_need_an_encoder() -> None:
    with pytest.raises(PolicyError, match="needs an encoder"):
        load_policy({"policy.yaml": bare_taxonomy(), "concepts.yaml": SWATTING.encode()})
