"""Is this clip generated? A calibrated, cautious answer from its pictures, with the evidence and the error
rates.

`audit_clip(path)` is the whole interface for one clip; a `Detector` is loaded once for many.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.audit import AuditReport, Detector, Evidence, Segment, audit_clip
    from detector.encoders import Encoder, OpenClipEncoder
    from detector.errors import (
        DetectorError,
        EncoderUnavailable,
        HeadMismatch,
        HeadNotFound,
        TrainingDataError,
    )
    from detector.head import Head, load_head

_HOMES = {
    "AuditReport": "detector.audit",
    "Detector": "detector.audit",
    "DetectorError": "detector.errors",
    "Encoder": "detector.encoders",
    "EncoderUnavailable": "detector.errors",
    "Evidence": "detector.audit",
    "Head": "detector.head",
    "HeadMismatch": "detector.errors",
    "HeadNotFound": "detector.errors",
    "OpenClipEncoder": "detector.encoders",
    "Segment": "detector.audit",
    "TrainingDataError": "detector.errors",
    "audit_clip": "detector.audit",
    "load_head": "detector.head",
}

__all__ = [
    "AuditReport",
    "Detector",
    "DetectorError",
    "Encoder",
    "EncoderUnavailable",
    "Evidence",
    "Head",
    "HeadMismatch",
    "HeadNotFound",
    "OpenClipEncoder",
    "Segment",
    "TrainingDataError",
    "audit_clip",
    "load_head",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'detector' has no attribute {name!r}")
