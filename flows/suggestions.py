"""What reviewers' decisions suggest for the policy: text to read, change and paste, never applied here.

A rejected prompt that no rule stopped suggests a rule and a concept; an approved prompt that a rule or a concept
stopped suggests an exception. Each suggestion is tried, in memory, on every prompt that was decided.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import yaml

from flows.distinctive import distinctive_terms, phrase_around
from generator.safety import Decision, Policy, check_prompt, load_policy
from generator.safety.concepts import Concept
from provenance.ledger import Ledger, Review

_STOPS = ("review", "block")
_LEARNED = ("head.", "concept.", "guard.")
_CONCEPTS = "concepts.yaml"
_MAX_EXAMPLES = 20
_MOST_IN_A_CONCEPT = 50  # as its form in the policy allows
_TRIED = "suggested-by-reviews.yaml"
_MAX_PROMPTS = 200
_LONG_SPAN = 5  # words; a longer one is a whole scene, which no phrase can stand for


@dataclass(frozen=True, slots=True)
class Trial:
    """On how many of the prompts that were decided a suggestion does what it says."""

    rejected: int
    of_rejected: int
    approved: int
    of_approved: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Policy text with the reviews that it comes from; `note` says what it does and what to watch.

    `trial` counts prompts on which a rule or concept speaks, or which an exception lets pass; None where the text is
    only a part of what it would change.
    """

    kind: Literal["rule", "concept", "harmless", "soften", "counterexample"]
    file: str
    code: str
    text: str
    reviews: tuple[int, ...]
    note: str
    trial: Trial | None


