"""What an authenticator's answer must say, each word of it."""

import base64
import json

import pytest
from msgspec.structs import replace

from remit.attest.ecdsa import PublicKey
from remit.attest.errors import StatementError
from remit.attest.webauthn import Party, challenge_of, registered, verify_assertion
from tests.rig.authenticator import (
    ATTESTED,
    BACKED_UP,
    ELIGIBLE,
    EXTENDED,
    MODEL,
    PRESENT,
    VERIFIED,
    Passkey,
    b64url,
)

PARTY = Party(id="localhost", origin="http://localhost:7448")
CHALLENGE = challenge_of("https://remit.example/test", b"a statement")
USUAL = PRESENT | VERIFIED


@pytest.fixture
def passkey() -> Passkey:
    return Passkey(PARTY)


def accepts(passkey, assertion, *, credential=None, challenge=CHALLENGE, party=PARTY):
    name = passkey.name if credential is None else credential
    verify_assertion(assertion, name, PublicKey(passkey.der), party, challenge)


def refuses(passkey, assertion, **more):
    with pytest.raises(StatementError) as found:
        accepts(passkey, assertion, **more)
    assert found.value.code in {"attest.webauthn", "attest.signature", "attest.statement"}


def test_a_challenge_is_of_one_purpose_and_one_text():
    import hashlib

    assert challenge_of("a", b"b") == hashlib.sha256(b"a\x00b").digest()
    assert len({challenge_of(p, t) for p, t in (("a", b"b"), ("ab", b""), ("a", b"c"))}) == 3


@pytest.mark.parametrize("flags", [USUAL, USUAL | ELIGIBLE, USUAL | ELIGIBLE | BACKED_UP])
def test_what_a_passkey_signed_is_accepted(passkey, flags):
    accepts(passkey, passkey.get(CHALLENGE, data=passkey.data(flags)))


def test_an_extension_is_no_harm(passkey):
    accepts(passkey, passkey.get(CHALLENGE, data=passkey.data(USUAL | EXTENDED, b"\xa0")))


def test_crossing_may_be_left_out(passkey):
    client = passkey.client("get", CHALLENGE, crossOrigin=None, more="members may be added")
    accepts(passkey, passkey.get(CHALLENGE, client=client))


@pytest.mark.parametrize(
    "said",
    [
        {"type": "webauthn.create"},
        {"type": "payment.get"},
        {"type": None},
        {"challenge": b64url(challenge_of("https://remit.example/test", b"another"))},
        {"challenge": b64url(CHALLENGE) + "="},
        {"challenge": base64.b64encode(CHALLENGE).decode()},
        {"challenge": None},
        {"origin": "http://localhost:7449"},
        {"origin": "https://localhost:7448"},
        {"origin": "http://localhost:7448/"},
        {"origin": "http://LOCALHOST:7448"},
        {"origin": "http://127.0.0.1:7448"},
        {"origin": "null"},
        {"origin": ["http://localhost:7448"]},
        {"origin": None},
        {"crossOrigin": True},
        {"crossOrigin": 0},
        {"crossOrigin": "false"},
        {"topOrigin": "http://localhost:7448"},
    ],
)
def test_what_the_browser_must_not_say(passkey, said):
    client = passkey.client("get", CHALLENGE, **said)
    refuses(passkey, passkey.get(CHALLENGE, client=client))


@pytest.mark.parametrize(
    "client",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"type":"webauthn.get","type":"webauthn.get"}',
        json.dumps({"x": "y" * 9000}).encode(),
    ],
)
def test_client_data_that_are_none(passkey, client):
    refuses(passkey, passkey.get(CHALLENGE, client=client))


def test_duplicate_members_have_no_meaning(passkey):
    client = passkey.client("get", CHALLENGE)[:-1] + b',"origin":"http://evil.example"}'
    refuses(passkey, passkey.get(CHALLENGE, client=client))


@pytest.mark.parametrize(
    "flags",
    [0, PRESENT, VERIFIED, ELIGIBLE, USUAL | BACKED_UP, USUAL | ATTESTED, USUAL | EXTENDED],
)
def test_flags_of_nobody_or_of_something_else(passkey, flags):
    refuses(passkey, passkey.get(CHALLENGE, data=passkey.data(flags)))


@pytest.mark.parametrize("rest", [b"x", b"x" * 9000])
def test_more_than_the_flags_say(passkey, rest):
    refuses(passkey, passkey.get(CHALLENGE, data=passkey.data(USUAL, rest)))


def test_too_little(passkey):
    refuses(passkey, passkey.get(CHALLENGE, data=passkey.data(USUAL)[:-1]))
    refuses(passkey, passkey.get(CHALLENGE, data=b""))


