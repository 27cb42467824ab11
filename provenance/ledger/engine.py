"""Engines set up so that a transaction is one, on SQLite and PostgreSQL, and the names of their errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, StatementError

from provenance.ledger.errors import (
    LedgerError,
    LedgerLocked,
    LedgerMissing,
    LedgerReadOnly,
    LedgerUnreachable,
    RecordConflict,
    RecordRejected,
)

# One number for "the ledger's writer"; any other program on the same server would have to pick it by chance.
_WRITER_LOCK = 0x436C697070726F66  # "Clipprof"


def ledger_url(url: str) -> URL:
    """The address with our drivers in it: `sqlite:///file` or `postgresql://…`. Raises `LedgerError`."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerError(
            f"{url!r} is not a database address", hint="Use sqlite:///path/ledger.db or postgresql://…"
        ) from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise LedgerError(
                "a ledger in memory forgets what it proves", hint="Use sqlite:///path/ledger.db"
            )
        return parsed
    raise LedgerError(
        f"no ledger on {parsed.drivername}", hint="Use sqlite:///path/ledger.db or postgresql://…"
    )


def open_engine(url: URL, *, wait_s: float = 30.0, poolclass: type[Pool] | None = None) -> Engine:
    """An engine whose writers wait `wait_s` seconds for each other. Connects lazily."""
    options: dict[str, Any] = {"poolclass": poolclass}
    if url.get_backend_name() == "postgresql":
        options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    engine = create_engine(url, **options).execution_options(wait_ms=int(wait_s * 1000))
    if engine.dialect.name == "sqlite":
        pragmas = (
            f"busy_timeout={int(wait_s * 1000)}",
            "journal_mode=WAL",  # readers do not wait for the writer
            "synchronous=FULL",  # NORMAL may lose the last commits of a transparency log when power fails
            "foreign_keys=ON",
        )

        @event.listens_for(engine, "connect")
        def _set_up(connection: sqlite3.Connection, _record: object) -> None:
            # The driver would begin transactions by itself, late and not before DDL: we say BEGIN ourselves.
            connection.isolation_level = None
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction: all its queries see the same state. Raises `LedgerError`."""
    # Said with BEGIN: a statement of its own would be one more round trip for each look-up.
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with named_errors(engine.url), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(**options)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction, the only one at a time: all or nothing. Raises `LedgerError`.

    One writer at a time is what SQLite gives anyhow (BEGIN IMMEDIATE: a transaction that first reads and then
    writes would otherwise fail with SQLITE_BUSY, whatever the timeout). On PostgreSQL an advisory lock gives
    the same, so log numbers have no gaps, row ids grow in commit order and no two writers can deadlock.
    """
    with (
        named_errors(engine.url),
        engine.connect().execution_options(begin="BEGIN IMMEDIATE") as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            wait_ms = connection.get_execution_options().get("wait_ms", 30_000)
            connection.execute(text("SELECT set_config('lock_timeout', :ms, true)"), {"ms": str(wait_ms)})
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})
        yield connection


@contextmanager
def named_errors(url: URL) -> Iterator[None]:
    """Turns database errors into ours; what is not a database error passes through."""
    where = url.render_as_string(hide_password=True)
    try:
        yield
    except IntegrityError as error:
        raise RecordConflict(
            f"{where}: {error.orig}", hint="It is recorded already, or differently."
        ) from error
    except DBAPIError as error:
        raise _named(error.orig, where) from error
    except StatementError as error:
        raise RecordRejected(f"{where}: {error.orig}", hint="A value does not fit its column.") from error
    except sqlite3.Error as error:  # raised while a connection is set up, before SQLAlchemy wraps it
        raise _named(error, where) from error


def _named(error: BaseException | None, where: str) -> LedgerError:
    code = str(getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or "")
    message = f"{where}: {str(error).strip()}"
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or code in ("55P03", "40P01", "40001"):
        return LedgerLocked(message, hint="Another program is writing. Try again.")
    if code.startswith("SQLITE_READONLY") or code in ("25006", "42501"):
        return LedgerReadOnly(message, hint="Give this user the right to write the ledger and its folder.")
    if code.startswith("SQLITE_CANTOPEN"):
        return LedgerMissing(message, hint="Check the path; `clipproof db upgrade` makes a new ledger.")
    if code in ("42P01", "3D000") or "no such table" in message:
        return LedgerMissing(message, hint="`clipproof db upgrade` makes the tables.")
    if code in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return LedgerUnreachable(message, hint="The file is not an intact SQLite database; restore a backup.")
    if code.startswith("22") or isinstance(error, InterfaceError):
        return RecordRejected(message, hint="A value does not fit its column.")
    if not code or code.startswith(("08", "28", "57P")):
        return LedgerUnreachable(message, hint="Check that the server runs, the address and the password.")
    return LedgerError(message, hint="See the database's own message.")


def sqlite_file_missing(url: URL) -> bool:
    """Whether a SQLite address names a file that is not there (opening it would make an empty one)."""
    if url.get_backend_name() != "sqlite" or url.query.get("uri"):
        return False
    return not Path(str(url.database)).exists()
