"""Making the database what this version needs, and refusing one from a newer version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from remit.hub.store.database import StoreError

_LOCK = 0x72656D6974


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(connection: Connection) -> tuple[str | None, str]:
    """Apply what is missing; the revision before and after.

    Several Hubs may start at once: one migrates, the others wait for it.

    Raises:
        StoreError: the database is of a version that this one does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config(connection)
    scripts = ScriptDirectory.from_config(config)
    before = MigrationContext.configure(connection).get_current_revision()
    if before is not None and before not in {each.revision for each in scripts.walk_revisions()}:
        raise StoreError(
            f"the database is of revision `{before}`, which this version of Remit does not know",
            hint="run the version that made it, or a newer one",
        )
    command.upgrade(config, "head")
    return before, scripts.get_current_head() or ""
