"""What the catalogue asks for: words to search in, edges of dependencies, MCP servers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the columns and tables; artifacts from before are described when pushed again."""
    for name, length in (("name", 255), ("version", 255), ("graph", 16)):
        op.add_column(
            "manifests",
            sa.Column(name, sa.String(length=length), server_default="", nullable=False),
        )
    op.add_column("manifests", sa.Column("search", sa.Text(), server_default="", nullable=False))
    op.execute(
        "UPDATE manifests SET search = lower((SELECT name FROM repositories"
        " WHERE repositories.id = manifests.repository) || ' ' || title || ' ' || artifact_type)"
    )
    op.create_index("ix_manifests_pushed", "manifests", ["pushed_us", "repository", "digest"])
    op.create_table(
        "edges",
        sa.Column("repository", _ID, nullable=False),
        sa.Column("subject", sa.String(length=135), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("dependency", sa.String(length=135), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_edges_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "subject", "role", "name", name=op.f("pk_edges")),
    )
    op.create_index("ix_edges_dependency", "edges", ["dependency"])
    op.create_index("ix_edges_subject", "edges", ["subject"])
    op.create_table(
        "servers",
        sa.Column("repository", _ID, nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_servers_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "digest", name=op.f("pk_servers")),
    )
    op.create_index("ix_servers_name", "servers", ["name"])
    op.create_table(
        "server_names",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("repository", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["repositories.id"], name=op.f("fk_server_names_repository")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server_names")),
    )
    op.create_index(op.f("ix_server_names_repository"), "server_names", ["repository"])
