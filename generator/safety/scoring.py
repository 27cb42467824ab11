"""From scores and concepts to matches, by the thresholds of the policy."""

from collections.abc import Collection, Mapping

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
    finding = _head_finding(reading.scores, exempt, policy)
    matches = [finding] if finding else []
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


def _head_finding(scores: Mapping[str, float], exempt: Collection[str], policy: Policy) -> Match | None:
    """The head's one finding: of the codes that have an action here the likeliest; else, where the score of any
    harm is above its own threshold, the likeliest of all. Neighbouring codes (violence, gore, disturbing) score high
    together: naming all of them would say more than the head knows.
    """
    known = {name: score for name, score in scores.items() if name in policy.codes}
    above = [name for name in known if _action(known[name], policy.codes[name], name in exempt) is not None]
    harmful = policy.review_from is not None and scores.get(ANY, 0.0) >= policy.review_from
    named = max(above or (known if harmful else ()), key=lambda name: known[name], default=None)
    if named is None:
        return None
    code, score = policy.codes[named], known[named]
    action = _action(score, code, named in exempt) or (None if named in exempt else Action.REVIEW)
    if action is None:
        return None
    return Match(f"head.{named}", named, action, f"{score:.3f}", code.explain, code.change)


def _action(score: float, code: Code, exempt: bool) -> Action | None:
    """What a score means by the code's own thresholds; an exception takes one step off."""
    if code.block_from is not None and score >= code.block_from:
        return Action.REVIEW if exempt else Action.BLOCK
    if code.review_from is not None and score >= code.review_from and not exempt:
        return Action.REVIEW
    return None
