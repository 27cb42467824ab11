"""Clipproof: make every clip provable.

`produce` turns a prompt into a watermarked, signed, audited and recorded clip; `verify` answers where a clip comes
from; `audit` says how likely its pictures are generated. Everything heavy is imported on first use.
"""

from importlib.metadata import version as _version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipproof.api import audit, mark, produce, verify

__version__ = _version("clipproof")
__all__ = ["__version__", "audit", "mark", "produce", "verify"]


def __getattr__(name: str) -> object:
    if name in ("audit", "mark", "produce", "verify"):
        from clipproof import api

        return getattr(api, name)
    raise AttributeError(f"module 'clipproof' has no attribute {name!r}")
