"""Manifests as the distribution-spec has them: grammar, checks, tags, limits, delete."""

import json
import secrets
import threading

import pytest

from tests.rig.hubs import BLOB, EMPTY, INDEX, MANIFEST, descriptor, digest, fresh, manifest

DATA = b"layer of a test"
LIMIT = 4 * 1024 * 1024


@pytest.fixture
def parts(admin, repo):
    """A config and a layer that are in the repository."""
    config = descriptor(admin.push_blob(repo, b"{}"), b"{}", EMPTY)
    return config, descriptor(admin.push_blob(repo, DATA), DATA)


@pytest.fixture
def document(parts):
    config, layer = parts
    return manifest(config, [layer], annotations={"a": secrets.token_hex(8)})


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("space", [None, 1, 7])
def test_the_bytes_come_back_as_they_went(admin, repo, document, algorithm, space):
    body = json.dumps(document, indent=space).encode() + b"\n"
    name = digest(body, algorithm)
    made = admin.put_manifest(repo, name, body)
    assert made.status == 201
    assert made.headers["docker-content-digest"] == name
    assert made.location == f"/v2/{repo}/manifests/{name}"
    got = admin("GET", made.location)
    assert (got.status, got.body) == (200, body)
    assert got.headers["content-type"] == MANIFEST
    assert got.headers["docker-content-digest"] == name
    head = admin("HEAD", made.location)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(body))
    assert head.names.count("content-length") == 1
    assert head.headers["docker-content-digest"] == name


def test_by_tag(admin, repo, document):
    body = json.dumps(document).encode()
    made = admin.put_manifest(repo, "v1", body)
    assert (made.status, made.headers["docker-content-digest"]) == (201, digest(body))
    for name in ("v1", digest(body)):
        assert admin("GET", f"/v2/{repo}/manifests/{name}").body == body


def test_a_tag_moves(admin, repo, parts):
    config, _ = parts
    bodies = [json.dumps(manifest(config, annotations={"n": str(n)})).encode() for n in range(3)]
    for body in bodies:
        assert admin.put_manifest(repo, "latest", body).status == 201
        assert admin("GET", f"/v2/{repo}/manifests/latest").body == body
    for body in bodies:
        assert admin("GET", f"/v2/{repo}/manifests/{digest(body)}").body == body


