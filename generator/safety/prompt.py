"""Judge a prompt by the policy."""

import hashlib
import re
from dataclasses import dataclass

from generator.safety.decision import Action, Decision, Match
from generator.safety.errors import EmptyPromptError, PromptTooLongError
from generator.safety.normalise import plain, undisguised
from generator.safety.policy import Policy, shipped_policy
from generator.safety.rewrite import Replacement, rewrite
from generator.safety.rules import CompiledRule
from generator.safety.terms import Span, Token, closest, tokenise

_HAN = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[A-Za-z]+")
_ONE_STEP_WEAKER = {
    Action.BLOCK: Action.REVIEW,
    Action.REVIEW: Action.ALLOW_LABEL,
    Action.REWRITE: Action.ALLOW_LABEL,
    Action.ALLOW_LABEL: Action.ALLOW,
    Action.ALLOW: Action.ALLOW,
}
_DISGUISE_CODE = "O1"
_HASH_ONLY_CODE = "S0"


def check_prompt(text: str, *, policy: Policy | None = None) -> Decision:
    """The policy's decision on `text`, with the rules that led to it; the strongest action wins.

    Deterministic: equal text and equal `policy_version` give equal decisions. Raises EmptyPromptError where
    nothing visible is left of the text, PromptTooLongError above the policy's limit.
    """
    policy = policy or shipped_policy()
    if len(text) > policy.max_prompt_chars:
        raise PromptTooLongError(
            f"the prompt has {len(text)} characters, the policy reads {policy.max_prompt_chars}",
            hint="Shorten the prompt; a clip of a few seconds needs a few sentences.",
        )
    normalised = undisguised(text, policy.vocabulary)
    if not normalised.strip():
        raise EmptyPromptError("the prompt is empty", hint="Describe what the clip should show.")

    read = _Reading(normalised, policy)
    honest = {hit.rule_id for hit in _Reading(plain(text, policy.vocabulary), policy).hits}
    matches = [hit.as_match(policy, disguised=hit.rule_id not in honest) for hit in read.hits]
    if any(match.disguised for match in matches):
        matches.append(_disguise_match(policy, matches))
    matches.sort(key=lambda match: -match.action.severity)

    action = max((match.action for match in matches), key=lambda found: found.severity, default=Action.ALLOW)
    codes = tuple(dict.fromkeys(match.code for match in matches))
    hash_only = _HASH_ONLY_CODE in codes
    if hash_only:
        matches = [_without_span(match) for match in matches]
    return Decision(
        action=action,
        codes=codes,
        policy_version=policy.version,
        language=language_of(text),
        matches=tuple(matches),
        rewrite=rewrite(text, normalised, read.replacements) if action is Action.REWRITE else None,
        text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        normalised=None if hash_only else normalised,
        overridable=all(policy.codes[code].overridable for code in codes),
    )


def language_of(text: str) -> str:
    """`zh`, `en` or `und`: by script, a Han character counting as much as a Latin word."""
    han = len(_HAN.findall(text))
    latin = len(_LATIN.findall(text))
    if not han and not latin:
        return "und"
    return "zh" if han >= latin else "en"


@dataclass(frozen=True, slots=True)
class _Hit:
    compiled: CompiledRule
    action: Action
    span: str

    @property
    def rule_id(self) -> str:
        return self.compiled.rule.id

    def as_match(self, policy: Policy, *, disguised: bool) -> Match:
        rule, code = self.compiled.rule, policy.codes[self.compiled.rule.code]
        return Match(
            rule_id=rule.id,
            code=rule.code,
            action=self.action,
            span=self.span,
            explanation=rule.explain or code.explain,
            change=rule.change or code.change,
            disguised=disguised,
        )


class _Reading:
    """One normalised text and every rule that fires on it."""

    def __init__(self, text: str, policy: Policy) -> None:
        self._text = text
        self._tokens: list[Token] = tokenise(text)
        found = policy.index.find(self._tokens)
        self._masked = _covered(found.get(policy.harmless, []), len(self._tokens))
        self.hits: list[_Hit] = []
        self.replacements: list[Replacement] = []
        for compiled in policy.rules:
            self._apply(compiled, found, policy)

    def _apply(self, compiled: CompiledRule, found: dict[int, list[Span]], policy: Policy) -> None:
        if any(group not in found for group in compiled.needs):
            return
        if compiled.unless is not None and compiled.unless in found:
            return
        rule = compiled.rule
        seen = [self._seen(found[group]) for group in compiled.needs]
        stretch = closest(seen, within=rule.near, in_order=rule.in_order)
        if stretch is None:
            return
        action = rule.action or policy.codes[rule.code].action
        if compiled.soften is not None and compiled.soften in found:
            action = _ONE_STEP_WEAKER[action]
        if action is Action.ALLOW:
            return
        self.hits.append(_Hit(compiled, action, self._between(stretch)))
        if rule.instead_en and rule.instead_zh:
            self.replacements += [
                Replacement(self._between(span), rule.instead_en, rule.instead_zh) for span in seen[0]
            ]

    def _seen(self, spans: list[Span]) -> list[Span]:
        return [span for span in spans if not all(self._masked[span.first : span.last])]

    def _between(self, span: Span) -> str:
        return self._text[self._tokens[span.first].start : self._tokens[span.last - 1].end]


def _covered(spans: list[Span], length: int) -> list[bool]:
    masked = [False] * length
    for span in spans:
        masked[span.first : span.last] = [True] * (span.last - span.first)
    return masked


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


def _without_span(match: Match) -> Match:
    return Match(
        rule_id=match.rule_id,
        code=match.code,
        action=match.action,
        span="",
        explanation=match.explanation,
        change=match.change,
        disguised=match.disguised,
    )
