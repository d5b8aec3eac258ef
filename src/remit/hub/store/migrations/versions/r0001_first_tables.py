"""The first tables: registry, accounts, rules, outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column(
            "name",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("made_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disabled_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )
    op.create_table(
        "blobs",
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stored_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("doomed_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_index("ix_blobs_doomed", "blobs", ["doomed_us"], unique=False)
    op.create_table(
        "documents",
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("stored_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_documents")),
    )
    op.create_table(
        "grants",
        sa.Column(
            "account",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "pattern",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("granted_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("account", "pattern", name=op.f("pk_grants")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("node", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("written_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "repositories",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "name",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repositories")),
        sa.UniqueConstraint("name", name=op.f("uq_repositories_name")),
    )
    op.create_table(
        "rules",
        sa.Column(
            "pattern",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("quota_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("immutable", sa.Text(), server_default="", nullable=False),
        sa.Column("keep_tags", sa.Integer(), server_default="0", nullable=False),
        sa.Column("keep_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("untagged_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("pattern", name=op.f("pk_rules")),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "links",
        sa.Column(
            "repository", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("linked_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_links_digest")),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_links_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "digest", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_digest"), "links", ["digest"], unique=False)
    op.create_index("ix_links_leased", "links", ["leased_us"], unique=False)
    op.create_table(
        "manifests",
        sa.Column(
            "repository", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("artifact_type", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=135), nullable=False),
        sa.Column("descriptor", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("pushed_by", sa.String(length=255), nullable=False),
        sa.Column("pushed_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("touched_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["documents.digest"], name=op.f("fk_manifests_digest")),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_manifests_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "digest", name=op.f("pk_manifests")),
    )
    op.create_index("ix_manifests_digest", "manifests", ["digest"], unique=False)
    op.create_index("ix_manifests_kind", "manifests", ["kind"], unique=False)
    op.create_index("ix_manifests_subject", "manifests", ["repository", "subject"], unique=False)
    op.create_table(
        "references",
        sa.Column(
            "repository", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("parent", sa.String(length=135), nullable=False),
        sa.Column("child", sa.String(length=135), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_references_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "parent", "child", name=op.f("pk_references")),
    )
    op.create_index("ix_references_child", "references", ["repository", "child"], unique=False)
    op.create_table(
        "tags",
        sa.Column(
            "repository", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "name",
            sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("moved_by", sa.String(length=255), nullable=False),
        sa.Column("moved_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_tags_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "name", name=op.f("pk_tags")),
    )
    op.create_index("ix_tags_digest", "tags", ["repository", "digest"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column(
            "repository", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("parts", sa.Text(), server_default="", nullable=False),
        sa.Column("holder", sa.String(length=64), server_default="", nullable=False),
        sa.Column("held_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_uploads_repository")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_repository"), "uploads", ["repository"], unique=False)
    # ### end Alembic commands ###
