"""The transparency log: numbered entries, each hashed into the next, so that no past one can change unseen.

entry = canonical JSON of {at, body, kind, seq}
leaf  = SHA-256(0x00 ‖ entry)                 a Merkle tree leaf of RFC 6962 §2.1
chain = SHA-256(0x02 ‖ previous chain ‖ leaf)

Database triggers refuse UPDATE and DELETE. Whoever owns the database file can still rewrite all of it; that
shows only against a size and head that somebody else has kept.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection, Row, insert, select

from provenance.ledger.canonical import canonical_json, read_canonical
from provenance.ledger.records import Json, LogCheck, LogEntry
from provenance.ledger.schema import event_log

GENESIS = bytes(32)


def append(connection: Connection, kind: str, body: Json) -> int:
    """Adds an entry inside the caller's write transaction; returns its number, from 0 without gaps.

    Raises `ValueError` or `TypeError` where `body` has no canonical JSON (see `canonical_json`).
    """
    last = connection.execute(
        select(event_log.c.seq, event_log.c.chain).order_by(event_log.c.seq.desc()).limit(1)
    ).one_or_none()
    seq, prev = (last.seq + 1, last.chain) if last else (0, GENESIS)
    at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    entry = canonical_json({"seq": seq, "at": at, "kind": kind, "body": dict(body)})
    leaf = leaf_hash(entry)
    connection.execute(
        insert(event_log).values(seq=seq, entry=entry, leaf=leaf, prev=prev, chain=chain_hash(prev, leaf))
    )
    return seq


def leaf_hash(entry: str) -> bytes:
    """RFC 6962 §2.1: the 0x00 keeps a leaf from passing as an inner node."""
    return hashlib.sha256(b"\x00" + entry.encode()).digest()


def chain_hash(prev: bytes, leaf: bytes) -> bytes:
    """The running hash over all leaves so far."""
    return hashlib.sha256(b"\x02" + prev + leaf).digest()


def entries(connection: Connection, start: int = 0) -> Iterator[LogEntry]:
    """The entries from number `start` on, in order."""
    for row in _rows(connection, start):
        entry = read_canonical(row.entry)
        yield LogEntry(
            seq=row.seq,
            at=dt.datetime.fromisoformat(entry["at"]),
            kind=entry["kind"],
            body=entry["body"],
            text=row.entry,
            leaf=row.leaf,
            prev=row.prev,
            chain=row.chain,
        )


def verify(connection: Connection, known: tuple[int, bytes] | None = None) -> LogCheck:
    """Recomputes every hash; `known`, a size and head kept elsewhere, shows a past that was rewritten."""
    size, head = 0, GENESIS
    known_size, known_head = known or (0, GENESIS)
    for row in _rows(connection, 0):
        problem = _problem(row, size, head)
        if problem:
            return LogCheck(False, size, head, f"entry {size}: {problem}")
        size, head = size + 1, row.chain
        if size == known_size and head != known_head:
            return LogCheck(False, size, head, f"the first {size} entries are not those that were known")
    if size < known_size:
        return LogCheck(False, size, head, f"{known_size - size} known entries are gone from the end")
    return LogCheck(True, size, head)


def _problem(row: Row[tuple[int, str, bytes, bytes, bytes]], seq: int, prev: bytes) -> str | None:
    if row.seq != seq:
        return f"missing; the next one is {row.seq}"
    if leaf_hash(row.entry) != row.leaf:
        return "its text does not match its leaf hash"
    if row.prev != prev or chain_hash(prev, row.leaf) != row.chain:
        return "it is not chained to the one before"
    try:
        entry = read_canonical(row.entry)
        if entry["seq"] != seq or canonical_json(entry) != row.entry:
            return "its text is not the canonical form of this entry"
    except (ValueError, TypeError, KeyError):
        return "its text is not an entry"
    return None


def _rows(connection: Connection, start: int) -> Iterator[Row[tuple[int, str, bytes, bytes, bytes]]]:
    query = select(event_log).where(event_log.c.seq >= start).order_by(event_log.c.seq)
    yield from connection.execution_options(yield_per=1000).execute(query)
