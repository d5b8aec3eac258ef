"""Cursors, queries, summaries of servers and listings of git: whatever comes, a clear answer."""

import contextlib
import json
import re

import jsonschema_rs
from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.importing.errors import ImportRefusedError
from remit.artifacts.importing.origins import clean, parse_tree
from remit.artifacts.kinds.definition import Needs, needs_of
from remit.artifacts.kitfile import Kitfile
from remit.artifacts.modelkit import CONFIG
from remit.artifacts.oci.digests import EMPTY_DIGEST
from remit.artifacts.oci.manifest import MANIFEST, Descriptor, Manifest
from remit.artifacts.servers import SUMMARY, precedence, server_json, server_of
from remit.hub.api.errors import BadRequest
from remit.hub.api.parameters import cursor_in, cursor_of, query_of
from remit.hub.api.servers import _place_in, _time_in
from remit.hub.catalog.ports import Query
from remit.hub.registry.http import Request
from tests.rig.governed import ROOT

SCHEMA = json.loads((ROOT / "spec" / "mcp-registry.schema.json").read_text())
VALID = jsonschema_rs.validator_for(
    {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], "$ref": "#/$defs/server"},
    validate_formats=True,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["name", "display_name", "version", "description", "homepage", "repository", "user_config",
     "env"]
)  # fmt: skip


def request(query: bytes) -> Request:
    scope = {"method": "GET", "path": "/", "query_string": query, "headers": [], "client": None}
    return Request(scope, None)


@given(st.text(max_size=300))
def test_cursors(text):
    try:
        after = cursor_in(text)
    except BadRequest:
        pass
    else:
        assert cursor_in(cursor_of(after)) == after
    try:
        name, version = _place_in(text)
    except BadRequest:
        return
    assert isinstance(name, str)
    assert isinstance(version, str)


@given(
    st.binary(max_size=300)
    | st.lists(
        st.tuples(
            st.sampled_from(["q", "kind", "limit", "sort", "cursor", "digest", "repository", "z"]),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        )
    ).map(lambda pairs: "&".join(f"{k}={v}" for k, v in pairs).encode())
)
def test_queries(query):
    refused = ""
    try:
        found = query_of(request(query))
    except BadRequest as error:
        refused = error.message
    if refused:
        assert not set(refused) & set("\n\r\x1b\0")
        return
    assert isinstance(found, Query)
    assert 1 <= found.limit <= 200
    assert len(found.words) <= 8


@given(st.text(max_size=60))
def test_times_and_versions(text):
    precedence(text)
    with contextlib.suppress(BadRequest):
        assert _time_in(text) >= 0


@given(st.dictionaries(KEYS, JSON), st.text(max_size=300), st.text(max_size=60))
def test_every_summary_makes_a_valid_server(summary, name, version):
    layer = "application/vnd.kitops.modelkit.mcpb.v1.raw"
    manifest = Manifest(
        media_type=MANIFEST,
        config=Descriptor(media_type=CONFIG, digest=EMPTY_DIGEST, size=2),
        layers=(Descriptor(media_type=layer, digest=EMPTY_DIGEST, size=2),),
    )
    kitfile = Kitfile(name=name, version=version, description=name, extra={SUMMARY: summary})
    server = server_of(
        manifest, kitfile, digest=EMPTY_DIGEST, repository="a/b", namespace="local.hub"
    )
    VALID.validate(server_json(server, url="http://127.0.0.1:1", repository="a/b"))


@given(st.binary(max_size=2000), st.sampled_from(["", "gzip", "zstd"]))
def test_layers_of_definitions(data, compression):
    assert isinstance(needs_of([(data, compression, "")]), Needs)
    assert isinstance(needs_of([(data, "", "agent.yaml")]), Needs)


@given(st.binary(max_size=300) | st.from_regex(rb"(100644 blob [0-9a-f]{40}\t[^\0]{1,5}\0){1,4}"))
def test_listings_of_git(data):
    try:
        found = parse_tree(data)
    except ImportRefusedError:
        return
    assert all(re.fullmatch("[0-9a-f]{40,64}", blob) for blob in found.values())


@given(st.text(max_size=200) | st.from_regex(r"[a-z]{2,5}://([a-z]+:[a-z]+@)?[a-z.]+(:[0-9]+)?/x"))
def test_no_password_stays_in_a_url(url):
    found = clean(url)
    assert "@" not in found.partition("://")[2].partition("/")[0] or "://" not in found
