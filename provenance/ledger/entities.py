"""Rows that others share (agents, prompts, assets): found by what identifies them, or made."""

import datetime as dt
from typing import Any

from sqlalchemy import Connection, Table, and_, insert, select, update

from provenance.ledger.records import Asset
from provenance.ledger.schema import agent, asset, prompt


def agent_id(connection: Connection, kind: str, name: str, *, version: str = "", key_id: str = "") -> int:
    """The row of a piece of software, a person or a signing key."""
    identity = {"kind": kind, "name": name, "version": version, "key_id": key_id}
    return _found(connection, agent, identity) or insert_row(connection, agent, **identity)


def asset_id(connection: Connection, record: Asset) -> int:
    """The row of an immutable file; what was first said of it stays."""
    identity = {"sha256": record.sha256}
    more = {"size": record.size, "media_type": record.media_type, "origin": record.origin, "created": now()}
    return _found(connection, asset, identity) or insert_row(connection, asset, **identity, **more)


def prompt_id(connection: Connection, sha256: bytes, *, salt: bytes | None, text: str | None) -> int:
    """The row of a prompt; a text given later for a known hash is added."""
    identity = {"sha256": sha256}
    found = _found(connection, prompt, identity)
    if found is None:
        return insert_row(connection, prompt, sha256=sha256, salt=salt, text=text, created=now())
    if text is not None:
        unknown = and_(prompt.c.id == found, prompt.c.text.is_(None))
        connection.execute(update(prompt).where(unknown).values(text=text, salt=salt))
    return found


def now() -> dt.datetime:
    """The present moment, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


def _found(connection: Connection, table: Table, identity: dict[str, Any]) -> int | None:
    matches = and_(*(table.c[name] == value for name, value in identity.items()))
    return connection.execute(select(table.c.id).where(matches)).scalar_one_or_none()


def insert_row(connection: Connection, table: Table, **values: Any) -> int:
    """Inserts one row; returns its number."""
    primary_key: Any = connection.execute(insert(table).values(**values)).inserted_primary_key
    return int(primary_key[0])
