"""Frame counts and picture sizes that a model can serve, settled before it is called.

Video models take frame counts of the form ``step * k + 1`` and sides that are multiples of some number.
Some only warn, some assert deep inside, some return fewer frames than asked: so requests are rounded here,
and told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SizeRule:
    """Frame counts are ``frame_step * k + frame_offset``; sides are multiples of ``side_multiple`` pixels."""

    frame_step: int = 1
    frame_offset: int = 0
    side_multiple: int = 8
    fps: float = 16.0
    """Playback rate that the model was trained at."""

    def frames_at_least(self, frames: int) -> int:
        """The least frame count that the rule allows and that is not shorter than ``frames``."""
        steps = max(0 if self.frame_offset else 1, -(-(frames - self.frame_offset) // self.frame_step))
        return self.frame_step * steps + self.frame_offset

    def nearest_side(self, side: int) -> int:
        """The allowed side nearest to ``side`` pixels (the larger of two)."""
        return max(1, (side + self.side_multiple // 2) // self.side_multiple) * self.side_multiple


def adjustment(what: str, asked: object, given: object, why: str) -> dict[str, Any]:
    """One JSON-able note of what the model got instead of what was asked."""
    return {"what": what, "asked": asked, "given": given, "why": why}


def fit_frames(
    rule: SizeRule,
    seconds: float | None,
    fps: float,
    default: int | None,
    note: Callable[[dict[str, Any]], None],
) -> int | None:
    """The frame count for ``seconds`` at ``fps``; ``default`` where no length was asked."""
    if seconds is None:
        return default
    asked = max(1, round(seconds * fps))
    given = rule.frames_at_least(asked)
    if given != asked:
        form = f"{rule.frame_step}k" + (f"+{rule.frame_offset}" if rule.frame_offset else "")
        note(adjustment("frames", asked, given, f"the model makes {form} frames"))
    return given


def fit_side(
    rule: SizeRule, what: str, asked: int | None, default: int | None, note: Callable[[dict[str, Any]], None]
) -> int | None:
    """A width or height in pixels that the model can draw; ``default`` where none was asked."""
    if asked is None:
        return default
    given = rule.nearest_side(asked)
    if given != asked:
        note(adjustment(what, asked, given, f"the model draws multiples of {rule.side_multiple} pixels"))
    return given
