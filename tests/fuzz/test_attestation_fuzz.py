"""Bundles, statements, key files and key URIs: no input crashes, and none but the signed counts."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.approvals.enrolment import enrol, enrolled
from remit.attest import ecdsa
from remit.attest.bundle import dump_bundle, hint_of, parse_bundle
from remit.attest.dsse import VerifiedPayload, b64, sign, statement_of, unb64, verify
from remit.attest.ecdsa import FileSigner, PublicKey, public_of
from remit.attest.errors import AttestError, KeyFileError, StatementError
from remit.attest.places import place_of
from remit.core.errors import RemitError
from tests.unit.attest.signing import ENVELOPE, PAYLOAD, SIGNER

BUNDLE = dump_bundle(ENVELOPE, SIGNER.public)


def mutated(good):
    """Good bytes with a few edits."""
    edit = st.tuples(
        st.integers(0, len(good)),
        st.integers(0, 8),
        st.one_of(
            st.binary(max_size=8), st.sampled_from([b'"', b"}", b"{", b"[", b",", b"\\u0000"])
        ),
    )

    def apply(edits):
        data = good
        for at, cut, new in edits:
            data = data[:at] + new + data[at + cut :]
        return data

    return st.lists(edit, min_size=1, max_size=3).map(apply)


def confused(good):
    """A good value with something of any type in one place."""
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
        ),
        max_leaves=8,
    )
    places = []

    def walk(value, *above):
        places.append(above)
        if isinstance(value, dict | list):
            for key in value if isinstance(value, dict) else range(len(value)):
                walk(value[key], *above, key)

    walk(json.loads(good))

    def put(drawn):
        place, new = drawn
        value = json.loads(good)
        if not place:
            return json.dumps(new).encode()
        target = value
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = new
        return json.dumps(value).encode()

    return st.tuples(st.sampled_from(places), anything).map(put)


def inputs(good):
    return st.one_of(st.binary(max_size=200), mutated(good), confused(good))


@given(inputs(BUNDLE))
def test_bundles(data):
    try:
        hint, envelope = parse_bundle(data)
        payload = verify(envelope, SIGNER.public)
    except StatementError:
        return
    # Other spellings of the same bundle are bundles; what was signed is what comes out.
    assert payload == PAYLOAD
    assert isinstance(hint, str)


@given(inputs(PAYLOAD))
def test_statements(data):
    try:
        found = statement_of(VerifiedPayload(data))
    except StatementError:
        return
    assert len(bytes.fromhex(found.sha256)) == 32
    assert isinstance(found.predicate, dict)


@given(inputs(PAYLOAD))
def test_whatever_is_signed_comes_back_or_is_refused(payload):
    hint, envelope = parse_bundle(dump_bundle(sign(payload, SIGNER), SIGNER.public))
    assert hint == hint_of(SIGNER.public)
    assert verify(envelope, SIGNER.public) == payload
    with contextlib.suppress(RemitError):
        enrolled(envelope, SIGNER.public, "guard", 0)
        pytest.fail("that is no enrolment")


@given(st.text(max_size=120), st.text(max_size=40))
def test_enrolments(name, user):
    try:
        envelope = enrol(user, name, "guard", SIGNER)
    except RemitError:
        return
    approver, _ = enrolled(envelope, SIGNER.public, "guard", 1)
    assert (approver.id, approver.name) == (user, name)
    with pytest.raises(RemitError):
        enrolled(envelope, SIGNER.public, "another guard", 1)


@given(st.one_of(st.binary(max_size=120), mutated(SIGNER.public.der)))
def test_public_keys(der):
    try:
        key = PublicKey(der)
    except StatementError:
        return
    assert PublicKey(key.der).fingerprint == key.fingerprint
    assert PublicKey.from_pem(key.pem).der == key.der


@given(st.one_of(st.text(max_size=40), st.binary(max_size=40).map(b64)))
def test_base64(text):
    with contextlib.suppress(StatementError):
        assert b64(unb64(text)) == text


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys" / "a.key"
    FileSigner.generate(path, b"secret")
    return path.read_bytes()


@given(data=st.data())
def test_key_files(key_file, data):
    changed = data.draw(inputs(key_file))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        # The real derivation takes a third of a second; here it is the parsing that is tried.
        patch.setattr(ecdsa, "_derived", lambda passphrase, salt: bytes(32))
        path = Path(name) / "k"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(changed)
        with pytest.raises(KeyFileError):
            FileSigner.load(path, b"secret")
        with contextlib.suppress(AttestError):
            assert public_of(path).der


@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(
            st.sampled_from(
                [
                    "token",
                    "object",
                    "id",
                    "module-path",
                    "pin-value",
                    "=",
                    ";",
                    "?",
                    "&",
                    "%",
                    "x",
                    "%ff",
                ]
            ),
            max_size=16,
        ).map("".join),
    ).map(lambda rest: "pkcs11:" + rest)
)
def test_uris(text):
    try:
        place = place_of(text)
    except AttestError:
        return
    assert vars(place_of(str(place))) == vars(place)
