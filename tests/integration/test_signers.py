"""People whose keys are in a real keyring or on a real token approve real calls."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.people import Person, Treasury
from tests.rig.tokens import HAVE_KEYRING, HAVE_TOKEN, PIN, Token, desktop

needs_token = pytest.mark.skipif(not HAVE_TOKEN, reason="softhsm2 is not installed")
needs_keyring = pytest.mark.skipif(
    not HAVE_KEYRING, reason="gnome-keyring and dbus are not installed"
)


@pytest.fixture
def treasury(tmp_path: Path) -> Iterator[Treasury]:
    """A Guard and its agent's program."""
    with Treasury(tmp_path) as stage:
        yield stage


def approves(stage: Treasury, person: Person) -> None:
    """Enrol somebody; a call that waits runs once they have signed."""
    person.enrol()
    shown = person.run("key", "show").stdout.splitlines()[0]
    (known,) = json.loads(person.run("approvers", "-o", "json").stdout)
    assert known["key"] == shown
    again = person.run("key", "new")
    assert again.returncode == 2
    assert "exists" in again.stderr
    with stage.agent() as wire:
        request = stage.waits(wire, 1, 500, "ALICE")
        done = person.says("approve", request)
        assert done.returncode == 0, done.stderr
        assert not wire.response(1)["result"].get("isError")
        assert stage.ran("ALICE") == 1


@needs_token
def test_a_key_on_a_token(treasury: Treasury, tmp_path: Path) -> None:
    token = Token(tmp_path / "token")
    ann = Person(treasury.guard, "ann")
    ann.env |= {"REMIT_APPROVER_KEY": token.uri("ann"), **token.env}
    passphrase = Path(ann.env["REMIT_PASSPHRASE_FILE"])
    passphrase.write_text(PIN)
    approves(treasury, ann)
    passphrase.write_text("000000")
    done = ann.run("enrol", "ben", "--name", "Ben")
    assert done.returncode == 2
    assert "does not open with this PIN" in done.stderr


@needs_keyring
def test_a_key_in_the_keyring(treasury: Treasury, tmp_path: Path) -> None:
    ann = Person(treasury.guard, "ann")
    ann.prefix, env = desktop(tmp_path)
    ann.env |= {"REMIT_APPROVER_KEY": "keyring:ann", **env}
    del ann.env["REMIT_PASSPHRASE_FILE"]
    approves(treasury, ann)
    ann.env["REMIT_APPROVER_KEY"] = "keyring:ben"
    done = ann.run("key", "show")
    assert done.returncode == 2
    assert "`keyring:ben` is not in the keyring" in done.stderr
    assert "key new --key keyring:ben" in done.stderr


def test_without_a_keyring_or_a_token(treasury: Treasury, tmp_path: Path) -> None:
    ann = Person(treasury.guard, "ann")
    ann.env |= {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/none", "HOME": str(tmp_path)}
    ann.env.pop("XDG_RUNTIME_DIR", None)
    done = ann.run("key", "new", "--key", "keyring:ann")
    assert done.returncode == 2
    assert "no keyring that could be used here" in done.stderr
    done = ann.run("key", "new", "--key", "pkcs11:token=x;object=y?module-path=/no/such.so")
    assert done.returncode == 2
    assert "the token at `/no/such.so` does not work" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_libraries_are_imported_only_when_they_are_used(treasury: Treasury) -> None:
    ann = treasury.person("ann")
    from tests.rig.governed import PYTHON

    code = (
        "import sys; from click.testing import CliRunner; from remit.cli.approvals import approvals;"
        "r = CliRunner().invoke(approvals, ['key', 'show']); assert not r.exception, r;"
        "assert not {'keyring', 'pkcs11'} & set(sys.modules)"
    )
    subprocess.run([PYTHON, "-c", code], env=ann.env, check=True, timeout=60)
