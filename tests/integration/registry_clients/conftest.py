"""The Hub that the clients use: with Bearer tokens, with Basic credentials, over larger stores.

`REMIT_TEST_REGISTRY=docker-registry` or `=crane` runs the same tests over those registries, which
shows whether a failing test is about the Hub; what they cannot do fails there.
"""

import os
import re
from collections.abc import Iterator

import pytest

from tests.rig import registries
from tests.rig.registries import Registry

KIND = os.environ.get("REMIT_TEST_REGISTRY", "hub")


def _start(auth: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    directory = tmp_path_factory.mktemp(f"registry-{auth}")
    if KIND == "hub" and auth == "large":
        running = registries.large_hub(directory)
    elif KIND == "hub":
        running = registries.hub(directory, auth=auth)
    elif KIND == "crane":
        running = registries.crane_registry(directory)
    else:
        running = registries.docker_registry(directory, auth="basic" if auth == "basic" else "")
    with running as registry:
        yield registry


@pytest.fixture(scope="session")
def bearer_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    yield from _start("bearer", tmp_path_factory)


@pytest.fixture(scope="session")
def basic_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    yield from _start("basic", tmp_path_factory)


@pytest.fixture(scope="session")
def large_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    yield from _start("large", tmp_path_factory)


@pytest.fixture(params=["bearer", "basic", pytest.param("large", marks=pytest.mark.slow)])
def registry(request: pytest.FixtureRequest) -> Registry:
    """A registry; started once per run, so tests keep to repositories of their own."""
    found: Registry = request.getfixturevalue(f"{request.param}_registry")
    return found


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """The name of a repository that only this test uses."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"team/{words}"
