import pytest

from remit.guard.http.heads import (
    HEADER_MISMATCH,
    Head,
    HttpRefusal,
    Rules,
    annotated,
    check_agrees,
    check_parameters,
    decoded,
    encoded,
    read_fields,
    read_head,
    server_of,
)
from remit.guard.mcp.messages import Request
from remit.guard.mcp.methods import META_VERSION

RULES = Rules(hosts=frozenset({"guard:1"}), origins=frozenset({"http://guard:1"}), max_body=1000)
MODERN = "2026-07-28"


def pairs(**more):
    usual = {
        "host": "guard:1",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    merged = {**usual, **{k.replace("_", "-"): v for k, v in more.items()}}
    return [(k.encode(), v.encode("latin-1")) for k, v in merged.items() if v is not None]


def read(method="POST", path=b"/mcp/git", **more):
    return read_head(method, path, pairs(**more), RULES)


def refused(*args, **more):
    with pytest.raises(HttpRefusal) as caught:
        read(*args, **more)
    return caught.value.status, caught.value.code


def test_a_good_head():
    head = read(Authorization="Bearer x", mcp_session_id=" s ")
    assert (head.method, head.server, head.session) == ("POST", "git", "s")
    assert head.authorization == ("Bearer x",)
    assert head.version == ""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"host": None}, (421, "http.host")),
        ({"host": "guard"}, (421, "http.host")),
        ({"host": "guard:1."}, (421, "http.host")),
        ({"origin": "null"}, (403, "http.origin")),
        ({"origin": "http://guard:1/"}, (403, "http.origin")),
        ({"content_type": None}, (415, "http.type")),
        ({"content_type": "application/json; boundary=x"}, (415, "http.type")),
        ({"content_encoding": "br"}, (415, "http.encoding")),
        ({"content_length": "1", "transfer_encoding": "chunked"}, (400, "http.length")),
        ({"content_length": "1e3"}, (400, "http.length")),
        ({"content_length": "9" * 13}, (400, "http.length")),
        ({"content_length": "1001"}, (413, "http.size")),
        ({"accept": "application/json"}, (406, "http.accept")),
        ({"accept": "text/event-stream"}, (406, "http.accept")),
        ({"x": "\xe9"}, (400, "http.headers")),
        ({"x": "a\0b"}, (400, "http.headers")),
        ({"x y": "a"}, (400, "http.headers")),
        ({"x": "a" * 20_000}, (431, "http.headers")),
        ({f"x{n}": "a" for n in range(101)}, (431, "http.headers")),
    ],
)
def test_a_head_is_refused(more, expected):
    assert refused(**more) == expected


def test_host_and_origin_come_before_everything_else():
    assert refused("TRACE", b"/x", host="evil", content_type=None)[0] == 421
    assert refused("TRACE", b"/x", origin="null", content_type=None)[0] == 403
    with pytest.raises(HttpRefusal):
        read_fields(pairs(host="evil"), RULES)


@pytest.mark.parametrize("method", ["PUT", "HEAD", "OPTIONS", "post", "CONNECT"])
def test_other_methods(method):
    with pytest.raises(HttpRefusal) as caught:
        read(method)
    assert (caught.value.status, caught.value.headers) == (405, {"allow": "GET, POST, DELETE"})


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_without_a_body_nothing_is_asked_of_it(method):
    assert read(method, content_type=None, accept=None).server == "git"


@pytest.mark.parametrize(
    "name", ["Host", "Content-Type", "Mcp-Session-Id", "mcp-anything", "LAST-EVENT-ID", "Origin"]
)
def test_a_decisive_header_comes_once(name):
    twice = [(name.encode(), b"x"), (name.lower().encode(), b"x")]
    with pytest.raises(HttpRefusal) as caught:
        read_fields([*twice, *pairs()], RULES)
    assert caught.value.code == "http.twice"
    assert (caught.value.rpc_code == HEADER_MISMATCH) == name.lower().startswith("mcp-")


def test_others_are_joined_and_every_authorization_is_kept():
    extra = [(b"x", b"1"), (b"X", b"2"), (b"authorization", b"a"), (b"Authorization", b"b")]
    fields, authorization = read_fields([*pairs(), *extra], RULES)
    assert fields["x"] == "1, 2"
    assert authorization == ("a", "b")


@pytest.mark.parametrize(
    "path",
    [b"/mcp/", b"/mcp", b"/mcp/a/b", b"/mcp/.a", b"/mcp/a%20", b"/mcp/a\n", b"//mcp/a", b"",
     b"/mcp/" + b"a" * 65, b"/mcp/\xc3\xa9", b"/mcp/a ", b"http://guard/mcp/a"],
)  # fmt: skip
def test_paths_that_are_none(path):
    assert server_of(path) is None
    assert refused(path=path) == (404, "http.path")


