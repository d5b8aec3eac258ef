"""A database is brought up to date, one that is up to date is left alone, a newer one is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import remit.hub.store.migrations
from remit.hub.store.database import StoreError
from remit.hub.store.schema import HEAD, migrate
from remit.hub.store.tables import metadata


@pytest.fixture
def engine():
    made = create_engine("sqlite://")
    yield made
    made.dispose()


def test_head_is_the_newest_revision():
    config = Config()
    config.set_main_option("script_location", remit.hub.store.migrations.__path__[0])

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_an_empty_database_gets_every_table_and_a_second_time_changes_nothing(engine):
    with engine.begin() as connection:
        assert migrate(connection) == (None, HEAD)
        assert set(inspect(connection).get_table_names()) >= set(metadata.tables)
        assert migrate(connection) == (HEAD, HEAD)


def test_a_database_of_an_unknown_revision_is_refused_and_not_changed(engine):
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match="9999"):
            migrate(connection)
        assert (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        )


def test_what_is_up_to_date_does_not_wait_for_alembic(tmp_path):
    file = tmp_path / "hub.sqlite"
    first = create_engine(f"sqlite:///{file}")
    with first.begin() as connection:
        migrate(connection)
    first.dispose()
    code = f"""
import sys
from sqlalchemy import create_engine
from remit.hub.store.schema import migrate
import remit.hub.compose
with create_engine({f"sqlite:///{file}"!r}).begin() as connection:
    print(*migrate(connection), "alembic" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )

    assert done.stdout.split() == [HEAD, HEAD, "False"]
