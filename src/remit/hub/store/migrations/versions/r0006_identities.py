"""Accounts have identities: what somebody said counts for no later account of the same name."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (("decisions", "decided_by", "decider"), ("suppressions", "made_by", "maker"))


def upgrade() -> None:
    """Give each account an identity, and their words to those that were there when they said them.

    A word from before its account was made is an earlier account's of that name: it stays with
    nobody, and counts no more.
    """
    op.add_column(
        "accounts", sa.Column("id", sa.String(length=32), nullable=False, server_default="")
    )
    accounts = sa.table("accounts", *map(sa.column, ("name", "id", "made_us")))
    connection = op.get_bind()
    for name in connection.scalars(sa.select(accounts.c.name)).all():
        connection.execute(
            sa.update(accounts).where(accounts.c.name == name).values(id=secrets.token_hex(16))
        )
    for table, by, whose in _TABLES:
        op.add_column(
            table, sa.Column(whose, sa.String(length=32), nullable=False, server_default="")
        )
        said = sa.table(table, *map(sa.column, (by, whose, "made_us")))
        mine = (accounts.c.name == said.c[by]) & (accounts.c.made_us <= said.c.made_us)
        found = sa.select(accounts.c.id).where(mine).scalar_subquery()
        connection.execute(sa.update(said).values({whose: sa.func.coalesce(found, "")}))
