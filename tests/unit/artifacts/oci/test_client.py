"""A repository: what is asked, and what is believed."""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from remit.artifacts.errors import DigestError, ManifestError
from remit.artifacts.oci.auth import Credentials
from remit.artifacts.oci.client import Repository, ping
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.errors import (
    DeniedError,
    ProtocolError,
    RegistryError,
    UnreachableError,
)
from remit.artifacts.oci.manifest import INDEX, MANIFEST, Descriptor
from remit.artifacts.oci.referral import refer, settle
from remit.artifacts.oci.referrers import fallback_tag
from tests.rig.scripted import Said, session

CONTENT = b"0123456789"
BLOB = Descriptor(media_type="x", digest=digest_of(CONTENT), size=10)
SUBJECT = digest_of(b"subject")


def repository(answer, **more):
    found, transport = session(answer, **more)
    return Repository(found, "a/b"), transport


def manifest(**more):
    config = {"mediaType": "x", "digest": digest_of(b"{}"), "size": 2}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, **more}
    return json.dumps(document).encode()


def index(*found):
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(found)}
    return json.dumps(document).encode()


def entry(number, kind="t"):
    digest = digest_of(b"%d" % number)
    return {"mediaType": MANIFEST, "digest": digest, "size": 1, "artifactType": kind}


def read(found, offset=0, length=None):
    async def work():
        return b"".join([piece async for piece in found.read_blob(BLOB, offset, length)])

    return asyncio.run(work())


def test_a_blob():
    found, transport = repository(lambda _: Said(200, CONTENT, content_length="10"))
    assert read(found) == CONTENT
    assert transport.sent("Range") == [""]


def test_a_part_of_a_blob():
    found, transport = repository(
        lambda _: Said(206, CONTENT[4:7], content_range="bytes 4-6/10", content_length="3")
    )
    assert read(found, 4, 3) == b"456"
    assert transport.sent("Range") == ["bytes=4-6"]


@pytest.mark.parametrize(("offset", "length"), [(4, 3), (4, None), (0, 3), (9, 1), (10, None)])
def test_a_registry_that_ignores_ranges(offset, length):
    found, _ = repository(lambda _: Said(200, CONTENT, content_length="10"))
    end = None if length is None else offset + length
    assert read(found, offset, length) == CONTENT[offset:end]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Said(200, CONTENT, content_length="11"), DigestError),
        (Said(200, CONTENT + b"x"), DigestError),
        (Said(200, CONTENT[:9]), UnreachableError),
        (Said(206, CONTENT[4:], content_range="bytes 4-9/11"), DigestError),
        (Said(206, CONTENT[3:], content_range="bytes 3-9/10"), ProtocolError),
        (Said(206, CONTENT[4:] + b"x", content_range="bytes 4-9/10"), DigestError),
        (Said(416), RegistryError),
    ],
)
def test_parts_that_are_lies(said, error):
    found, _ = repository(lambda _: said)
    with pytest.raises(error):
        read(found, 4)


def test_a_manifest_of_another_digest_or_size():
    data = manifest()
    found, _ = repository(lambda _: Said(200, data, content_type=MANIFEST))
    assert asyncio.run(found.manifest("v1")).descriptor.digest == digest_of(data)
    assert asyncio.run(found.manifest(digest_of(data), len(data))).data == data
    with pytest.raises(DigestError):
        asyncio.run(found.manifest(digest_of(b"other")))
    with pytest.raises(ManifestError):
        asyncio.run(found.manifest(digest_of(data), len(data) + 1))
    with pytest.raises(ProtocolError):
        asyncio.run(found.manifest(digest_of(data), len(data) - 1))


def test_sha512():
    data = manifest()
    found, _ = repository(lambda _: Said(200, data, content_type=MANIFEST))
    digest = digest_of(data, "sha512")
    assert asyncio.run(found.manifest(digest)).descriptor.digest == digest


@pytest.mark.parametrize(
    "said",
    [Said(404), Said(200), Said(200, docker_content_digest="x", content_length="1"),
     Said(200, docker_content_digest=SUBJECT)],
)  # fmt: skip
def test_a_head_that_says_nothing(said):
    found, _ = repository(lambda _: said)
    assert asyncio.run(found.head_manifest("v1")) is None


def test_a_refused_head_is_no_blob():
    found, _ = repository(lambda _: Said(403))
    assert not asyncio.run(found.has_blob(BLOB))


def test_pages_of_tags():
    def answer(request):
        last = parse_qs(urlsplit(request.url).query).get("last", [""])[0]
        if not last:
            return Said(200, b'{"tags":["a","b"]}', link='</v2/a/b/tags/list?last=b>; rel="next"')
        return Said(200, b'{"tags":["c","../x",1,null]}')

    found, transport = repository(answer)
    assert asyncio.run(found.tags()) == ["a", "b", "c"]
    assert asyncio.run(found.tags(1)) == ["a"]
    assert len(transport.requests) == 3


def test_no_tags():
    assert asyncio.run(repository(lambda _: Said(200, b'{"tags":null}'))[0].tags()) == []


