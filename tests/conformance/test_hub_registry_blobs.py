"""Blobs as the distribution-spec has them: pull, ranges, one-request push, mount, delete."""

import secrets

import pytest

from tests.rig.hubs import BLOB, EMPTY, Client, descriptor, digest, fresh, manifest

DATA = bytes(range(256)) * 40
ABSENT = digest(b"nobody has this")


def content(answer):
    """What every 2xx of content carries."""
    assert answer.names.count("content-length") == 1
    return answer.headers["docker-content-digest"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_was_pushed_is_pulled(admin, repo, algorithm):
    name = digest(DATA, algorithm)
    path = f"/v2/{repo}/blobs/{name}"
    assert admin("GET", path).status == 404
    made = admin("POST", f"/v2/{repo}/blobs/uploads/?digest={name}", DATA, content_type=BLOB)
    assert made.status == 201
    assert content(made) == name
    assert made.location == path
    got = admin("GET", path)
    assert (got.status, got.body, content(got)) == (200, DATA, name)
    assert got.headers["content-type"] == BLOB
    head = admin("HEAD", path)
    assert (head.status, head.body, content(head)) == (200, b"", name)
    assert head.headers["content-length"] == str(len(DATA))


def test_an_empty_blob(admin, repo):
    name = digest(b"")
    location = admin.start(repo)
    assert admin("PUT", f"{location}?digest={name}", b"").status == 201
    got = admin("GET", f"/v2/{repo}/blobs/{name}")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "0")
    assert admin("GET", f"/v2/{repo}/blobs/{name}", range="bytes=0-").status == 416


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-10", -10, None),
        ("bytes=5-99999999", 5, None),
        ("bytes=-99999999", 0, None),
        ("bytes=10239-10239", 10239, None),
    ],
)
def test_a_range(admin, repo, asked, start, end):
    name = admin.push_blob(repo, DATA)
    got = admin("GET", f"/v2/{repo}/blobs/{name}", range=asked)
    part = DATA[start:end]
    first = len(DATA) - len(part) if end is None else start
    assert (got.status, got.body) == (206, part)
    assert got.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(DATA)}"
    assert content(got) == name


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=10240-10250", "bytes=-0"])
def test_a_range_behind_the_end(admin, repo, asked):
    name = admin.push_blob(repo, DATA)
    got = admin("GET", f"/v2/{repo}/blobs/{name}", range=asked)
    assert got.status == 416
    assert got.headers["content-range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", "bytes=-", "lines=0-1", "bytes=0-1,4-5", "bytes=a-b", "0-5", ""]
)
def test_a_range_that_is_none_is_ignored(admin, repo, asked):
    """RFC 9110 section 14.2: what cannot be read asks for nothing."""
    name = admin.push_blob(repo, DATA)
    got = admin("GET", f"/v2/{repo}/blobs/{name}", range=asked)
    assert (got.status, got.body) == (200, DATA)


def test_a_range_is_of_get_only(admin, repo):
    name = admin.push_blob(repo, DATA)
    head = admin("HEAD", f"/v2/{repo}/blobs/{name}", range="bytes=0-9")
    assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))


def test_a_range_holds_while_the_blob_is_the_same(admin, repo):
    name = admin.push_blob(repo, DATA)
    path = f"/v2/{repo}/blobs/{name}"
    tag = admin("HEAD", path).headers["etag"]
    assert admin("GET", path, range="bytes=0-9", if_range=tag).status == 206
    assert admin("GET", path, range="bytes=0-9", if_range='"other"').status == 200


def test_absent_and_malformed(admin, repo):
    admin.push_blob(repo, DATA)
    path = f"/v2/{repo}/blobs"
    got = admin("GET", f"{path}/{ABSENT}")
    assert (got.status, got.code) == (404, "BLOB_UNKNOWN")
    assert got.headers["content-type"] == "application/json"
    head = admin("HEAD", f"{path}/{ABSENT}")
    assert (head.status, head.body) == (404, b"")
    for bad in ("sha256:abc", "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:" + "g" * 64):
        got = admin("GET", f"{path}/{bad}")
        assert (got.status, got.code) == (400, "DIGEST_INVALID"), bad
    for method in ("PUT", "POST", "PATCH"):
        got = admin(method, f"{path}/{ABSENT}", b"")
        assert (got.status, got.code) == (405, "UNSUPPORTED")


def test_a_blob_is_seen_where_it_was_pushed_only(admin, repo):
    name = admin.push_blob(repo, DATA)
    for method in ("GET", "HEAD", "DELETE"):
        assert admin(method, f"/v2/{fresh()}/blobs/{name}").status == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_another_digest_than_the_bytes_have(admin, repo, algorithm):
    wrong = digest(b"other", algorithm)
    got = admin("POST", f"/v2/{repo}/blobs/uploads/?digest={wrong}", DATA, content_type=BLOB)
    assert (got.status, got.code) == (400, "DIGEST_INVALID")
    assert admin("GET", f"/v2/{repo}/blobs/{wrong}").status == 404
    assert admin("GET", f"/v2/{repo}/blobs/{digest(DATA)}").status == 404


