"""Parameters and cursors of the catalogue."""

import base64

import msgspec
import pytest

from remit.hub.api.errors import BadRequest
from remit.hub.api.parameters import cursor_in, cursor_of, query_of
from remit.hub.catalog.ports import After
from remit.hub.registry.http import Request

DIGEST = "sha256:" + "0" * 64


def asked(query):
    async def receive():
        return {"type": "http.disconnect"}

    scope = {
        "method": "GET", "path": "/api/v1/artifacts", "query_string": query.encode(),
        "headers": [], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    return query_of(Request(scope, receive))


def encoded(value):
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "value",
    [
        ["-pushed", "text", 1, DIGEST],
        ["kind", 7, 1, DIGEST],
        ["name", 7, 1, DIGEST],
        ["-pushed", -1, 1, DIGEST],
        ["-pushed", 1 << 63, 1, DIGEST],
        ["-pushed", True, 1, DIGEST],
        ["-pushed", 1, -1, DIGEST],
        ["-pushed", 1, 1 << 62, DIGEST],
        ["-pushed", 1, 1, "sha256:x"],
        ["repository", "x" * 300, 1, DIGEST],
        ["repository", "a\0b", 1, DIGEST],
        ["-pushed", 1, 1],
        {},
        None,
    ],
)
def test_a_cursor_that_this_hub_never_gave(value):
    with pytest.raises(BadRequest):
        cursor_in(encoded(value))


@pytest.mark.parametrize("text", ["!", "é", "A", "A" * 1025, "AAAA\n", "=", "e30="])
def test_a_cursor_that_is_none(text):
    with pytest.raises(BadRequest):
        cursor_in(text)


def test_a_cursor_comes_back_as_it_was():
    after = After(sort="repository", key="team/x", repository=7, digest=DIGEST)
    assert cursor_in(cursor_of(after)) == after


def test_a_cursor_of_another_order_is_refused():
    cursor = cursor_of(After(sort="size", key=1, repository=1, digest=DIGEST))
    with pytest.raises(BadRequest, match="another order"):
        asked(f"sort=-size&cursor={cursor}")
    assert asked(f"sort=size&cursor={cursor}").after is not None


def test_what_a_query_says():
    found = asked("q=Two+WORDS&kind=model&kind=agent&kind=model&tagged=false&limit=1000")
    assert found.words == ("two", "words")
    assert found.kinds == ("model", "agent")
    assert found.tagged is False
    assert found.limit == 200
    assert asked("").limit == 50


@pytest.mark.parametrize(
    "query",
    ["q=" + "a+" * 9, "q=" + "a" * 201, "kind=", "limit=", "limit=1e3", "limit=%31%30%FF",
     "tagged=1", "repository=a//b", "repository=A", "digest=md5:1", "sort=", "x=1"],
)  # fmt: skip
def test_what_is_malformed_is_refused(query):
    with pytest.raises(BadRequest):
        asked(query)
