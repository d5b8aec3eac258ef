"""Jobs that ask a served model say which one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the target of a job, which a scan has none of."""
    op.add_column(
        "jobs", sa.Column("target", sa.String(length=64), nullable=False, server_default="")
    )
