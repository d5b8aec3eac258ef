"""Statements that several tables share. All run in a transaction of the caller's.

Locks are taken in one order, so that no two transactions wait for each other: the repository's
row, then blobs, then everything below. (SQLite has one writer and ignores row locks.)
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from remit.artifacts.oci.manifest import Descriptor
from remit.core.digest import Digest
from remit.hub.patterns import first, matches
from remit.hub.registry.errors import Denied
from remit.hub.store.tables import repositories, rules


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the repositories that a pattern means; 0 or empty where nothing does.

    Attributes:
        pattern: of repositories.
        quota_bytes: how much each may hold.
        immutable: patterns of tags that never move, separated by spaces.
        keep_tags: how many of the newest tags are kept whatever their age.
        keep_us: how long other tags are kept.
        untagged_us: how long manifests without a tag are kept.
    """

    pattern: str
    quota_bytes: int = 0
    immutable: str = ""
    keep_tags: int = 0
    keep_us: int = 0
    untagged_us: int = 0

    def fixes(self, tag: str) -> bool:
        """Whether ``tag`` must not move once it is set."""
        return any(matches(each, tag) for each in self.immutable.split())


NO_RULE = Rule(pattern="**")


def storable(text: str, limit: int) -> str:
    """Text of an artifact, as PostgreSQL takes it: no NUL, and not longer than its column."""
    return text[:limit].replace("\0", " ")


def insert_into(connection: Connection, table: Table) -> Any:
    """An ``INSERT`` that knows ``ON CONFLICT``; both dialects spell it the same."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def repository_id(connection: Connection, name: str) -> int | None:
    """The repository's id, without a lock."""
    found = connection.execute(select(repositories.c.id).where(repositories.c.name == name))
    return found.scalar_one_or_none()


def descriptor_of(row: Any) -> Descriptor:
    """Of a manifest, by its row."""
    return Descriptor(
        media_type=row.media_type,
        digest=Digest(row.digest),
        size=row.size,
        artifact_type=row.artifact_type,
    )


def hold(connection: Connection, name: str, *, create_us: int = 0) -> Row[Any, Any] | None:
    """Lock the repository's row; make it if ``create_us`` says when."""
    if create_us:
        connection.execute(
            insert_into(connection, repositories)
            .values(name=name, created_us=create_us)
            .on_conflict_do_nothing(index_elements=["name"])
        )
    return connection.execute(
        select(repositories.c.id, repositories.c.used_bytes)
        .where(repositories.c.name == name)
        .with_for_update()
    ).one_or_none()


def rule_for(connection: Connection, name: str) -> Rule:
    """The rule with the most specific pattern that means the repository."""
    found = [Rule(**row._mapping) for row in connection.execute(select(rules))]  # noqa: SLF001 - SQLAlchemy's public name for it
    return first(found, name) or NO_RULE


def use(connection: Connection, name: str, row: Row[Any, Any], added: int) -> None:
    """Count ``added`` bytes to a repository that is locked.

    Raises:
        Denied: it would hold more than its quota.
    """
    used = max(0, row.used_bytes + added)
    if added > 0:
        quota = rule_for(connection, name).quota_bytes
        if quota and used > quota:
            raise Denied(
                f"`{name}` may hold {quota} bytes and would hold {used}",
                detail={"quota": quota, "used": row.used_bytes, "asked": added},
            )
    connection.execute(
        update(repositories).where(repositories.c.id == row.id).values(used_bytes=used)
    )
