"""Video in and out, probing under limits, exact digests and the content-addressed store.

Every file from outside is parsed by a child process (`media.child`): the process that holds keys and the
database never runs a demuxer or a decoder over bytes that it does not trust.
"""

from media.clip import ClipReader, Color, Frame, Probe, open_clip, probe
from media.digest import StreamDigest, examine, file_digest, frames_digest, stream_digest
from media.errors import CorruptMedia, FetchFailed, LimitExceeded, MediaError, OutputError, UnsupportedMedia
from media.files import atomic_path, require_writable
from media.limits import Limits
from media.planes import Planes
from media.recode import Codec, recode
from media.sound import Sound, read_sound
from media.store import Store
from media.writer import ClipWriter, yuv420p_of_rgb

__all__ = [
    "ClipReader",
    "ClipWriter",
    "Codec",
    "Color",
    "CorruptMedia",
    "FetchFailed",
    "Frame",
    "LimitExceeded",
    "Limits",
    "MediaError",
    "OutputError",
    "Planes",
    "Probe",
    "Sound",
    "Store",
    "StreamDigest",
    "UnsupportedMedia",
    "atomic_path",
    "examine",
    "file_digest",
    "frames_digest",
    "open_clip",
    "probe",
    "read_sound",
    "recode",
    "require_writable",
    "stream_digest",
    "yuv420p_of_rgb",
]
