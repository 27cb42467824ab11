"""The schema in the database is the schema in the code, on every path to it."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, inspect, text
from sqlalchemy.exc import DBAPIError

from provenance.ledger import (
    LedgerError,
    LedgerMissing,
    LedgerTooNew,
    LedgerTooOld,
    LedgerUnreachable,
    connect,
    current,
    upgrade,
)
from provenance.ledger.engine import ledger_url, open_engine, writing
from provenance.ledger.revisions import alembic_config, known_revisions, migrating
from provenance.ledger.schema import metadata


def tables(url: str) -> set[str]:
    with open_engine(ledger_url(url), poolclass=NullPool).connect() as connection:
        return set(inspect(connection).get_table_names())


def execute(url: str, statement: str) -> None:
    with open_engine(ledger_url(url), poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))


def test_every_revision_goes_up_down_and_up_again(url: str) -> None:
    scripts = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())[::-1]
    assert scripts
    for script in scripts:
        for step, revision in (
            (command.upgrade, script.revision),
            (command.downgrade, script.down_revision or "base"),
            (command.upgrade, script.revision),
        ):
            with migrating(url) as connection:
                step(alembic_config(connection), str(revision))
    with migrating(url) as connection:
        command.downgrade(alembic_config(connection), "base")
    assert tables(url) == {"alembic_version"}


def test_the_migrated_schema_is_the_declared_one(url: str) -> None:
    upgrade(url)
    assert tables(url) == set(metadata.tables) | {"alembic_version"}
    with open_engine(ledger_url(url), poolclass=NullPool).connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_there_is_one_head_and_file_names_say_the_order() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert scripts.get_heads() == known_revisions()[-1:]
    assert [script.revision for script in scripts.walk_revisions()][::-1] == known_revisions()


def test_opening_a_ledger_does_not_import_alembic(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    opening = f"from provenance.ledger import connect; connect({sqlite_url!r}, create=True)"
    program = f"import sys; {opening}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"alembic", "torch", "cv2", "scipy"} & set(loaded.stdout.split())


def test_every_foreign_key_leads_an_index() -> None:
    for table in metadata.tables.values():
        leading = {index.columns[0].name for index in table.indexes} | {
            next(iter(constraint.columns)).name
            for constraint in table.constraints
            if hasattr(constraint, "columns") and not hasattr(constraint, "elements") and constraint.columns
        }
        assert {column.name for column in table.columns if column.foreign_keys} <= leading, table.name


def test_upgrading_twice_changes_nothing(url: str) -> None:
    assert upgrade(url) == upgrade(url) == current(url)


def test_a_database_that_is_not_there_has_no_revision(sqlite_url: str) -> None:
    assert current(sqlite_url) is None
    with pytest.raises(LedgerMissing, match="no such file") as caught:
        connect(sqlite_url)
    assert "db upgrade" in caught.value.hint
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()


def test_a_database_without_our_tables_is_no_ledger(url: str) -> None:
    execute(url, "CREATE TABLE other (id INTEGER)")
    assert current(url) is None
    with pytest.raises(LedgerMissing, match="no ledger in this database"):
        connect(url)


def test_an_older_schema_asks_for_an_upgrade(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(url)
    # There is one revision yet, so "older" is played by a program that is one revision further.
    ours = known_revisions()
    monkeypatch.setattr("provenance.ledger.revisions.known_revisions", lambda: [*ours, "9999"])
    with pytest.raises(LedgerTooOld) as caught:
        connect(url)
    assert "db upgrade" in caught.value.hint


def test_a_newer_schema_is_neither_opened_nor_upgraded(url: str) -> None:
    upgrade(url)
    execute(url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    with pytest.raises(LedgerTooNew):
        connect(url)
    with pytest.raises(LedgerTooNew):
        upgrade(url)
    assert current(url) == "from_the_future"


def test_a_failed_upgrade_leaves_nothing_behind(url: str) -> None:
    execute(url, "CREATE TABLE event_log (id INTEGER)")  # in the way of the last step of revision 1
    with pytest.raises(LedgerError, match="event_log"):
        upgrade(url)
    assert tables(url) <= {"event_log", "alembic_version"}


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"these are holiday photographs, not a database" * 100)
    with pytest.raises(LedgerUnreachable, match=r"ledger\.db"):
        connect(f"sqlite:///{tmp_path}/ledger.db")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(LedgerUnreachable) as caught:
        connect("postgresql://user:s3cret@127.0.0.1:1/ledger")
    assert "127.0.0.1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_percent_sign_in_the_path_is_a_percent_sign(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/100%25 sure/ledger.db"
    with connect(url, create=True) as ledger:
        assert ledger.verify_log().intact


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_log SET entry = '{}'",
        "DELETE FROM event_log",
        "DELETE FROM event_log WHERE seq = 1",
    ],
)
def test_the_database_refuses_to_change_the_log(url: str, statement: str) -> None:
    with connect(url, create=True) as ledger:
        for number in range(3):
            ledger.append_log("test", {"number": number})
        with pytest.raises(DBAPIError, match="append-only"):
            execute(url, statement)
        assert ledger.verify_log().size == 3


def test_sqlite_refuses_to_replace_a_log_entry(sqlite_url: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        ledger.append_log("test", {"number": 0})
        for seq in ("0", "7"):
            replacement = "INSERT OR REPLACE INTO event_log SELECT seq + :seq, '{}', leaf FROM event_log"
            with pytest.raises(DBAPIError, match="append-only"):
                execute(sqlite_url, replacement.replace(":seq", seq))
        assert ledger.verify_log().intact


def test_postgresql_refuses_to_truncate_the_log(postgresql_url: str) -> None:
    with connect(postgresql_url, create=True) as ledger:
        ledger.append_log("test", {})
        with pytest.raises(DBAPIError, match="append-only"):
            execute(postgresql_url, "TRUNCATE event_log")


def test_sqlite_waits_readers_for_nobody_and_syncs_every_commit(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    with writing(open_engine(ledger_url(sqlite_url), poolclass=NullPool)) as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_developers_can_ask_alembic_whether_models_and_revisions_agree(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    root = Path(__file__).parents[2]
    check = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", "-x", f"url={sqlite_url}", "check"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stdout + check.stderr
    assert "No new upgrade operations" in check.stdout
