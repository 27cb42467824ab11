"""Bodies of requests under limits: counted while they arrive, never parsed before they are whole."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from clipproof.web.problems import Problem
from media.sniff import container_of

_SNIFF_BYTES = 4096


@asynccontextmanager
async def _receiving(within_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise Problem("upload_timeout", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem("invalid_body", "The body broke off.") from None


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    # An honest Content-Length is refused before a byte is read; one that lies is met by the count.
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large(most)
        yield piece


async def read_body(request: Request, *, most: int, within_s: float) -> bytes:
    """A small body, whole. Raises `Problem`."""
    async with _receiving(within_s):
        return b"".join([piece async for piece in _pieces(request, most)])


async def spool(request: Request, folder: Path, *, most: int, within_s: float) -> Path:
    """Writes the body to a new file in `folder`; the caller deletes it. The client's name for it is not used.

    Refuses by the first bytes what is no video: what is announced as the content type proves nothing. Raises
    `Problem`; then there is no file.
    """
    # The caller's folder is private (0700) and so is the file.
    handle = tempfile.NamedTemporaryFile(dir=folder, prefix="upload-", delete=False)  # noqa: SIM115
    path = Path(handle.name)
    try:
        head, known = b"", False
        with handle:
            async with _receiving(within_s):
                async for piece in _pieces(request, most):
                    if not known:
                        head += piece[: _SNIFF_BYTES - len(head)]
                        if len(head) >= _SNIFF_BYTES:
                            _require_video(head)
                            known = True
                    # A local disk: a write of one piece is shorter than a switch of threads.
                    handle.write(piece)
        if not known:
            _require_video(head)
        return path
    except BaseException:
        with suppress(FileNotFoundError):
            path.unlink()
        raise


def _require_video(head: bytes) -> None:
    if container_of(head) is None:
        raise Problem("unsupported_media", "MP4, MOV, Matroska, WebM, AVI, MPEG-TS and GIF are opened.")


def _too_large(most: int) -> Problem:
    return Problem("too_large", f"At most {most} bytes.", headers={"Connection": "close"})