@pytest.mark.parametrize("asked", ["digest=nonsense", "digest=", "digest=sha1:" + "a" * 40])
def test_a_malformed_digest(admin, repo, asked):
    got = admin("POST", f"/v2/{repo}/blobs/uploads/?{asked}", DATA, content_type=BLOB)
    assert (got.status, got.code) == (400, "DIGEST_INVALID")


def test_delete(admin, repo):
    other = fresh()
    name = admin.push_blob(repo, DATA)
    admin.push_blob(other, DATA)
    path = f"/v2/{repo}/blobs/{name}"
    assert admin("DELETE", path).status == 202
    assert admin("GET", path).status == 404
    got = admin("DELETE", path)
    assert (got.status, got.code) == (404, "BLOB_UNKNOWN")
    assert admin("GET", f"/v2/{other}/blobs/{name}").body == DATA


def test_what_a_manifest_refers_to_stays(admin, repo):
    named = admin.push(repo, "v1", DATA)
    path = f"/v2/{repo}/blobs/{digest(DATA)}"
    got = admin("DELETE", path)
    assert (got.status, got.code) == (403, "DENIED")
    assert admin("GET", path).body == DATA
    assert admin("DELETE", f"/v2/{repo}/manifests/{named}").status == 202
    assert admin("DELETE", path).status == 202


# -- mounts --------------------------------------------------------------------------------------


def mount(client, repo, name, source):
    more = f"&from={source}" if source else ""
    return client("POST", f"/v2/{repo}/blobs/uploads/?mount={name}{more}", b"")


def test_a_mount(admin, repo):
    source = fresh("inner")
    data = secrets.token_bytes(5000)
    name = admin.push_blob(source, data)
    made = mount(admin, repo, name, source)
    assert (made.status, content(made)) == (201, name)
    assert made.location == f"/v2/{repo}/blobs/{name}"
    assert admin("GET", made.location).body == data
    assert admin("DELETE", f"/v2/{source}/blobs/{name}").status == 202
    assert admin("GET", made.location).body == data


def test_a_mount_of_what_the_source_does_not_have_is_an_upload(admin, repo):
    name = admin.push_blob(fresh(), DATA)
    for source in (fresh(), repo, "", "Bad//Name"):
        made = mount(admin, repo, name, source)
        assert made.status == 202, source
        got = admin("PUT", f"{made.location}?digest={name}", DATA, content_type=BLOB)
        assert got.status == 201
        assert admin("DELETE", f"/v2/{repo}/blobs/{name}").status == 202


def test_a_mount_of_a_malformed_digest(admin, repo):
    got = mount(admin, repo, "sha256:short", fresh())
    assert (got.status, got.code) == (400, "DIGEST_INVALID")


def test_a_mount_needs_the_right_to_pull_from_the_source(stage, admin, repo):
    source = fresh()
    name = admin.push_blob(source, DATA)
    user = "u" + secrets.token_hex(4)
    writer = stage.account(user, {repo: "writer"})
    assert mount(writer, repo, name, source).status == 202
    both = stage.account(user + "2", {repo: "writer", source: "reader"})
    assert mount(both, repo, name, source).status == 201
    lister = stage.account(user + "3", {repo: "writer", source: "auditor"})
    assert mount(lister, repo, name, source).status == 202


def test_a_mount_needs_a_token_for_the_source(stage, admin, repo):
    source = fresh()
    name = admin.push_blob(source, DATA)
    user = stage.account("u" + secrets.token_hex(4), {repo: "writer", source: "reader"})
    narrow = user.bearer(f"repository:{repo}:pull,push")
    assert mount(narrow, repo, name, source).status == 202
    wide = user.bearer(f"repository:{repo}:pull,push", f"repository:{source}:pull")
    assert mount(wide, repo, name, source).status == 201


def test_nothing_tells_who_has_a_blob(stage, admin, repo):
    """A mount that is refused looks the same whether or not the blob is there."""
    source = fresh()
    name = admin.push_blob(source, secrets.token_bytes(99))
    writer = stage.account("u" + secrets.token_hex(4), {repo: "writer"})
    there = mount(writer, repo, name, source)
    absent = mount(writer, repo, digest(secrets.token_bytes(9)), source)
    assert there.status == absent.status == 202
    assert sorted(there.headers) == sorted(absent.headers)


def test_a_config_of_two_bytes(admin, repo):
    """What every artifact without a configuration has."""
    name = admin.push_blob(repo, b"{}")
    body = manifest(descriptor(name, b"{}", EMPTY))
    assert admin.put_manifest(repo, "v1", body).status == 201


def test_the_version_check(admin, stage):
    got = admin("GET", "/v2/")
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.headers["docker-distribution-api-version"] == "registry/2.0"
    nobody = Client(stage.registry.host)("GET", "/v2/")
    assert (nobody.status, nobody.code) == (401, "UNAUTHORIZED")
    realm = f'Bearer realm="http://{stage.registry.host}/token",service="{stage.registry.host}"'
    assert nobody.headers["www-authenticate"] == realm
