"""Still pictures that a clip starts from or ends with: untrusted files, opened under limits."""

import hashlib
import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RequestError
from .sizes import adjustment

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PICTURE_BYTES = 32 << 20
MAX_PICTURE_PIXELS = 40_000_000
"""More than an 8K frame; a decoded picture of this size takes 120 MB."""
FORMATS = ("PNG", "JPEG", "WEBP")
_HINT = "Save it as an 8-bit PNG, JPEG or WebP."


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture. ``image``: RGB, upright. ``sha256`` (hex): of the file's bytes."""

    image: "Image"
    sha256: str


def file_sha256(path: str | os.PathLike[str], what: str) -> str:
    """SHA-256 (hex) of the bytes of ``path``; ``what`` names it in a :class:`RequestError`."""
    try:
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(
            f"{what}: {path} cannot be read ({error.strerror})", hint="Check the path."
        ) from None


def check_picture(path: str | os.PathLike[str], what: str) -> None:
    """Raise :class:`RequestError` for what :func:`read_picture` would refuse by its header; decodes nothing."""
    with _opened(_bytes_of(path, what), path, what):
        pass


def read_picture(path: str | os.PathLike[str], what: str) -> Picture:
    """The picture in ``path`` as RGB, turned upright as its EXIF data say; transparency on white.

    Raises :class:`RequestError` for a file that is missing, too large, broken, animated or of another format.
    """
    from PIL import Image, ImageOps

    content = _bytes_of(path, what)
    with _opened(content, path, what) as opened:
        try:
            upright = ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                layered = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
            image = upright.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise RequestError(f"{what}: {path} is damaged ({error})", hint=_HINT) from None
    return Picture(image, hashlib.sha256(content).hexdigest())


def fit_picture(
    image: "Image", width: int, height: int, what: str, note: Callable[[dict[str, Any]], None]
) -> "Image":
    """``image`` scaled and centre-cropped to ``width`` x ``height`` pixels; told where that changes it."""
    from PIL import Image, ImageOps

    if image.size == (width, height):
        return image
    same_shape = image.width * height == image.height * width
    why = "scaled to the clip's size" if same_shape else "scaled and centre-cropped to the clip's size"
    note(adjustment(what, f"{image.width}x{image.height}", f"{width}x{height}", why))
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def _bytes_of(path: str | os.PathLike[str], what: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise RequestError(
            f"{what}: {path} cannot be read ({error.strerror})", hint="Check the path."
        ) from None
    if len(content) > MAX_PICTURE_BYTES:
        raise RequestError(
            f"{what}: {path} is larger than {MAX_PICTURE_BYTES >> 20} MiB",
            hint="Scale the picture down: no model draws that large.",
        )
    return content


def _opened(content: bytes, path: str | os.PathLike[str], what: str) -> "Image":
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_many_pixels(path, what) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise RequestError(f"{what}: {path} is no picture that is read here", hint=_HINT) from None
    if image.width * image.height > MAX_PICTURE_PIXELS:
        raise _too_many_pixels(path, what)
    if getattr(image, "n_frames", 1) > 1:
        raise RequestError(f"{what}: {path} is animated", hint="Give a still picture.")
    if image.mode.startswith(
        ("I", "F")
    ):  # 16 bits and more: Pillow's own conversion would clip them to white
        raise RequestError(f"{what}: {path} has more than 8 bits a channel", hint=_HINT)
    return image


def _too_many_pixels(path: str | os.PathLike[str], what: str) -> RequestError:
    return RequestError(
        f"{what}: {path} has more than {MAX_PICTURE_PIXELS:,} pixels",
        hint="Scale the picture down: no model draws that large.",
    )
