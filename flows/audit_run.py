"""An audit of any number of clips: one row each, equal bytes examined once, and a killed run goes on.

What examines the clips is a pool of workers behind one function, `submit`. Batches go to it as places get free, so
that no worker waits for the slowest; files are hashed and fetched a few ahead. Where a worker dies, those clips that
it may have died of are tried again one by one, in a new pool; whichever kills a pool that it has for itself gets a row
that says so.
"""

import contextlib
import importlib.util
import os
import stat
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from flows.auditing import Job, blank_row, terms_of
from flows.clip_lists import Entry
from flows.row_log import Row, RowLog, Rows
from flows.settings import Settings
from media import Limits, MediaError, file_digest

_AHEAD = 16  # files that are hashed or fetched before a worker is free for them
_READERS = 4
_MAX_BATCH, _MAX_URL_BATCH = 32, 4  # what was fetched waits on the disk
_BATCHES_A_WORKER = 50  # few clips go one at a time, so that rows come early; many go together
_SESSION_BATCHES = 2000  # a pool is replaced after so many: what libraries leak does not add up
_HOPELESS_AT_FIRST, _HOPELESS = 3, 25  # so many clips in a row that kill their worker: it is not the clips

Fetch = Callable[[str, Path, threading.Event], None]


class Submitted(Protocol):
    """A batch under way: futures of Prefect, of the standard library, of Dask and Ray all are."""

    def add_done_callback(self, fn: Callable[[Any], None], /) -> None: ...
    def result(self) -> list[Row]: ...


Submit = Callable[[Settings, list[Job]], Submitted]
Session = Callable[[Submit], None]
InPool = Callable[[Session], None]


class WorkersFail(Exception):
    """No worker lives long enough to examine anything."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RunnerMissing(Exception):
    """The task runner's package is not installed."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def require_runner(name: str) -> None:
    """Raises `RunnerMissing` where Dask or Ray is asked for and not installed; imports nothing."""
    if name in ("dask", "ray") and importlib.util.find_spec(f"prefect_{name}") is None:
        raise RunnerMissing(f"the {name} runner is not installed", hint=f"pip install 'clipproof[{name}]'")


@dataclass
class Tally:
    """How far an audit is. `kept` rows are of an earlier run, `done` ones of this; `total` is both and what is left."""

    total: int
    kept: int = 0
    done: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    def count(self, row: Row, *, kept: bool) -> None:
        self.kept += kept
        self.done += not kept
        self.verdicts["error" if row["error"] else row["verdict"]] += 1


class Prepared(NamedTuple):
    """An entry after a first look: what to open and its digest, or why there is nothing to open."""

    entry: Entry
    path: str = ""
    sha256: str | None = None
    size_bytes: int | None = None
    modified_ns: int | None = None
    error: str | None = None
    is_known: bool = False  # the log has a row of the same bytes, under the same terms
    is_temporary: bool = False


