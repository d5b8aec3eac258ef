"""Token requests that come as a form."""

import asyncio
from urllib.parse import urlencode

import pytest

from remit.hub.registry.access import ANONYMOUS, Caller
from remit.hub.registry.errors import Unauthorized, Unsupported, UploadInvalid
from remit.hub.registry.http import Request
from remit.hub.registry.oauth import MAX_FORM, read_form

NOBODY = Caller(name=ANONYMOUS, grants=())


class Doors:
    """Knows one password."""

    async def basic(self, name, password, peer):
        if (name, password, peer) != ("ada", "pä&ss=word+", "10.0.0.1"):
            raise Unauthorized("the user name or the password is wrong")
        return Caller(name=name, grants=())


def asked(body, headers=(), caller=NOBODY):
    """What is made of a form."""
    data = body if isinstance(body, bytes) else urlencode(body).encode()

    async def receive():
        return {"type": "http.request", "body": data, "more_body": False}

    length = (b"content-length", str(len(data)).encode())
    request = Request(
        {
            "method": "POST",
            "path": "/token",
            "query_string": b"",
            "headers": [length, *headers],
            "client": ("10.0.0.1", 1),
        },
        receive,
    )
    return asyncio.run(read_form(request, caller, Doors()))


RIGHT = {"grant_type": "password", "username": "ada", "password": "pä&ss=word+"}


def test_the_right_password():
    caller, scopes = asked({**RIGHT, "scope": "repository:a/b:pull", "client_id": "x"})
    assert caller.name == "ada"
    assert scopes == ["repository:a/b:pull"]
    several = urlencode([*RIGHT.items(), ("scope", "repository:a:pull"), ("scope", "b")]).encode()
    assert asked(several)[1] == ["repository:a:pull", "b"]


@pytest.mark.parametrize(
    "form",
    [
        {**RIGHT, "password": "wrong"},
        {**RIGHT, "password": ""},
        {**RIGHT, "username": ""},
        {"grant_type": "password"},
        {"grant_type": "password", "username": "", "password": ""},
        b"grant_type=password&username=ada&username=root&password=x",
        b"grant_type=password&password=a&password=b&username=ada",
        b"username=%ff%fe&password=x",
        b"\xff\xfe",
        b"a=1&" * 100,
    ],
)
def test_never_nobody(form):
    """What is no login must not look like one."""
    with pytest.raises(Unauthorized):
        asked(form)


def test_other_grants():
    for grant in ("refresh_token", "client_credentials", "PASSWORD"):
        with pytest.raises(Unsupported, match="password"):
            asked({**RIGHT, "grant_type": grant})


def test_without_a_password_it_is_whom_the_header_names():
    ada = Caller(name="ada", grants=())
    header = ((b"authorization", b"Basic x"),)
    assert asked({"scope": "repository:a:pull"}, header, ada) == (ada, ["repository:a:pull"])
    assert asked({"grant_type": "password"}, header, ada)[0] is ada
    # A form without anything is a request for an anonymous token, as a GET would be.
    assert asked(b"") == (NOBODY, [])


def test_the_form_says_who_it_is_and_not_the_header():
    ben = Caller(name="ben", grants=())
    assert asked(RIGHT, ((b"authorization", b"Basic x"),), ben)[0].name == "ada"


def test_too_large():
    with pytest.raises(UploadInvalid, match="larger"):
        asked(b"a" * (MAX_FORM + 1))
