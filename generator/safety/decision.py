"""What the policy answers: an action, its reason codes, and the rules that spoke."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """The five decisions, weakest first; each equals its plain string (`Action.BLOCK == "block"`)."""

    ALLOW = "allow"
    ALLOW_LABEL = "allow_label"
    REWRITE = "rewrite"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        """0 (`allow`) to 4 (`block`)."""
        return _ORDER.index(self)

    @property
    def one_step_weaker(self) -> "Action":
        """What a context makes of it; a rewrite and a review become a label, a label nothing."""
        return _ONE_STEP_WEAKER[self]


_ORDER = (Action.ALLOW, Action.ALLOW_LABEL, Action.REWRITE, Action.REVIEW, Action.BLOCK)
_ONE_STEP_WEAKER = {
    Action.BLOCK: Action.REVIEW,
    Action.REVIEW: Action.ALLOW_LABEL,
    Action.REWRITE: Action.ALLOW_LABEL,
    Action.ALLOW_LABEL: Action.ALLOW,
    Action.ALLOW: Action.ALLOW,
}


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that fired, or one finding of the learned layers (`head.N1`, `concept.swatting`).

    `span` is the text that a rule read, normalised; of a learned finding the score. `disguised` is true where
    a rule fired only after a disguise (look-alike letters, encodings, split words) was undone.
    """

    rule_id: str
    code: str
    action: Action
    span: str
    explanation: str
    change: str
    disguised: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy's answer to one prompt.

    `codes` are ordered from the gravest. `normalised` is the text that the rules read and is None for S0,
    where `matches` carry no span either: that text is kept only as its SHA-256. `rewrite` is a proposal,
    to be checked again before it is used. `scores` are the head's probabilities in [0, 1] by code, and `any`.
    `guard` names the LLM that was asked as well, with a digest of its weights. `overridable` is false where no
    reviewer may approve the prompt.
    """

    action: Action
    codes: tuple[str, ...]
    policy_version: str
    language: str
    matches: tuple[Match, ...]
    rewrite: str | None
    text_sha256: str
    normalised: str | None
    scores: Mapping[str, float] = field(default_factory=dict)
    guard: str | None = None
    overridable: bool = True

    def as_record(self) -> dict[str, Any]:
        """The decision as plain JSON types, `schema` included."""
        return {
            "schema": "clipproof.decision/1",
            "action": self.action.value,
            "codes": list(self.codes),
            "policy_version": self.policy_version,
            "language": self.language,
            "text_sha256": self.text_sha256,
            "normalised": self.normalised,
            "rewrite": self.rewrite,
            "scores": dict(self.scores),
            "guard": self.guard,
            "overridable": self.overridable,
            "matches": [
                {
                    "rule": match.rule_id,
                    "code": match.code,
                    "action": match.action.value,
                    "span": match.span,
                    "disguised": match.disguised,
                    "explanation": match.explanation,
                    "change": match.change,
                }
                for match in self.matches
            ],
        }

    def to_json(self) -> str:
        """The decision as one line of JSON; equal decisions give equal bytes."""
        return json.dumps(self.as_record(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class FrameDecision:
    """The frame check's answer: `scores[i]`, in [0, 1], is of frame `indices[i]`, at `times_s[i]` seconds."""

    action: Action
    codes: tuple[str, ...]
    policy_version: str
    model: str
    model_sha256: str
    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    scores: tuple[float, ...]

    @property
    def worst(self) -> float:
        """The highest frame score, in [0, 1]."""
        return max(self.scores)

    def to_json(self) -> str:
        """The decision as one line of JSON."""
        record = {
            "schema": "clipproof.frame-decision/1",
            "action": self.action.value,
            "codes": list(self.codes),
            "policy_version": self.policy_version,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "frames": [
                {"index": index, "time_s": round(time_s, 4), "score": round(score, 6)}
                for index, time_s, score in zip(self.indices, self.times_s, self.scores, strict=True)
            ],
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"))
