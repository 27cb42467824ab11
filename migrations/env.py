"""Alembic's entry: runs revisions on the connection that the ledger hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

from provenance.ledger.revisions import migrating
from provenance.ledger.schema import metadata


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Writes our column types as what they are in SQL: a revision must not change when the code does."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        compare_type=True,
        compare_server_default=True,
    )
    # The caller's transaction is open already; Alembic joins it and leaves the commit to the caller.
    with context.begin_transaction():
        context.run_migrations()


if context.config.attributes.get("connection") is not None:
    run(context.config.attributes["connection"])
else:
    # For developers: alembic -c migrations/alembic.ini -x url=sqlite:///… revision --autogenerate -m "…"
    with migrating(context.get_x_argument(as_dictionary=True)["url"]) as own:
        run(own)
