"""Signatures that wait for a time stamp: queued with the clip, tried with back-off, ended by a stamped edition."""

import datetime as dt
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from provenance.ledger import log
from provenance.ledger.entities import asset_id, now
from provenance.ledger.records import Asset, TimeStamp, clip_id_hex
from provenance.ledger.schema import asset, clip, derivation, generation_run, time_stamp

# A minute, two, four … up to a day; after that many tries somebody must look, and `keys stamp` tries all the same.
_FIRST_DELAY, _LONGEST_DELAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
_MAX_ATTEMPTS = 20


def queue(connection: Connection, clip_id: int) -> None:
    """Notes that the signature of a clip has no time stamp yet."""
    moment = now()
    connection.execute(
        insert(time_stamp).values(
            clip_id=clip_id, state="pending", attempts=0, created=moment, next_try=moment
        )
    )


def waiting(connection: Connection, *, due: bool, limit: int) -> list[TimeStamp]:
    """What has no stamp yet, longest waiting first; `due`: only what may be tried again by now."""
    query = select(time_stamp).order_by(time_stamp.c.next_try, time_stamp.c.clip_id).limit(limit)
    if due:
        query = query.where(time_stamp.c.state == "pending", time_stamp.c.next_try <= now())
    else:
        query = query.where(time_stamp.c.state != "done")
    return [_of_row(row, None) for row in connection.execute(query)]


def find(connection: Connection, clip_id: int) -> TimeStamp | None:
    """Where the stamp of a clip stands; None where it never waited for one."""
    row = connection.execute(
        select(time_stamp, asset.c.sha256)
        .outerjoin(asset, time_stamp.c.asset_id == asset.c.id)
        .where(time_stamp.c.clip_id == clip_id)
    ).one_or_none()
    return None if row is None else _of_row(row, row.sha256)


def fail(connection: Connection, clip_id: int, reason: str) -> None:
    """One more try that gave nothing; the next one is twice as far away."""
    attempts = (
        connection.execute(select(time_stamp.c.attempts).where(time_stamp.c.clip_id == clip_id)).scalar_one()
        + 1
    )
    connection.execute(
        update(time_stamp)
        .where(time_stamp.c.clip_id == clip_id, time_stamp.c.state != "done")
        .values(
            attempts=attempts,
            last_error=reason,
            state="failed" if attempts >= _MAX_ATTEMPTS else "pending",
            next_try=now() + min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(attempts - 1, 16)),
        )
    )


def finish(connection: Connection, clip_id: int, imprint: bytes, token: bytes, edition: Asset) -> None:
    """Records the stamp and the edition that carries it, derived from the clip's file. Twice changes nothing."""
    ended = connection.execute(
        update(time_stamp)
        .where(time_stamp.c.clip_id == clip_id, time_stamp.c.state != "done")
        .values(
            state="done",
            attempts=time_stamp.c.attempts + 1,
            last_error=None,
            imprint=imprint,
            token=token,
            asset_id=asset_id(connection, edition),
            done=now(),
        )
    )
    if not ended.rowcount:
        return
    row = connection.execute(
        select(clip.c.asset_id, generation_run.c.id)
        .join(generation_run, clip.c.clip_id == generation_run.c.clip_id)
        .where(clip.c.clip_id == clip_id)
    ).one()
    connection.execute(
        insert(derivation).values(
            used_id=row.asset_id,
            generated_id=asset_id(connection, edition),
            role="stamped",
            generation_run_id=row.id,
        )
    )
    log.append(
        connection,
        "clip.stamped",
        {"clip_id": clip_id_hex(clip_id), "asset": edition.sha256.hex(), "imprint": imprint.hex()},
    )


def _of_row(row: Row[Any], edition: bytes | None) -> TimeStamp:
    return TimeStamp(
        clip_id=row.clip_id,
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        imprint=row.imprint,
        token=row.token,
        edition_sha256=edition,
        next_try=row.next_try,
        done=row.done,
    )
