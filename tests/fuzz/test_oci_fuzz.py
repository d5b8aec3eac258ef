"""What clients of a registry send: whatever it is, it has one reading or a refusal in OCI's words."""

import asyncio
import base64
import contextlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.errors import BadReferenceError, DigestError, ManifestError
from remit.artifacts.oci.digests import is_digest, parse_digest
from remit.artifacts.oci.manifest import INDEX, MANIFEST, parse_manifest
from remit.artifacts.oci.names import Reference, is_repository, is_tag
from remit.hub.errors import HubError
from remit.hub.patterns import check_pattern, matches
from remit.hub.registry.access import (
    MAX_SCOPES,
    Caller,
    Grant,
    challenge,
    granted,
    parse_basic,
    parse_scopes,
)
from remit.hub.registry.app import _refusal
from remit.hub.registry.errors import RegistryError, Unauthorized
from remit.hub.registry.http import GoneError
from remit.hub.registry.ports import Upload
from remit.hub.registry.pulls import RangeNotSatisfiable, _part
from remit.hub.registry.pushes import check_range
from remit.hub.registry.routes import route_of
from remit.hub.registry.tokens import Tokens
from tests.unit.hub.support import Clock, asked

D = "sha256:" + "a" * 64
WORDS = st.sampled_from(
    ["/v2/", "/", "blobs", "uploads", "manifests", "tags", "list", "referrers", "a", "a/b", "A", "..", "_",
     "-", ".", ":", "@", "%2F", "\n", "\0", " ", "ä", D, "sha256:", "sha512:" + "0" * 128, "0" * 64, "latest",
     "a" * 256, "\ud800"]
)  # fmt: skip
PATHS = st.lists(WORDS | st.text(max_size=6), max_size=10).map("".join)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "X"])
LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
NUMBER = st.sampled_from(["", "0", "5", "9", "10", "99", "9" * 19, "9" * 25, "-1", "\u0663", "x"])


def refuses(error, statuses):
    """A refusal has a status, and what it says can be said."""
    assert error.status in statuses
    with contextlib.suppress(UnicodeEncodeError):
        error.message.encode()
        assert json.loads(_refusal(error).body)["errors"][0]["code"] == error.oci


@given(PATHS.map(lambda path: "/v2/" + path) | PATHS, METHODS)
def test_routes(path, method):
    try:
        route = route_of(path, method)
    except RegistryError as error:
        refuses(error, range(400, 500))
        return
    if route is None:
        return
    assert is_repository(route.repository)
    if route.kind in {"blob", "referrers"}:
        assert is_digest(route.value)
    if route.kind == "manifest":
        assert is_digest(route.value) or is_tag(route.value)
    if route.kind == "upload":
        assert re.fullmatch("[0-9a-f]{64}", route.value)
    end = {"uploads": "blobs/uploads", "upload": f"blobs/uploads/{route.value}", "blob": f"blobs/{route.value}",
           "manifest": f"manifests/{route.value}", "tags": "tags/list", "referrers": f"referrers/{route.value}"}  # fmt: skip
    assert path.rstrip("/") == f"/v2/{route.repository}/{end[route.kind]}"


@given(st.text(max_size=40) | PATHS)
def test_names_and_digests(text):
    assert not (is_digest(text) and is_tag(text))
    try:
        assert parse_digest(text) == text
    except DigestError:
        assert not is_digest(text)
    if is_repository(text):
        assert len(text) <= 255
        assert not {"..", "//"} & {text[at : at + 2] for at in range(len(text))}
        assert text == text.lower()
        assert text.isascii()


@given(st.lists(WORDS | st.text(max_size=5), max_size=8).map("".join))
def test_references(text):
    try:
        found = Reference.parse(text)
    except (BadReferenceError, DigestError):
        return
    assert Reference.parse(str(found)) == found
    assert is_repository(found.repository)


# -- manifests -----------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=8)
    | st.sampled_from([D, MANIFEST, INDEX, "a/b", 2]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from(["a/b", MANIFEST, "a\0b"]) | VALUES,
        "digest": st.just(D) | VALUES,
        "size": st.integers(0, 2**63) | VALUES,
        "annotations": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)
        | VALUES,
        "urls": st.lists(st.text(max_size=4), max_size=2) | VALUES,
        "data": VALUES,
        "platform": VALUES,
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.just(2) | VALUES,
        "mediaType": st.sampled_from([MANIFEST, INDEX]) | VALUES,
        "config": DESCRIPTORS | VALUES,
        "layers": st.lists(DESCRIPTORS, max_size=3) | VALUES,
        "manifests": st.lists(DESCRIPTORS, max_size=3) | VALUES,
        "subject": DESCRIPTORS | VALUES,
        "artifactType": st.just("a/b") | VALUES,
        "annotations": VALUES,
        "x": VALUES,
    },
)
TYPES = st.sampled_from(["", MANIFEST, INDEX, MANIFEST + "; a=b", "text/plain"]) | LATIN


