"""Lineage tables and the transparency log.

Revises: nothing
Created: 2026-11-23
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only where the type is exactly INTEGER.
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_SQLITE_TRIGGERS = (
    """CREATE TRIGGER event_log_no_update BEFORE UPDATE ON event_log
        BEGIN SELECT RAISE(ABORT, 'event_log is append-only'); END""",
    """CREATE TRIGGER event_log_no_delete BEFORE DELETE ON event_log
        BEGIN SELECT RAISE(ABORT, 'event_log is append-only'); END""",
    # INSERT OR REPLACE deletes the old row without firing its trigger, so an insert must be the next one.
    """CREATE TRIGGER event_log_only_next BEFORE INSERT ON event_log
        WHEN NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM event_log)
          OR EXISTS (SELECT 1 FROM event_log WHERE chain = NEW.chain)
        BEGIN SELECT RAISE(ABORT, 'event_log is append-only'); END""",
)

_POSTGRESQL_TRIGGERS = (
    """CREATE FUNCTION event_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'event_log is append-only' USING ERRCODE = 'integrity_constraint_violation';
        END $$""",
    """CREATE TRIGGER event_log_no_change BEFORE UPDATE OR DELETE ON event_log
        FOR EACH ROW EXECUTE FUNCTION event_log_refuse()""",
    """CREATE TRIGGER event_log_no_truncate BEFORE TRUNCATE ON event_log
        FOR EACH STATEMENT EXECUTE FUNCTION event_log_refuse()""",
)


def upgrade() -> None:
    _create_lineage()
    _create_log()


def downgrade() -> None:
    op.drop_table("verification")
    op.drop_table("review_item")
    op.drop_table("mark")
    op.drop_table("manifest")
    op.drop_table("generation")
    op.drop_table("fingerprint")
    op.drop_table("safety_decision")
    op.drop_table("derivation")
    op.drop_table("clip")
    op.drop_table("audit")
    op.drop_table("prompt")
    op.drop_table("generation_run")
    op.drop_table("asset")
    op.drop_table("agent")
    # Its triggers go with it.
    op.drop_table("event_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION event_log_refuse()")


def _create_log() -> None:
    op.create_table(
        "event_log",
        sa.Column("seq", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.Column("prev", sa.LargeBinary(length=32), nullable=False),
        sa.Column("chain", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_event_log"),
        sa.UniqueConstraint("chain", name="uq_event_log_chain"),
    )
    triggers = _SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL_TRIGGERS
    for trigger in triggers:
        op.execute(trigger)


def _create_lineage() -> None:
    op.create_table(
        "agent",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('software', 'person', 'key')", name="ck_agent_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_agent"),
        sa.UniqueConstraint("kind", "name", "version", "key_id", name="uq_agent_kind_name_version_key_id"),
    )
    op.create_table(
        "asset",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("origin IN ('produced', 'external')", name="ck_asset_origin"),
        sa.CheckConstraint("size >= 0", name="ck_asset_size"),
        sa.PrimaryKeyConstraint("id", name="pk_asset"),
        sa.UniqueConstraint("sha256", name="uq_asset_sha256"),
    )
    op.create_table(
        "generation_run",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("flow_run_id", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'done', 'refused', 'failed')", name="ck_generation_run_status"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_generation_run"),
        sa.UniqueConstraint("clip_id", name="uq_generation_run_clip_id"),
        sa.UniqueConstraint("key", name="uq_generation_run_key"),
    )
    op.create_index(
        "ix_generation_run_campaign_generation_run_variant", "generation_run", ["campaign", "variant"]
    )
    op.create_table(
        "prompt",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompt"),
        sa.UniqueConstraint("sha256", name="uq_prompt_sha256"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("asset_id", _ROW_ID, nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("p_ai", sa.Float(precision=53), nullable=True),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_audit_asset_id_asset"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_asset_id", "audit", ["asset_id"])
    op.create_table(
        "clip",
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("asset_id", _ROW_ID, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("stream_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("video_packets_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("stream_components", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('ai', 'camera', 'composite', 'unknown')", name="ck_clip_source"),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_clip_asset_id_asset"),
        sa.ForeignKeyConstraint(
            ["clip_id"], ["generation_run.clip_id"], name="fk_clip_clip_id_generation_run"
        ),
        sa.PrimaryKeyConstraint("clip_id", name="pk_clip"),
        sa.UniqueConstraint("asset_id", name="uq_clip_asset_id"),
    )
    op.create_index("ix_clip_stream_digest", "clip", ["stream_digest"])
    op.create_index("ix_clip_video_packets_digest", "clip", ["video_packets_digest"])
    op.create_table(
        "derivation",
        sa.Column("used_id", _ROW_ID, nullable=False),
        sa.Column("generated_id", _ROW_ID, nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("generation_run_id", _ROW_ID, nullable=False),
        sa.CheckConstraint("used_id <> generated_id", name="ck_derivation_not_itself"),
        sa.ForeignKeyConstraint(["generated_id"], ["asset.id"], name="fk_derivation_generated_id_asset"),
        sa.ForeignKeyConstraint(
            ["generation_run_id"],
            ["generation_run.id"],
            name="fk_derivation_generation_run_id_generation_run",
        ),
        sa.ForeignKeyConstraint(["used_id"], ["asset.id"], name="fk_derivation_used_id_asset"),
        sa.PrimaryKeyConstraint("used_id", "generated_id", "role", name="pk_derivation"),
    )
    op.create_index("ix_derivation_generated_id", "derivation", ["generated_id"])
    op.create_index("ix_derivation_generation_run_id", "derivation", ["generation_run_id"])
    op.create_table(
        "safety_decision",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("generation_run_id", _ROW_ID, nullable=False),
        sa.Column("prompt_id", _ROW_ID, nullable=True),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "action IN ('allow', 'allow_label', 'rewrite', 'review', 'block')",
            name="ck_safety_decision_action",
        ),
        sa.CheckConstraint("stage IN ('prompt', 'frames')", name="ck_safety_decision_stage"),
        sa.ForeignKeyConstraint(
            ["generation_run_id"],
            ["generation_run.id"],
            name="fk_safety_decision_generation_run_id_generation_run",
        ),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompt.id"], name="fk_safety_decision_prompt_id_prompt"),
        sa.PrimaryKeyConstraint("id", name="pk_safety_decision"),
    )
    op.create_index("ix_safety_decision_generation_run_id", "safety_decision", ["generation_run_id"])
    op.create_index("ix_safety_decision_prompt_id", "safety_decision", ["prompt_id"])
    op.create_table(
        "fingerprint",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("time_s", sa.Float(precision=53), nullable=False),
        sa.Column("pdq", sa.LargeBinary(length=32), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("quality BETWEEN 0 AND 100", name="ck_fingerprint_quality"),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_fingerprint_clip_id_clip"),
        sa.PrimaryKeyConstraint("id", name="pk_fingerprint"),
        sa.UniqueConstraint("clip_id", "ordinal", name="uq_fingerprint_clip_id_ordinal"),
    )
    op.create_table(
        "generation",
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("software_id", _ROW_ID, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("seed", sa.LargeBinary(length=8), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_generation_clip_id_clip"),
        sa.ForeignKeyConstraint(["software_id"], ["agent.id"], name="fk_generation_software_id_agent"),
        sa.PrimaryKeyConstraint("clip_id", name="pk_generation"),
    )
    op.create_index("ix_generation_software_id", "generation", ["software_id"])
    op.create_table(
        "manifest",
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("signer_id", _ROW_ID, nullable=False),
        sa.Column("store", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_manifest_clip_id_clip"),
        sa.ForeignKeyConstraint(["signer_id"], ["agent.id"], name="fk_manifest_signer_id_agent"),
        sa.PrimaryKeyConstraint("clip_id", name="pk_manifest"),
        sa.UniqueConstraint("label", name="uq_manifest_label"),
    )
    op.create_index("ix_manifest_signer_id", "manifest", ["signer_id"])
    op.create_table(
        "mark",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("scheme", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.LargeBinary(length=8), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_mark_clip_id_clip"),
        sa.PrimaryKeyConstraint("id", name="pk_mark"),
        sa.UniqueConstraint("scheme", "payload", name="uq_mark_scheme_payload"),
    )
    op.create_index("ix_mark_clip_id", "mark", ["clip_id"])
    op.create_table(
        "review_item",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("generation_run_id", _ROW_ID, nullable=False),
        sa.Column("safety_decision_id", _ROW_ID, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reviewer_id", _ROW_ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="ck_review_item_status"),
        sa.ForeignKeyConstraint(
            ["generation_run_id"],
            ["generation_run.id"],
            name="fk_review_item_generation_run_id_generation_run",
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["agent.id"], name="fk_review_item_reviewer_id_agent"),
        sa.ForeignKeyConstraint(
            ["safety_decision_id"],
            ["safety_decision.id"],
            name="fk_review_item_safety_decision_id_safety_decision",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_review_item"),
        sa.UniqueConstraint("generation_run_id", name="uq_review_item_generation_run_id"),
    )
    op.create_index("ix_review_item_reviewer_id", "review_item", ["reviewer_id"])
    op.create_index("ix_review_item_safety_decision_id", "review_item", ["safety_decision_id"])
    op.create_table(
        "verification",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("asset_id", _ROW_ID, nullable=False),
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=True),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_verification_asset_id_asset"),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_verification_clip_id_clip"),
        sa.PrimaryKeyConstraint("id", name="pk_verification"),
    )
    op.create_index("ix_verification_asset_id", "verification", ["asset_id"])
    op.create_index("ix_verification_clip_id", "verification", ["clip_id"])
