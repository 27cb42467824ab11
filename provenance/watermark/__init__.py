"""Invisible, keyed, blind watermark of video: 64 bits in the luma of every frame."""

from provenance.watermark.carrier import KEY_BYTES, SCHEME
from provenance.watermark.detect import Detection, Detector, detect_file
from provenance.watermark.embed import DEFAULT_STRENGTH, MIN_SHORT_SIDE, Embedder
from provenance.watermark.errors import (
    AspectTooWide,
    BadKey,
    BadPayload,
    DepthNotSupported,
    EmptyClip,
    FlatClip,
    InterlacedClip,
    SameFile,
    SizeChanges,
    TooSmallToMark,
    TransparentClip,
    UnmarkableClip,
    WatermarkError,
)
from provenance.watermark.mark import MarkReport, mark_file
from provenance.watermark.segments import Segment
from provenance.watermark.third_party import ThirdPartyMark, read_third_party

__all__ = [
    "DEFAULT_STRENGTH",
    "KEY_BYTES",
    "MIN_SHORT_SIDE",
    "SCHEME",
    "AspectTooWide",
    "BadKey",
    "BadPayload",
    "DepthNotSupported",
    "Detection",
    "Detector",
    "Embedder",
    "EmptyClip",
    "FlatClip",
    "InterlacedClip",
    "MarkReport",
    "SameFile",
    "Segment",
    "SizeChanges",
    "ThirdPartyMark",
    "TooSmallToMark",
    "TransparentClip",
    "UnmarkableClip",
    "WatermarkError",
    "detect_file",
    "mark_file",
    "read_third_party",
]
