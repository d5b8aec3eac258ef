"""Forms of token requests: nothing but a right password makes anybody somebody."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from remit.hub.registry.access import ANONYMOUS, Caller
from remit.hub.registry.errors import RegistryError, Unauthorized
from remit.hub.registry.http import Request
from remit.hub.registry.oauth import read_form

PARTS = st.sampled_from(
    [b"grant_type", b"password", b"username", b"scope", b"=", b"&", b";", b"%", b"%00", b"+", b"a"]
)
FORMS = st.one_of(st.binary(max_size=300), st.lists(PARTS, max_size=40).map(b"".join))


class Doors:
    async def basic(self, name, password, peer):
        if (name, password) == ("a", "a"):
            return Caller(name="a", grants=())
        raise Unauthorized("no")


@given(FORMS)
def test_forms(body):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-length", str(len(body)).encode())]
    scope = {"method": "POST", "path": "/token", "query_string": b"", "headers": headers}
    nobody = Caller(name=ANONYMOUS, grants=())
    try:
        caller, scopes = asyncio.run(read_form(Request(scope, receive), nobody, Doors()))
    except RegistryError:
        return
    assert caller is nobody or (caller.name == "a" and b"username" in body and b"password" in body)
    assert all(isinstance(each, str) for each in scopes)
