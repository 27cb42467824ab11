"""Judge a prompt by the policy: is it readable, which rules fire, what do the learned layers say."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from generator.safety.decision import Action, Decision, Match
from generator.safety.guard import Guard
from generator.safety.legibility import language_of, unreadable
from generator.safety.normalise import plain, undisguised
from generator.safety.policy import Policy, shipped_policy
from generator.safety.reading import RuleReading
from generator.safety.rewrite import rewrite
from generator.safety.scoring import guard_matches, learned_matches
from generator.safety.wording import word_changes

_DISGUISE_CODE = "O1"
_HASH_ONLY_CODE = "S0"


def check_prompt(text: str, *, policy: Policy | None = None, guard: Guard | None = None) -> Decision:
    """The policy's decision on `text`, with what led to it; the strongest action wins.

    Every string gets a decision: what cannot be read (empty, too long, not text) is blocked with code F1,
    a text without a word in a script that the policy reads goes to review with code F2. Deterministic: equal
    text, `policy_version` and `guard` give equal decisions. `guard` is an LLM that is asked as well; it can make
    a decision stronger, never weaker. Raises EncoderError where the sentence encoder that the policy pins is
    missing.
    """
    policy = policy or shipped_policy()
    decision, read = _judged(text, policy, guard)
    if read is None or decision.normalised is None:
        return decision
    notes = tuple(text_zh if decision.language == "zh" else text_en for text_en, text_zh in read.notes)
    proposed = _proposal(text, decision, read, policy, guard)
    changes = word_changes(text, proposed) if proposed is not None else ()
    return replace(decision, notes=notes, rewrite=proposed, changes=changes)


def _proposal(
    text: str, decision: Decision, read: RuleReading, policy: Policy, guard: Guard | None
) -> str | None:
    """What could be asked for instead, and would be allowed; a first proposal may need a second pass."""
    for _ in range(2):
        if decision.action not in (Action.REWRITE, Action.REVIEW) or decision.normalised is None:
            return None
        proposed = rewrite(text, decision.normalised, read.mentions)
        if proposed is None:
            return None
        again, read_again = _judged(proposed, policy, guard)
        if again.action in (Action.ALLOW, Action.ALLOW_LABEL):
            return proposed
        if read_again is None:
            return None
        text, decision, read = proposed, again, read_again
    return None


def _judged(text: str, policy: Policy, guard: Guard | None) -> tuple[Decision, RuleReading | None]:
    """The decision without proposal and notes, and the reading of the rules where there was something to read."""
    fault = unreadable(text, policy)
    if fault is not None and fault.action is Action.BLOCK:
        return _decision(text, policy, [fault], normalised=None), None

    normalised = undisguised(text, policy.vocabulary)
    read = RuleReading(normalised, policy)
    honest = {hit.rule_id for hit in RuleReading(plain(text, policy.vocabulary), policy).hits}
    matches = [hit.as_match(policy, disguised=hit.rule_id not in honest) for hit in read.hits]
    if any(match.disguised for match in matches):
        matches.append(_disguise_match(policy, matches))
    scores: dict[str, float] = {}
    if policy.learned is not None and fault is None and not _hash_only(matches):
        learned = policy.learned.read(read.without_harmless)
        scores = dict(learned.scores)
        matches = _doubted(matches, scores, policy)
        found = learned_matches(learned, read.contexts, policy)
        matches += [match for match in found if _adds(match, matches, policy)]
    if guard is not None and not _hash_only(matches):
        matches += guard_matches(guard, normalised, policy)
    if fault is not None:
        matches.append(fault)
    name = guard.name if guard else None
    return _decision(text, policy, matches, normalised=normalised, scores=scores, guard=name), read


def _decision(
    text: str,
    policy: Policy,
    matches: list[Match],
    *,
    normalised: str | None,
    scores: dict[str, float] | None = None,
    guard: str | None = None,
) -> Decision:
    matches = sorted(matches, key=lambda match: -match.action.severity)
    action = matches[0].action if matches else Action.ALLOW
    codes = tuple(dict.fromkeys(match.code for match in matches))
    hash_only = _hash_only(matches)
    if hash_only:
        matches = [replace(match, span="") for match in matches]
    return Decision(
        action=action,
        codes=codes,
        policy_version=policy.version,
        language=language_of(text),
        matches=tuple(matches),
        rewrite=None,
        text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        normalised=None if hash_only else normalised,
        scores=scores or {},
        guard=guard,
        overridable=all(policy.codes[code].overridable for code in codes),
    )


def _hash_only(matches: Iterable[Match]) -> bool:
    return any(match.code == _HASH_ONLY_CODE for match in matches)


def _adds(match: Match, by_rules: list[Match], policy: Policy) -> bool:
    """False for a finding of the head that changes nothing: rules say as much, with words to point at.

    A name that rules rewrite is no review because the head knows it for a name, too.
    """
    if not match.rule_id.startswith("head."):
        return True
    rewritten = any(rule.action is Action.REWRITE for rule in by_rules)
    if rewritten and policy.codes[match.code].action is Action.REWRITE:
        return False
    return all(match.action.severity > rule.action.severity for rule in by_rules)


def _doubted(matches: list[Match], scores: dict[str, float], policy: Policy) -> list[Match]:
    """Matches, where a block by words alone is a review if the head sees no harm at all in the prompt."""
    if any(match.disguised for match in matches) or scores.get("any", 1.0) >= policy.doubt_below:
        return matches
    return [
        replace(match, action=Action.REVIEW) if match.action is Action.BLOCK else match for match in matches
    ]


def _disguise_match(policy: Policy, matches: list[Match]) -> Match:
    code = policy.codes[_DISGUISE_CODE]
    return Match(
        rule_id="any.disguise",
        code=_DISGUISE_CODE,
        action=code.action,
        span=next(match.span for match in matches if match.disguised),
        explanation="The prompt hides words from the policy (look-alike letters, split words, encodings).",
        change="Write the prompt in plain words; it is then judged for what it says.",
        disguised=True,
    )
