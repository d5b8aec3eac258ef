"""What suites over Hubs share."""

import pytest

from tests.rig.hubs import KINDS, POSTGRESQL_S3, SQLITE_FILES, fresh, staged


@pytest.fixture(scope="session", params=KINDS)
def stage(request, tmp_path_factory, servers):
    """A running Hub over each of its stores."""
    found = servers() if request.param == POSTGRESQL_S3 else None
    with staged(request.param, tmp_path_factory.mktemp("hub"), found) as running:
        yield running


@pytest.fixture
def admin(stage):
    """A client that may do everything."""
    return stage.admin


@pytest.fixture
def repo():
    """The name of a repository that nobody has."""
    return fresh()


WHOLE = frozenset({"test_hub_registry_blobs"})
"""Suites of the registry that are short enough to run over each store every time."""


def pytest_collection_modifyitems(items):
    """The rest runs over SQLite and files always, over other stores with the slow tests."""
    for item in items:
        stage = getattr(item, "callspec", None) and item.callspec.params.get("stage")
        if stage and stage != SQLITE_FILES and item.module.__name__.split(".")[-1] not in WHOLE:
            item.add_marker(pytest.mark.slow)
