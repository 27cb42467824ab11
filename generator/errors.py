"""Errors of the generator, as a tree.

GeneratorError
├── RequestError                a request that no model could serve
└── ModelError
    ├── ModelNotFoundError      no such folder, or the hub cannot be reached
    ├── UnsupportedModelError   a pipeline that does not make video from text
    └── WeightsError            weights that are missing or are not those that were listed
"""


class GeneratorError(Exception):
    """What went wrong; ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RequestError(GeneratorError, ValueError):
    """The request is out of range or contradicts itself."""


class ModelError(GeneratorError):
    """The model cannot be used."""


class ModelNotFoundError(ModelError):
    """Neither a folder with a pipeline nor a hub id that can be reached."""


class UnsupportedModelError(ModelError):
    """A pipeline was found, but it does not make video from text."""


class WeightsError(ModelError):
    """Weight files are missing, or their digests differ from those of the model card."""
