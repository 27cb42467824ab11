"""Read a normalised text by the rules: which fire, in which contexts, what could be said instead, what to note."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from generator.safety.decision import Action, Match
from generator.safety.mentions import Mention
from generator.safety.policy import Policy
from generator.safety.rules import CompiledRule, Note, Rule
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

    `contexts` are the ids of the policy's exceptions that the text stands in; `mentions` what a rewrite would replace;
    `notes` the notes that apply, as (English, Chinese).
    """

    def __init__(self, text: str, policy: Policy) -> None:
        self._text = text
        self._tokens: list[Token] = tokenise(text)
        found = policy.index.find(self._tokens)
        self._harmless = frozenset(found.get(policy.harmless, []))
        self._masked = _covered(self._harmless, len(self._tokens))
        self.contexts = frozenset(one.exemption.id for one in policy.exemptions if one.group in found)
        self.hits: list[RuleHit] = []
        self.mentions: list[Mention] = []
        for compiled in policy.rules:
            self._apply(compiled, found, policy)
        self.notes = [
            (one.note.text_en, one.note.text_zh)
            for one in policy.notes
            if self._stretch(one.note, one.needs, one.unless, found) is not None
        ]

    @property
    def without_harmless(self) -> str:
        """The text without the phrases that the policy calls harmless, as the learned layers read it."""
        if not any(self._masked):
            return self._text
        kept, end = [], 0
        for token, masked in zip(self._tokens, self._masked, strict=True):
            if masked:
                kept.append(self._text[end : token.start])
                end = token.end
        return "".join([*kept, self._text[end:]])

    def _apply(self, compiled: CompiledRule, found: dict[int, list[Span]], policy: Policy) -> None:
        rule = compiled.rule
        stretch = self._stretch(rule, compiled.needs, compiled.unless, found)
        if stretch is None:
            return
        action = rule.action or policy.codes[rule.code].action
        if compiled.soften is not None and compiled.soften in found:
            action = action.one_step_weaker
        if action is Action.ALLOW:
            return
        self.hits.append(RuleHit(compiled, action, self._between(stretch)))
        if rule.instead_en and rule.instead_zh and action.severity >= Action.REWRITE.severity:
            for span in self._seen(found[compiled.needs[0]], named=True):
                start, end = self._tokens[span.first].start, self._name_end(span)
                words = self._text[start:end]
                plural = words.endswith("s") and words not in rule.any_of and words[:-1] in rule.any_of
                self.mentions.append(
                    Mention(start, end, words, rule.instead_en, rule.instead_zh, rule.maker, plural)
                )

    def _stretch(
        self, written: Rule | Note, needs: tuple[int, ...], unless: int | None, found: dict[int, list[Span]]
    ) -> Span | None:
        """Where the condition of a rule or a note is met, or None."""
        if any(group not in found for group in needs) or (unless is not None and unless in found):
            return None
        named = isinstance(written, Rule) and written.instead_en is not None
        seen = [self._seen(found[group], named=named) for group in needs]
        return closest(seen, within=written.near, in_order=written.in_order)

    def _seen(self, spans: list[Span], *, named: bool) -> list[Span]:
        """Spans that no harmless phrase covers; a name that is itself harmless to others is seen by its own rule."""
        return [
            span
            for span in spans
            if not all(self._masked[span.first : span.last]) or (named and span in self._harmless)
        ]

    def _name_end(self, span: Span) -> int:
        """Where a name ends, without the genitive 's that is part of its last token."""
        token = self._tokens[span.last - 1]
        genitive = re.search(r"['\u2019]s$", self._text[token.start : token.end])
        return token.end - len(genitive.group()) if genitive else token.end

    def _between(self, span: Span) -> str:
        return self._text[self._tokens[span.first].start : self._tokens[span.last - 1].end]


def _covered(spans: Iterable[Span], length: int) -> list[bool]:
    masked = [False] * length
    for span in spans:
        masked[span.first : span.last] = [True] * (span.last - span.first)
    return masked
