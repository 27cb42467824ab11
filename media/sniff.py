"""Which container a file is, by its first bytes alone.

The name of a file says nothing, and FFmpeg's own sniffing may pick a demuxer that opens *other* files: a
`clip.mp4` that holds an ffconcat script reads whatever local file it names. So the demuxer is chosen here,
from a closed list, and passed to FFmpeg explicitly.
"""

from pathlib import Path
from typing import NamedTuple

from media.errors import CorruptMedia, UnsupportedMedia

_SNIFF_BYTES = 4096
_BMFF_BOXES = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"}
)


class Container(NamedTuple):
    demuxer: str  # FFmpeg's name
    media_type: str


MP4 = Container("mp4", "video/mp4")
QUICKTIME = Container("mov", "video/quicktime")
MATROSKA = Container("matroska", "video/x-matroska")
WEBM = Container("matroska", "video/webm")
AVI = Container("avi", "video/x-msvideo")
MPEG_TS = Container("mpegts", "video/mp2t")
GIF = Container("gif", "image/gif")


def container_of(head: bytes) -> Container | None:
    """The container that the first bytes of a file announce, or None."""
    if head[4:8] in _BMFF_BOXES:
        return QUICKTIME if head[4:8] == b"ftyp" and head[8:12] == b"qt  " else MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return AVI
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    for packet, offset in ((188, 0), (192, 4)):  # plain and M2TS
        if len(head) > offset + 2 * packet and all(head[offset + i * packet] == 0x47 for i in range(3)):
            return MPEG_TS
    return None


def sniff(path: Path) -> Container:
    """The container of the file at `path`.

    Raises `UnsupportedMedia` (no such file, a folder, unreadable, not a known video container) or
    `CorruptMedia` (empty).
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFF_BYTES)
    except FileNotFoundError:
        raise UnsupportedMedia(f"{path}: no such file", hint="Check the path.") from None
    except IsADirectoryError:
        raise UnsupportedMedia(f"{path}: is a folder", hint="Give the path of a video file.") from None
    except OSError as error:
        raise UnsupportedMedia(
            f"{path}: cannot be read ({error.strerror})", hint="Check its permissions."
        ) from None
    if not head:
        raise CorruptMedia(f"{path}: the file is empty", hint="Fetch or export the clip again.")
    container = container_of(head)
    if container is None:
        raise UnsupportedMedia(
            f"{path}: not a video that is opened here",
            hint="MP4/MOV, Matroska/WebM, AVI, MPEG-TS and GIF are; playlists and scripts never are.",
        )
    return container