class Audit:
    """One run over `entries`, with its rows in `log`.

    `workers`: how many clips are examined at a time. `fetch`: how a URL becomes a file; without it URLs get a row that
    says so. `tell` is called with the tally after each row.
    """

    def __init__(
        self,
        settings: Settings,
        entries: Sequence[Entry],
        log: RowLog,
        *,
        workers: int = 1,
        fetch: Fetch | None = None,
        tell: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self._settings, self._entries, self._log = settings, entries, log
        self._workers, self._fetch, self._tell = workers, fetch, tell
        self._terms = terms_of(settings)
        largest = _MAX_URL_BATCH if any(entry.is_url for entry in entries) else _MAX_BATCH
        self._batch_size = min(largest, max(1, len(entries) // (workers * _BATCHES_A_WORKER)))
        self.tally = Tally(len(entries))
        self._stopped = threading.Event()
        self._events: SimpleQueue[Submitted | None] = SimpleQueue()
        self._next = 0
        self._preparing: deque[Future[Prepared]] = deque()
        self._waiting: deque[Prepared] = deque()  # for a worker
        self._singles: deque[Prepared] = deque()  # of a batch that had no answer: one at a time
        self._suspects: deque[Prepared] = deque()  # had no answer one at a time: alone in a pool
        self._deaths = 0
        self._has_examined = False
        self._first: dict[bytes, str] = {}  # the path that each digest was first met at
        self._twins: dict[str, list[Prepared]] = {}  # who waits for the row of a path under examination

    def run(self, in_pool: InPool) -> Rows:
        """All rows, in the order of the entries. `in_pool` calls a function with the `submit` of a fresh pool.

        Raises `WorkersFail`, `OutputError`.
        """
        readers = ThreadPoolExecutor(_READERS)
        with tempfile.TemporaryDirectory(prefix="clipproof-audit-") as folder:
            self._readers, self._folder = readers, Path(folder)
            try:
                while self._has_work():
                    in_pool(self._session)
            finally:
                self._stopped.set()
                readers.shutdown(wait=False, cancel_futures=True)
                self._log.sync()
        return self._log.rows(entry.name for entry in self._entries)

    def _has_work(self) -> bool:
        """Settles what needs no worker, until there is something for one; so a finished audit starts no pool."""
        while not (self._waiting or self._singles or self._suspects):
            self._settle_ready()
            if not (self._waiting or self._preparing):
                return False
            if not self._waiting:
                self._preparing[0].exception()  # waits
        return True

    # --- one pool's time -----------------------------------------------------------------------------------------

    def _session(self, submit: Submit) -> None:
        while self._suspects:
            if not self._try_alone(submit, self._suspects.popleft()):
                return
        running: dict[int, tuple[Submitted, list[Prepared]]] = {}
        is_sound, submitted = True, 0
        try:
            while True:
                while is_sound and submitted < _SESSION_BATCHES and (batch := self._batch(len(running))):
                    try:
                        future = submit(self._settings, _jobs(batch))
                    except Exception:
                        self._doubt(batch)
                        is_sound = False
                        break
                    submitted += 1
                    running[id(future)] = (future, batch)
                    future.add_done_callback(self._events.put)
                if not running and (not is_sound or submitted >= _SESSION_BATCHES or not self._preparing):
                    return
                ended = self._events.get()
                if ended is None:
                    continue
                future, batch = running.pop(id(ended))
                try:
                    rows = future.result()
                except Exception:
                    # A row for every failure of a clip comes from the worker: this one is about the worker itself.
                    self._doubt(batch)
                    is_sound = False
                else:
                    self._has_examined = True
                    self._take(batch, rows)
        finally:
            while running and not self._events.empty():  # interrupted: what is ready is not lost
                ended = self._events.get()
                if ended is not None:
                    future, batch = running.pop(id(ended))
                    with contextlib.suppress(Exception):
                        self._take(batch, future.result())

    def _doubt(self, batch: list[Prepared]) -> None:
        """A worker died over these, or others: each is tried by itself, and one that was by itself, alone in a pool."""
        (self._suspects if len(batch) == 1 else self._singles).extend(batch)

    def _try_alone(self, submit: Submit, one: Prepared) -> bool:
        """Examines a suspect by itself; whether the pool lives."""
        try:
            rows = submit(self._settings, _jobs([one])).result()
        except Exception as error:
            self._deaths += 1
            if self._deaths >= (_HOPELESS if self._has_examined else _HOPELESS_AT_FIRST):
                raise WorkersFail(
                    f"{self._deaths} workers in a row did not answer, the last over {one.entry.name} ({error})",
                    hint="Free some memory, or try fewer --workers; the same command goes on.",
                ) from error
            reason = f"the worker that examined it ended without a word, alone, too ({type(error).__name__})"
            self._take([one], [blank_row(one.entry.name) | {"error": reason}])
            return False
        self._deaths, self._has_examined = 0, True
        self._take([one], rows)
        return True

    def _batch(self, running: int) -> list[Prepared]:
        """The next batch for a pool that has `running` of them; empty where it has enough, or none is full."""
        if self._singles:
            return [self._singles.popleft()] if running < 2 * self._workers else []
        self._settle_ready()
        is_full = len(self._waiting) >= self._batch_size or not self._preparing
        if not self._waiting or running >= 2 * self._workers or not (is_full or running < self._workers):
            return []
        return [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]

    # --- what comes before a worker, and after -------------------------------------------------------------------

    def _settle_ready(self) -> None:
        """Takes what is prepared, in order, as far as it is ready and there is room."""
        while True:
            while self._next < len(self._entries) and len(self._preparing) < max(_AHEAD, self._batch_size):
                prepared = self._readers.submit(self._prepare, self._entries[self._next], self._next)
                prepared.add_done_callback(lambda _: self._events.put(None))
                self._preparing.append(prepared)
                self._next += 1
            if len(self._waiting) >= self._batch_size or not self._preparing or not self._preparing[0].done():
                return
            self._settle(self._preparing.popleft().result())

    def _prepare(self, entry: Entry, number: int) -> Prepared:
        try:
            return self._fetched(entry, self._folder / str(number)) if entry.is_url else self._found(entry)
        except MediaError as error:
            return Prepared(entry, error=str(error))
        except FileNotFoundError:
            return Prepared(entry, error=f"{entry.name}: no such file")
        except Exception as error:  # as in a row: lists hold names that nobody foresaw
            return Prepared(entry, error=f"{entry.name}: {getattr(error, 'strerror', None) or error}")

    def _found(self, entry: Entry) -> Prepared:
        found = Path(entry.name).stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for, for ever
            what = "is a folder" if stat.S_ISDIR(found.st_mode) else "is not a regular file"
            return Prepared(entry, error=f"{entry.name}: {what}")
        if found.st_size > Limits().max_bytes:
            too_large = f"{entry.name}: {found.st_size} bytes, {Limits().max_bytes} are allowed"
            return Prepared(entry, error=too_large)
        stamp = (found.st_size, found.st_mtime_ns)
        before = self._earlier(entry)
        if before is not None and (before["size_bytes"], before["modified_ns"]) == stamp:
            return Prepared(entry, entry.name, before["sha256"], *stamp, is_known=True)
        sha256 = file_digest(entry.name).hex()
        return Prepared(
            entry,
            entry.name,
            sha256,
            *stamp,
            is_known=before is not None and before["sha256"] == sha256,
        )

    def _fetched(self, entry: Entry, target: Path) -> Prepared:
        before = self._earlier(entry)
        if before is not None:  # what it names now is not asked again; a fresh audit does
            return Prepared(entry, "", before["sha256"], before["size_bytes"], is_known=True)
        if self._fetch is None:
            return Prepared(entry, error=f"{entry.name}: URLs are fetched with --allow-urls alone")
        self._fetch(entry.name, target, self._stopped)
        return Prepared(
            entry,
            str(target),
            file_digest(target).hex(),
            target.stat().st_size,
            is_temporary=True,
        )

    def _earlier(self, entry: Entry) -> Row | None:
        """The row that the log has of this path, if it was made of bytes, under the same terms, and is no failure.

        Many failures are of the moment: a worker that died, a machine too busy, a ledger that was locked.
        """
        row = self._log.get(entry.name)
        if row is None or row.get("terms") != self._terms or row["error"]:
            return None
        return row if row["sha256"] else None

    def _settle(self, one: Prepared) -> None:
        if one.sha256 is None:
            return self._write(one, blank_row(one.entry.name) | {"error": one.error})
        first = self._first.setdefault(bytes.fromhex(one.sha256), one.entry.name)
        if first == one.entry.name and not one.is_known:
            self._twins[first] = []
            return self._waiting.append(one)
        if first in self._twins:
            return self._twins[first].append(one)
        if first == one.entry.name:
            self._write(one, self._log.row(first), kept=True)
        else:
            self._write(one, self._log.row(first), first=first, kept=one.is_known)
        return None

    def _take(self, batch: list[Prepared], rows: list[Row]) -> None:
        for one, row in zip(batch, rows, strict=True):
            self._write(one, row)
            for twin in self._twins.pop(one.entry.name, ()):
                self._write(twin, row, first=one.entry.name)

    def _write(self, one: Prepared, row: Row, *, first: str | None = None, kept: bool = False) -> None:
        name = one.entry.name
        if first is not None and row["error"]:
            row = row | {"error": row["error"].replace(first, name)}
        row = row | {
            "path": name,
            "sha256": one.sha256,
            "size_bytes": one.size_bytes,
            "modified_ns": one.modified_ns,
            "duplicate_of": first,
            "given": one.entry.given,
            "terms": self._terms,
        }
        if self._log.get(name) != row:
            self._log.append(row)
        if one.is_temporary:
            os.unlink(one.path)  # noqa: PTH108
        self.tally.count(row, kept=kept)
        self._tell(self.tally)


def _jobs(batch: list[Prepared]) -> list[Job]:
    return [Job(one.entry.name, one.path) for one in batch]


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
