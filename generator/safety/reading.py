"""Read a normalised text by the rules: which fire, in which contexts, and what could be said instead."""

from dataclasses import dataclass

from generator.safety.decision import Action, Match
from generator.safety.policy import Policy
from generator.safety.rewrite import Replacement
from generator.safety.rules import CompiledRule
from generator.safety.terms import Span, Token, closest, tokenise


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that fired on `span` of the text, with the action that its context left."""

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


class RuleReading:
    """One normalised text and every rule that fires on it.

    `contexts` are the ids of the policy's exceptions that the text stands in.
    """

    def __init__(self, text: str, policy: Policy) -> None:
        self._text = text
        self._tokens: list[Token] = tokenise(text)
        found = policy.index.find(self._tokens)
        self._masked = _covered(found.get(policy.harmless, []), len(self._tokens))
        self.contexts = frozenset(one.exemption.id for one in policy.exemptions if one.group in found)
        self.hits: list[RuleHit] = []
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
            action = action.one_step_weaker
        if action is Action.ALLOW:
            return
        self.hits.append(RuleHit(compiled, action, self._between(stretch)))
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
