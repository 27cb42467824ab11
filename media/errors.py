"""What can go wrong with a media file.

MediaError
├── UnsupportedMedia   not a video, or a container or codec that is not opened
├── CorruptMedia       a video by its first bytes, but it does not parse or decode
├── LimitExceeded      larger, longer or dearer to decode than the limits allow
├── FetchFailed        not to be had from where its URL leads
└── OutputError        the destination cannot be written
"""


class MediaError(Exception):
    """A media file cannot be read or written; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UnsupportedMedia(MediaError):
    """Not a video file of a container that is opened."""


class CorruptMedia(MediaError):
    """A video by its first bytes, but it does not parse or decode."""


class LimitExceeded(MediaError):
    """The file asks for more pixels, frames, seconds, bytes, memory or time than allowed."""


class FetchFailed(MediaError):
    """What a URL names is refused, missing, too large, too slow, or not whole."""


class OutputError(MediaError):
    """The destination cannot be written."""
