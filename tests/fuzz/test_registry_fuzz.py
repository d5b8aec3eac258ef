"""Whatever a registry or a file of credentials says, it is read or refused; nothing else is raised."""

import asyncio
import contextlib
import json
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.answers import (
    failure,
    length,
    next_link,
    part,
    received,
    retry_after,
    warnings,
)
from remit.artifacts.oci.auth import Auth, Credentials
from remit.artifacts.oci.challenges import parse_challenges
from remit.artifacts.oci.client import Repository
from remit.artifacts.oci.credentials import in_config
from remit.artifacts.oci.errors import RegistryError
from remit.artifacts.oci.http import Headers
from remit.artifacts.oci.urls import Origin, follow, is_loopback
from tests.rig.scripted import Said, session

PIECES = st.sampled_from(
    ["Bearer", "Basic", " ", ",", "=", '"', "\\", "realm", "scope", "service", "https://a/t", "x",
     "repository:a/b:pull", "==", "\t", "\x00", "\u00e4", "/", "http://a", "token68", "0"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60)
URLS = st.lists(
    st.sampled_from(
        ["http", "https", "://", "//", "/", ":", "@", "#", "?", "a", "127.0.0.1", "localhost",
         "registry.example", "[::1]", "[", "]", "\\", ":80", ":443", "..", "%2f", "\n", " ", "\u00e4"]
    ),
    max_size=8,
).map("".join) | st.text(max_size=40)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["errors", "code", "message", "token", "access_token", "expires_in", "auths",
                 "auth", "registry.example", "username", "password", "credHelpers", "credsStore",
                 "identitytoken", "tags", "manifests", "schemaVersion", "mediaType"]
            ),
            below,
            max_size=6,
        )
    ),
    max_leaves=20,
)  # fmt: skip
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
KNOWN = Credentials(user="ann", password="s3cret-s3cret")


@given(st.lists(TEXTS, max_size=3))
def test_challenges(fields):
    try:
        found = parse_challenges(fields)
    except RegistryError:
        return
    for challenge in found:
        assert challenge.scheme == challenge.scheme.lower()


@given(TEXTS, st.sampled_from(["https://registry.example", "http://127.0.0.1:5000", "http://a.b"]))
def test_a_password_goes_nowhere_in_plain(field, origin):
    auth = Auth(Origin.of(origin), KNOWN)
    try:
        request = auth.challenged([field], ("repository:a:pull",))
    except RegistryError:
        return
    if request is None:
        place = Origin.of(origin)
    else:
        place = Origin.of(request.url)
        assert "s3cret" not in request.url
    assert place.scheme == "https" or is_loopback(place.host)


@given(URLS, URLS)
def test_ways(base, location):
    try:
        come = Origin.of(base)
        go = Origin.of(follow(base, location, plain_http=False))
    except RegistryError:
        return
    assert go == come or go.scheme == "https" or (come.scheme == "http" and go.loopback)


@given(TEXTS)
def test_fields(text):
    headers = Headers(
        (name, text)
        for name in (
            "warning",
            "retry-after",
            "date",
            "link",
            "range",
            "content-range",
            "content-length",
        )
    )
    list(warnings(headers))
    assert retry_after(headers) >= 0
    next_link(headers)
    assert length(headers) is None or length(headers) >= 0
    for read in (received, part):
        with contextlib.suppress(RegistryError):
            read(headers)


@given(BODIES, st.integers(300, 599))
def test_bodies_of_errors(body, status):
    error = failure("x", "registry.example", status, Headers(), body)
    assert "\n" not in error.message
    assert "\x1b" not in error.message


@given(BODIES)
def test_tokens(body):
    auth = Auth(Origin.of("https://registry.example"), KNOWN)
    try:
        auth.granted((), body, 0)
    except RegistryError:
        return
    value = auth.authorization("https://registry.example/", (), 0)
    assert not value or (value.isascii() and value.isprintable())


@given(JSON)
def test_files_of_credentials(document):
    if isinstance(document, dict):
        try:
            found = in_config(document, "registry.example", "a/b", lambda *_: None, Path("x"))
        except ArtifactError:
            return
        assert found is None or isinstance(found, Credentials)


@example(b'{"":0.0}', "", "referrers")
@given(BODIES, TEXTS, st.sampled_from(["tags", "referrers", "manifest"]))
def test_answers_of_a_registry(body, text, which):
    found, _ = session(
        lambda _: Said(200, body, link=text, content_type=text, docker_content_digest=text)
    )
    repository = Repository(found, "a")
    digest = "sha256:" + "0" * 64
    works = {
        "tags": repository.tags,
        "referrers": lambda: repository.referrers(digest),
        "manifest": lambda: repository.manifest("v1"),
    }
    with contextlib.suppress(ArtifactError):
        asyncio.run(works[which]())
