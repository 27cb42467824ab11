"""Which clips are meant: files, folders, patterns, lists, manifests and standard input, in their order, each once."""

import csv
import glob
import math
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from media.fetch import is_url

STDIN = "-"

_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".gif"})
_MANIFESTS = frozenset({".csv", ".parquet"})
_BATCH_ROWS = 10_000


class Entry(NamedTuple):
    """One clip of a list: its path or URL, and the other columns of the manifest that named it."""

    name: str
    given: dict[str, Any] | None = None

    @property
    def is_url(self) -> bool:
        return is_url(self.name)


class ListUnreadable(Exception):
    """A list or manifest from which no clips can be read."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def clips_of(sources: Iterable[str], *, stdin: IO[bytes] | None = None) -> list[Entry]:
    """The clips that `sources` name, in order, each once.

    A source is a file, a folder (searched for video names), a pattern, a URL, a .txt list (a path or URL a line), a
    .csv or .parquet manifest (column `path` or `url`), or `-` for a list on `stdin`. What is not there is an entry all
    the same: it has a row with the reason. Relative paths in a file count from the current folder, or else from the
    file's own. Raises `ListUnreadable`.
    """
    found: dict[str, Entry] = {}
    for source in sources:
        for entry in _clips_of(source, stdin):
            found.setdefault(entry.name, entry)
    return list(found.values())


def _clips_of(source: str, stdin: IO[bytes] | None) -> Iterator[Entry]:
    path = Path(source)
    if source == STDIN:
        yield from _lines(stdin or sys.stdin.buffer, None)
    elif is_url(source):
        yield Entry(source)
    elif _is_folder(path):
        yield from _under(path)
    elif path.suffix.lower() == ".txt" and _is_file(path):
        try:
            with path.open("rb") as file:
                yield from _lines(file, path.parent)
        except OSError as error:
            raise _unreadable(path, error.strerror) from None
    elif path.suffix.lower() in _MANIFESTS and _is_file(path):
        yield from _manifest(path)
    elif not _is_there(path) and glob.has_magic(source):
        matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (patterns may be absolute)
        for match in matches:
            folder = _is_folder(Path(match)) and Path(match).suffix.lower() not in _SUFFIXES
            yield from _under(Path(match)) if folder else (Entry(str(Path(match))),)
        if not matches:
            yield Entry(str(path))
    else:
        yield Entry(str(path))


def _under(folder: Path) -> Iterator[Entry]:
    for where, folders, files in os.walk(folder):
        folders.sort()
        # A folder that is called like a clip is somebody's mistake, which they should read of.
        names = sorted(files + [name for name in folders if Path(name).suffix.lower() in _SUFFIXES])
        for name in names:
            if Path(name).suffix.lower() in _SUFFIXES:
                yield Entry(str(Path(where, name)))


def _lines(file: IO[bytes], folder: Path | None) -> Iterator[Entry]:
    for line in file:
        # Names are bytes to the system: those that are not UTF-8 open all the same.
        name = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").strip())
        if name and not name.startswith("#"):
            yield Entry(_located(name, folder))


def _manifest(path: Path) -> Iterator[Entry]:
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _parquet_rows(path)
    for row in rows:
        name = str(row.pop("path", None) or "") or str(row.pop("url", None) or "")
        if name:
            yield Entry(_located(name, path.parent), {key: _plain(value) for key, value in row.items()})


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, restkey="")
            _require_column(path, reader.fieldnames or ())
            for row in reader:
                row.pop("", None)
                yield row
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    except csv.Error as error:
        raise _unreadable(path, str(error)) from None


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ListUnreadable(
            f"{path}: Parquet is not read without pyarrow", hint="pip install pyarrow, or give a .csv file."
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _require_column(path, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, str(error).splitlines()[0]) from None


def _require_column(path: Path, names: Iterable[str]) -> None:
    if not {"path", "url"} & set(names):
        raise ListUnreadable(
            f"{path}: has neither a column `path` nor `url`", hint="Name the column with the clips so."
        )


def _located(name: str, folder: Path | None) -> str:
    if is_url(name):
        return name
    path = Path(name)
    if folder is not None and not path.is_absolute() and not _is_there(path) and _is_there(folder / path):
        path = folder / path
    return str(path)


# A name that the system refuses, such as one of 300 letters, is not there; `pathlib` raises before Python 3.12.
def _is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _plain(value: object) -> Any:
    """A manifest's value as JSON has it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _unreadable(path: Path, why: str | None) -> ListUnreadable:
    return ListUnreadable(f"{path}: cannot be read ({why})", hint="Check the file.")
