"""The ledger's schema versions: which one a database has, and bringing it to ours with Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, NullPool, event, inspect, text

import migrations
from provenance.ledger.engine import (
    ledger_url,
    open_engine,
    reading,
    sqlite_file_missing,
    writing,
)
from provenance.ledger.errors import LedgerError, LedgerMissing, LedgerTooNew, LedgerTooOld

if TYPE_CHECKING:
    from alembic.config import Config


def upgrade(url: str, revision: str = "head") -> str:
    """Brings the ledger at `url` to `revision`, making it where there is none; returns the revision.

    All revisions run in one transaction under the writer's lock: a failed upgrade leaves nothing behind, and
    a second upgrader waits, then finds nothing to do. Raises `LedgerTooNew` and the other `LedgerError`s.
    """
    from alembic import command

    address = ledger_url(url)
    if address.get_backend_name() == "sqlite" and not address.query.get("uri"):
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    with migrating(url) as connection:
        if _is_foreign(_revision(connection)):
            raise _too_new(address.render_as_string(hide_password=True))
        command.upgrade(alembic_config(connection), revision)
        return _revision(connection) or "base"


def current(url: str) -> str | None:
    """The revision of the ledger at `url`; None where there is no ledger. Raises `LedgerError`."""
    address = ledger_url(url)
    if sqlite_file_missing(address):
        return None
    engine = open_engine(address, poolclass=NullPool)
    with reading(engine) as connection:
        return _revision(connection)


def check_revision(engine: Engine) -> None:
    """Raises `LedgerMissing`, `LedgerTooOld` or `LedgerTooNew` unless the schema is this program's."""
    where = engine.url.render_as_string(hide_password=True)
    if sqlite_file_missing(engine.url):
        raise LedgerMissing(f"{where}: no such file", hint="`clipproof db upgrade` makes a new ledger.")
    with reading(engine) as connection:
        revision = _revision(connection)
    if revision is None:
        raise LedgerMissing(f"{where}: no ledger in this database", hint="`clipproof db upgrade` makes one.")
    if _is_foreign(revision):
        raise _too_new(where)
    newest = known_revisions()[-1]
    if revision != newest:
        raise LedgerTooOld(f"{where}: schema {revision}, needed {newest}", hint="Run `clipproof db upgrade`.")


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """A connection that may change the schema, inside one write transaction."""
    address = ledger_url(url)
    engine = open_engine(address, poolclass=NullPool)
    if engine.dialect.name != "sqlite":
        with writing(engine) as connection:
            yield connection
        return
    # Batch mode drops and remakes tables, which foreign keys would turn into deleted rows; the pragma is
    # without effect inside a transaction, so it has to be set as the connection opens.
    event.listen(engine, "connect", lambda dbapi, _record: dbapi.execute("PRAGMA foreign_keys=OFF"))
    with writing(engine) as connection:
        yield connection
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        if broken:
            raise LedgerError(f"{len(broken)} rows would refer to nothing after the migration; undone")


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration on our migration scripts, wherever they are installed."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def known_revisions() -> list[str]:
    """Our revisions, oldest first, from the names of their files."""
    scripts = Path(migrations.__file__).parent / "versions"
    return sorted(script.name.split("_")[0] for script in scripts.glob("[0-9]*_*.py"))


# Alembic is imported only where a schema is changed: opening a ledger, which every `verify` does, needs no more
# than these two.
def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return revision


def _is_foreign(revision: str | None) -> bool:
    return revision is not None and revision not in known_revisions()


def _too_new(where: str) -> LedgerTooNew:
    return LedgerTooNew(
        f"{where}: its schema is newer than this program",
        hint="Install the version of clipproof that wrote it.",
    )
