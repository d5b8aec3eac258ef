"""Credential helpers: real programs, honest and not."""

import pytest

from remit.artifacts.oci.auth import Credentials
from remit.artifacts.oci.credentials import CredentialsError
from remit.artifacts.oci.transport.helpers import ask


@pytest.fixture
def helper(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(script):
        path = tmp_path / "docker-credential-test"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make


def test_it_is_asked_for_the_server(helper):
    helper('read server; printf \'{"ServerURL":"x","Username":"%s","Secret":"%s"}\' "$server" "$1"')
    assert ask("test", "registry.example") == Credentials("registry.example", "get")


def test_an_identity_token(helper):
    helper('cat >/dev/null; echo \'{"Username":"<token>","Secret":"t"}\'')
    assert ask("test", "registry.example") == Credentials(identity_token="t")


def test_nothing_is_kept(helper):
    helper("cat >/dev/null; echo 'credentials not found in native keychain'; exit 1")
    assert ask("test", "registry.example") is None


@pytest.mark.parametrize(
    "script",
    [
        "exit 3", "echo s3cret; exit 1", "echo s3cret >&2; exit 1", "echo s3cret", "echo '[]'",
        'echo \'{"Username":1,"Secret":"s3cret"}\'', 'echo \'{"Secret":"s3cret"}\'', ":",
    ],
)  # fmt: skip
def test_a_helper_that_fails_shows_no_secret(helper, script):
    helper(f"cat >/dev/null; {script}")
    with pytest.raises(CredentialsError) as found:
        ask("test", "registry.example")
    assert "s3cret" not in found.value.diagnostics()


@pytest.mark.parametrize("name", ["none", "../test", "/bin/sh", "", "a b", "x" * 99])
def test_a_helper_that_is_not_there(helper, name):
    helper("echo '{}'")
    with pytest.raises(CredentialsError, match="not installed"):
        ask(name, "registry.example")
