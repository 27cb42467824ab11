"""What can go wrong in the detector.

    DetectorError
    ├── HeadNotFound        no head of that name or folder
    ├── HeadMismatch        a head and its input do not belong together
    ├── EncoderUnavailable  an image encoder whose weights cannot be had here
    └── TrainingDataError   clips or a manifest that a head cannot be fitted on

A clip that cannot be read raises the errors of `media`.
"""


class DetectorError(Exception):
    """Base of the tree; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class HeadNotFound(DetectorError):
    """There is no head where one was asked for."""


class HeadMismatch(DetectorError):
    """The head was fitted on other features, another encoder or another normal form, or its file was
    changed.
    """


class EncoderUnavailable(DetectorError):
    """The encoder is unknown, or its weights are neither on disk nor reachable."""


class TrainingDataError(DetectorError):
    """The manifest or the clips do not allow a fit."""
