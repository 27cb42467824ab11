"""Exact digests: of a file, of its streams, of its decoded frames (all SHA-256, 32 bytes)."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from media.clip import Probe, probe_of
from media.errors import UnsupportedMedia
from media.limits import Limits
from media.sandbox import run_job


@dataclass(frozen=True, slots=True)
class StreamDigest:
    """What a file plays, whatever container holds it.

    `components` maps `video/0/packets`, `video/0/timing`, `video/0/parameters`, `audio/0/…` to 32-byte
    digests: each packet's bytes; each timestamp as a rational number of seconds after the first; codec,
    extradata, size, sample aspect and display matrix. Equal packets with another timing play as another
    clip (slow motion), so all of them count.
    """

    components: dict[str, bytes]

    @property
    def digest(self) -> bytes:
        canonical = json.dumps({name: part.hex() for name, part in self.components.items()}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).digest()

    def differences(self, other: "StreamDigest") -> tuple[str, ...]:
        """Names of the components that differ or that only one of the two has, sorted."""
        names = self.components.keys() | other.components.keys()
        return tuple(sorted(n for n in names if self.components.get(n) != other.components.get(n)))


def file_digest(path: Path | str) -> bytes:
    """SHA-256 of the file's bytes; raises `UnsupportedMedia` where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UnsupportedMedia(f"{path}: cannot be read ({error.strerror})", hint="Check the path.") from None


def stream_digest(path: Path | str, *, limits: Limits | None = None) -> StreamDigest:
    """The stream digest of a file; survives a lossless remux. Raises `media.MediaError`."""
    return examine(path, limits=limits)[1]


def examine(path: Path | str, *, limits: Limits | None = None) -> tuple[Probe, StreamDigest]:
    """What the container says and the stream digest, in one pass over the packets; one frame is decoded.

    Raises `media.MediaError`.
    """
    path = Path(path)
    (said, _), (digests, _), *_ = run_job("stream_digest", path, limits or Limits())
    components = {name: bytes.fromhex(part) for name, part in digests["components"].items()}
    return probe_of(path, said["probe"]), StreamDigest(components)


def frames_digest(path: Path | str, *, limits: Limits | None = None) -> bytes:
    """SHA-256 over every decoded frame's format, size and samples. Raises `media.MediaError`."""
    (header, _), *_ = run_job("frames_digest", path, limits or Limits())
    return bytes.fromhex(header["components"]["frames"])
