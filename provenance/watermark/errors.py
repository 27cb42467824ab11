"""The watermark's errors.

WatermarkError
├── UnmarkableClip        a clip that cannot carry the mark
│   ├── TooSmallToMark    short side under the minimum
│   ├── AspectTooWide     longer than the keyed canvas
│   ├── DepthNotSupported more than 8 bits a sample
│   ├── InterlacedClip    two fields woven into each picture
│   ├── TransparentClip   pixels through which a background is seen
│   ├── SizeChanges       pictures of several sizes
│   ├── FlatClip          nothing but one flat colour in every picture
│   └── EmptyClip         no frame at all
├── SameFile              source and destination are one file
├── ModelUnavailable      a network that reads foreign marks is missing, or is another one
├── BadKey                not 32 bytes
├── BadEpoch              not the number of an epoch
└── BadPayload            not an unsigned 64-bit integer
"""


class WatermarkError(Exception):
    """Base of all watermark errors; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UnmarkableClip(WatermarkError):
    """The clip cannot carry a mark."""


class TooSmallToMark(UnmarkableClip):
    """The short side has too few pixels for the mark's cells."""


class AspectTooWide(UnmarkableClip):
    """The picture is longer than the keyed canvas."""


class DepthNotSupported(UnmarkableClip):
    """The clip has more than 8 bits a sample."""


class InterlacedClip(UnmarkableClip):
    """The clip's pictures are two fields each, woven line by line."""


class TransparentClip(UnmarkableClip):
    """The clip has pixels through which a background is seen."""


class SizeChanges(UnmarkableClip):
    """The clip's pictures are not all of one size."""


class FlatClip(UnmarkableClip):
    """Every picture of the clip is one flat colour."""


class EmptyClip(UnmarkableClip):
    """The clip has no frame."""


class SameFile(WatermarkError):
    """Source and destination are the same file."""


class ModelUnavailable(WatermarkError):
    """The network that reads a foreign mark is not installed, or is not the one whose error rate was measured."""


class BadKey(WatermarkError, ValueError):
    """The key is not 32 bytes."""


class BadEpoch(WatermarkError, ValueError):
    """The number is not that of an epoch."""


class BadPayload(WatermarkError, ValueError):
    """The payload is not an unsigned 64-bit integer."""
