"""Video from words and pictures: requests, the embedded model, and any diffusers video model in its place.

Importing this package imports neither torch nor diffusers; ``generate`` does when it is first used.
"""

from typing import TYPE_CHECKING, Any

from .errors import GeneratorError
from .request import Generated, GenerationRequest

if TYPE_CHECKING:
    from .delivery import upscale
    from .plan import plan_generation
    from .run import generate

__all__ = ["Generated", "GenerationRequest", "GeneratorError", "generate", "plan_generation", "upscale"]

_LAZY = {"generate": "run", "plan_generation": "plan", "upscale": "delivery"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
