"""Errors of the generator, as a tree.

GeneratorError
├── RequestError                a request that no model could serve
├── InsufficientMemoryError     the machine is too small for the clip
└── ModelError
    ├── ModelNotFoundError      no such folder, or the hub cannot be reached
    ├── UnsupportedModelError   a pipeline that does not make video from what the request gives
    ├── WeightsError            weights that are missing or are not those that were listed
    ├── LoraError               a LoRA that is unreadable or of another model
    └── QuantisationError       quantised weights were asked for, and this installation cannot
"""


class GeneratorError(Exception):
    """What went wrong; ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RequestError(GeneratorError, ValueError):
    """The request is out of range or contradicts itself, or a file that it names cannot be used."""


class InsufficientMemoryError(GeneratorError):
    """The clip does not fit into the memory that is free."""


class ModelError(GeneratorError):
    """The model cannot be used."""


class ModelNotFoundError(ModelError):
    """Neither a folder with a pipeline nor a hub id that can be reached."""


class UnsupportedModelError(ModelError):
    """A pipeline was found, but it does not make video from text, or not from the pictures that came with it."""


class WeightsError(ModelError):
    """Weight files are missing, or their digests differ from those of the model card."""


class LoraError(ModelError):
    """A LoRA file that cannot be read, or that changes layers that this model does not have."""


class QuantisationError(ModelError):
    """Quantised weights were asked for, but no backend for them is installed, or it cannot run here."""
