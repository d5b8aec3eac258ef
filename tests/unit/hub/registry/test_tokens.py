"""Tokens that the Hub signs for itself."""

import base64
import hashlib
import hmac
import json

import pytest

from remit.hub.registry.access import Scope
from remit.hub.registry.errors import Unauthorized
from remit.hub.registry.tokens import LIFE_S, MAX_REMEMBERED, Tokens
from tests.unit.hub.support import Clock

KEY = bytes(range(32))
SCOPES = (Scope(type="repository", name="a/b", actions=("pull", "push")),)


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims, header=None, key=KEY):
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    text = f"{coded(json.dumps(head).encode())}.{coded(json.dumps(claims).encode())}"
    return f"{text}.{coded(hmac.digest(key, text.encode(), hashlib.sha256))}"


def claims(clock, **more):
    now = clock.us // 10**6
    return {"sub": "ann", "iat": now, "exp": now + 60, "access": [], **more}


def test_a_token_is_read_by_every_hub_with_the_key():
    clock = Clock()
    token = Tokens(KEY, clock).make("ann", SCOPES)
    for _ in range(2):
        assert Tokens(KEY, clock).read(token) == ("ann", SCOPES)
    with pytest.raises(Unauthorized):
        Tokens(bytes(32), clock).read(token)


def test_a_token_made_by_hand_is_the_same():
    clock = Clock()
    assert Tokens(KEY, clock).read(signed(claims(clock))) == ("ann", ())


def test_a_token_ends_also_if_it_was_read_before():
    clock = Clock()
    tokens = Tokens(KEY, clock)
    token = tokens.make("ann", SCOPES)
    clock.us += (LIFE_S - 1) * 10**6
    assert tokens.read(token)[0] == "ann"
    clock.us += 10**6
    for each in (tokens, Tokens(KEY, clock)):
        with pytest.raises(Unauthorized):
            each.read(token)


@pytest.mark.parametrize(
    "change",
    [{"exp": None}, {"exp": "never"}, {"exp": {}}, {"access": None}, {"access": [1]}, {"access": [{}]},
     {"access": [{"type": "repository", "name": "a"}]}, {"sub": None}],
)  # fmt: skip
def test_claims_that_are_malformed(change):
    clock = Clock()
    said = {key: value for key, value in claims(clock, **change).items() if value is not None}
    with pytest.raises(Unauthorized):
        Tokens(KEY, clock).read(signed(said))


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS384"}, {"alg": "RS256"}, {}, {"alg": "HS256", "crit": ["x"]}, {"alg": None}],
)  # fmt: skip
def test_headers_that_are_not_ours(header):
    clock = Clock()
    with pytest.raises(Unauthorized):
        Tokens(KEY, clock).read(signed(claims(clock), header))


def test_any_change_of_a_token():
    clock = Clock()
    token = Tokens(KEY, clock).make("ann", SCOPES)
    tokens = Tokens(KEY, clock)
    for at in range(0, len(token) - 1, 3):
        other = "A" if token[at] != "A" else "B"
        with pytest.raises(Unauthorized):
            tokens.read(token[:at] + other + token[at + 1 :])


def test_few_are_remembered():
    clock = Clock()
    tokens = Tokens(KEY, clock)
    for number in range(MAX_REMEMBERED + 50):
        tokens._read[str(number)] = ("x", (), 0)
    tokens.read(tokens.make("ann", ()))
    assert len(tokens._read) <= MAX_REMEMBERED + 50
