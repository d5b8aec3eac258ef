"""Making the database what this version needs, and refusing one from a newer version.

Alembic is imported when something has to be done: most commands find a database that is up to date.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from remit.hub.store.database import StoreError

HEAD = "0007"
_LOCK = 0x72656D6974


def migrate(connection: Connection) -> tuple[str | None, str]:
    """Apply what is missing; the revision before and after.

    Several Hubs may start at once: one migrates, the others wait for it.

    Raises:
        StoreError: the database is of a version that this one does not know.
    """
    before = _revision(connection)
    if before != HEAD:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            before = _revision(connection)
        _upgrade(connection, before)
    return before, HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, before: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    if before is not None and before not in {each.revision for each in scripts.walk_revisions()}:
        raise StoreError(
            f"the database is of revision `{before}`, which this version of Remit does not know",
            hint="run the version that made it, or a newer one",
        )
    command.upgrade(config, HEAD)