def read(data, said):
    try:
        found = parse_manifest(data, said)
    except ManifestError:
        return None
    for each in (*found.blobs, *found.manifests):
        assert is_digest(each.digest)
        assert 0 <= each.size < 2**63
    assert (found.config is None) == (found.media_type == INDEX or "list" in found.media_type)
    assert all(letter >= " " for letter in found.kind)
    return found


@given(DOCUMENTS, TYPES)
def test_manifests(document, said):
    with contextlib.suppress(UnicodeEncodeError):
        read(json.dumps(document).encode(), said)


@given(st.binary(max_size=80), TYPES)
def test_bytes_that_are_said_to_be_a_manifest(data, said):
    assert read(data, said) is None or b"schemaVersion" in data


@given(st.data())
def test_a_manifest_with_a_byte_changed(data):
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
                "config": {"mediaType": "a/b", "digest": D, "size": 2}}  # fmt: skip
    body = bytearray(json.dumps(document).encode())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    read(bytes(body), MANIFEST)


# -- headers -------------------------------------------------------------------------------------


@given(st.tuples(NUMBER, NUMBER).map(lambda n: f"bytes={n[0]}-{n[1]}") | LATIN, st.integers(0, 100))
def test_ranges(header, size):
    try:
        part = _part(header, size)
    except RangeNotSatisfiable as error:
        refuses(error, {416})
        return
    if part is not None:
        assert 0 <= part[0] < part[1] <= size


RANGES = st.tuples(st.sampled_from(["", "bytes ", "bytes="]), NUMBER, NUMBER, st.sampled_from(["", "/*", "/9", "/"]))  # fmt: skip


@given(
    RANGES.map(lambda each: f"{each[0]}{each[1]}-{each[2]}{each[3]}".replace("\u0663", "")) | LATIN,
    st.none() | st.integers(0, 20),
    st.integers(0, 10),
)
def test_content_ranges(header, length, size):
    headers = [("content-range", header)]
    headers.append(("transfer-encoding", "chunked") if length is None else ("content-length", str(length)))  # fmt: skip
    upload = Upload(id="0" * 64, repository="a", size=size)
    try:
        said = check_range(asked("PATCH", headers=headers), upload)
    except RegistryError as error:
        refuses(error, {400, 416})
        return
    first, last = (int(each) for each in re.findall(r"\d+", header)[:2])
    assert first == size
    assert last - first + 1 == said
    assert length in {None, said}


@given(LATIN | st.binary(max_size=30).map(lambda data: base64.b64encode(data).decode()))
def test_basic(value):
    try:
        name, password = parse_basic(value)
    except Unauthorized:
        return
    assert name
    assert base64.b64decode(value.strip()).decode() == f"{name}:{password}"


SCOPES = st.lists(
    st.sampled_from(["repository", "registry", ":", "a", "a/b", "pull", "push", "*", ",", " ", "catalog", "(x)", "A"])
    | st.text(max_size=3),
    max_size=12,
).map("".join)  # fmt: skip


@given(st.lists(SCOPES, max_size=50))
def test_scopes(texts):
    found = parse_scopes(texts)
    assert len(found) <= MAX_SCOPES
    who = Caller(name="ann", grants=(Grant(pattern="a", role="reader"),))
    for each in granted(who, found):
        assert (each.type, each.name, each.actions) in {
            ("repository", "a", ("pull",)),
            ("registry", "catalog", ("*",)),
        }
    token = Tokens(bytes(32), Clock()).make("ann", found)
    assert Tokens(bytes(32), Clock()).read(token) == ("ann", found)


@given(LATIN)
def test_challenges_repeat_nothing_that_ends_a_text(host):
    request = asked(headers=[("host", host)])
    header = challenge(request, "http://hub/token", "a", "pull")
    assert header.count('"') == 6
    assert "\n" not in header
    assert header.isascii()


@given(LATIN | st.text(max_size=80))
def test_tokens(text):
    try:
        Tokens(bytes(32), Clock()).read(text)
    except Unauthorized:
        return
    raise AssertionError


@given(st.lists(st.sampled_from(["a", "b", "/", "*", "**", ".", "-", "x.y"]), max_size=8).map("".join), PATHS)  # fmt: skip
def test_patterns(pattern, name):
    try:
        check_pattern(pattern)
    except HubError:
        return
    matches(pattern, name)
    if "*" not in pattern:
        assert matches(pattern, pattern)


# -- requests ------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(["content-length", "Transfer-Encoding", "host", "x", "range"]), LATIN | NUMBER.filter(str.isascii)), max_size=5),
    st.lists(st.binary(max_size=8) | st.none(), max_size=5),
    LATIN,
    st.sampled_from(["1.0", "1.1", "2"]),
)  # fmt: skip
def test_bodies(headers, pieces, query, version):
    """What is read is what was announced, or the client is said to be gone."""

    async def run():
        request = asked("PUT", query=query, headers=headers, pieces=pieces, http_version=version)
        length = request.length
        data = await request.read(1000)
        assert length in {None, len(data)}
        sent = b"".join(before_the_end(pieces))
        assert sent.startswith(data)

    with contextlib.suppress(RegistryError, GoneError):
        asyncio.run(run())


def before_the_end(pieces):
    for each in pieces:
        if each is None:
            return
        yield each
