"""Rows on disk, one JSON object a line, so that an audit that was killed goes on where it stopped.

Rows are looked up where they lie: a million of them need memory for an index alone. A line that a power cut tore is
dropped when the file is opened again; the last line of a path is the one that counts.
"""

import contextlib
import fcntl
import json
import os
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

from media import OutputError

Row = dict[str, Any]

_SYNC_ROWS, _SYNC_S = 64, 2.0  # at most so much work is lost by a power cut; a killed process loses nothing


class RowLog:
    """The rows of one audit, by path. One process has it at a time."""

    def __init__(self, path: Path, *, is_fresh: bool = False) -> None:
        """Opens or makes the file; `is_fresh` empties it. Raises `OutputError`."""
        self.path = path
        self._places: dict[str, int] = {}
        self._starts, self._lengths = array("Q"), array("Q")
        self._end = self._unsynced = 0
        self._synced = time.monotonic()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            self._lock()
            if is_fresh:
                os.ftruncate(self._file, 0)
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __len__(self) -> int:
        return len(self._places)

    def row(self, path: str) -> Row:
        """The last row of a path that has one."""
        return self.at(self._places[path])

    def get(self, path: str) -> Row | None:
        """The last row of a path, if it has one."""
        place = self._places.get(path)
        return None if place is None else self.at(place)

    def append(self, row: Row) -> None:
        """Adds a row, which has the text `path`. Raises `OutputError`."""
        # ASCII escapes: a name may hold line separators, or letters that are none.
        line = json.dumps(row, allow_nan=False).encode("ascii") + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)  # half a line would swallow the next row
            raise _unwritable(self.path, error) from None
        self._place(row["path"], len(line))
        self._unsynced += 1
        if self._unsynced >= _SYNC_ROWS or time.monotonic() - self._synced > _SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Forces all rows to the disk."""
        os.fsync(self._file)
        self._unsynced, self._synced = 0, time.monotonic()

    def rows(self, paths: Iterable[str]) -> "Rows":
        """The rows of these paths, in this order; read from the file as they are asked for."""
        return Rows(self, array("Q", (self._places[path] for path in paths)))

    def at(self, place: int) -> Row:
        """The row on one place of the file's index."""
        row: Row = json.loads(os.pread(self._file, self._lengths[place], self._starts[place]))
        return row

    def close(self) -> None:
        self.sync()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(
                f"{self.path}: another audit is writing to it", hint="Wait for it, or give another folder."
            ) from None

    def _read(self) -> None:
        whole = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    path = json.loads(line)["path"]
                except (ValueError, TypeError, KeyError):
                    path = None
                if isinstance(path, str):
                    self._place(path, len(line))
                else:
                    self._end += len(line)
                whole += len(line)
        os.ftruncate(self._file, whole)

    def _place(self, path: str, length: int) -> None:
        self._starts.append(self._end)
        self._lengths.append(length)
        self._end += length
        self._places[path] = len(self._starts) - 1  # last: other threads look rows up


class Rows(Sequence[Row]):
    """Some rows of a log, in an order of their own."""

    def __init__(self, log: RowLog, places: "array[int]") -> None:
        self._log, self._order = log, places

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows": ...
    def __getitem__(self, index: int | slice) -> "Row | Rows":
        if isinstance(index, slice):
            return Rows(self._log, self._order[index])
        return self._log.at(self._order[index])

    def __iter__(self) -> Iterator[Row]:
        return map(self._log.at, self._order)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be written ({error.strerror})", hint="Check permissions and free space."
    )
