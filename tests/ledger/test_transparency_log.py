"""The log shows every change to its past."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import NullPool, text

from provenance.ledger import Ledger, connect, merkle
from provenance.ledger.engine import ledger_url, open_engine
from provenance.ledger.schema import event_log

TABLES = ("event_log", "log_node", "log_checkpoint")
TRIGGERS = [f"{table}_{event}" for table in TABLES for event in ("no_update", "no_delete", "only_next")]


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


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
    assert (check.intact, check.size, check.root) == (True, 0, hashlib.sha256().digest())


def test_entries_come_back_as_they_were_written(ledger: Ledger) -> None:
    fill(ledger, 3)
    entries = ledger.log_entries()
    assert [entry.seq for entry in entries] == [0, 1, 2]
    assert entries[1].body == {"number": 1, "words": "春 and 夏"}
    assert entries[1].kind == "test.event"
    assert entries[0].at <= entries[1].at
    assert [entry.seq for entry in ledger.log_entries(start=2)] == [2]


def test_a_stranger_can_recompute_the_root_from_the_texts(ledger: Ledger) -> None:
    fill(ledger, 3)
    a, b, c = (hashlib.sha256(b"\x00" + entry.text.encode()).digest() for entry in ledger.log_entries())
    ab = hashlib.sha256(b"\x01" + a + b).digest()  # RFC 6962 §2.1
    assert ledger.verify_log().root == hashlib.sha256(b"\x01" + ab + c).digest()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE event_log SET entry = replace(entry, '\"number\":1', '\"number\":9') WHERE seq = 1", "leaf"),
        ("UPDATE event_log SET leaf = zeroblob(32) WHERE seq = 1", "leaf"),
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
        with open_engine(ledger_url(sqlite_url), poolclass=NullPool).begin() as connection:
            connection.execute(text(f"DROP TRIGGER {TRIGGERS[0]}"))
            connection.execute(event_log.update().values(entry=spaced, leaf=leaf))
        assert "canonical" in str(ledger.verify_log().problem)


@pytest.mark.parametrize(
    "statement", ["UPDATE log_node SET hash = zeroblob(32) WHERE level = 2", "DELETE FROM log_node"]
)
def test_a_changed_subtree_is_found(sqlite_url: str, statement: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        fill(ledger, 5)
        tamper(sqlite_url, statement)
        assert "does not follow from the entries" in str(ledger.verify_log().problem)


def test_entries_cut_from_the_end_leave_their_subtrees_behind(sqlite_url: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        fill(ledger, 4)
        tamper(sqlite_url, "DELETE FROM event_log WHERE seq > 1")
        assert "entries that are gone" in str(ledger.verify_log().problem)


def test_a_tree_that_was_cut_neatly_shows_only_against_a_checkpoint_kept_elsewhere(
    sqlite_url: str, key: Ed25519PrivateKey
) -> None:
    with connect(sqlite_url, create=True) as ledger:
        fill(ledger, 4)
        kept = ledger.sign_checkpoint(key)
        cut = (
            "DELETE FROM event_log WHERE seq > 1",
            "DELETE FROM log_node WHERE (position + 1) << level > 2",
        )
        tamper(sqlite_url, *cut, "DELETE FROM log_checkpoint")
        assert ledger.verify_log().intact
        assert "2 known entries are gone" in str(ledger.verify_log(kept).problem)


def test_a_log_rewritten_from_the_start_shows_against_a_checkpoint_kept_elsewhere(
    tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    with connect(f"sqlite:///{tmp_path}/a.db", create=True) as ours:
        fill(ours, 3)
        kept = ours.sign_checkpoint(key)
    with connect(f"sqlite:///{tmp_path}/b.db", create=True) as forged:
        for _ in range(5):
            forged.append_log("test.event", {"forged": True})
        assert forged.verify_log().intact
        assert "not those that were known" in str(forged.verify_log(kept).problem)


def test_a_log_that_grew_since_still_agrees_with_its_checkpoint(
    ledger: Ledger, key: Ed25519PrivateKey
) -> None:
    fill(ledger, 2)
    kept = ledger.sign_checkpoint(key)
    ledger.append_log("test.event", {})
    assert ledger.verify_log(kept).intact
    assert ledger.checkpoints() == [kept.text]


def test_a_checkpoint_of_an_unchanged_log_is_the_same_text(ledger: Ledger, key: Ed25519PrivateKey) -> None:
    fill(ledger, 3)
    assert ledger.sign_checkpoint(key) == ledger.sign_checkpoint(key)
    assert len(ledger.checkpoints()) == 1


def test_every_entry_is_proved_under_every_size(ledger: Ledger) -> None:
    fill(ledger, 9)
    leaves = [entry.leaf for entry in ledger.log_entries()]
    roots = {size: naive_root(leaves[:size]) for size in range(1, 10)}
    for size, root in roots.items():
        for seq in range(size):
            path = ledger.prove_inclusion(seq, size)
            assert merkle.root_of_inclusion(seq, size, leaves[seq], path) == root
        for old in range(1, size + 1):
            assert merkle.is_consistent(old, roots[old], size, root, ledger.prove_consistency(old, size))
    with pytest.raises(ValueError, match="fewer than 10"):
        ledger.prove_inclusion(0, 10)


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return merkle.node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def test_what_has_no_canonical_form_is_not_logged(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="2\\^53"):
        ledger.append_log("test.event", {"clip_id": 2**63})
    assert ledger.verify_log().size == 0
