"""Where a login leads, and what the list's form may ask."""

import pytest

from remit.hub.console.door import HOME, place_of
from remit.hub.console.views.artifacts import query_of
from remit.hub.registry.errors import RegistryError
from remit.web.errors import PageError


@pytest.mark.parametrize(
    "text",
    ["/ui/queue", "/ui/artifacts/a/b@sha256:00/findings", "/ui/artifacts?q=a&kind=model"],
)
def test_pages_of_ours(text):
    assert place_of(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "/v2/", "//evil.example", "https://evil.example", "/ui\\evil", "/ui/\\evil",
        "/ui/../v2/", "/ui/a/../../x", "/ui/login", "/ui/openid?to=x", "/ui/ü", "/ui/a\nb",
        "/ui/" + "a" * 3000, "javascript:alert(1)",
    ],
)  # fmt: skip
def test_everything_else_is_the_list(text):
    assert place_of(text) == HOME


def test_the_form_of_the_list():
    query = query_of({"q": "Speech  v1", "kind": "model", "state": "review"}, gated=True)
    assert query.words == ("speech", "v1")
    assert (query.kinds, query.states, query.sort) == (("model",), ("review",), "-pushed")
    assert query_of({}, gated=False).words == ()


@pytest.mark.parametrize(
    "given",
    [
        {"q": "a " * 9}, {"q": "x" * 201}, {"q": "\0"}, {"kind": "virus"}, {"state": "exempt"},
        {"cursor": "x"}, {"cursor": "é"},
    ],
)  # fmt: skip
def test_what_the_form_does_not_offer(given):
    with pytest.raises((PageError, RegistryError)):
        query_of(given, gated=True)


def test_without_a_gate_there_are_no_states():
    with pytest.raises(PageError):
        query_of({"state": "admitted"}, gated=False)
