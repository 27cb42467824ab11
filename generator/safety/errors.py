"""Errors of the safety policy.

SafetyError
├── PromptError
│   ├── EmptyPromptError (also a ValueError)
│   └── PromptTooLongError (also a ValueError)
├── PolicyError            a policy or rule file is wrong
├── FramesError            frames of a wrong shape or dtype (also a ValueError)
└── FrameModelError        the frame model is missing, altered or cannot run
"""


class SafetyError(Exception):
    """Base of all safety errors; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PromptError(SafetyError):
    """The prompt cannot be judged."""


class EmptyPromptError(PromptError, ValueError):
    """The prompt holds no visible character."""


class PromptTooLongError(PromptError, ValueError):
    """The prompt is longer than the policy allows."""


class PolicyError(SafetyError):
    """A policy or rule file is malformed; the message names the file and the rule."""


class FramesError(SafetyError, ValueError):
    """The frames are not uint8 [T, H, W, 3]."""


class FrameModelError(SafetyError):
    """The frame model is missing, or its weights are not the pinned ones."""
