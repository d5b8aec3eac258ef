"""Tables of the Hub, for SQLite and PostgreSQL alike.

Times are microseconds since the Unix epoch, 0 where there is none. Bytes of blobs are global, by
digest; that somebody may see them is a row of ``links``, in one repository. Manifests are small
and lie in the database, so that a manifest, its tag and what it refers to change together.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

# Lists are in the order of bytes (distribution-spec, "Listing Tags"), whatever the locale.
_NAME = String(255).with_variant(String(255, collation="C"), "postgresql")
_DIGEST = String(135)
_ROWID = BigInteger().with_variant(Integer, "sqlite")


def _us(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


repositories = Table(
    "repositories",
    metadata,
    Column("id", _ROWID, primary_key=True, autoincrement=True),
    Column("name", _NAME, nullable=False, unique=True),
    _us("created_us"),
    Column("used_bytes", BigInteger, nullable=False, server_default="0"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("size", BigInteger, nullable=False),
    _us("stored_us"),
    _us("leased_us"),
    _us("doomed_us"),
    Index("ix_blobs_doomed", "doomed_us"),
)

links = Table(
    "links",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("digest", ForeignKey("blobs.digest"), primary_key=True, index=True),
    _us("linked_us"),
    _us("leased_us"),
    Index("ix_links_leased", "leased_us"),
)

documents = Table(
    "documents",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    _us("stored_us"),
)

manifests = Table(
    "manifests",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("digest", ForeignKey("documents.digest"), primary_key=True),
    Column("media_type", String(255), nullable=False),
    Column("artifact_type", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("subject", _DIGEST, nullable=False),
    Column("descriptor", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("pushed_by", String(255), nullable=False),
    _us("pushed_us"),
    _us("touched_us"),
    Column("name", String(255), nullable=False, server_default=""),
    Column("version", String(255), nullable=False, server_default=""),
    Column("graph", String(16), nullable=False, server_default=""),
    Column("search", Text, nullable=False, server_default=""),
    Index("ix_manifests_subject", "repository", "subject"),
    Index("ix_manifests_digest", "digest"),
    Index("ix_manifests_kind", "kind"),
    Index("ix_manifests_pushed", "pushed_us", "repository", "digest"),
)

edges = Table(
    "edges",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("subject", _DIGEST, primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("dependency", _DIGEST, nullable=False),
    Column("reference", Text, nullable=False),
    Index("ix_edges_dependency", "dependency"),
    Index("ix_edges_subject", "subject"),
)

servers = Table(
    "servers",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("digest", _DIGEST, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("version", String(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_servers_name", "name"),
)

# Whose a name of an MCP server is: of the repository that used it first.
server_names = Table(
    "server_names",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("repository", ForeignKey("repositories.id"), nullable=False, index=True),
)

references = Table(
    "references",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("parent", _DIGEST, primary_key=True),
    Column("child", _DIGEST, primary_key=True),
    Column("role", String(16), nullable=False),
    Index("ix_references_child", "repository", "child"),
)

tags = Table(
    "tags",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("digest", _DIGEST, nullable=False),
    Column("moved_by", String(255), nullable=False),
    _us("moved_us"),
    Index("ix_tags_digest", "repository", "digest"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("repository", ForeignKey("repositories.id"), nullable=False, index=True),
    Column("owner", String(255), nullable=False),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("parts", Text, nullable=False, server_default=""),
    Column("holder", String(64), nullable=False, server_default=""),
    _us("held_us"),
    _us("started_us"),
    _us("leased_us"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("made_by", String(255), nullable=False),
    _us("made_us"),
    _us("expires_us"),
    _us("disabled_us"),
    # Of this account alone: a later one of the same name has another.
    Column("id", String(32), nullable=False, server_default=""),
)

grants = Table(
    "grants",
    metadata,
    Column("account", _NAME, primary_key=True),
    Column("pattern", _NAME, primary_key=True),
    Column("role", String(16), nullable=False),
    _us("granted_us"),
)

rules = Table(
    "rules",
    metadata,
    Column("pattern", _NAME, primary_key=True),
    Column("quota_bytes", BigInteger, nullable=False, server_default="0"),
    Column("immutable", Text, nullable=False, server_default=""),
    Column("keep_tags", Integer, nullable=False, server_default="0"),
    Column("keep_us", BigInteger, nullable=False, server_default="0"),
    Column("untagged_us", BigInteger, nullable=False, server_default="0"),
)

# Work to be done by workers, durable: see hub.jobs. ``slot`` is unique while a job is open and NULL
# afterwards, so that nobody asks for the same work twice.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("slot", String(255), unique=True),
    Column("kind", String(32), nullable=False),
    Column("repository", ForeignKey("repositories.id"), nullable=False),
    Column("digest", _DIGEST, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("target", String(64), nullable=False, server_default=""),
    Column("detail", LargeBinary, nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", String(255), nullable=False, server_default=""),
    Column("progress", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    _us("made_us"),
    _us("due_us"),
    _us("started_us"),
    _us("leased_us"),
    _us("ended_us"),
    Index("ix_jobs_next", "state", "priority", "made_us"),
    Index("ix_jobs_artifact", "repository", "digest"),
)

# What a scanner said in a job: a remit.scan.base.Report, compressed.
reports = Table(
    "reports",
    metadata,
    Column("job", ForeignKey("jobs.id"), primary_key=True),
    Column("scanner", String(64), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("rules", _DIGEST, nullable=False),
    Column("failed", Text, nullable=False, server_default=""),
    Column("body", LargeBinary, nullable=False),
    _us("finished_us"),
)

# Which findings a scan made: what a suppression touches.
findings = Table(
    "findings",
    metadata,
    Column("job", ForeignKey("jobs.id"), primary_key=True),
    Column("fingerprint", String(64), primary_key=True, index=True),
    Column("rule", String(255), nullable=False),
    Column("severity", String(16), nullable=False),
)

# Whether an artifact may be pulled from a repository: see hub.admission.
admissions = Table(
    "admissions",
    metadata,
    Column("repository", ForeignKey("repositories.id"), primary_key=True),
    Column("digest", _DIGEST, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("job", String(26), nullable=False, server_default=""),
    Column("policy", _DIGEST, nullable=False, server_default=""),
    Column("scanners", _DIGEST, nullable=False, server_default=""),
    Column("summary", _DIGEST, nullable=False, server_default=""),
    Column("decided_by", String(255), nullable=False, server_default=""),
    _us("changed_us"),
    _us("expires_us"),
    Index("ix_admissions_digest", "digest"),
    Index("ix_admissions_state", "state", "changed_us"),
    Index("ix_admissions_changed", "changed_us", "repository", "digest"),
)

# What curators said of an artifact that policy leaves to people; ``bundle`` is what they signed.
decisions = Table(
    "decisions",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("repository", ForeignKey("repositories.id"), nullable=False),
    Column("digest", _DIGEST, nullable=False),
    Column("rule", String(255), nullable=False, server_default=""),
    Column("decision", String(16), nullable=False),
    Column("decided_by", String(255), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("bundle", LargeBinary, nullable=False),
    _us("made_us"),
    _us("expires_us"),
    Column("decider", String(32), nullable=False, server_default=""),
    Index("ix_decisions_artifact", "repository", "digest"),
)

# Findings that somebody answered for, by fingerprint, in repositories that ``pattern`` means.
suppressions = Table(
    "suppressions",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("pattern", _NAME, nullable=False),
    Column("rule", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", String(255), nullable=False),
    Column("bundle", LargeBinary, nullable=False),
    _us("made_us"),
    _us("expires_us"),
    _us("revoked_us"),
    Column("maker", String(32), nullable=False, server_default=""),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("node", String(255), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    _us("written_us"),
)
