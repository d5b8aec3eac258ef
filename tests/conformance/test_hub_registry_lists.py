"""Tags, referrers and the catalogue: order, pages, filters."""

import json
import secrets
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.rig.hubs import EMPTY, INDEX, MANIFEST, Client, descriptor, digest, fresh, manifest

TAGS = ["0", "A", "Z", "_", "a", "a.b", "a_b", "latest", "v1", "v1.0", "v10", "v2"]
"""In the order of bytes."""


@pytest.fixture
def tagged(admin, repo):
    config = descriptor(admin.push_blob(repo, b"{}"), b"{}", EMPTY)
    body = json.dumps(manifest(config)).encode()
    query = "&".join(f"tag={tag}" for tag in reversed(TAGS))
    assert admin.put_manifest(repo, f"{digest(body)}?{query}", body).status == 201
    return repo


def following(answer):
    """The address of the next page; empty if there is none."""
    link = answer.headers.get("link", "")
    if not link:
        return ""
    address, _, relation = link.partition(">; ")
    assert (address[0], relation) == ("<", 'rel="next"')
    return address[1:]


def test_all_tags(admin, tagged):
    got = admin("GET", f"/v2/{tagged}/tags/list")
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.json == {"name": tagged, "tags": TAGS}
    assert "link" not in got.headers


@pytest.mark.parametrize("n", [1, 5, 11])
def test_pages_of_tags(admin, tagged, n):
    found, path = [], f"/v2/{tagged}/tags/list?n={n}"
    while path:
        got = admin("GET", path)
        assert 0 < len(got.json["tags"]) <= n
        found += got.json["tags"]
        path = following(got)
        assert not path or dict(parse_qsl(urlsplit(path).query))["n"] == str(n)
    assert found == TAGS


def test_a_page_that_is_the_last(admin, tagged):
    for n in (12, 13, 1000, 999_999_999):
        got = admin("GET", f"/v2/{tagged}/tags/list?n={n}")
        assert got.json["tags"] == TAGS
        assert "link" not in got.headers


def test_an_empty_page(admin, tagged):
    got = admin("GET", f"/v2/{tagged}/tags/list?n=0")
    assert (got.status, got.json["tags"]) == (200, [])
    assert "link" not in got.headers


@pytest.mark.parametrize("n", ["x", "-1", "", "1.5", "1" * 30, "%00"])
def test_a_page_of_no_number(admin, tagged, n):
    assert admin("GET", f"/v2/{tagged}/tags/list?n={n}").status == 400


@pytest.mark.parametrize(
    ("last", "after"),
    [("", TAGS), ("latest", ["v1", "v1.0", "v10", "v2"]), ("m", ["v1", "v1.0", "v10", "v2"]),
     ("v2", []), ("~", []), ("%C3%A9", []), ("%ff", []), ("a" * 4000, None)],
)  # fmt: skip
def test_tags_after_one(admin, tagged, last, after):
    """Also after one that does not exist, or that could not."""
    got = admin("GET", f"/v2/{tagged}/tags/list?last={last}")
    assert got.status == 200, got
    if after is not None:
        assert got.json["tags"] == after
    got = admin("GET", f"/v2/{tagged}/tags/list?n=2&last={last}")
    if after is not None:
        assert got.json["tags"] == after[:2]


@pytest.mark.parametrize("path", ["tags/list?last=a%00b", "referrers/{}?artifactType=%00", "referrers/{}?last=%00"])  # fmt: skip
def test_a_nul_is_in_no_name(admin, tagged, path):
    got = admin("GET", f"/v2/{tagged}/{path.format(digest(b''))}")
    assert (got.status, got.code) == (400, "NAME_INVALID")


def test_no_such_repository(admin):
    got = admin("GET", f"/v2/{fresh()}/tags/list")
    assert (got.status, got.code) == (404, "NAME_UNKNOWN")


# -- referrers -----------------------------------------------------------------------------------


@pytest.fixture
def about(admin, repo):
    """A function that pushes something about a subject: what the list should say of it."""
    config = descriptor(admin.push_blob(repo, b"{}"), b"{}", EMPTY)
    other = descriptor(config["digest"], b"{}", "application/vnd.example.config")

    def push(subject, *, kind="", config_type="", index=False, **annotations):
        said = descriptor(subject, b"x" * 10, MANIFEST)
        used = {**other, "mediaType": config_type} if config_type else config
        document = manifest(used, subject=said, annotations=annotations or None)
        if index:
            document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": said}
        if kind:
            document["artifactType"] = kind
        if not annotations:
            document.pop("annotations", None)
        body = json.dumps(document).encode()
        media = INDEX if index else MANIFEST
        made = admin.put_manifest(repo, digest(body), body, media)
        assert made.status == 201
        assert made.headers["oci-subject"] == subject
        listed = {"mediaType": media, "digest": digest(body), "size": len(body)}
        if kind or not index:
            listed["artifactType"] = kind or config_type or EMPTY
        if annotations:
            listed["annotations"] = annotations
        return listed

    return push


def listed(answer):
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == INDEX
    assert answer.json["mediaType"] == INDEX
    assert answer.json["schemaVersion"] == 2
    return answer.json["manifests"]


def by_digest(each):
    return each["digest"]


