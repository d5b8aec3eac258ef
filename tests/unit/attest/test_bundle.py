import base64
import hashlib
import json

import pytest

from remit.attest.bundle import MAX_BUNDLE, dump_bundle, hint_of, parse_bundle
from remit.attest.errors import StatementError
from tests.unit.attest.signing import ENVELOPE, SIGNER, key

TEXT = dump_bundle(ENVELOPE, SIGNER.public)
GOOD = json.loads(TEXT)
MATERIAL, DSSE = GOOD["verificationMaterial"], GOOD["dsseEnvelope"]
(SIGNATURE,) = DSSE["signatures"]


def test_round_trip():
    assert parse_bundle(TEXT) == (hint_of(SIGNER.public), ENVELOPE)


def test_the_form_is_that_of_sigstore():
    digest = hashlib.sha256(SIGNER.public.der).digest()
    assert {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": base64.b64encode(digest).decode()},
            "tlogEntries": [],
            "timestampVerificationData": {"rfc3161Timestamps": []},
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(ENVELOPE.payload).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [
                {"sig": base64.b64encode(ENVELOPE.signature).decode(), "keyid": ""},
            ],
        },
    } == GOOD
    assert hint_of(key(8).public) != hint_of(SIGNER.public)


def material(**change):
    return {**GOOD, "verificationMaterial": {**MATERIAL, **change}}


def dsse(**change):
    return {**GOOD, "dsseEnvelope": {**DSSE, **change}}


REFUSED = {
    "another version": {
        **GOOD,
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    },
    "no media type": {k: v for k, v in GOOD.items() if k != "mediaType"},
    "no material": {k: v for k, v in GOOD.items() if k != "verificationMaterial"},
    "no envelope": {k: v for k, v in GOOD.items() if k != "dsseEnvelope"},
    "a message signature": {**GOOD, "dsseEnvelope": None, "messageSignature": {}},
    "a certificate": {**GOOD, "verificationMaterial": {"certificate": {"rawBytes": "YQ=="}}},
    "a certificate beside the key": material(certificate={"rawBytes": "YQ=="}),
    "a chain beside the key": material(x509CertificateChain={"certificates": []}),
    "a key": material(publicKey={"hint": MATERIAL["publicKey"]["hint"], "rawBytes": "YQ=="}),
    "no hint": material(publicKey={}),
    "a hint of another kind": material(publicKey={"hint": 1}),
    "a list for a key": material(publicKey=["hint"]),
    "a text for material": {**GOOD, "verificationMaterial": "publicKey"},
    "a list for an envelope": {**GOOD, "dsseEnvelope": [DSSE]},
    "no signature": dsse(signatures=[]),
    "two signatures": dsse(signatures=[SIGNATURE, SIGNATURE]),
    "signatures of another kind": dsse(signatures=SIGNATURE),
    "a signature of another kind": dsse(signatures=["x"]),
    "a signature without bytes": dsse(signatures=[{"keyid": ""}]),
    "a signature that is null": dsse(signatures=[{"sig": None}]),
    "no payload": {**GOOD, "dsseEnvelope": {k: v for k, v in DSSE.items() if k != "payload"}},
    "payload in another base64": dsse(payload=DSSE["payload"].rstrip("=") + "\n"),
    "signature in another base64": dsse(signatures=[{"sig": SIGNATURE["sig"] + "\n"}]),
    "a payload type of another kind": dsse(payloadType=None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_such_bundle(name):
    with pytest.raises(StatementError):
        parse_bundle(json.dumps(REFUSED[name]).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        TEXT[:-1],
        TEXT + TEXT,
        TEXT.replace(b'{"hint"', b'{"hint":"x","hint"'),
        TEXT.replace(b'"payloadType"', b'"payload":"YQ==","payloadType"'),
        TEXT.replace(b'"payloadType"', b'"PAYLOAD":"YQ==","payloadType"'),
        TEXT + b" " * MAX_BUNDLE,
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
)
def test_what_could_be_read_in_two_ways_or_is_huge(data):
    with pytest.raises(StatementError):
        parse_bundle(data)
