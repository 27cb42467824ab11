"""The content-addressed store: immutable files named by their SHA-256."""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from media.errors import OutputError
from media.files import fsync_path

_CHUNK = 1 << 20
_STALE_S = 3600.0  # a writer that is still alive after an hour is not


class Store:
    """Assets under `root`, at `sha256/ab/abcd…`; a put is atomic and may be repeated."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._tmp = self.root / "tmp"

    def path(self, digest: bytes) -> Path:
        """Where the asset of this 32-byte SHA-256 lies, whether or not it is there."""
        name = digest.hex()
        return self.root / "sha256" / name[:2] / name

    def has(self, digest: bytes) -> bool:
        return self.path(digest).is_file()

    def put(self, source: Path | str) -> bytes:
        """Copy a file in and return its SHA-256 (32 bytes); raises `OutputError`."""
        try:
            self._tmp.mkdir(parents=True, exist_ok=True)
            tmp = self._tmp / secrets.token_hex(16)
            try:
                sha256 = hashlib.sha256()
                with Path(source).open("rb") as reader, tmp.open("xb") as writer:
                    while chunk := reader.read(_CHUNK):
                        sha256.update(chunk)
                        writer.write(chunk)
                    writer.flush()
                    os.fsync(writer.fileno())
                digest = sha256.digest()
                target = self.path(digest)
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    tmp.chmod(0o444)
                    tmp.replace(target)
                    fsync_path(target.parent)
                return digest
            finally:
                tmp.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{source}: cannot be stored in {self.root} ({error.strerror or error})",
                hint="Check permissions and free space of the store.",
            ) from error

    def copy_out(self, digest: bytes, dst: Path) -> None:
        """Write the asset to `dst` (which must be a temporary path: see `media.atomic_path`)."""
        shutil.copyfile(self.path(digest), dst)

    def digests(self) -> Iterator[bytes]:
        """Every asset in the store."""
        for path in sorted((self.root / "sha256").glob("??/*")):
            with contextlib.suppress(ValueError):
                yield bytes.fromhex(path.name)

    def intact(self, digest: bytes) -> bool:
        """Whether the asset is there and its bytes still hash to its name."""
        try:
            with self.path(digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == digest
        except OSError:
            return False

    def sweep(self, known: set[bytes], *, older_than_s: float = _STALE_S) -> list[Path]:
        """Remove what no ledger row points at and what a killed writer left; return the paths removed.

        Younger files stay: a running clip's files come before its rows.
        """
        removed = []
        horizon = time.time() - older_than_s
        leftovers = list(self._tmp.glob("*")) if self._tmp.is_dir() else []
        orphans = [self.path(digest) for digest in self.digests() if digest not in known]
        for path in leftovers + orphans:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime <= horizon:
                    path.unlink()
                    removed.append(path)
        return removed
