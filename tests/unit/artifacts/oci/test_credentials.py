"""Credentials of this machine: whose they are, and that nobody sees them."""

import base64
import json
import os

import pytest

from remit.artifacts.oci.auth import Credentials
from remit.artifacts.oci.credentials import CredentialsError, OwnFile, find_credentials


def pair(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def home(tmp_path):
    return tmp_path


def find(home, host="registry.example", repository="team/model", helper=None, **environ):
    def none(name, server):
        raise AssertionError(f"{name} was asked about {server}")

    environ = {"HOME": str(home), "REMIT_STATE": str(home / "state"), **environ}
    return find_credentials(host, repository, environ, helper or none)


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def test_nobody_without_files(home):
    assert find(home) is None


def test_remits_own_file_is_for_its_owner_only(home):
    own = OwnFile(home / "state" / "registries.json")
    own.keep("registry.example", Credentials(user="ann", password="s3cret"))
    assert own.path.stat().st_mode & 0o777 == 0o600
    assert own.path.parent.stat().st_mode & 0o077 == 0
    assert find(home) == Credentials(user="ann", password="s3cret")
    assert find(home, "other.example") is None
    assert find(home, "registry.example:5000") is None
    assert own.forget("registry.example")
    assert not own.forget("registry.example")
    assert find(home) is None


def test_a_file_that_others_can_read_is_not_used(home):
    own = OwnFile(home / "state" / "registries.json")
    own.keep("registry.example", Credentials(user="ann", password="s3cret"))
    own.path.chmod(0o644)
    with pytest.raises(CredentialsError, match="read by others") as found:
        find(home)
    assert "s3cret" not in found.value.diagnostics()


def test_a_link_in_its_place_is_replaced_and_not_followed(home):
    (home / "state").mkdir()
    victim = home / "victim"
    victim.write_text("{}")
    victim.chmod(0o600)
    (home / "state" / "registries.json").symlink_to(victim)
    OwnFile(home / "state" / "registries.json").keep("a", Credentials(user="b", password="c"))
    assert victim.read_text() == "{}"


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"registries":[]}', '{"registries":{"a":{"user":1}}}']
)
def test_an_own_file_that_is_none_is_not_overwritten(home, text):
    own = OwnFile(home / "registries.json")
    write(own.path, text)
    own.path.chmod(0o600)
    with pytest.raises(CredentialsError):
        own.keep("a", Credentials(user="b", password="c"))
    assert own.path.read_text() == text


def test_docker(home):
    write(home / ".docker" / "config.json", {"auths": {"registry.example": pair("bob", "a:b")}})
    assert find(home) == Credentials(user="bob", password="a:b")
    assert find(home, "evil.example") is None
    assert find(home, DOCKER_CONFIG=str(home / "elsewhere")) is None


def test_remits_own_go_first(home):
    write(home / ".docker" / "config.json", {"auths": {"registry.example": pair("bob", "x")}})
    OwnFile(home / "state" / "registries.json").keep("registry.example", Credentials("ann", "y"))
    assert find(home).user == "ann"


def test_keys_that_are_urls_and_docker_hub(home):
    auths = {
        "https://index.docker.io/v1/": pair("hub", "x"),
        "https://a.example/v2/": pair("a", "y"),
    }
    write(home / ".docker" / "config.json", {"auths": auths})
    assert find(home, "docker.io").user == "hub"
    assert find(home, "a.example").user == "a"


def test_podman_names_parts_of_a_registry(home):
    auths = {
        "registry.example": pair("all", "x"),
        "registry.example/team": pair("team", "x"),
        "registry.example/team/model": pair("model", "x"),
    }
    write(home / "auth.json", {"auths": auths})
    file = {"REGISTRY_AUTH_FILE": str(home / "auth.json")}
    assert find(home, repository="team/model", **file).user == "model"
    assert find(home, repository="team/other", **file).user == "team"
    assert find(home, repository="teams", **file).user == "all"


def test_identity_tokens(home):
    write(home / ".docker" / "config.json", {"auths": {"registry.example": {"identitytoken": "t"}}})
    assert find(home) == Credentials(identity_token="t")


def test_helpers(home):
    asked = []

    def helper(name, server):
        asked.append((name, server))
        return Credentials("ann", "x") if server == "registry.example" else None

    write(
        home / ".docker" / "config.json",
        {"credHelpers": {"registry.example": "pass"}, "credsStore": "desktop", "auths": {}},
    )
    assert find(home, helper=helper).user == "ann"
    assert find(home, "other.example", helper=helper) is None
    assert asked == [("pass", "registry.example"), ("desktop", "other.example")]


@pytest.mark.parametrize(
    "text", ["[]", "{", "\x00", '{"auths":{"registry.example":{"auth":"!"}}}', '{"a":1,"a":2}']
)
def test_what_cannot_be_read_is_said_without_its_content(home, text):
    write(home / ".docker" / "config.json", text)
    with pytest.raises(CredentialsError) as found:
        find(home)
    assert "config.json" in found.value.message


def test_an_auth_that_cannot_be_read_is_not_shown(home):
    secret = base64.b64encode(b"no-colon-s3cret").decode()
    write(home / ".docker" / "config.json", {"auths": {"registry.example": {"auth": secret}}})
    with pytest.raises(CredentialsError) as found:
        find(home)
    assert secret not in found.value.diagnostics()
    assert "s3cret" not in found.value.diagnostics()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(home):
    write(home / ".docker" / "config.json", {})
    (home / ".docker" / "config.json").chmod(0)
    with pytest.raises(CredentialsError, match="cannot be read"):
        find(home)
