"""Invisible, keyed, blind watermark of video: 64 bits in luma and chroma of every frame."""

from provenance.watermark.carrier import KEY_BYTES, SCHEME
from provenance.watermark.detect import Detection, Detector, detect_file
from provenance.watermark.embed import DEFAULT_LEVELS, MIN_SHORT_SIDE, Embedder, Levels
from provenance.watermark.epochs import MAX_EPOCH, NEWEST_EPOCHS, MarkKeys, epoch_key
from provenance.watermark.errors import (
    AspectTooWide,
    BadEpoch,
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
    "MAX_EPOCH",
    "MIN_SHORT_SIDE",
    "NEWEST_EPOCHS",
    "SCHEME",
    "AspectTooWide",
    "BadEpoch",
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
    "MarkKeys",
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
    "epoch_key",
    "mark_file",
    "read_third_party",
]