def test_referrers(admin, repo, about):
    """Also of a subject that is not there yet."""
    subject = digest(secrets.token_bytes(8))
    path = f"/v2/{repo}/referrers/{subject}"
    assert listed(admin("GET", path)) == []
    expected = [
        about(subject, kind="application/vnd.example.sbom", created="today"),
        about(subject, config_type="application/vnd.example.config"),
        about(subject),
        about(subject, index=True),
        about(subject, index=True, kind="application/vnd.example.set"),
    ]
    about(digest(b"another"))
    got = admin("GET", path)
    assert listed(got) == sorted(expected, key=by_digest)
    assert "oci-filters-applied" not in got.headers
    for each in expected:
        kind = each.get("artifactType")
        if not kind:
            continue
        # Also from a client that does not escape the `+`.
        for asked in (kind.replace("+", "%2B"), kind):
            got = admin("GET", f"{path}?artifactType={asked}")
            assert listed(got) == [each]
            assert got.headers["oci-filters-applied"] == "artifactType"
    assert listed(admin("GET", f"{path}?artifactType=none/such")) == []


def test_pages_of_referrers(admin, repo, about):
    subject = digest(secrets.token_bytes(8))
    kinds = ["application/vnd.example.a", "application/vnd.example.b+json"]
    expected = [about(subject, kind=kinds[n % 2], n=str(n)) for n in range(7)]
    for query, wanted in (("n=2", expected), ("n=2&artifactType=application/vnd.example.b%2Bjson", expected[1::2])):  # fmt: skip
        found, path = [], f"/v2/{repo}/referrers/{subject}?{query}"
        while path:
            got = admin("GET", path)
            assert len(listed(got)) <= 2
            found += listed(got)
            path = following(got)
        assert found == sorted(wanted, key=by_digest)


def test_a_referrer_that_is_deleted(admin, repo, about):
    subject = digest(secrets.token_bytes(8))
    each = about(subject)
    assert admin("DELETE", f"/v2/{repo}/manifests/{each['digest']}").status == 202
    assert listed(admin("GET", f"/v2/{repo}/referrers/{subject}")) == []


def test_referrers_of_one_repository(admin, repo, about):
    subject = digest(secrets.token_bytes(8))
    about(subject)
    assert listed(admin("GET", f"/v2/{fresh()}/referrers/{subject}")) == []


@pytest.mark.parametrize("bad", ["sha256:x", "latest", "md5:" + "0" * 32])
def test_referrers_of_what_is_no_digest(admin, repo, bad):
    got = admin("GET", f"/v2/{repo}/referrers/{bad}")
    assert (got.status, got.code) == (400, "DIGEST_INVALID")


# -- the catalogue -------------------------------------------------------------------------------


def test_the_catalogue_shows_what_one_may_list(stage, admin):
    team = fresh()
    names = [f"{team}/{name}" for name in ("a", "b", "c/d")]
    hidden = fresh()
    for name in (*names, hidden):
        admin.push_blob(name, b"x")
    user = stage.account("u" + secrets.token_hex(4), {f"{team}/**": "reader"})
    assert user("GET", "/v2/_catalog").json == {"repositories": names}
    assert {*names, hidden} <= set(every(admin))
    found, path = [], "/v2/_catalog?n=1"
    while path:
        got = user("GET", path)
        assert len(got.json["repositories"]) == 1
        found += got.json["repositories"]
        path = following(got)
    assert found == names
    nobody = stage.account("u" + secrets.token_hex(4), {})
    assert nobody("GET", "/v2/_catalog").json == {"repositories": []}
    # Other tests may have granted something to everybody.
    got = Client(stage.registry.host)("GET", "/v2/_catalog")
    assert got.status == 401 or not {*names, hidden} & set(got.json["repositories"])


def every(client):
    found, path = [], "/v2/_catalog"
    while path:
        got = client("GET", path)
        found += got.json["repositories"]
        path = following(got)
    return found


def test_the_catalogue_and_tokens(stage, admin):
    """A token that is for one repository shows no others."""
    team = fresh()
    for name in ("a", "b"):
        admin.push_blob(f"{team}/{name}", b"x")
    user = stage.account("u" + secrets.token_hex(4), {f"{team}/**": "reader"})
    assert user.bearer(f"repository:{team}/a:pull")("GET", "/v2/_catalog").status == 403
    whole = user.bearer("registry:catalog:*")("GET", "/v2/_catalog")
    assert whole.json == {"repositories": [f"{team}/a", f"{team}/b"]}


def test_the_catalogue_is_only_read(admin):
    for method in ("POST", "PUT", "DELETE"):
        got = admin(method, "/v2/_catalog", b"")
        assert (got.status, got.code) == (405, "UNSUPPORTED")
        got = admin(method, "/v2/", b"")
        assert (got.status, got.code) == (405, "UNSUPPORTED")


@pytest.mark.parametrize("path", ["/v1/", "/v2/a", "/v2/a/b/c", "/v3/x/manifests/y", "/v2//", "/v2/a/tags"])  # fmt: skip
def test_nothing_is_there(admin, path):
    got = admin("GET", path)
    assert (got.status, got.headers["content-type"]) == (404, "application/json")
    assert got.code == "NAME_UNKNOWN"
