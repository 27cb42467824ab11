"""Invisible, keyed, blind watermark of video: 64 bits in luma and chroma of every frame."""

from provenance.watermark.carrier import KEY_BYTES, SCHEME
from provenance.watermark.detect import Detection, Detector, detect_file
from provenance.watermark.embed import DEFAULT_LEVELS, MIN_SHORT_SIDE, Embedder, Levels
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
from provenance.watermark.strength import Choice, choose
from provenance.watermark.third_party import ThirdPartyMark, read_third_party

__all__ = [
    "DEFAULT_LEVELS",
    "KEY_BYTES",
    "MIN_SHORT_SIDE",
    "SCHEME",
    "AspectTooWide",
    "BadKey",
    "BadPayload",
    "Choice",
    "DepthNotSupported",
    "Detection",
    "Detector",
    "Embedder",
    "EmptyClip",
    "FlatClip",
    "InterlacedClip",
    "Levels",
    "MarkReport",
    "SameFile",
    "Segment",
    "SizeChanges",
    "ThirdPartyMark",
    "TooSmallToMark",
    "TransparentClip",
    "UnmarkableClip",
    "WatermarkError",
    "choose",
    "detect_file",
    "mark_file",
    "read_third_party",
]
