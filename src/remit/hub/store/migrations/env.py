"""How Alembic runs a migration: on the connection that ``schema.migrate`` has."""

from alembic import context

from remit.hub.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
