"""From scores and concepts to matches, by the thresholds of the policy."""

from collections.abc import Collection

from generator.safety.decision import Action, Match
from generator.safety.errors import PolicyError
from generator.safety.guard import NO_ANSWER, Guard
from generator.safety.learned import LearnedReading
from generator.safety.policy import Policy
from generator.safety.rules import Code

_NO_ANSWER_CODE = "G1"


def learned_matches(reading: LearnedReading, contexts: Collection[str], policy: Policy) -> list[Match]:
    """What the learned layers hold against a prompt; `contexts` are the exceptions that it stands in.

    In such a context a block by the head becomes a review and a review falls away: there the topic is the same
    and the intent is not, which is where a head errs most. A concept knows no context; it has counterexamples.
    """
    exempt = {
        code for one in policy.exemptions if one.exemption.id in contexts for code in one.exemption.codes
    }
    matches = []
    for name, score in reading.scores.items():
        code = policy.codes.get(name)
        action = _action(score, code, exempt=name in exempt) if code else None
        if code and action:
            matches.append(Match(f"head.{name}", name, action, f"{score:.3f}", code.explain, code.change))
    for hit in reading.concepts:
        concept, code = hit.concept, policy.codes[hit.concept.code]
        matches.append(
            Match(
                concept.id,
                concept.code,
                concept.action or code.action,
                f"{hit.similarity:.3f}",
                concept.explain or code.explain,
                concept.change or code.change,
            )
        )
    return matches


def guard_matches(guard: Guard, text: str, policy: Policy) -> list[Match]:
    """What an LLM guard holds against `text`; an answer that cannot be read is a review (G1)."""
    matches = []
    for finding in guard.findings(text):
        name = _NO_ANSWER_CODE if finding.code == NO_ANSWER else finding.code
        code = policy.codes.get(name)
        if code is None:
            raise PolicyError(
                f"the guard speaks of code {name}, which the policy does not have", hint="Add it."
            )
        seen = (
            finding.category
            if finding.probability is None
            else f"{finding.category} {finding.probability:.3f}"
        )
        matches.append(Match(f"guard.{name}", name, code.action, seen, code.explain, code.change))
    return matches


def _action(score: float, code: Code, *, exempt: bool) -> Action | None:
    if code.block_from is not None and score >= code.block_from:
        return Action.REVIEW if exempt else Action.BLOCK
    if code.review_from is not None and score >= code.review_from and not exempt:
        return Action.REVIEW
    return None
