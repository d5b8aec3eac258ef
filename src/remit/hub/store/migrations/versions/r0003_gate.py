"""Scans and what came of them: jobs, reports, admissions, decisions, suppressions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NAME = sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql")
_DIGEST = sa.String(length=135)


def _us(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _text(name: str, size: int = 0) -> "sa.Column[str]":
    kind = sa.String(length=size) if size else sa.Text()
    return sa.Column(name, kind, server_default="", nullable=False)


def _of_repository(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["repository"], ["repositories.id"], name=op.f(f"fk_{table}_repository")
    )


def upgrade() -> None:
    """Make the tables; what was pushed before gets its row when the gate first looks for it."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("slot", sa.String(length=255)),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("repository", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.LargeBinary(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _text("worker", 255),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        _text("error"),
        *map(_us, ("made_us", "due_us", "started_us", "leased_us", "ended_us")),
        _of_repository("jobs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("slot", name=op.f("uq_jobs_slot")),
    )
    op.create_index("ix_jobs_next", "jobs", ["state", "priority", "made_us"])
    op.create_index("ix_jobs_artifact", "jobs", ["repository", "digest"])
    op.create_table(
        "reports",
        sa.Column("job", sa.String(length=26), nullable=False),
        sa.Column("scanner", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("rules", _DIGEST, nullable=False),
        _text("failed"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _us("finished_us"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_reports_job")),
        sa.PrimaryKeyConstraint("job", "scanner", name=op.f("pk_reports")),
    )
    op.create_table(
        "admissions",
        sa.Column("repository", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        _text("reason"),
        _text("job", 26),
        *(_text(name, 135) for name in ("policy", "scanners", "summary")),
        _text("decided_by", 255),
        *map(_us, ("changed_us", "expires_us")),
        _of_repository("admissions"),
        sa.PrimaryKeyConstraint("repository", "digest", name=op.f("pk_admissions")),
    )
    op.create_index("ix_admissions_digest", "admissions", ["digest"])
    op.create_index("ix_admissions_state", "admissions", ["state", "changed_us"])
    op.create_index("ix_admissions_changed", "admissions", ["changed_us", "repository", "digest"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("repository", _ID, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        _text("rule", 255),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        _text("reason"),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        *map(_us, ("made_us", "expires_us")),
        _of_repository("decisions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_artifact", "decisions", ["repository", "digest"])
    op.create_table(
        "suppressions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("pattern", _NAME, nullable=False),
        sa.Column("rule", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        *map(_us, ("made_us", "expires_us", "revoked_us")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    op.create_index(op.f("ix_suppressions_fingerprint"), "suppressions", ["fingerprint"])
