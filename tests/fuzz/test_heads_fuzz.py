"""Whatever a head says, it is read or refused; nothing else is raised."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from remit.guard.http.app import App
from remit.guard.http.heads import (
    Head,
    HttpRefusal,
    Rules,
    annotated,
    check_agrees,
    check_parameters,
    decoded,
    encoded,
    read_head,
)
from remit.guard.mcp.messages import Request
from remit.guard.mcp.methods import META_VERSION

RULES = Rules(hosts=frozenset({"h:1"}), origins=frozenset({"http://h:1"}), max_body=1000)
NAMES = st.sampled_from(
    [b"host", b"Origin", b"content-type", b"content-length", b"transfer-encoding", b"accept",
     b"content-encoding", b"mcp-name", b"Mcp-Session-Id", b"mcp-param-x", b"authorization"]
)  # fmt: skip
VALUES = st.sampled_from(
    [b"h:1", b"http://h:1", b"application/json", b"7", b"chunked", b"*/*", b"application/json;",
     b"=?base64?eA==?=", b"=?base64?/w==?=", b"identity", b""]
)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES | st.binary(max_size=20), VALUES | st.binary(max_size=40)))
GOOD = [(b"host", b"h:1"), (b"content-type", b"application/json"), (b"accept", b"*/*")]
PATHS = st.sampled_from([b"/mcp/a", b"/metrics", b"/.well-known/oauth-protected-resource/mcp/a"])
METHODS = st.sampled_from(["GET", "POST", "DELETE", "PUT"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "x-mcp-header", "a", "b"]) | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
)


def tried(work):
    try:
        return work()
    except HttpRefusal:
        return None


@given(METHODS | st.text(), PATHS | st.binary(), HEADERS, st.booleans())
def test_any_head(method, path, headers, good):
    given_ = [*GOOD, *headers] if good else headers
    head = tried(lambda: read_head(method, path, given_, RULES))
    if head is not None:
        assert head.method in {"GET", "POST", "DELETE"}
        assert path == f"/mcp/{head.server}".encode()
        assert head.fields["host"].lower() in RULES.hosts


@given(st.text())
def test_any_header_value(value):
    tried(lambda: decoded(value))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_comes_back(text):
    assert decoded(encoded(text)) == text


@given(
    st.dictionaries(st.sampled_from(["mcp-name", "mcp-method", "mcp-param-a"]), st.text()),
    JSON,
    JSON,
    st.booleans(),
)
def test_any_comparison(fields, arguments, schema, modern):
    head = Head(method="POST", server="s", fields=fields)
    params = {"name": arguments, "_meta": {META_VERSION: schema}}
    tried(lambda: check_agrees(head, Request(1, "tools/call", params), modern=modern))
    tried(lambda: check_parameters(head, arguments, schema))
    tried(lambda: list(annotated(schema, arguments)))


class Nobody:
    """Callers and rooms that know nobody."""

    def serves(self, server):
        return False

    def refused(self, *_):
        pass

    def metrics(self):
        return ""

    def ready(self):
        return False


@given(METHODS, PATHS | st.binary(), HEADERS, st.sampled_from(["1.0", "1.1", "0.9"]))
def test_the_application_answers_whatever_does_not_reach_authentication(
    method, path, headers, version
):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "raw_path": path, "path": "", "headers": headers, "http_version": version}  # fmt: skip
    if any(name.lower() == b"host" for name, _ in headers):
        scope["headers"] = [(b"host", b"evil"), *headers]
    asyncio.run(App(Nobody(), Nobody(), RULES, "http://h:1")(scope, None, send))
    assert sent[0]["status"] in {400, 403, 404, 421, 431, 505, 503} or path == b"/healthz"
    assert not sent[-1].get("more_body")
