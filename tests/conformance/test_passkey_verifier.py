"""Evidence of passkeys, against a verifier that shares no code with Remit."""

import base64
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from remit.approvals.decision import APPROVAL
from remit.approvals.webauthn import Evidence, dump_evidence
from remit.attest.webauthn import Party, challenge_of
from tests.rig.authenticator import PRESENT, VERIFIED, Passkey

SCRIPT = Path(__file__).parents[2] / "spec" / "verify_passkey.py"
PARTY = Party(id="guard.example", origin="https://guard.example:8443")
TEXT = json.dumps({"predicateType": APPROVAL, "predicate": {"decision": "approve"}}).encode()
CHALLENGE = challenge_of(APPROVAL, TEXT)


@pytest.fixture(scope="module")
def signed():
    spec = importlib.util.spec_from_file_location("verify_passkey", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.signed


def evidence(passkey, *, text=TEXT, **parts):
    one = Evidence(purpose=APPROVAL, statement=text, assertion=passkey.get(CHALLENGE, **parts))
    return dump_evidence(one).decode()


def test_it_says_what_was_signed(signed, tmp_path):
    passkey = Passkey(PARTY)
    data = evidence(passkey)
    assert signed(data, passkey.der, PARTY.origin) == TEXT
    file = tmp_path / "evidence.json"
    file.write_text(data)
    command = [sys.executable, "-I", str(SCRIPT), str(file), "--origin", PARTY.origin, "--key"]
    for key, status in ((passkey.der, 0), (Passkey(PARTY).der, 3)):
        done = subprocess.run(
            [*command, base64.b64encode(key).decode()], capture_output=True, text=True, check=False
        )
        assert done.returncode == status
        assert ('"approve"' in done.stdout) == (status == 0)


def test_no_byte_can_be_changed(signed):
    passkey = Passkey(PARTY)
    data = evidence(passkey)
    name = data.index('"credentialId"'), data.index('"mediaType"')
    for at in range(0, len(data), 3):
        # Whose credential it is says the enrolment; by the key alone this cannot be told.
        if not name[0] <= at < name[1]:
            changed = data[:at] + ("A" if data[at] != "A" else "B") + data[at + 1 :]
            with pytest.raises(Exception):  # noqa: B017 - any of many
                signed(changed, passkey.der, PARTY.origin)


@pytest.mark.parametrize(
    "said",
    [{"crossOrigin": True}, {"topOrigin": "x"}, {"origin": "x"}, {"type": "webauthn.create"}],
)
def test_other_pages(signed, said):
    passkey = Passkey(PARTY)
    data = evidence(passkey, client=passkey.client("get", CHALLENGE, **said))
    with pytest.raises(ValueError):
        signed(data, passkey.der, PARTY.origin)


def test_nobody_was_there(signed):
    passkey = Passkey(PARTY)
    for found in (
        passkey.data(PRESENT),
        passkey.data(VERIFIED),
        passkey.data(PRESENT | VERIFIED, party="evil.example"),
        passkey.data(PRESENT | VERIFIED, b"x"),
    ):
        with pytest.raises(ValueError):
            signed(evidence(passkey, data=found), passkey.der, PARTY.origin)
    with pytest.raises(ValueError):
        signed(evidence(passkey), passkey.der, "https://guard.example")
    with pytest.raises(ValueError):
        signed(evidence(passkey, text=TEXT + b" "), passkey.der, PARTY.origin)
