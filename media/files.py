"""Files that are either whole or not there."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from media.errors import OutputError

_DESTINATION_ERRNOS = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENAMETOOLONG,
    }
)


def fsync_path(path: Path) -> None:
    """Force a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_writable(dst: Path) -> None:
    """Raises `OutputError` where a file cannot be made at `dst`: to be asked before long work, not after it."""
    if not dst.parent.is_dir():
        raise OutputError(
            f"{dst}: the folder {dst.parent} does not exist", hint="Create it, or choose another."
        )
    if dst.is_dir():
        raise OutputError(f"{dst}: is a folder", hint="Give the path of a file.")
    if not os.access(dst.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"{dst}: the folder {dst.parent} cannot be written to", hint="Check its permissions."
        )


@contextlib.contextmanager
def atomic_path(dst: Path | str) -> Iterator[Path]:
    """A temporary path beside `dst`, renamed onto it on a clean exit and removed on any other.

    The bytes are synced before the rename and the folder after it, so that `dst` is the old file or the
    whole new one even after a power cut. Raises `OutputError` where the folder is missing, unwritable or
    full.
    """
    dst = Path(dst)
    require_writable(dst)
    # The suffix is kept: muxers choose their format by it.
    tmp = dst.with_name(f".{dst.stem[:80]}.{secrets.token_hex(6)}.tmp{dst.suffix}")
    try:
        with tmp.open("xb"):
            pass
        yield tmp
        fsync_path(tmp)
        tmp.replace(dst)
        fsync_path(dst.parent)
    except OSError as error:
        if error.errno not in _DESTINATION_ERRNOS:  # not about the destination: the caller's own
            raise
        raise OutputError(
            f"{dst}: cannot be written ({error.strerror or error})", hint="Check permissions and free space."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            tmp.unlink(missing_ok=True)