def agrees(request, *, modern=True, **fields):
    head = Head(
        method="POST", server="s", fields={k.replace("_", "-"): v for k, v in fields.items()}
    )
    try:
        check_agrees(head, request, modern=modern)
    except HttpRefusal as error:
        return (error.status, error.rpc_code) != (400, HEADER_MISMATCH)
    return True


def request(method, **params):
    return Request(id=1, method=method, params={**params, "_meta": {META_VERSION: MODERN}})


def test_head_and_body_agree():
    call, version = request("tools/call", name="né"), {"mcp_protocol_version": MODERN}
    good = {**version, "mcp_method": "tools/call", "mcp_name": encoded("né")}
    assert agrees(call, **good)
    for name in good:
        assert not agrees(call, **{k: v for k, v in good.items() if k != name})
        assert not agrees(call, **{**good, name: "other"})
    read_ = request("resources/read", uri="memo://x", name="other")
    assert agrees(read_, **version, mcp_method="resources/read", mcp_name="memo://x")
    listing = request("tools/list")
    assert agrees(listing, **version, mcp_method="tools/list")
    assert not agrees(listing, **version, mcp_method="tools/list", mcp_name="x")
    assert not agrees(request("tools/call", name=7), **{**good, "mcp_name": "7"})


def test_the_legacy_era_compares_what_is_there():
    call = request("tools/call", name="a")
    assert agrees(call, modern=False)
    assert agrees(call, modern=False, mcp_method="tools/call", mcp_name="a")
    assert not agrees(call, modern=False, mcp_method="x")
    assert not agrees(call, modern=False, mcp_name="x")


SCHEMA = {
    "properties": {
        "s": {"type": "string", "x-mcp-header": "S"},
        "n": {"type": "integer", "x-mcp-header": "N"},
        "b": {"type": "boolean", "x-mcp-header": "B"},
        "o": {"properties": {"deep": {"x-mcp-header": "Deep"}}},
        "plain": {"type": "string"},
        "odd": True,
    }
}


@pytest.mark.parametrize(
    ("arguments", "fields", "good"),
    [
        ({"s": "x"}, {"s": "x"}, True),
        ({"s": "x"}, {}, False),
        ({"s": "x"}, {"s": "=?base64?eA==?="}, True),
        ({"s": None}, {}, True),
        ({"s": None}, {"s": "x"}, False),
        ({"n": 7}, {"n": "07"}, True),
        ({"n": 7}, {"n": "7.0"}, False),
        ({"n": 7}, {"n": "٧"}, False),
        ({"n": 7.5}, {"n": "7.5"}, False),
        ({"b": True}, {"b": "true"}, True),
        ({"b": True}, {"b": "1"}, False),
        ({"n": 1}, {"n": "true"}, False),
        ({"o": {"deep": "d"}}, {"deep": "d"}, True),
        ({"o": {"deep": "d"}}, {}, False),
        ({"plain": "p"}, {"plain": "p"}, False),
        (None, {}, True),
        ([], {"s": "x"}, False),
    ],
)
def test_parameters(arguments, fields, good):
    head = Head(method="POST", server="s", fields={f"mcp-param-{k}": v for k, v in fields.items()})
    if good:
        check_parameters(head, arguments, SCHEMA)
    else:
        with pytest.raises(HttpRefusal) as caught:
            check_parameters(head, arguments, SCHEMA)
        assert caught.value.rpc_code == HEADER_MISMATCH


@pytest.mark.parametrize("schema", [None, [], {}, {"properties": []}, {"properties": {"a": 1}}])
def test_schemas_that_say_nothing(schema):
    assert list(annotated(schema, {"a": 1})) == []


@pytest.mark.parametrize(
    "text", ["", "a", "a b", " a", "a ", "é", "\n", "=?base64?x?=", "=?BASE64?"]
)
def test_encoding_comes_back(text):
    value = encoded(text)
    assert value.isascii()
    assert value.isprintable()
    assert decoded(value) == text


@pytest.mark.parametrize(
    "value",
    ["=?base64?eA=?=", "=?base64?eB==?=", "=?base64?eA==", "=?BASE64?eA==?=", "=?base64?/w==?=",
     "=?base64?e A==?=", "=?base64?eA==?= ", "=?base64?7aCA?="],
)  # fmt: skip
def test_encodings_that_are_none(value):
    with pytest.raises(HttpRefusal):
        decoded(value)
