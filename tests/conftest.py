"""What all suites share: the length of fuzzing, a hypothesis that does not flake, servers of Hubs."""

import contextlib
import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "short",
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.register_profile(
    "long", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("REMIT_FUZZ", "short"))


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """A function that gives PostgreSQL and S3; who does not call it does not wait for them."""
    from tests.rig.hubs import Servers

    with contextlib.ExitStack() as stack:
        found = []

        def get():
            if not found:
                directory = tmp_path_factory.mktemp("servers")
                found.append(stack.enter_context(Servers.running(directory)))
            return found[0]

        yield get
