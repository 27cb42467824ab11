"""Labels: what tells people and platforms that a clip is AI-generated.

Revises: 0004
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("clip_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind IN ('aigc', 'visible')", name=op.f("ck_label_kind")),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.clip_id"], name=op.f("fk_label_clip_id_clip")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
        sa.UniqueConstraint("clip_id", "kind", name=op.f("uq_label_clip_id_kind")),
    )


def downgrade() -> None:
    op.drop_table("label")