@pytest.mark.parametrize(
    "link", ["</v2/a/b/tags/list>; rel=next", "<https://evil.example/>; rel=next"]
)
def test_pages_go_to_no_other_host_with_a_secret(link):
    def answer(request):
        if "Authorization" in dict(request.headers) or "evil" in request.url:
            return Said(200, b'{"tags":["a"]}', link=link)
        return Said(401, www_authenticate="Basic realm=x")

    found, transport = repository(answer, credentials=Credentials("ann", "x"))
    with pytest.raises(ProtocolError, match="no end"):
        asyncio.run(found.tags())
    for request in transport.requests:
        assert "evil" not in request.url or "Authorization" not in dict(request.headers)


def test_a_page_over_plain_http_is_not_followed():
    found, _ = repository(lambda _: Said(200, b'{"tags":[]}', link="<http://a.example/>; rel=next"))
    with pytest.raises(DeniedError):
        asyncio.run(found.tags())


def test_referrers_by_the_api():
    def answer(request):
        if "last" in request.url:
            return Said(200, index(entry(2), entry(3, "u")))
        return Said(200, index(entry(1), entry(2)), link="<?last=2>; rel=next")

    found, _ = repository(answer)
    assert [each.digest for each in asyncio.run(found.referrers(SUBJECT))] == [
        digest_of(b"%d" % number) for number in (1, 2, 3)
    ]
    assert len(asyncio.run(found.referrers(SUBJECT, "u"))) == 1


@pytest.mark.parametrize("status", [404, 405, 501])
def test_referrers_by_the_tag(status):
    def answer(request):
        if "/referrers/" in request.url:
            return Said(status)
        assert fallback_tag(SUBJECT) in request.url
        return Said(200, index(entry(1)), content_type=INDEX)

    found, _ = repository(answer)
    assert len(asyncio.run(found.referrers(SUBJECT))) == 1


def test_no_referrers():
    assert asyncio.run(repository(lambda _: Said(404))[0].referrers(SUBJECT)) == []


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_is_not_an_empty_list(status):
    with pytest.raises(RegistryError):
        asyncio.run(repository(lambda _: Said(status))[0].referrers(SUBJECT))


def test_a_tag_that_stands_for_a_manifest_is_not_a_list():
    found, _ = repository(
        lambda request: Said(404) if "/referrers/" in request.url else Said(200, manifest())
    )
    with pytest.raises(ManifestError, match="not an index"):
        asyncio.run(found.referrers(SUBJECT))


class Tagged:
    """A registry without the API, whose list others change too."""

    def __init__(self, others=0, tags=True):
        self.list = []
        self.others = others
        self.version = 0
        self.tags = tags
        self.matched = []
        self.transport = None

    def __call__(self, request):
        if request.method == "PUT":
            match = dict(request.headers).get("If-Match", "")
            self.matched.append(match)
            if self.others and self.tags:
                self.others -= 1
                self.list.append(entry(100 + self.others))
                self.version += 1
            if self.tags and match and match != f'"{self.version}"':
                return Said(412)
            self.list = json.loads(self.transport.bodies[-1])["manifests"]
            if self.others and not self.tags:  # another wrote what it had read before
                self.others -= 1
                self.list = [entry(100 + self.others)]
            self.version += 1
            return Said(201)
        if not self.list:
            return Said(404)
        etag = {"etag": f'"{self.version}"'} if self.tags else {}
        return Said(200, index(*self.list), content_type=INDEX, **etag)


def referred(server):
    found, server.transport = repository(server)
    new = Descriptor(media_type=MANIFEST, digest=digest_of(b"new"), size=3)
    asyncio.run(refer(found, SUBJECT, new))
    return [each["digest"] for each in server.list]


def test_the_list_is_kept_and_added_to_once():
    server = Tagged()
    server.list = [entry(1)]
    assert referred(server) == [digest_of(b"1"), digest_of(b"new")]
    assert referred(server) == [digest_of(b"1"), digest_of(b"new")]
    assert server.matched == ['"0"']


def test_the_list_begins():
    assert referred(Tagged()) == [digest_of(b"new")]


@pytest.mark.parametrize("tags", [True, False])
def test_others_who_change_the_list(tags):
    server = Tagged(others=2, tags=tags)
    server.list = [entry(1)]
    assert digest_of(b"new") in referred(server)
    if tags:
        assert len(server.list) == 4


def test_others_without_end():
    server = Tagged(others=1000, tags=False)
    server.list = [entry(1)]
    with pytest.raises(RegistryError, match="does not stay"):
        referred(server)


def test_who_is_undone_later_does_it_again():
    server = Tagged()
    found, server.transport = repository(server)
    new = Descriptor(media_type=MANIFEST, digest=digest_of(b"new"), size=3)
    server.list = [entry(1)]  # another wrote what it had read before
    asyncio.run(settle(found, [(SUBJECT, new)]))
    assert [each["digest"] for each in server.list] == [digest_of(b"1"), digest_of(b"new")]
    assert server.transport.slept == [1.0, 1.0]
    asyncio.run(settle(found, []))
    assert len(server.transport.slept) == 2


def test_ping():
    found, _ = session(lambda _: Said(200))
    assert not asyncio.run(ping(found))
