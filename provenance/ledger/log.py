"""The transparency log: numbered entries in a Merkle tree, so that no past one can change unseen.

entry = canonical JSON of {at, body, kind, seq}
leaf  = SHA-256(0x00 ‖ entry), and the tree above it: RFC 6962 §2.1 (`merkle`)

Database triggers refuse UPDATE and DELETE. Whoever owns the database file can still rewrite all of it; that shows only
against a checkpoint (`checkpoint`) that somebody else has kept.
"""

import datetime as dt
from collections.abc import Iterator

from sqlalchemy import Connection, Row, func, insert, select, tuple_

from provenance.ledger import merkle
from provenance.ledger.canonical import canonical_json, read_canonical
from provenance.ledger.records import Json, LogCheck, LogEntry
from provenance.ledger.schema import event_log, log_node

_BATCH = 500


def append(connection: Connection, kind: str, body: Json) -> int:
    """Adds an entry inside the caller's write transaction; returns its number, from 0 without gaps.

    Raises `ValueError` or `TypeError` where `body` has no canonical JSON (see `canonical_json`).
    """
    seq = size(connection)
    at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    entry = canonical_json({"seq": seq, "at": at, "kind": kind, "body": dict(body)})
    leaf = merkle.leaf_hash(entry.encode())
    connection.execute(insert(event_log).values(seq=seq, entry=entry, leaf=leaf))
    _, *above = merkle.completed(seq, leaf, _stored(connection))
    if above:
        rows = [{"level": level, "position": position, "hash": digest} for level, position, digest in above]
        connection.execute(insert(log_node), rows)
    return seq


def size(connection: Connection) -> int:
    """How many entries there are."""
    last = connection.execute(select(func.max(event_log.c.seq))).scalar_one()
    return 0 if last is None else last + 1


def root(connection: Connection, size: int) -> bytes:
    """The hash of the tree over the first `size` entries, which must be there."""
    return merkle.root(size, _stored(connection))


def inclusion_proof(connection: Connection, seq: int, size: int) -> list[bytes]:
    """What leads from entry `seq` to the root of `size` entries, which must be there. Raises `ValueError`."""
    return merkle.inclusion_proof(seq, size, _stored(connection))


def consistency_proof(connection: Connection, old: int, new: int) -> list[bytes]:
    """That the log of `new` entries grew from that of `old`. Raises `ValueError`."""
    return merkle.consistency_proof(old, new, _stored(connection))


def entries(connection: Connection, start: int = 0) -> Iterator[LogEntry]:
    """The entries from number `start` on, in order."""
    for row in _rows(connection, start):
        yield _entry_of(row)


def entry(connection: Connection, seq: int) -> LogEntry | None:
    """One entry, or None."""
    row = connection.execute(select(event_log).where(event_log.c.seq == seq)).one_or_none()
    return None if row is None else _entry_of(row)


def verify(connection: Connection, known: dict[int, bytes]) -> LogCheck:
    """Recomputes every hash from the texts; `known`, roots by size, shows a past that was rewritten."""
    size, digest = 0, merkle.root(0, _stored(connection))
    open_lefts: dict[tuple[int, int], bytes] = {}  # full subtrees whose right sibling is not full yet
    batch: dict[tuple[int, int], bytes] = {}
    for row in _rows(connection, 0):
        problem = _problem(row, size)
        if problem:
            return LogCheck(False, size, digest, f"entry {size}: {problem}")
        for level, position, full in merkle.completed(size, row.leaf, lambda *place: open_lefts.pop(place)):
            if not position & 1:
                open_lefts[level, position] = full
            if level:
                batch[level, position] = full
        size += 1
        if size in known or len(batch) >= _BATCH:
            if problem := _wrong_node(connection, batch):
                return LogCheck(False, size, digest, problem)
            batch = {}
        if size in known:
            # The same subtrees, from memory: what is stored was compared with them just now.
            digest = root(connection, size)
            if digest != known[size]:
                return LogCheck(
                    False, size, digest, f"the first {size} entries are not those that were known"
                )
    if problem := _wrong_node(connection, batch):
        return LogCheck(False, size, digest, problem)
    kept_nodes = connection.execute(select(func.count()).select_from(log_node)).scalar_one()
    if kept_nodes != size - size.bit_count():  # a tree of n leaves has so many complete subtrees above them
        return LogCheck(False, size, digest, "there are subtrees of entries that are gone")
    digest = root(connection, size)
    if known and size < max(known):
        return LogCheck(False, size, digest, f"{max(known) - size} known entries are gone from the end")
    return LogCheck(True, size, digest)


def _stored(connection: Connection) -> merkle.Node:
    """The tree's complete subtrees as the database has them."""

    def node(level: int, position: int) -> bytes:
        if level == 0:
            query = select(event_log.c.leaf).where(event_log.c.seq == position)
        else:
            query = select(log_node.c.hash).where(log_node.c.level == level, log_node.c.position == position)
        digest: bytes = connection.execute(query).scalar_one()
        return digest

    return node


def _entry_of(row: Row[tuple[int, str, bytes]]) -> LogEntry:
    said = read_canonical(row.entry)
    at = dt.datetime.fromisoformat(said["at"])
    return LogEntry(seq=row.seq, at=at, kind=said["kind"], body=said["body"], text=row.entry, leaf=row.leaf)


def _problem(row: Row[tuple[int, str, bytes]], seq: int) -> str | None:
    if row.seq != seq:
        return f"missing; the next one is {row.seq}"
    if merkle.leaf_hash(row.entry.encode()) != row.leaf:
        return "its text does not match its leaf hash"
    try:
        said = read_canonical(row.entry)
        if said["seq"] != seq or canonical_json(said) != row.entry:
            return "its text is not the canonical form of this entry"
    except (ValueError, TypeError, KeyError):
        return "its text is not an entry"
    return None


def _wrong_node(connection: Connection, expected: dict[tuple[int, int], bytes]) -> str | None:
    if not expected:
        return None
    place = tuple_(log_node.c.level, log_node.c.position)
    rows = connection.execute(select(log_node).where(place.in_(list(expected)))).all()
    found = {(row.level, row.position): row.hash for row in rows}
    for (level, position), digest in expected.items():
        if found.get((level, position)) != digest:
            return f"the subtree {position} of level {level} does not follow from the entries"
    return None


def _rows(connection: Connection, start: int) -> Iterator[Row[tuple[int, str, bytes]]]:
    query = select(event_log).where(event_log.c.seq >= start).order_by(event_log.c.seq)
    yield from connection.execution_options(yield_per=1000).execute(query)
