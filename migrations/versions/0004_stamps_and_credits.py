"""Time stamps that wait, and the people credited in a clip.

Revises: 0003
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "time_stamp",
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("imprint", sa.LargeBinary()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("token", sa.LargeBinary()),
        sa.Column("asset_id", _ROW_ID),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name="ck_time_stamp_state"),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_time_stamp_clip_id_clip"),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name="fk_time_stamp_asset_id_asset"),
        sa.PrimaryKeyConstraint("clip_id", name="pk_time_stamp"),
    )
    op.create_index("ix_time_stamp_asset_id", "time_stamp", ["asset_id"])
    op.create_index("ix_time_stamp_state_time_stamp_next_try", "time_stamp", ["state", "next_try"])
    op.create_table(
        "credit",
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("agent_id", _ROW_ID, nullable=False),
        sa.Column("role", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_credit_clip_id_clip"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_credit_agent_id_agent"),
        sa.PrimaryKeyConstraint("clip_id", "agent_id", "role", name="pk_credit"),
    )
    op.create_index("ix_credit_agent_id", "credit", ["agent_id"])


def downgrade() -> None:
    op.drop_table("credit")
    op.drop_table("time_stamp")
