"""Nobody is let in by accident, and nothing but the two refusals ever comes out."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from remit.guard.callers.base import CallerError, Forbidden, Unauthenticated
from remit.guard.callers.compose import callers_from
from remit.guard.callers.keys import NewKey
from remit.guard.callers.settings import CallersConfig, MtlsTable, OAuthTable
from remit.guard.store.callers import CallerKeys
from remit.web.errors import WebError
from remit.web.jwks import read_key_set
from tests.unit.attest.test_certificates import make as certificate
from tests.unit.attest.test_certificates import uri
from tests.unit.guard.callers.helpers import (
    ISSUER,
    RESOURCE,
    Clock,
    Net,
    b64,
    claims,
    key,
    mint,
    presented,
    public,
)

_PLACE = tempfile.TemporaryDirectory()
KEY = NewKey.make(os.urandom, 1, agent="ci", user="ada", servers=("git",))
CallerKeys(Path(_PLACE.name)).add(KEY.record)
CERTIFICATE = certificate(names=[uri("spiffe://example.com/a")])
TOKEN = mint()
CALLERS = callers_from(
    CallersConfig(
        oauth=OAuthTable(issuer=ISSUER, allow_plain_jwt=True),
        mtls=MtlsTable(trust_domains=("example.com",)),
    ),
    Path(_PLACE.name),
    clock=Clock(),
    get=Net(key()),
)
LOOP = asyncio.new_event_loop()


def ask(*authorization, **changes):
    """The caller, or `None`; anything but the two refusals is a failure."""
    try:
        return LOOP.run_until_complete(CALLERS.authenticate(presented(*authorization, **changes)))
    except CallerError as error:
        refused = error
    assert isinstance(refused, (Unauthenticated, Forbidden))
    assert refused.code != "caller.internal", refused.__cause__
    assert refused.www_authenticate.startswith("Bearer ")
    assert refused.www_authenticate.isascii()
    assert refused.www_authenticate.isprintable()
    return None


def test_the_good_ones_are_let_in():
    assert ask(f"Bearer {KEY.reveal()}").how == "key"
    assert ask(f"Bearer {TOKEN}").how == "oauth"


TEXT = st.text(max_size=80)
PIECES = st.sampled_from(
    ["Bearer ", "bearer ", "Basic ", " ", ",", ".", "rmt_", "\n", "\r\n", "\0", "=", "eyJhbGciOiJub25lIn0",
     KEY.reveal(), KEY.reveal()[:20], TOKEN, *TOKEN.split("."), KEY.record.id, KEY.record.hash, "é", "Bearer"]
)  # fmt: skip
LINE = st.lists(PIECES | TEXT, max_size=6).map("".join)


@given(st.lists(LINE, max_size=3), st.binary(max_size=60))
def test_headers(values, der):
    found = ask(*values, certificate=der)
    if found is not None:
        assert len(values) == 1
        scheme, _, credential = values[0].partition(" ")
        assert scheme.lower() == "bearer"
        assert credential in {KEY.reveal(), TOKEN}


@given(st.integers(0, len(KEY.reveal()) - 1), st.characters())
def test_a_key_with_another_character(place, character):
    text = KEY.reveal()
    changed = text[:place] + character + text[place + 1 :]
    assert (ask(f"Bearer {changed}") is not None) == (changed == text)


@given(st.integers(0, len(TOKEN) - 1), st.characters(max_codepoint=0x17F))
def test_a_token_with_another_character(place, character):
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert (ask(f"Bearer {changed}") is not None) == (changed == TOKEN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from([ISSUER, RESOURCE, "ES256", "none", "HS256", "k1", "at+jwt", "builder", 1_800_000_600]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
CLAIM = st.sampled_from(
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "client_id",
        "azp",
        "act",
        "cnf",
        "scope",
        "scp",
        "jti",
        "nonce",
        "x",
    ]
)
HEADER = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "x5u", "cty", "zip", "enc", "x"]
)


@given(st.dictionaries(HEADER, JSON, max_size=4), st.dictionaries(CLAIM, JSON, max_size=4))
def test_tokens_that_the_issuer_signed(header, changes):
    """Whatever the issuer signs: it is refused, or it names exactly who it names."""
    head = {"alg": "ES256", "kid": "k1", "typ": "at+jwt", **header}
    body = {**claims(), **changes}
    found = ask(
        f"Bearer {mint(payload=json.dumps(body).encode(), header=json.dumps(head).encode())}"
    )
    if found is not None:
        assert head["alg"] == "ES256"
        assert "crit" not in head
        assert body["iss"] == ISSUER
        assert body["aud"] == RESOURCE or RESOURCE in body["aud"]
        assert found.agent.id in {body.get("client_id"), body.get("azp")}
        assert found.user == body["sub"]
        assert bool(found.on_behalf_of) == (body.get("act") is not None)
        assert body.get("cnf") is None


@given(
    st.dictionaries(HEADER, JSON, max_size=6),
    st.dictionaries(CLAIM, JSON, max_size=6),
    st.binary(max_size=80),
)
def test_tokens_that_nobody_signed(header, changes, signature):
    head = b64({"alg": "ES256", "kid": "k1", "typ": "at+jwt", **header})
    assert ask(f"Bearer {head}.{b64({**claims(), **changes})}.{b64(signature)}") is None


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_signed_bytes_of_any_kind(header, payload):
    assert ask(f"Bearer {mint(header=header, payload=payload)}") is None


@given(st.integers(0, len(CERTIFICATE) - 1), st.binary(max_size=4))
def test_certificates(place, piece):
    found = ask(certificate=CERTIFICATE[:place] + piece + CERTIFICATE[place + len(piece) :])
    assert found is None or found.agent.id.startswith("spiffe://example.com/")


@given(st.binary(max_size=120))
def test_certificates_of_any_bytes(der):
    assert ask(certificate=der) is None


MEMBER = st.sampled_from(
    ["kty", "crv", "x", "y", "n", "e", "d", "k", "use", "alg", "kid", "key_ops", "x5c"]
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["RS256", "ES256", "EdDSA"]), st.dictionaries(MEMBER, JSON, max_size=3)
        ),
        max_size=3,
    )
)
def test_key_sets(keys):
    jwks = [{**public(key(kind)), **changes} for kind, changes in keys]
    try:
        found = read_key_set(json.dumps({"keys": jwks}).encode())
    except WebError:
        return
    assert all(not taken.is_for("HS256") and not taken.is_for("none") for taken in found.keys)
