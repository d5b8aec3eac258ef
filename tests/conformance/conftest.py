"""What suites over Hubs share."""

import pytest

from tests.rig.hubs import KINDS, POSTGRESQL_S3, fresh, staged


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