def test_many_push_one_tag_at_once(admin, repo, parts):
    config, _ = parts
    bodies = [json.dumps(manifest(config, annotations={"n": str(n)})).encode() for n in range(8)]
    answers = []
    threads = [
        threading.Thread(target=lambda b=b: answers.append(admin.put_manifest(repo, "v", b).status))
        for b in bodies
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert answers == [201] * 8
    assert admin("GET", f"/v2/{repo}/manifests/v").body in bodies
    for body in bodies:
        assert admin("GET", f"/v2/{repo}/manifests/{digest(body)}").body == body


def test_a_digest_that_the_bytes_do_not_have(admin, repo, document):
    got = admin.put_manifest(repo, digest(b"other"), document)
    assert (got.status, got.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize(
    "name", ["sha256:baddigeststring", "sha256:" + "A" * 64, "md5:" + "0" * 32]
)
def test_a_malformed_digest(admin, repo, document, name):
    got = admin.put_manifest(repo, name, document)
    assert (got.status, got.code) == (400, "DIGEST_INVALID")
    for method in ("GET", "DELETE"):
        assert admin(method, f"/v2/{repo}/manifests/{name}").status in {400, 404}


@pytest.mark.parametrize("tag", ["a" * 128, "_", "A.b-c_D", "1", "v1.0-rc.1", "sha256-" + "0" * 64])
def test_tags(admin, repo, document, tag):
    assert admin.put_manifest(repo, tag, document).status == 201
    assert admin("GET", f"/v2/{repo}/manifests/{tag}").status == 200


@pytest.mark.parametrize("tag", ["a" * 129, ".a", "-a", "a+b", "a%20b", "a%00b", "%C3%A4", "a@b", "..", "a%0Ab"])  # fmt: skip
def test_what_is_no_tag(admin, repo, document, tag):
    got = admin.put_manifest(repo, tag, document)
    assert got.status in {400, 404}, got
    assert got.code in {"MANIFEST_INVALID", "NAME_UNKNOWN", "NAME_INVALID"}
    assert admin("GET", f"/v2/{repo}/manifests/{tag}").status in {400, 404}


@pytest.mark.parametrize(
    "name", ["a", "a/b/c/d/e", "a.b", "a_b", "a__b", "a-b", "a---b", "0", "x" * 255]
)
def test_names(admin, name):
    assert admin("POST", f"/v2/{name}/blobs/uploads/", b"").status == 202


@pytest.mark.parametrize(
    "name",
    ["A", "a//b", "/a", "a/", "-a", "a-", "a..b", "a___b", ".a", "a.", "%C3%A9", "a%20b", "..",
     "a/../b", "a%2F..%2Fb", "x" * 256, "a%00", "a%0A", "a/_b", "a_/b"],
)  # fmt: skip
def test_what_is_no_name(admin, name):
    got = admin("POST", f"/v2/{name}/blobs/uploads/", b"")
    assert got.status in {400, 404}, got
    assert got.code in {"NAME_INVALID", "NAME_UNKNOWN"}


@pytest.mark.parametrize("name", ["blobs/uploads", "manifests", "a/manifests/b", "tags/list"])
def test_names_that_look_like_endpoints(admin, name, document):
    """A repository may be called as a part of the protocol is."""
    assert admin("POST", f"/v2/{name}/blobs/uploads/", b"").status == 202
    config = descriptor(admin.push_blob(name, b"{}"), b"{}", EMPTY)
    assert admin.put_manifest(name, "v1", manifest(config)).status == 201
    assert admin("GET", f"/v2/{name}/manifests/v1").status == 200
    assert "v1" in admin("GET", f"/v2/{name}/tags/list").json["tags"]


def test_absent(admin, repo, document):
    for path in (f"/v2/{repo}/manifests/none", f"/v2/{repo}/manifests/{digest(b'none')}"):
        got = admin("GET", path)
        assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
        head = admin("HEAD", path)
        assert (head.status, head.body) == (404, b"")
        got = admin("DELETE", path)
        assert (got.status, got.code) == (404, "MANIFEST_UNKNOWN")
    assert admin("POST", f"/v2/{repo}/manifests/v1", b"").code == "UNSUPPORTED"


# -- what is checked -----------------------------------------------------------------------------

HOSTILE = {
    "empty": b"",
    "not json": b"nonsense",
    "an array": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "cut": b'{"schemaVersion": 2, "config": {',
    "two values": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "not utf-8": b'{"schemaVersion": 2, "x": "\xff"}',
    "utf-16": '{"schemaVersion": 2}'.encode("utf-16"),
    "nan": b'{"schemaVersion": 2, "x": NaN}',
    "deep": b'{"schemaVersion": 2, "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "half a surrogate": b'{"schemaVersion": 2, "x": "\\ud800"}',
    "schema 1": b'{"schemaVersion": 1}',
    "no schema": b"{}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_cannot_be_read(admin, repo, name):
    got = admin.put_manifest(repo, "bad", HOSTILE[name])
    assert (got.status, got.code) == (400, "MANIFEST_INVALID")
    assert admin("GET", f"/v2/{repo}/manifests/bad").status == 404


def test_a_key_that_is_named_twice(admin, repo, document):
    """Two readers would see two manifests."""
    body = json.dumps(document).encode()
    for twice in (b'{"layers": [], ' + body[1:], body[:-1] + b', "config": {}}'):
        got = admin.put_manifest(repo, "bad", twice)
        assert (got.status, got.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("mediaType", INDEX),
        ("mediaType", "text/plain"),
        ("mediaType", 5),
        ("manifests", []),
        ("config", None),
        ("config", {}),
        ("layers", {}),
        ("layers", [1]),
        ("layers", [{"mediaType": "a/b", "digest": "sha256:short", "size": 1}]),
        ("layers", [{"mediaType": "a/b", "digest": digest(DATA), "size": -1}]),
        ("layers", [{"mediaType": "a/b", "digest": digest(DATA), "size": "5"}]),
        ("layers", [{"mediaType": "a/b", "digest": digest(DATA), "size": 1e400 if False else 2**70}]),
        ("layers", [{"digest": digest(DATA), "size": 5}]),
        ("annotations", {"a": 5}),
        ("annotations", []),
        ("subject", "sha256:x"),
        ("artifactType", 7),
        ("schemaVersion", "2"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_malformed(admin, repo, document, change, value):
    got = admin.put_manifest(repo, "bad", {**document, change: value})
    assert (got.status, got.code) == (400, "MANIFEST_INVALID")
    assert admin("GET", f"/v2/{repo}/manifests/bad").status == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("artifactType", "a/b\0c"),
        ("annotations", {"org.opencontainers.image.title": "a\0b"}),
        ("annotations", {"a\0b": "c"}),
        ("artifactType", "a/" + "b" * 1000),
        ("annotations", {"org.opencontainers.image.title": "t" * 100_000}),
        ("annotations", {"k" * 10_000: "\U0001f600" * 1000}),
    ],
    ids=["type-nul", "title-nul", "key-nul", "long-type", "long-title", "long-key"],
)
def test_texts_that_databases_stumble_over(admin, repo, document, field, value):
    """Whatever the store is, the answer is the specification's and not that it broke."""
    body = json.dumps({**document, field: value}).encode()
    got = admin.put_manifest(repo, "odd", body)
    assert got.status in {201, 400}, got
    if got.status == 201:
        assert admin("GET", f"/v2/{repo}/manifests/odd").body == body
    else:
        assert got.code == "MANIFEST_INVALID"


def test_sizes_that_sum_to_more_than_a_database_counts(admin, repo, parts):
    config, layer = parts
    layers = [{**layer, "size": 2**63 - 1}] * 3
    got = admin.put_manifest(repo, "large", manifest(config, layers))
    assert got.status in {201, 400}, got


@pytest.mark.parametrize("said", [INDEX, "text/plain", BLOB])
def test_a_content_type_that_is_another(admin, repo, document, said):
    got = admin.put_manifest(repo, "bad", document, said)
    assert (got.status, got.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize("said", [MANIFEST, MANIFEST.upper(), MANIFEST + "; charset=utf-8"])
def test_a_content_type_with_parameters(admin, repo, document, said):
    assert admin.put_manifest(repo, "v1", document, said).status == 201
    assert admin("GET", f"/v2/{repo}/manifests/v1").headers["content-type"] == MANIFEST


def test_a_manifest_that_does_not_say_what_it_is(admin, repo, document):
    del document["mediaType"]
    assert admin.put_manifest(repo, "v1", document).status == 201
    assert admin("GET", f"/v2/{repo}/manifests/v1").headers["content-type"] == MANIFEST


@pytest.mark.parametrize("what", ["config", "layer"])
def test_a_part_that_is_not_here(admin, repo, parts, what):
    config, layer = parts
    # It is in another repository, which is not enough.
    absent = descriptor(admin.push_blob(fresh(), b"elsewhere"), b"elsewhere")
    body = manifest(absent) if what == "config" else manifest(config, [layer, absent])
    got = admin.put_manifest(repo, "bad", body)
    assert (got.status, got.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert got.json["errors"][0]["detail"]["digest"] == absent["digest"]
    assert admin("GET", f"/v2/{repo}/manifests/bad").status == 404
    assert admin("GET", f"/v2/{repo}/manifests/{digest(json.dumps(body).encode())}").status == 404


def test_parts_that_are_elsewhere_by_intent(admin, repo, parts):
    config, _ = parts
    absent = descriptor(digest(b"far"), b"far")
    layers = [
        {**absent, "urls": ["https://example.com/far"]},
        {**absent, "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
    ]
    assert admin.put_manifest(repo, "v1", manifest(config, layers)).status == 201


def test_an_index(admin, repo, document):
    body = json.dumps(document).encode()
    admin.put_manifest(repo, digest(body), body)
    child = descriptor(digest(body), body, MANIFEST)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}
    made = admin.put_manifest(repo, "all", index, INDEX)
    assert made.status == 201
    assert admin("GET", f"/v2/{repo}/manifests/all").headers["content-type"] == INDEX
    nested = {**index, "manifests": [descriptor(made.headers["docker-content-digest"], json.dumps(index).encode(), INDEX)]}  # fmt: skip
    assert admin.put_manifest(repo, "nested", nested, INDEX).status == 201
    index["manifests"].append(descriptor(digest(b"no"), b"no", MANIFEST))
    got = admin.put_manifest(repo, "bad", index, INDEX)
    assert (got.status, got.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert admin.put_manifest(fresh(), "all", {**index, "manifests": [child]}, INDEX).status == 404
    empty = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    assert admin.put_manifest(repo, "empty", empty, INDEX).status == 201
    assert (
        admin.put_manifest(repo, "bad", {**empty, "layers": []}, INDEX).code == "MANIFEST_INVALID"
    )


def test_four_mebibytes_and_one_byte_more(admin, repo, document):
    body = json.dumps(document).encode()
    largest = body + b" " * (LIMIT - len(body))
    assert admin.put_manifest(repo, "large", largest).status == 201
    assert admin("GET", f"/v2/{repo}/manifests/large").body == largest
    larger = largest + b" "
    got = admin.put_manifest(repo, "larger", larger)
    assert (got.status, got.code) == (413, "MANIFEST_INVALID")
    got = admin("PUT", f"/v2/{repo}/manifests/larger", iter([larger]), content_type=MANIFEST)
    assert got.status == 413
    assert admin("GET", f"/v2/{repo}/manifests/larger").status == 404


def test_a_manifest_of_many_layers(admin, repo, parts):
    config, layer = parts
    got = admin.put_manifest(repo, "many", manifest(config, [layer] * 15_000))
    assert got.status in {201, 413}
    assert admin.put_manifest(repo, "more", manifest(config, [{"mediaType": "a/b", "digest": digest(DATA), "size": 15}] * 20_001)).status in {400, 413}  # fmt: skip


def test_a_manifest_of_many_different_layers(admin, repo, parts):
    """More than one statement of a database can name."""
    config, layer = parts
    absent = [descriptor(digest(str(n).encode()), b"x") for n in range(5000)]
    got = admin.put_manifest(repo, "many", manifest(config, [layer, *absent]))
    assert (got.status, got.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert got.json["errors"][0]["detail"]["missing"] == 5000


# -- tags as parameters, and deletes -------------------------------------------------------------


def test_tags_as_parameters(admin, repo, document):
    body = json.dumps(document).encode()
    tags = [f"t{n}" for n in range(12)]
    query = "&".join(f"tag={tag}" for tag in [*tags, "t0"])
    made = admin.put_manifest(repo, f"{digest(body)}?{query}", body)
    assert made.status == 201
    assert [each.strip() for each in made.headers["oci-tag"].split(",")] == tags
    for tag in tags:
        assert admin("GET", f"/v2/{repo}/manifests/{tag}").body == body


@pytest.mark.parametrize("query", ["tag=bad+tag", "tag=", "tag=.a", "&".join(f"tag=x{n}" for n in range(65))])  # fmt: skip
def test_tags_as_parameters_that_are_none(admin, repo, document, query):
    body = json.dumps(document).encode()
    got = admin.put_manifest(repo, f"{digest(body)}?tag=good&{query}", body)
    assert (got.status, got.code) == (400, "MANIFEST_INVALID")
    assert admin("GET", f"/v2/{repo}/manifests/good").status == 404
    assert admin("GET", f"/v2/{repo}/manifests/{digest(body)}").status == 404


def test_delete_a_tag(admin, repo, document):
    body = json.dumps(document).encode()
    for tag in ("one", "two"):
        admin.put_manifest(repo, tag, body)
    assert admin("DELETE", f"/v2/{repo}/manifests/one").status == 202
    assert admin("GET", f"/v2/{repo}/manifests/one").status == 404
    for name in ("two", digest(body)):
        assert admin("GET", f"/v2/{repo}/manifests/{name}").status == 200
    assert admin("GET", f"/v2/{repo}/tags/list").json["tags"] == ["two"]


def test_delete_a_manifest_and_push_it_again(admin, repo, document):
    body = json.dumps(document).encode()
    for tag in ("one", "two"):
        admin.put_manifest(repo, tag, body)
    assert admin("DELETE", f"/v2/{repo}/manifests/{digest(body)}").status == 202
    for name in ("one", "two", digest(body)):
        assert admin("GET", f"/v2/{repo}/manifests/{name}").status == 404
    assert admin("GET", f"/v2/{repo}/tags/list").json["tags"] == []
    assert admin.put_manifest(repo, "one", body).status == 201
    assert admin("GET", f"/v2/{repo}/manifests/one").body == body


def test_a_manifest_is_seen_where_it_was_pushed_only(admin, repo, document):
    body = json.dumps(document).encode()
    admin.put_manifest(repo, "v1", body)
    assert admin("GET", f"/v2/{fresh()}/manifests/{digest(body)}").status == 404


def test_a_tag_that_must_not_move(stage, admin, repo, parts):
    stage.rule(pattern=repo, immutable="v*")
    config, _ = parts
    one, two = (json.dumps(manifest(config, annotations={"n": n})).encode() for n in "12")
    assert admin.put_manifest(repo, "v1", one).status == 201
    assert admin.put_manifest(repo, "v1", one).status == 201
    for got in (
        admin.put_manifest(repo, "v1", two),
        admin.put_manifest(repo, f"{digest(two)}?tag=free&tag=v1", two),
        admin("DELETE", f"/v2/{repo}/manifests/v1"),
        admin("DELETE", f"/v2/{repo}/manifests/{digest(one)}"),
    ):
        assert (got.status, got.code) == (403, "DENIED")
    assert admin("GET", f"/v2/{repo}/manifests/v1").body == one
    assert admin("GET", f"/v2/{repo}/manifests/free").status == 404
    assert admin("GET", f"/v2/{repo}/manifests/{digest(two)}").status == 404
    assert admin.put_manifest(repo, "latest", two).status == 201


def test_a_quota(stage, admin, repo):
    stage.rule(pattern=repo, quota_bytes=1000)
    assert admin.push_blob(repo, b"a" * 600)
    name = digest(b"b" * 600)
    path = f"/v2/{repo}/blobs/uploads/"
    got = admin("POST", f"{path}?digest={name}", b"b" * 600)
    assert (got.status, got.code) == (403, "DENIED")
    assert admin("GET", f"/v2/{repo}/blobs/{name}").status == 404
    other = fresh()
    admin.push_blob(other, b"b" * 600)
    assert admin("POST", f"{path}?mount={name}&from={other}", b"").status == 403
    assert admin.push_blob(repo, b"a" * 600)
    assert admin("DELETE", f"/v2/{repo}/blobs/{digest(b'a' * 600)}").status == 202
    assert admin.push_blob(repo, b"b" * 600)