def test_another_site(passkey):
    data = passkey.data(USUAL, party="evil.example")
    refuses(passkey, passkey.get(CHALLENGE, data=data))
    refuses(passkey, passkey.get(CHALLENGE), party=replace(PARTY, id="guard.example"))
    refuses(passkey, passkey.get(CHALLENGE), party=replace(PARTY, origin="http://localhost"))


def test_another_credential(passkey):
    refuses(passkey, replace(passkey.get(CHALLENGE), credential=b"foreign"))
    refuses(passkey, passkey.get(CHALLENGE), credential=b"foreign")
    refuses(passkey, replace(passkey.get(CHALLENGE), credential=b""), credential=b"")


def test_another_key_challenge_or_byte(passkey):
    right = passkey.get(CHALLENGE)
    refuses(passkey, Passkey(PARTY).get(CHALLENGE))
    refuses(passkey, right, challenge=bytes(32))
    refuses(passkey, replace(right, signature=right.signature[:-1]))
    refuses(passkey, replace(right, signature=b""))
    refuses(passkey, replace(right, client_data=right.client_data + b" "))
    counted = right.authenticator_data[:-1] + b"\x01"
    refuses(passkey, replace(right, authenticator_data=counted))


# --- registration -----------------------------------------------------------------------------


def made(passkey, data, **said):
    return registered(passkey.client("create", CHALLENGE, **said), data, PARTY, CHALLENGE)


def test_a_credential_is_registered(passkey):
    found = made(passkey, passkey.made())
    assert (found.id, found.key, found.model) == (passkey.name, passkey.der, MODEL.hex())
    assert not found.synchronised
    assert made(passkey, passkey.made(USUAL | ATTESTED | ELIGIBLE)).synchronised
    assert made(passkey, passkey.made(USUAL | ATTESTED | EXTENDED, more=b"\xa0")).key == passkey.der


@pytest.mark.parametrize("flags", [0, USUAL, PRESENT | ATTESTED, USUAL | ATTESTED | EXTENDED])
def test_a_registration_of_nobody(passkey, flags):
    with pytest.raises(StatementError):
        made(passkey, passkey.made(flags))


@pytest.mark.parametrize(
    "said",
    [
        {"type": "webauthn.get"},
        {"crossOrigin": True},
        {"origin": "http://evil.example"},
        {"challenge": b64url(bytes(32))},
    ],
)
def test_a_registration_for_somebody_else(passkey, said):
    with pytest.raises(StatementError):
        made(passkey, passkey.made(), **said)


@pytest.mark.parametrize(
    "change",
    [
        lambda cose: cose[:-1],
        lambda cose: cose + b"\x00",
        lambda cose: bytes([0xA4]) + cose[1:],
        lambda cose: cose.replace(bytes.fromhex("0326"), bytes.fromhex("0327"), 1),
        lambda cose: cose[:10] + bytes(64 + 3),
        lambda cose: cose[:10] + b"\x01" * 32 + cose[42:],
        lambda cose: b"",
    ],
)
def test_keys_that_are_no_es256_key(passkey, change):
    with pytest.raises(StatementError):
        made(passkey, passkey.made(cose=change(passkey.cose)))


def test_names_without_end_or_beginning(passkey):
    for name in (b"", b"x" * 1024):
        with pytest.raises(StatementError):
            made(passkey, passkey.made(name=name))
    with pytest.raises(StatementError):
        made(passkey, passkey.made()[:60])


# --- beside another implementation -------------------------------------------------------------


def test_py_webauthn_accepts_what_we_accept(passkey):
    webauthn = pytest.importorskip("webauthn")
    one = passkey.get(CHALLENGE)
    accepts(passkey, one)
    given = {
        "id": b64url(one.credential),
        "rawId": b64url(one.credential),
        "type": "public-key",
        "response": {
            "clientDataJSON": b64url(one.client_data),
            "authenticatorData": b64url(one.authenticator_data),
            "signature": b64url(one.signature),
        },
    }
    found = webauthn.verify_authentication_response(
        credential=given,
        expected_challenge=CHALLENGE,
        expected_rp_id=PARTY.id,
        expected_origin=PARTY.origin,
        credential_public_key=passkey.cose,
        credential_current_sign_count=0,
        require_user_verification=True,
    )
    assert found.user_verified
    attestation = (
        b"\xa3cfmtdnonegattStmt\xa0hauthDataX" + bytes([len(passkey.made())]) + passkey.made()
    )
    given["response"] = {
        "clientDataJSON": b64url(passkey.client("create", CHALLENGE)),
        "attestationObject": b64url(attestation),
    }
    new = webauthn.verify_registration_response(
        credential=given,
        expected_challenge=CHALLENGE,
        expected_rp_id=PARTY.id,
        expected_origin=PARTY.origin,
        require_user_verification=True,
    )
    ours = made(passkey, passkey.made())
    assert new.credential_id == ours.id
    assert new.credential_public_key == passkey.cose
