"""The log as a Merkle tree with signed checkpoints; a salt for each run.

Expands: new tables, new columns that may be empty. The hash chain goes: whatever it showed, the tree shows, and an
outsider can check the tree.

Revises: 0001
Created: 2026-11-25
"""

import hashlib
import json
import secrets

import sqlalchemy as sa
from alembic import op

from provenance.ledger import merkle

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQLITE = """CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
CREATE TRIGGER {table}_only_next BEFORE INSERT ON {table}
    WHEN {replaces}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""

# INSERT OR REPLACE deletes the old row without firing its trigger, so what is there must not be inserted again.
_REPLACES = {
    "event_log": "NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM event_log)",
    "log_node": ("EXISTS (SELECT 1 FROM log_node WHERE level = NEW.level AND position = NEW.position)"),
    "log_checkpoint": "EXISTS (SELECT 1 FROM log_checkpoint WHERE size = NEW.size)",
}

_REFUSE = """CREATE OR REPLACE FUNCTION event_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END $$"""
_POSTGRESQL = """CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION event_log_refuse();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION event_log_refuse()"""


def upgrade() -> None:
    connection = op.get_bind()
    with op.batch_alter_table("generation_run") as run:
        run.add_column(sa.Column("salt", sa.LargeBinary(), nullable=True))
    with op.batch_alter_table("clip") as clip:
        clip.add_column(sa.Column("log_seq", sa.BigInteger(), nullable=True))
    op.create_table(
        "log_node",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_log_node"),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_log_checkpoint"),
    )
    _drop_old_triggers(connection)
    with op.batch_alter_table("event_log") as log:
        log.drop_constraint("uq_event_log_chain", type_="unique")
        log.drop_column("prev")
        log.drop_column("chain")
    _plant_tree(connection)
    _salt_runs(connection)
    for table in _REPLACES:
        _protect(connection, table)


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for name in ("no_update", "no_delete", "only_next"):
            op.execute(f"DROP TRIGGER event_log_{name}")
    else:
        op.execute("DROP TRIGGER event_log_no_change ON event_log")
        op.execute("DROP TRIGGER event_log_no_truncate ON event_log")
    op.drop_table("log_checkpoint")
    op.drop_table("log_node")
    with op.batch_alter_table("event_log") as log:
        log.add_column(sa.Column("prev", sa.LargeBinary(length=32), nullable=True))
        log.add_column(sa.Column("chain", sa.LargeBinary(length=32), nullable=True))
    prev = bytes(32)
    change = sa.text("UPDATE event_log SET prev = :prev, chain = :chain WHERE seq = :seq")
    for seq, leaf in connection.execute(sa.text("SELECT seq, leaf FROM event_log ORDER BY seq")).all():
        chain = hashlib.sha256(b"\x02" + prev + leaf).digest()
        connection.execute(change, {"seq": seq, "prev": prev, "chain": chain})
        prev = chain
    with op.batch_alter_table("event_log") as log:
        log.alter_column("prev", nullable=False)
        log.alter_column("chain", nullable=False)
        log.create_unique_constraint("uq_event_log_chain", ["chain"])
    _protect(connection, "event_log")
    with op.batch_alter_table("clip") as clip:
        clip.drop_column("log_seq")
    with op.batch_alter_table("generation_run") as run:
        run.drop_column("salt")


def _drop_old_triggers(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        for name in ("no_update", "no_delete", "only_next"):
            op.execute(f"DROP TRIGGER event_log_{name}")
    else:
        op.execute("DROP TRIGGER event_log_no_change ON event_log")
        op.execute("DROP TRIGGER event_log_no_truncate ON event_log")
        op.execute(_REFUSE)


def _protect(connection: sa.Connection, table: str) -> None:
    sqlite = connection.dialect.name == "sqlite"
    for trigger in (_SQLITE if sqlite else _POSTGRESQL).split(";\nCREATE"):
        statement = trigger if trigger.startswith("CREATE") else "CREATE" + trigger
        op.execute(statement.format(table=table, replaces=_REPLACES[table]))


def _plant_tree(connection: sa.Connection) -> None:
    """The subtrees over the entries that are there, and where each clip's entry is."""
    lefts: dict[tuple[int, int], bytes] = {}
    node = sa.text("INSERT INTO log_node (level, position, hash) VALUES (:level, :position, :hash)")
    place = sa.text("UPDATE clip SET log_seq = :seq WHERE clip_id = :clip_id")
    for seq, entry, leaf in connection.execute(
        sa.text("SELECT seq, entry, leaf FROM event_log ORDER BY seq")
    ).all():
        for level, position, digest in merkle.completed(seq, leaf, lambda *at: lefts.pop(at)):
            if not position & 1:
                lefts[level, position] = digest
            if level:
                connection.execute(node, {"level": level, "position": position, "hash": digest})
        said = json.loads(entry)
        if said["kind"] == "clip.recorded":
            connection.execute(place, {"seq": seq, "clip_id": bytes.fromhex(said["body"]["clip_id"])})


def _salt_runs(connection: sa.Connection) -> None:
    """A plain hash of a prompt becomes a salted one: what was guessable is so no longer."""
    run = sa.table(
        "generation_run", sa.column("id"), sa.column("salt", sa.LargeBinary), sa.column("request", sa.JSON)
    )
    for row in connection.execute(sa.select(run.c.id, run.c.request)).all():
        salt, request = secrets.token_bytes(16), dict(row.request)
        if digest := request.pop("prompt_sha256", None):
            request["prompt_commitment"] = hashlib.sha256(salt + bytes.fromhex(digest)).hexdigest()
        connection.execute(sa.update(run).where(run.c.id == row.id).values(salt=salt, request=request))
