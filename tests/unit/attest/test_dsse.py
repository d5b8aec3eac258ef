import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from remit.attest.dsse import (
    MAX_PAYLOAD,
    STATEMENT,
    VerifiedPayload,
    b64,
    pae,
    sign,
    statement_of,
    unb64,
    verify,
)
from remit.attest.ecdsa import PublicKey
from remit.attest.errors import StatementError
from tests.unit.attest import signing
from tests.unit.attest.signing import ENVELOPE, PAYLOAD, SIGNER, key

HELLO = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_encoding_of_the_specification():
    assert pae("http://example.com/HelloWorld", b"hello world") == HELLO
    assert pae("application/vnd.in-toto+json", b"{}") == (
        b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
    )
    assert pae("ä", b"\xff") == b"DSSEv1 2 \xc3\xa4 1 \xff"


def test_the_signature_of_the_specification():
    """Its example: a public key, and the two numbers of a signature over the encoding."""
    numbers = ec.EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        ec.SECP256R1(),
    )
    public = PublicKey(
        numbers.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    signature = encode_dss_signature(
        int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    )
    assert public.verifies(signature, HELLO)
    assert not public.verifies(signature, HELLO + b" ")


def test_what_was_signed_verifies():
    payload = verify(ENVELOPE, SIGNER.public)
    assert payload == PAYLOAD
    assert statement_of(payload) == signing.STATEMENT


@pytest.mark.parametrize(
    "change",
    [
        {"payload_type": "application/json"},
        {"payload_type": "application/vnd.in-toto+json "},
        {"payload": PAYLOAD + b" "},
        {"payload": b""},
        {"signature": b""},
        {"signature": ENVELOPE.signature + b"\x00"},
        {"signature": ENVELOPE.signature[:-1]},
        {"signature": b"\x30\x06\x02\x01\x00\x02\x01\x00"},
        {"signature": sign(PAYLOAD, key(8)).signature},
        {"signature": SIGNER.sign(PAYLOAD)},
    ],
)
def test_what_was_not_is_refused(change):
    with pytest.raises(StatementError):
        verify(msgspec.structs.replace(ENVELOPE, **change), SIGNER.public)


GOOD = json.loads(PAYLOAD)
SUBJECT = GOOD["subject"][0]


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        1,
        "x",
        None,
        {**GOOD, "_type": "https://in-toto.io/Statement/v0.1"},
        {**GOOD, "_type": None},
        {**GOOD, "predicateType": 1},
        {**GOOD, "predicate": []},
        {**GOOD, "predicate": None},
        {**GOOD, "subject": None},
        {**GOOD, "subject": []},
        {**GOOD, "subject": SUBJECT},
        {**GOOD, "subject": [None]},
        {**GOOD, "subject": [SUBJECT, SUBJECT]},
        {**GOOD, "subject": [{"name": "x"}]},
        {**GOOD, "subject": [{**SUBJECT, "digest": {}}]},
        {**GOOD, "subject": [{**SUBJECT, "digest": "ab" * 32}]},
        {**GOOD, "subject": [{**SUBJECT, "digest": {"sha256": "AB" * 32}}]},
        {**GOOD, "subject": [{**SUBJECT, "digest": {"sha256": "ab" * 31}}]},
        {**GOOD, "subject": [{**SUBJECT, "digest": {"sha256": 1}}]},
        {**GOOD, "subject": [{**SUBJECT, "digest": {"sha512": "ab" * 64}}]},
        {**GOOD, "subject": [{**SUBJECT, "name": 1}]},
    ],
)
def test_what_is_no_statement(value):
    with pytest.raises(StatementError):
        statement_of(VerifiedPayload(json.dumps(value).encode()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf" + PAYLOAD,
        PAYLOAD + PAYLOAD,
        PAYLOAD.replace(b'"_type"', b'"predicateType":"x","_type"'),
        PAYLOAD.replace(b'{"a":1}', b'{"a":1,"a":2}'),
        PAYLOAD.replace(b'"digest":{', b'"digest":{"sha256":"00","SHA256":"11",'),
        PAYLOAD.replace(b"1}", b"NaN}"),
        b"[" * 100_000,
        PAYLOAD + b" " * MAX_PAYLOAD,
    ],
)
def test_what_could_be_read_in_two_ways(data):
    with pytest.raises(StatementError):
        statement_of(VerifiedPayload(data))


def test_unknown_fields_are_ignored_and_a_subject_needs_no_name():
    value = {**GOOD, "later": 1, "subject": [{"digest": {"sha256": "ab" * 32, "sha512": "x"}}]}
    found = statement_of(VerifiedPayload(json.dumps(value).encode()))
    assert (found.name, found.sha256) == ("", "ab" * 32)
    assert GOOD["_type"] == STATEMENT


@pytest.mark.parametrize(
    "text", ["YQ", "YR==", "YQ==\n", " YQ==", "YQ= =", "Y-Q_", "YQ===", "=", "ä", None, 1, [], b"YQ=="]
)  # fmt: skip
def test_base64_has_one_form(text):
    with pytest.raises(StatementError):
        unb64(text)


def test_base64_round_trip():
    for data in (b"", b"a", b"ab", b"abc", bytes(range(256))):
        assert unb64(b64(data)) == data
