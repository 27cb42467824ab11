"""Where an audit's rows go: a folder that a later run goes on with, one file, or nowhere."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from flows.audit_run import Audit, Fetch, InPool, Session, Tally
from flows.auditing import Job, audit_rows
from flows.clip_lists import Entry
from flows.detection import detector_cache, detector_of
from flows.reporting import card_of, write_report, write_rows
from flows.row_log import Row, RowLog, Rows
from flows.settings import Settings
from media import OutputError, require_writable

FILE_SUFFIXES = (".json", ".csv", ".parquet")
ROWS_NAME = "rows.jsonl"


class Audited(NamedTuple):
    """The rows of a whole audit, which can be read until its block ends, and their count."""

    rows: Rows
    tally: Tally


@contextlib.contextmanager
def audited(
    settings: Settings,
    entries: Sequence[Entry],
    *,
    in_pool: InPool,
    workers: int = 1,
    out: Path | None = None,
    is_fresh: bool = False,
    fetch: Fetch | None = None,
    before: Sequence[Row] | None = None,
    tell: Callable[[Tally], None] = lambda _: None,
) -> Iterator[Audited]:
    """Audit `entries`; see `flows.audit_run`. `out`: a file (.json, .csv, .parquet) for the rows, or a folder.

    In a folder the rows are kept as they come, and the next audit with it goes on, unless `is_fresh`; its page shows
    what changed since the rows `before`. Raises
    `OutputError` before any clip is examined where `out` cannot be written, and `WorkersFail`.
    """
    detector = detector_of(settings)  # before anything of an earlier audit is thrown away
    with _row_log(out, is_fresh) as log:
        run = Audit(settings, entries, log, workers=workers, fetch=fetch, tell=tell)
        rows = run.run(in_pool)
        if out is not None and out.suffix in FILE_SUFFIXES:
            write_rows(out, rows)
        elif out is not None:

            def stills(row: Row) -> list[bytes]:
                """Those of the clip that are kept of its examination; none where the cache is gone."""
                digest = row.get("sha256")
                kept = detector.kept(digest, detector_cache(settings)) if digest else None
                return list(kept.stills) if kept else []

            write_report(out, rows, head_card=card_of(detector.head), before=before, stills_of=stills)
        yield Audited(rows, run.tally)


def in_this_process(session: Session) -> None:
    """The pool for a single clip: no other process, no Prefect."""

    def submit(settings: Settings, jobs: list[Job]) -> Future[list[Row]]:
        done: Future[list[Row]] = Future()
        done.set_result(audit_rows(settings, jobs))
        return done

    session(submit)


@contextlib.contextmanager
def _row_log(out: Path | None, is_fresh: bool) -> Iterator[RowLog]:
    if out is None or out.suffix in FILE_SUFFIXES:
        if out is not None:
            require_writable(out)
        with (
            tempfile.TemporaryDirectory(prefix="clipproof-rows-") as folder,
            RowLog(Path(folder, ROWS_NAME)) as log,
        ):
            yield log
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be made ({error.strerror})",
            hint="Give a folder, or a .json, .csv or .parquet file.",
        ) from None
    with RowLog(out / ROWS_NAME, is_fresh=is_fresh) as log:
        yield log
