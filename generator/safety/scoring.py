"""From scores and concepts to matches, by the thresholds of the policy."""

from collections.abc import Collection

from generator.safety.decision import Action, Match
from generator.safety.errors import PolicyError
from generator.safety.guard import NO_ANSWER, Guard
from generator.safety.head import ANY
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
    scores = {name: score for name, score in reading.scores.items() if name in policy.codes}
    likeliest = max(scores, key=lambda name: scores[name], default=None)
    harmful = policy.review_from is not None and reading.scores.get(ANY, 0.0) >= policy.review_from
    matches = []
    for name, score in scores.items():
        code = policy.codes[name]
        is_likeliest = name == likeliest
        action = _action(score, code, likeliest=is_likeliest, harmful=harmful, exempt=name in exempt)
        if action is not None:
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


def _action(score: float, code: Code, *, likeliest: bool, harmful: bool, exempt: bool) -> Action | None:
    """The head's action on a code. Only its likeliest code can block: neighbouring codes score high together.

    `harmful`: the score of any harm is above its own threshold.
    """
    if likeliest and code.block_from is not None and score >= code.block_from:
        return Action.REVIEW if exempt else Action.BLOCK
    reviewed = (code.review_from is not None and score >= code.review_from) or (likeliest and harmful)
    return Action.REVIEW if reviewed and not exempt else None
