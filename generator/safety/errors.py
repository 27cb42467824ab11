"""Errors of the safety policy.

SafetyError
├── PolicyError            a policy folder or one of its files is wrong
├── CorpusError            a file of labelled prompts is malformed
├── EncoderError           the sentence encoder is missing, or not the one that the policy pins
├── GuardError             an LLM guard cannot be loaded
├── FramesError            frames of a wrong shape or dtype (also a ValueError)
└── FrameModelError        the frame model is missing, altered or cannot run
"""


class SafetyError(Exception):
    """Base of all safety errors; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PolicyError(SafetyError):
    """A policy or rule file is malformed; the message names the file and the rule."""


class CorpusError(SafetyError):
    """A file of labelled prompts is malformed; the message names the file and the row."""


class EncoderError(SafetyError):
    """The sentence encoder is missing, or its weights are not the pinned ones."""


class GuardError(SafetyError):
    """An LLM guard is missing or cannot be loaded."""


class FramesError(SafetyError, ValueError):
    """The frames are not uint8 [T, H, W, 3]."""


class FrameModelError(SafetyError):
    """The frame model is missing, or its weights are not the pinned ones."""
