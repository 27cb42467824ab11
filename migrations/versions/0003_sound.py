"""Fingerprints of sound.

Revises: 0002
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sound",
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("start_s", sa.Float(precision=53), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.Column("reliable", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name="fk_sound_clip_id_clip"),
        sa.PrimaryKeyConstraint("clip_id", name="pk_sound"),
    )


def downgrade() -> None:
    op.drop_table("sound")
