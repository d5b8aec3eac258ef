import json

import pytest
from joserfc.jwk import ECKey, OKPKey

from remit.web.errors import WebError
from remit.web.jwks import MAX_BYTES, MAX_KEYS, read_key_set
from tests.unit.guard.callers.helpers import b64, key, public

GOOD = public(key(kid="good"))


def read(*jwks):
    return read_key_set(json.dumps({"keys": [*jwks, GOOD]}).encode())


def test_each_kind_is_for_its_algorithms():
    kinds = {
        "RS256": {"RS256", "PS256"},
        "ES256": {"ES256"},
        "EdDSA": {"EdDSA", "Ed25519"},
    }
    for kind, algorithms in kinds.items():
        (taken, _) = read(public(key(kind, kid="x"))).keys
        found = {
            a
            for a in ("RS256", "PS256", "ES256", "EdDSA", "Ed25519", "HS256", "none")
            if taken.is_for(a)
        }
        assert found == algorithms


@pytest.mark.parametrize(
    ("own", "good", "bad"),
    [("RS256", "RS256", "PS256"), ("EdDSA", "Ed25519", "RS256"), ("Ed25519", "EdDSA", "ES256")],
)
def test_a_key_that_names_its_algorithm_is_for_no_other(own, good, bad):
    (taken, _) = read(public(key(own, kid="x"), alg=own)).keys
    assert taken.is_for(good)
    assert not taken.is_for(bad)


RSA = public(key("RS256", kid="x"))
EC = public(key("ES256", kid="x"))


@pytest.mark.parametrize(
    "jwk",
    [
        {**EC, "use": "enc"},
        {**EC, "use": "SIG"},
        {**EC, "use": ""},
        {**EC, "use": ["sig"]},
        {**EC, "key_ops": ["encrypt"]},
        {**EC, "key_ops": []},
        {**EC, "key_ops": "verify"},
        {**EC, "alg": "HS256"},
        {**EC, "alg": "RS256"},
        {**EC, "alg": "none"},
        {**EC, "alg": 1},
        {**EC, "kid": ""},
        {**EC, "kid": 1},
        {**EC, "kid": "k" * 300},
        {**EC, "crv": "P-384"},
        {**EC, "crv": "secp256k1"},
        {**EC, "x": b64(b"\0" * 32)},
        {**EC, "x": "!!"},
        {**EC, "x": 1},
        {**EC, "y": None},
        {**EC, "kty": "RSA"},
        {**EC, "kty": "oct"},
        {**EC, "kty": ["EC"]},
        key("ES256", kid="x").as_dict(private=True),
        key("RS256", kid="x").as_dict(private=True),
        {"kty": "oct", "k": b64(b"k" * 32), "kid": "x"},
        {**EC, "k": b64(b"k" * 32)},
        {**RSA, "n": b64(b"\xff" * 128)},
        {**RSA, "n": b64(b"\x7f" + b"\xff" * 255)},
        {**RSA, "n": b64(b"\xff" * 2048)},
        {**RSA, "e": "AA"},
        {**RSA, "e": b64(b"\x02")},
        {**RSA, "n": ""},
        {k: v for k, v in RSA.items() if k != "n"},
        {k: v for k, v in RSA.items() if k != "e"},
        {**public(OKPKey.generate_key("X25519")), "kid": "x"},
        {**public(OKPKey.generate_key("Ed448")), "kid": "x"},
        {**public(ECKey.generate_key("P-521")), "kid": "x"},
        {},
        [],
        None,
        "x",
        1,
    ],
)
def test_keys_that_do_not_fit_are_as_if_they_were_not_there(jwk):
    assert [taken.id for taken in read(jwk).keys] == ["good"]


@pytest.mark.parametrize(
    "more",
    [
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"x5c": ["AA"]},
        {"custom": 1},
    ],
)
def test_keys_that_fit(more):
    assert [taken.id for taken in read({**EC, **more}).keys] == ["x", "good"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[{}]}',
        b'{"keys":null}',
        json.dumps({"keys": [GOOD]}).encode()[:-1] + b',"keys":[]}',
        json.dumps({"keys": [GOOD] * (MAX_KEYS + 1)}).encode(),
        json.dumps({"keys": [GOOD], "x": "x" * MAX_BYTES}).encode(),
    ],
)
def test_what_is_not_a_key_set_is_refused(data):
    with pytest.raises(WebError) as caught:
        read_key_set(data)
    assert caught.value.code == "oauth.keys"


def test_candidates_by_id_and_without():
    keys = read(public(key("RS256", kid="x")), public(key("ES256", kid="x", which=1)))
    assert len(keys.candidates("x", "RS256")) == 1
    assert len(keys.candidates("x", "ES256")) == 1
    assert keys.candidates("y", "ES256") == []
    assert len(keys.candidates(None, "RS256")) == 1
    assert keys.candidates(None, "ES256") == []  # two of them: whose it is would be a guess
    assert keys.knows("x")
    assert keys.knows(None)
    assert not keys.knows("y")