def suggest(ledger: Ledger, policy: Policy, number: int | None = None) -> list[Suggestion]:
    """Suggestions from all decided reviews, or those to which review `number` gave rise.

    Raises `ReviewUnknown`.
    """
    if number is not None:
        ledger.review(number)
    seen = _Decided.of(ledger)
    return [*_against(seen, policy, number), *_in_favour(seen, policy, number)]


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt that was decided: as it was written and as rules read it."""

    review: int
    text: str
    normalised: str
    code: str  # what a reviewer called it, or the policy's gravest
    named: bool  # by a reviewer
    language: str
    matches: tuple[Mapping[str, Any], ...]

    @property
    def stopped_by(self) -> list[Mapping[str, Any]]:
        return [match for match in self.matches if match.get("action") in _STOPS]

    def stopped_by_rule(self, code: str | None = None) -> bool:
        return any(not _is_learned(match) and code in (None, match.get("code")) for match in self.stopped_by)


@dataclass(frozen=True, slots=True)
class _Decided:
    rejected: tuple[_Prompt, ...]
    approved: tuple[_Prompt, ...]

    @classmethod
    def of(cls, ledger: Ledger) -> "_Decided":
        rejected = ledger.reviews("rejected")[-_MAX_PROMPTS:]
        approved = ledger.reviews("approved")[-_MAX_PROMPTS:]
        return cls(
            tuple(_prompts(rejected, lambda review: _named_code(ledger, review))),
            tuple(_prompts(approved, lambda _: None)),
        )


def _against(seen: _Decided, policy: Policy, number: int | None) -> Iterable[Suggestion]:
    """Rules and concepts from rejected prompts: those that a reviewer gave a code, or no rule stopped."""
    lessons = [
        one for one in seen.rejected if one.code in policy.codes and (one.named or not one.stopped_by_rule())
    ]
    approved = [one.normalised for one in seen.approved]
    for code, language in sorted({(one.code, one.language) for one in lessons}):
        alike = [one for one in lessons if (one.code, one.language) == (code, language)]
        new = [one for one in alike if not one.stopped_by_rule(code)]
        terms = distinctive_terms([one.normalised for one in new], approved)
        if terms and _among(number, new):
            yield _rule(code, language, terms, new, seen, policy)
    for code in sorted({one.code for one in lessons} if policy.learned is not None else ()):
        alike = [one for one in lessons if one.code == code]
        if _among(number, alike):
            yield _concept(code, alike, seen, policy)


def _in_favour(seen: _Decided, policy: Policy, number: int | None) -> Iterable[Suggestion]:
    """Exceptions from approved prompts, for each rule and concept that stopped one."""
    stopped: dict[str, list[tuple[_Prompt, Mapping[str, Any]]]] = {}
    for one in seen.approved:
        for match in one.stopped_by:
            stopped.setdefault(str(match.get("rule")), []).append((one, match))
    rejected = [one.normalised for one in seen.rejected]
    known = {rule.rule.id for rule in policy.rules}
    concepts = {concept.id: concept for concept in policy.concepts}
    for name, cases in sorted(stopped.items(), key=lambda item: item[0]):
        if not _among(number, [one for one, _ in cases]):
            continue
        if name in concepts:
            yield _counterexample(concepts[name], [one for one, _ in cases], seen, policy)
        if name not in known:
            continue  # the head, a disguise, or a rule that is gone
        phrases = {one.review: _harmless(one, match, rejected) for one, match in cases}
        found = sorted({phrase for phrase in phrases.values() if phrase})
        if found:
            yield _harmless_phrases(name, found, [r for r, phrase in phrases.items() if phrase], seen, policy)
        rest = [one for one, _ in cases if not phrases[one.review]]
        context = distinctive_terms([one.normalised for one in rest], rejected)
        if context:
            yield _soften(name, list(context), rest, policy)


def _rule(
    code: str, language: str, terms: dict[str, set[int]], new: list[_Prompt], seen: _Decided, policy: Policy
) -> Suggestion:
    prefix = language if language in ("en", "zh") else "any"
    name = _unused(f"{prefix}.{code.lower()}.reviewed_{new[0].review}", {r.rule.id for r in policy.rules})
    written: dict[str, Any] = {"id": name, "code": code, "action": "review"}
    shared = [term for term, where in terms.items() if len(where) == len(new)]
    if len(new) > 1 and len(shared) > 1:
        written["all_of"] = shared  # what all of them have says more together
    else:
        written["any_of"] = ", ".join(terms)
    text = _yaml({"rules": [written]})
    tried = _rules_with(policy, text)
    return Suggestion(
        kind="rule",
        file="any rule file, e.g. reviewed.yaml",
        code=code,
        text=text,
        reviews=tuple(one.review for one in new),
        note="Strike the terms that are only the scene. Without `action` the code's own holds "
        f"({policy.codes[code].action.value}).",
        trial=_trial(seen, lambda one: _speaks(name, check_prompt(one.text, policy=tried))),
    )


def _concept(code: str, alike: list[_Prompt], seen: _Decided, policy: Policy) -> Suggestion:
    name = _unused(f"concept.reviewed_{alike[0].review}", {concept.id for concept in policy.concepts})
    written: dict[str, Any] = {
        "id": name,
        "code": code,
        "action": "review",
        "examples": [one.text for one in alike[:_MAX_EXAMPLES]],
    }
    near = [one.text for one in seen.approved if code in {match.get("code") for match in one.matches}]
    if near:
        written["not"] = near[:_MAX_EXAMPLES]
    return Suggestion(
        kind="concept",
        file=_CONCEPTS,
        code=code,
        text=_yaml({"concepts": [written]}),
        reviews=tuple(one.review for one in alike[:_MAX_EXAMPLES]),
        note="Meets what means the same in other words or the other language; give it a name. The examples "
        "become part of the policy: take out what must not be passed on.",
        trial=_trial_of_concept(Concept.model_validate(written), seen, policy),
    )


def _counterexample(concept: Concept, cases: list[_Prompt], seen: _Decided, policy: Policy) -> Suggestion:
    more = [one.text for one in cases if one.text not in concept.counterexamples]
    widened = concept.model_copy(
        update={"counterexamples": (*concept.counterexamples, *more)[:_MOST_IN_A_CONCEPT]}
    )
    written = widened.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Suggestion(
        kind="counterexample",
        file=_CONCEPTS,
        code=concept.code,
        text=_yaml({"concepts": [written]}),
        reviews=tuple(one.review for one in cases),
        note=f"Replaces {concept.id}: what is nearer to a `not` than to an example no longer meets it.",
        trial=_trial_of_concept(widened, seen, policy),
    )


def _harmless(one: _Prompt, match: Mapping[str, Any], rejected: Sequence[str]) -> str | None:
    span = str(match.get("span") or "")
    if len(span.split()) > _LONG_SPAN:
        return None
    return phrase_around(one.normalised, span, rejected)


def _harmless_phrases(
    rule: str, phrases: list[str], reviews: list[int], seen: _Decided, policy: Policy
) -> Suggestion:
    text = _yaml({"harmless": ", ".join(phrases)})
    tried = _rules_with(policy, text)
    return Suggestion(
        kind="harmless",
        file="any rule file",
        code=_code_of(rule, policy),
        text=text,
        reviews=tuple(reviews),
        note=f"Hides these words from every rule, not only from {rule}. Only where the words themselves are "
        "harmless: a consent that somebody showed is no reason for it.",
        trial=_trial(
            seen,
            lambda one: (
                not any(map(_is_learned, one.stopped_by))
                and check_prompt(one.text, policy=tried).action not in _STOPS
            ),
        ),
    )


def _soften(rule: str, terms: list[str], cases: list[_Prompt], policy: Policy) -> Suggestion:
    return Suggestion(
        kind="soften",
        file=f"where {rule} stands",
        code=_code_of(rule, policy),
        text=_yaml({"soften": ", ".join(terms)}),
        reviews=tuple(one.review for one in cases),
        note=f"Add to `soften` of {rule}: in this context it is one step milder (review becomes a label).",
        trial=None,
    )


def _trial_of_concept(concept: Concept, seen: _Decided, policy: Policy) -> Trial:
    others = [one for one in policy.concepts if one.id != concept.id]
    written = [
        one.model_dump(mode="json", by_alias=True, exclude_defaults=True) for one in (*others, concept)
    ]
    tried = load_policy(dict(policy.sources) | {_CONCEPTS: _yaml({"concepts": written}).encode()})
    return _trial(seen, lambda one: _speaks(concept.id, check_prompt(one.text, policy=tried)))


def _rules_with(policy: Policy, text: str) -> Policy:
    """The rules of a policy and this text, without the learned layers: those cost more and say the same as before."""
    return replace(load_policy(dict(policy.sources) | {_TRIED: text.encode()}), learned=None)


def _trial(seen: _Decided, holds: Callable[[_Prompt], bool]) -> Trial:
    return Trial(
        rejected=sum(map(holds, seen.rejected)),
        of_rejected=len(seen.rejected),
        approved=sum(map(holds, seen.approved)),
        of_approved=len(seen.approved),
    )


def _speaks(name: str, decision: Decision) -> bool:
    return any(match.rule_id == name for match in decision.matches)


def _prompts(reviews: Iterable[Review], named: Callable[[Review], str | None]) -> Iterable[_Prompt]:
    """Those whose text is kept: of a hash nothing can be learned."""
    for review in reviews:
        said = review.decision or {}
        if review.prompt_text is None or not said.get("normalised"):
            continue
        name = named(review)
        yield _Prompt(
            review=review.id,
            text=review.prompt_text,
            normalised=str(said["normalised"]),
            code=name or next(iter(review.codes), ""),
            named=name is not None,
            language=review.language or "und",
            matches=tuple(said.get("matches", ())),
        )


def _named_code(ledger: Ledger, review: Review) -> str | None:
    """What the last reviewer who rejected it called it."""
    codes = [event.code for event in ledger.review_history(review.id) if event.kind == "rejected"]
    return codes[-1] if codes else None


def _among(number: int | None, prompts: Iterable[_Prompt]) -> bool:
    return number is None or number in {one.review for one in prompts}


def _is_learned(match: Mapping[str, Any]) -> bool:
    return str(match.get("rule")).startswith(_LEARNED)


def _code_of(rule: str, policy: Policy) -> str:
    return next(one.rule.code for one in policy.rules if one.rule.id == rule)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_more"
    return name


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), allow_unicode=True, sort_keys=False, width=100)
