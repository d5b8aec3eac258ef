"""Whatever a passkey's evidence holds, it is refused with a reason, or it is what was signed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.approvals.decision import APPROVAL
from remit.approvals.webauthn import Evidence, dump_evidence, parse_evidence, verify_evidence
from remit.attest.ecdsa import PublicKey
from remit.attest.webauthn import Party, challenge_of, registered
from remit.core.errors import RemitError
from remit.guard.approvals.signatures import signer_of
from remit.web.errors import PageError
from remit.web.exchange import read_form
from tests.rig.authenticator import Passkey

PARTY = Party(id="localhost", origin="http://localhost:7448")
PASSKEY = Passkey(PARTY, b"one")
KEY = PublicKey(PASSKEY.der)
TEXT = b'{"statement":1}'
SIGNED = dump_evidence(
    Evidence(purpose=APPROVAL, statement=TEXT, assertion=PASSKEY.get(challenge_of(APPROVAL, TEXT)))
)


def verdict(data):
    """The statement, or nothing if it is refused."""
    try:
        return verify_evidence(parse_evidence(data), APPROVAL, b"one", KEY, PARTY)
    except RemitError:
        return None


def test_as_it_was_signed():
    assert verdict(SIGNED) == TEXT


@given(st.integers(0, len(SIGNED) - 1), st.binary(max_size=3))
def test_any_change(at, piece):
    changed = SIGNED[:at] + piece + SIGNED[at + 1 :]
    assert verdict(changed) == (TEXT if changed == SIGNED else None)


@given(st.binary(max_size=400))
def test_any_bytes(data):
    assert verdict(data) is None
    for read in (parse_evidence, signer_of):
        with pytest.raises(RemitError):
            read(data)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_registration(client, data):
    for given_client in (client, PASSKEY.client("create", bytes(32))):
        with pytest.raises(RemitError):
            registered(given_client, data, PARTY, bytes(32))


@given(st.binary(max_size=200))
def test_any_tail_of_a_registration(tail):
    data = PASSKEY.made()
    for cut in (37, 55, len(data) - 40):
        changed = data[:cut] + tail
        try:
            found = registered(PASSKEY.client("create", bytes(32)), changed, PARTY, bytes(32))
        except RemitError:
            continue
        assert changed.endswith(found.id + PASSKEY.cose) or found.key != PASSKEY.der


@given(st.binary(max_size=200))
def test_any_form(body):
    try:
        found = read_form({"content-type": "application/x-www-form-urlencoded"}, body)
    except PageError:
        return
    assert all(isinstance(name, str) and isinstance(v, str) for name, v in found.items())
