"""What the policy answers: an action, its reason codes, and the rules that spoke."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from generator.safety.wording import WordChange


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
    which this policy allows, and `changes` are its words against the prompt's. `notes` tell the author something
    and stop nothing. `scores` are the head's probabilities in [0, 1] by code, and `any`.
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
    notes: tuple[str, ...] = ()
    changes: tuple[WordChange, ...] = ()

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
            "changes": [{"from": change.old, "to": change.new} for change in self.changes],
            "notes": list(self.notes),
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
class FrameFinding:
    """What lies in the order of the frames, from `start_s` to `end_s`; `share` of the picture, in [0, 1]."""

    kind: str
    code: str
    action: Action
    start_s: float
    end_s: float
    share: float
    explanation: str


@dataclass(frozen=True, slots=True)
class FrameCheck:
    """One thing that was looked for in `frames` frames, or was not (0 frames), and `why` not."""

    what: str
    frames: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class FrameDecision:
    """The frame check's answer: `scores[i]`, in [0, 1], is of frame `indices[i]`, at `times_s[i]` seconds.

    `checked` says what was looked for and what was not.
    """

    action: Action
    codes: tuple[str, ...]
    policy_version: str
    model: str
    model_sha256: str
    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    scores: tuple[float, ...]
    findings: tuple[FrameFinding, ...] = ()
    checked: tuple[FrameCheck, ...] = ()

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
            "findings": [
                {
                    "kind": one.kind,
                    "code": one.code,
                    "action": one.action.value,
                    "start_s": round(one.start_s, 4),
                    "end_s": round(one.end_s, 4),
                    "share": round(one.share, 4),
                    "explanation": one.explanation,
                }
                for one in self.findings
            ],
            "checked": [
                {"what": one.what, "frames": one.frames} | ({"why": one.why} if one.why else {})
                for one in self.checked
            ],
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"))
