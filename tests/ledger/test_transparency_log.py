"""The log shows every change to its past."""

import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import NullPool, text

from provenance.ledger import Ledger, connect
from provenance.ledger.engine import ledger_url, open_engine
from provenance.ledger.schema import event_log

TRIGGERS = ("event_log_no_update", "event_log_no_delete", "event_log_only_next")


def fill(ledger: Ledger, count: int) -> None:
    for number in range(count):
        assert ledger.append_log("test.event", {"number": number, "words": "春 and 夏"}) == number


def tamper(url: str, *statements: str) -> None:
    """What someone can do who owns the database file: drop the triggers, then rewrite."""
    with open_engine(ledger_url(url), poolclass=NullPool).begin() as connection:
        for name in TRIGGERS:
            connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_empty_log_is_intact(ledger: Ledger) -> None:
    check = ledger.verify_log()
    assert (check.intact, check.size, check.head) == (True, 0, bytes(32))


def test_entries_come_back_as_they_were_written(ledger: Ledger) -> None:
    fill(ledger, 3)
    entries = ledger.log_entries()
    assert [entry.seq for entry in entries] == [0, 1, 2]
    assert entries[1].body == {"number": 1, "words": "春 and 夏"}
    assert entries[1].kind == "test.event"
    assert entries[0].at <= entries[1].at
    assert [entry.seq for entry in ledger.log_entries(start=2)] == [2]


def test_a_stranger_can_recompute_the_hashes_from_the_texts(ledger: Ledger) -> None:
    fill(ledger, 3)
    chain = bytes(32)
    for entry in ledger.log_entries():
        leaf = hashlib.sha256(b"\x00" + entry.text.encode()).digest()  # RFC 6962 §2.1
        chain = hashlib.sha256(b"\x02" + chain + leaf).digest()
        assert (entry.leaf, entry.chain) == (leaf, chain)
    assert ledger.verify_log().head == chain


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE event_log SET entry = replace(entry, '\"number\":1', '\"number\":9') WHERE seq = 1", "leaf"),
        ("UPDATE event_log SET leaf = zeroblob(32) WHERE seq = 1", "leaf"),
        ("UPDATE event_log SET chain = zeroblob(32) WHERE seq = 1", "chained"),
        ("UPDATE event_log SET prev = zeroblob(32) WHERE seq = 1", "chained"),
        ("DELETE FROM event_log WHERE seq = 1", "missing"),
        ("UPDATE event_log SET seq = seq + 10 WHERE seq > 0", "missing"),
    ],
)
def test_a_changed_entry_is_found(sqlite_url: str, statement: str, problem: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        fill(ledger, 4)
        tamper(sqlite_url, statement)
        check = ledger.verify_log()
        assert not check.intact
        assert check.size == 1
        assert check.problem is not None
        assert check.problem.startswith("entry 1:")
        assert problem in check.problem


def test_an_entry_that_hashes_but_is_not_canonical_is_found(sqlite_url: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        fill(ledger, 1)
        (entry,) = ledger.log_entries()
        spaced = json.dumps(json.loads(entry.text))
        leaf = hashlib.sha256(b"\x00" + spaced.encode()).digest()
        chain = hashlib.sha256(b"\x02" + bytes(32) + leaf).digest()
        with open_engine(ledger_url(sqlite_url), poolclass=NullPool).begin() as connection:
            connection.execute(text(f"DROP TRIGGER {TRIGGERS[0]}"))
            connection.execute(event_log.update().values(entry=spaced, leaf=leaf, chain=chain))
        assert "canonical" in str(ledger.verify_log().problem)


def test_entries_cut_from_the_end_show_only_against_a_head_kept_elsewhere(sqlite_url: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        fill(ledger, 4)
        kept = ledger.verify_log()
        tamper(sqlite_url, "DELETE FROM event_log WHERE seq > 1")
        assert ledger.verify_log().intact
        check = ledger.verify_log(known=(kept.size, kept.head))
        assert not check.intact
        assert "2 known entries are gone" in str(check.problem)


def test_a_log_rewritten_from_the_start_shows_against_a_head_kept_elsewhere(tmp_path: Path) -> None:
    with connect(f"sqlite:///{tmp_path}/a.db", create=True) as ours:
        fill(ours, 3)
        kept = ours.verify_log()
    with connect(f"sqlite:///{tmp_path}/b.db", create=True) as forged:
        for _ in range(5):
            forged.append_log("test.event", {"forged": True})
        assert forged.verify_log().intact
        assert "not those that were known" in str(forged.verify_log(known=(kept.size, kept.head)).problem)


def test_a_log_that_grew_since_still_agrees_with_the_head_kept(ledger: Ledger) -> None:
    fill(ledger, 2)
    kept = ledger.verify_log()
    ledger.append_log("test.event", {})
    assert ledger.verify_log(known=(kept.size, kept.head)).intact


def test_what_has_no_canonical_form_is_not_logged(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="2\\^53"):
        ledger.append_log("test.event", {"clip_id": 2**63})
    assert ledger.verify_log().size == 0
