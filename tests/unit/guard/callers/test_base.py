import itertools

import pytest

from remit.core.event import Agent
from remit.guard.callers.base import Caller, Forbidden, Unauthenticated
from tests.unit.guard.callers.helpers import presented


def caller(**changes):
    value = {
        "agent": "a",
        "user": "u",
        "on_behalf_of": "",
        "how": "key",
        "credential": "c",
        **changes,
    }
    return Caller(**{**value, "agent": Agent(id=value["agent"])})


def test_whatever_tells_callers_apart_is_in_the_identity():
    several = [
        caller(),
        caller(agent="b"),
        caller(user="v"),
        caller(on_behalf_of="x"),
        caller(how="oauth"),
        caller(credential="d"),
    ]
    for one, other in itertools.combinations(several, 2):
        assert one.identity != other.identity
    assert caller().identity == caller().identity


@pytest.mark.parametrize("glue", ["#", "|", "\x1f", '","', ",", " ", "\n"])
def test_no_separator_makes_two_callers_one(glue):
    assert (
        caller(agent=f"a{glue}u", user="v").identity != caller(agent="a", user=f"u{glue}v").identity
    )


def test_what_the_client_says_of_itself_is_not_in_the_identity():
    said = Caller(agent=Agent(id="a", claimed="evil 1"), user="u", how="key", credential="c")
    assert said.identity == caller().identity


def test_what_was_presented_is_not_shown():
    request = presented("Bearer secret-token", certificate=b"certificate-bytes")
    for text in (repr(request), str(request), f"{request}"):
        assert "secret-token" not in text
        assert "certificate-bytes" not in text


def test_the_refusals_have_their_status():
    assert Unauthenticated("x", code="c").status == 401
    assert Forbidden("x", code="c").status == 403
