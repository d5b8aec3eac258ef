"""Which findings a scan made, so that what a suppression touches is found."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; scans from before are in it when they are done again."""
    op.create_table(
        "findings",
        sa.Column("job", sa.String(length=26), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=255), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_findings_job")),
        sa.PrimaryKeyConstraint("job", "fingerprint", name=op.f("pk_findings")),
    )
    op.create_index("ix_findings_fingerprint", "findings", ["fingerprint"])
