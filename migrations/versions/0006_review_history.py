"""The history of a review: comments, approvals by more than one person, re-openings, time-outs.

Expands: a new table, columns that may be empty or have a constant default, one more allowed status. The decisions that
were made so far become the first events; there are as many as people had time to make, so one statement does it.

Revises: 0005
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OLD, _NEW = (
    "status IN ('pending', 'approved', 'rejected')",
    "status IN ('pending', 'approved', 'rejected', 'expired')",
)


def upgrade() -> None:
    with op.batch_alter_table("review_item") as item:
        item.add_column(sa.Column("requester_id", _ROW_ID, nullable=True))
        item.add_column(sa.Column("approvals_needed", sa.Integer(), server_default="1", nullable=False))
        item.create_foreign_key("fk_review_item_requester_id_agent", "agent", ["requester_id"], ["id"])
        item.create_index("ix_review_item_requester_id", ["requester_id"])
        item.drop_constraint("ck_review_item_status", type_="check")
        item.create_check_constraint("ck_review_item_status", _NEW)
    op.create_table(
        "review_event",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("review_item_id", _ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("agent_id", _ROW_ID, nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=16), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("log_seq", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('commented', 'endorsed', 'approved', 'rejected', 'reopened', 'expired')",
            name="ck_review_event_kind",
        ),
        sa.ForeignKeyConstraint(
            ["review_item_id"], ["review_item.id"], name="fk_review_event_review_item_id_review_item"
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_review_event_agent_id_agent"),
        sa.PrimaryKeyConstraint("id", name="pk_review_event"),
    )
    op.create_index("ix_review_event_review_item_id", "review_event", ["review_item_id"])
    op.create_index("ix_review_event_agent_id", "review_event", ["agent_id"])
    op.execute(
        """INSERT INTO review_event (review_item_id, kind, agent_id, policy_version, note, created)
        SELECT i.id, i.status, i.reviewer_id, d.policy_version, i.reason, i.decided
        FROM review_item i LEFT JOIN safety_decision d ON d.id = i.safety_decision_id
        WHERE i.reviewer_id IS NOT NULL AND i.decided IS NOT NULL ORDER BY i.decided, i.id"""
    )


def downgrade() -> None:
    op.drop_table("review_event")
    # What nobody decided in time waits again; the older program knows no other word for it.
    op.execute(
        """UPDATE review_item SET status = 'pending', reviewer_id = NULL, reason = NULL, decided = NULL
        WHERE status = 'expired'"""
    )
    with op.batch_alter_table("review_item") as item:
        item.drop_constraint("ck_review_item_status", type_="check")
        item.create_check_constraint("ck_review_item_status", _OLD)
        item.drop_index("ix_review_item_requester_id")
        item.drop_constraint("fk_review_item_requester_id_agent", type_="foreignkey")
        item.drop_column("approvals_needed")
        item.drop_column("requester_id")
