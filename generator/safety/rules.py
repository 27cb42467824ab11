"""The written form of a rule file, and its compiled form.

A rule is words and combinators, never a regular expression:

    any_of   one list; one of its terms must occur
    all_of   several lists; one term of each must occur, in `near` tokens and `in_order` where that is said
    unless   lists whose presence anywhere silences the rule
    soften   lists whose presence anywhere weakens it by one step (block -> review -> allow_label)

A list is text, its terms parted by commas or line ends; `@name` stands for a named list of `lists`.
Stretches of text that match a `harmless` phrase ("kill the process") are not seen by any rule.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from generator.safety.decision import Action


def _split(listing: object) -> object:
    if not isinstance(listing, str):
        return listing
    return tuple(term.strip() for term in re.split(r"[,，\n]", listing) if term.strip())


Terms = Annotated[tuple[str, ...], BeforeValidator(_split)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """One rule; `action`, `explain` and `change` replace what the code says by default."""

    id: str = Field(pattern=r"^[a-z]{2,5}\.[a-z0-9_]+(\.[a-z0-9_]+)*$")
    code: str
    action: Action | None = None
    any_of: Terms = ()
    all_of: tuple[Terms, ...] = ()
    near: int | None = Field(default=None, ge=2, le=200)
    in_order: bool = False
    unless: Terms = ()
    soften: Terms = ()
    explain: str | None = None
    change: str | None = None
    instead_en: str | None = None
    instead_zh: str | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> "Rule":
        if bool(self.any_of) == bool(self.all_of):
            raise ValueError("a rule has either any_of or all_of")
        if any(not terms for terms in self.all_of):
            raise ValueError("all_of holds an empty list")
        if (self.near or self.in_order) and len(self.all_of) < 2:
            raise ValueError("near and in_order need all_of with two lists or more")
        if bool(self.instead_en) != bool(self.instead_zh):
            raise ValueError("instead_en and instead_zh come together")
        return self


class RuleFile(_Strict):
    """One file of rules."""

    lists: dict[str, Terms] = {}
    harmless: Terms = ()
    real_words: Terms = ()
    rules: tuple[Rule, ...] = ()


class Code(_Strict):
    """A reason code of the taxonomy with its default action and what to tell the author of a prompt."""

    title: str
    action: Action
    overridable: bool = True
    explain: str
    change: str
    review_from: float | None = Field(default=None, gt=0, le=1)
    """Probability of the head from which a prompt is reviewed; without it the head has no say on the code."""
    block_from: float | None = Field(default=None, gt=0, le=1)
    """Probability from which it is blocked, for codes whose action is `block`."""

    @model_validator(mode="after")
    def _ordered(self) -> "Code":
        if self.block_from is not None and self.action is not Action.BLOCK:
            raise ValueError("block_from is for codes whose action is block")
        if self.block_from is not None and (self.review_from is None or self.review_from > self.block_from):
            raise ValueError("block_from needs a review_from that is not above it")
        return self


class Exemption(_Strict):
    """A context, such as medicine, in which the learned layers are one step milder on some codes."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    any_of: Terms
    codes: tuple[str, ...] = Field(min_length=1)


class Learned(_Strict):
    """The learned layers: the encoder that is pinned, the head's file, and when a rule is doubted."""

    encoder: str
    encoder_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    head: str | None = Field(default=None, pattern=r"^[\w.-]+\.safetensors$")
    doubt_below: float = Field(default=0, ge=0, lt=1)
    """A block by rules alone is a review where the head's `any` stays below."""


class FrameThresholds(_Strict):
    """Scores in [0, 1] from which a frame is reviewed or blocked, and the pinned model."""

    model: str
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    review: float = Field(ge=0, le=1)
    block: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "FrameThresholds":
        if self.review > self.block:
            raise ValueError("frames.review is above frames.block")
        return self


class PolicyFile(_Strict):
    """`policy.yaml`: the taxonomy and its defaults."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    max_prompt_chars: int = Field(ge=1, le=100_000)
    codes: dict[str, Code]
    exceptions: tuple[Exemption, ...] = ()
    learned: Learned | None = None
    frames: FrameThresholds


@dataclass(frozen=True, slots=True)
class CompiledExemption:
    """An exemption whose terms have become a group of a `TermIndex`."""

    exemption: Exemption
    group: int


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule whose lists have become group numbers of a `TermIndex`."""

    rule: Rule
    needs: tuple[int, ...]
    unless: int | None
    soften: int | None
