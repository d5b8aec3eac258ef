"""Whatever an upstream answers, a client gets what is right, a refusal, or something cut short."""

import asyncio
import contextlib
import hashlib
import json

from hypothesis import example, given
from hypothesis import strategies as st

from remit.artifacts.oci.auth import Auth
from remit.artifacts.oci.errors import RegistryError as ClientError
from remit.artifacts.oci.listing import repositories
from remit.artifacts.oci.names import is_repository
from remit.artifacts.oci.session import Session
from remit.artifacts.oci.urls import Origin
from remit.hub.registry.errors import RegistryError
from remit.hub.registry.front.pulls import FrontPulls
from remit.hub.registry.front.upstream import Upstream
from remit.hub.registry.routes import Route
from tests.rig.scripted import Said, Scripted
from tests.unit.hub.support import asked

DATA = b"0123456789" * 20_000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "a/b", "digest": DIGEST, "size": len(DATA)},
        "layers": [],
    }
).encode()
NUMBERS = st.sampled_from(
    ["0", "9", "10", "199999", "200000", "99999999999999999999", "-1", "x", ""]
)
RANGES = st.builds("bytes {}-{}/{}".format, NUMBERS, NUMBERS, NUMBERS | st.just("*")) | NUMBERS
BODIES = st.sampled_from([DATA, DATA[:-1], DATA + b"!", DATA[:9], b"", DATA[:-1] + b"!", MANIFEST])
STATUS = st.sampled_from([200, 206, 416, 404, 403, 401, 500, 302, 204, 201])


class Noted:
    """A catalogue that takes everything."""

    async def see(self, repository: str, name: str, fetched: object) -> bool:
        """It is always new."""
        del repository, name, fetched
        return True


def _pulls(said: Said) -> FrontPulls:
    origin = Origin.of("https://up.example")
    auth = Auth(origin)
    found = Session(Scripted(lambda _: said), origin, auth, attempts=1)
    return FrontPulls(Upstream(found, auth), Noted())


async def _got(pulls: FrontPulls, kind: str, value: str, **headers: str) -> tuple[int, bytes, bool]:
    """Status, what was given out, and whether it ended well."""
    request = asked(headers=list(headers.items()))
    route = Route(kind=kind, repository="a/b", value=value)
    try:
        reply = await (pulls.blob if kind == "blob" else pulls.manifest)(request, route)
    except RegistryError as error:
        return error.status, b"", False
    given_out = reply.body
    try:
        if reply.stream is not None:
            async for piece in reply.stream():
                given_out += piece
    except (RegistryError, ClientError):
        return reply.status, given_out, False
    finally:
        if reply.done is not None:
            await reply.done()
    said = dict(reply.headers).get("content-length")
    assert said is None or int(said) == len(given_out)
    return reply.status, given_out, True


@given(STATUS, BODIES, NUMBERS | st.none())
@example(200, DATA, "200000")
def test_a_whole_blob_is_right_or_not_whole(status, body, length):
    headers = {} if length is None else {"content_length": length}
    told, found, well = asyncio.run(_got(_pulls(Said(status, body, **headers)), "blob", DIGEST))
    if well:
        assert (told, found) == (200, DATA)
    assert len(found) <= len(DATA) or found != DATA
    # An answer that does not say what is missing is never "there is no such blob".
    assert told != 404


@given(STATUS, BODIES, NUMBERS | st.none(), RANGES | st.none())
@example(206, DATA[10:20], "10", "bytes 10-19/200000")
def test_a_part_is_as_long_as_it_was_said(status, body, length, ranges):
    headers = {} if length is None else {"content_length": length}
    if ranges is not None:
        headers["content_range"] = ranges
    pulls = _pulls(Said(status, body, **headers))
    told, found, well = asyncio.run(_got(pulls, "blob", DIGEST, range="bytes=10-19"))
    assert told != 404
    if well and told == 200:
        assert found == DATA


@given(STATUS, BODIES | st.binary(max_size=50), st.sampled_from([DIGEST, "sha256:x", ""]))
def test_a_manifest_is_right_or_refused(status, body, said):
    pulls = _pulls(Said(status, body, docker_content_digest=said))
    name = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    told, found, well = asyncio.run(_got(pulls, "manifest", name))
    assert not well or (told, found) == (200, MANIFEST)
    assert told != 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just("team/model"),
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.just("repositories"), below, max_size=1)
    ),
    max_leaves=12,
)


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50), st.text())
def test_lists_of_repositories(body, link):
    async def run() -> list[str]:
        origin = Origin.of("https://up.example")
        said = Said(200, body, link=f'<{link}>; rel="next"' if link else "")
        found = Session(Scripted(lambda _: said), origin, Auth(origin), attempts=1)
        return [name async for name in repositories(found)]

    with contextlib.suppress(ClientError):
        assert all(map(is_repository, asyncio.run(run())))
