"""Nothing gets out past the gate, whatever the Hub stands on: the ways that were thought of."""

import base64
import json
from pathlib import Path

import pytest

from tests.rig.fronts import Wire, digest
from tests.rig.gated import (
    CLEAN,
    DSSE,
    EMPTY,
    OCTETS,
    POISONED,
    SIMPLE,
    bundle,
    manifest_of,
    put,
    put_manifest,
    settled,
    state,
)
from tests.rig.hubs import INDEX, MANIFEST, POSTGRESQL_S3, SQLITE_FILES, UPSTREAM, fresh, staged

LARGER = (POSTGRESQL_S3, UPSTREAM)
PICKLE = POISONED["weights.pkl"]


@pytest.fixture(
    scope="module",
    params=[SQLITE_FILES, *(pytest.param(each, marks=pytest.mark.slow) for each in LARGER)],
)
def gated(request, tmp_path_factory, servers):
    """A running Hub with a gate over each of its stores."""
    found = servers() if request.param == POSTGRESQL_S3 else None
    with staged(request.param, tmp_path_factory.mktemp("gated"), found, gate=True) as running:
        yield running


@pytest.fixture(scope="module")
def writer(gated):
    client = gated.account("writer", {"**": "writer"})
    name, _, password = (
        base64.b64decode(client.authorization.partition(" ")[2]).decode().partition(":")
    )
    return Wire(gated.registry.host, name, password)


@pytest.fixture(scope="module")
def admin(gated):
    return Wire.to(gated.registry)


@pytest.fixture
def repo():
    return fresh()


@pytest.fixture(scope="module")
def poisoned(gated, writer):
    """A repository with a poisoned artifact that was refused: its name, manifest and layer."""
    repository = fresh()
    name, [layer] = put(writer, repository, "v1", POISONED)
    assert settled(writer, repository, "v1") == "refused"
    return repository, name, layer


def denied(answer):
    assert (answer.status, answer.code) == (403, "DENIED"), answer
    assert PICKLE not in answer.body
    return True


def test_by_tag_by_digest_and_in_parts(writer, poisoned):
    repository, name, layer = poisoned
    for path in ("manifests/v1", f"manifests/{name}", f"blobs/{layer}"):
        assert denied(writer("GET", f"/v2/{repository}/{path}"))
    for part in ("bytes=0-", "bytes=0-0", "bytes=-5", "bytes=0-3,5-9", f"bytes={len(PICKLE)}-"):
        assert denied(writer("GET", f"/v2/{repository}/blobs/{layer}", Range=part))
    assert denied(
        writer("GET", f"/v2/{repository}/blobs/{layer}", If_Range='"x"', Range="bytes=0-")
    )


def test_what_pushes_need_is_answered(writer, poisoned):
    repository, name, layer = poisoned
    assert writer("HEAD", f"/v2/{repository}/manifests/{name}").status == 200
    head = writer("HEAD", f"/v2/{repository}/blobs/{layer}")
    assert (head.status, head.body) == (200, b"")
    assert writer("GET", f"/v2/{repository}/tags/list").json["tags"].count("v1") == 1


def test_mounting_it_elsewhere(writer, poisoned, repo):
    repository, _, layer = poisoned
    answer = writer("POST", f"/v2/{repo}/blobs/uploads/?mount={layer}&from={repository}", b"")
    assert answer.status in {201, 202}
    assert writer("GET", f"/v2/{repo}/blobs/{layer}").status in {403, 404}


def test_a_clean_artifact_lends_nothing_to_another(writer, poisoned, repo):
    """An admitted manifest in the same repository does not refer to it; elsewhere it is elsewhere."""
    repository, _, layer = poisoned
    put(writer, repository, "clean", CLEAN)
    assert settled(writer, repository, "clean") == "admitted"
    assert denied(writer("GET", f"/v2/{repository}/blobs/{layer}"))
    put(writer, repo, "v1", CLEAN)
    settled(writer, repo, "v1")
    writer.blob(repo, PICKLE)
    assert denied(writer("GET", f"/v2/{repo}/blobs/{layer}"))


def test_the_same_elsewhere_and_under_another_tag(writer, poisoned, repo):
    repository, name, _ = poisoned
    body = json.dumps(manifest_of(writer, repository, POISONED)).encode()
    assert digest(body) == name
    for tag in ("v2", "latest"):
        done = writer("PUT", f"/v2/{repository}/manifests/{tag}", body, content_type=MANIFEST)
        assert done.status == 201
        assert state(writer, repository, tag) == "refused"
    other, [layer] = put(writer, repo, "v1", POISONED)
    assert other == name
    assert state(writer, repo, "v1") in {"quarantined", "refused"}
    assert denied(writer("GET", f"/v2/{repo}/blobs/{layer}"))
    assert settled(writer, repo, "v1") == "refused"


def test_deleting_and_pushing_it_again(writer, admin, repo):
    name, [layer] = put(writer, repo, "v1", POISONED)
    settled(writer, repo, "v1")
    assert admin("DELETE", f"/v2/{repo}/manifests/{name}").status == 202
    again, _ = put(writer, repo, "v1", POISONED)
    assert again == name
    assert state(writer, repo, "v1") in {"quarantined", "refused"}
    assert denied(writer("GET", f"/v2/{repo}/blobs/{layer}"))
    assert settled(writer, repo, "v1") == "refused"


def test_moving_a_tag_from_what_is_admitted(writer, repo):
    put(writer, repo, "latest", CLEAN)
    assert settled(writer, repo, "latest") == "admitted"
    put(writer, repo, "latest", POISONED)
    assert state(writer, repo, "latest") in {"quarantined", "refused"}


def test_a_subject_makes_no_evidence(writer, poisoned, repo):
    subject = {"mediaType": MANIFEST, "digest": poisoned[1], "size": 1}
    _, [layer] = put(writer, repo, "v1", POISONED, subject=subject)
    assert denied(writer("GET", f"/v2/{repo}/manifests/v1"))
    assert denied(writer("GET", f"/v2/{repo}/blobs/{layer}"))
    assert settled(writer, repo, "v1") == "refused"


@pytest.mark.parametrize(
    "kind", [DSSE, SIMPLE, bundle(3), bundle(2), "application/vnd.in-toto+json"]
)
def test_a_label_makes_no_evidence(writer, repo, kind):
    layers = [{"mediaType": kind, "digest": writer.blob(repo, PICKLE), "size": len(PICKLE)}]
    hexes = "0" * 64
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": EMPTY, "digest": writer.blob(repo, b"{}"), "size": 2},
        "layers": layers,
        "subject": {"mediaType": MANIFEST, "digest": f"sha256:{hexes}", "size": 1},
    }
    put_manifest(writer, repo, f"sha256-{hexes}.sig", document)
    assert denied(writer("GET", f"/v2/{repo}/manifests/sha256-{hexes}.sig"))
    assert denied(writer("GET", f"/v2/{repo}/blobs/{layers[0]['digest']}"))
    assert settled(writer, repo, f"sha256-{hexes}.sig") == "refused"


def test_evidence_is_given_out_and_lends_nothing(writer, repo):
    said = json.dumps({"payload": "e30=", "payloadType": "x", "signatures": []}).encode()
    subject = {"mediaType": MANIFEST, "digest": f"sha256:{'1' * 64}", "size": 1}
    blob, pickled = writer.blob(repo, said), writer.blob(repo, PICKLE)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": EMPTY, "digest": writer.blob(repo, b"{}"), "size": 2},
        "layers": [{"mediaType": DSSE, "digest": blob, "size": len(said)}],
        "subject": subject,
    }
    name = put_manifest(writer, repo, "", document)
    assert writer("GET", f"/v2/{repo}/manifests/{name}").status == 200
    assert writer("GET", f"/v2/{repo}/blobs/{blob}").body == said
    # One layer that is none makes it an artifact like others; so do a config and inline data.
    pickle = {"mediaType": OCTETS, "digest": pickled, "size": len(PICKLE)}
    config = {"mediaType": OCTETS, "digest": pickled, "size": len(PICKLE)}
    inline = {**document["layers"][0], "data": base64.b64encode(PICKLE).decode()}
    for change in (
        {"layers": [*document["layers"], pickle]},
        {"config": config},
        {"layers": [inline]},
        {"layers": []},
    ):
        other = put_manifest(writer, repo, "", {**document, **change})
        assert denied(writer("GET", f"/v2/{repo}/manifests/{other}")), change
    assert denied(writer("GET", f"/v2/{repo}/blobs/{pickled}"))


def test_an_index_lends_nothing(writer, poisoned):
    repository, name, layer = poisoned
    member = {"mediaType": MANIFEST, "digest": name, "size": 1}
    clean, _ = put(writer, repository, "clean", CLEAN)
    settled(writer, repository, "clean")
    good = {"mediaType": MANIFEST, "digest": clean, "size": 1}
    for tag, members in (
        ("index", [member]),
        ("both", [good, member]),
        ("inline", [{**good, "data": base64.b64encode(PICKLE).decode()}]),
    ):
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members}
        put_manifest(writer, repository, tag, document)
        assert state(writer, repository, tag) == "refused", tag
    assert denied(writer("GET", f"/v2/{repository}/blobs/{layer}"))
    subject = {"mediaType": MANIFEST, "digest": clean, "size": 1}
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [member], "subject": subject}
    put_manifest(writer, repository, "about", document)
    assert state(writer, repository, "about") == "refused"


def test_what_is_elsewhere_or_in_the_manifest_is_not_clean(gated, writer, repo):
    layer = {"mediaType": OCTETS, "digest": f"sha256:{'2' * 64}", "size": 9}
    for tag, more in (
        ("urls", {"urls": ["https://example.com/x"]}),
        ("foreign", {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar"}),
    ):
        document = manifest_of(writer, repo, CLEAN)
        document["layers"] = [*document["layers"], {**layer, **more}]
        put_manifest(writer, repo, tag, document)
        assert settled(writer, repo, tag) == "refused", tag
    document = manifest_of(writer, repo, CLEAN)
    document["layers"][0]["data"] = base64.b64encode(PICKLE).decode()
    put_manifest(writer, repo, "data", document)
    assert settled(writer, repo, "data") == "refused"


def test_the_config_is_looked_at(writer, repo):
    document = manifest_of(writer, repo, CLEAN)
    document["config"] = {
        "mediaType": OCTETS, "digest": writer.blob(repo, PICKLE), "size": len(PICKLE)
    }  # fmt: skip
    put_manifest(writer, repo, "v1", document)
    assert settled(writer, repo, "v1") == "refused"


def test_the_catalogue_tells_and_shows_nothing(writer, admin, poisoned):
    repository, name, _ = poisoned
    answer = writer("GET", f"/api/v1/repositories/{repository}/artifacts/{name}")
    assert answer.status == 200
    assert answer.json["admission"]["state"] == "refused"
    assert not {"manifest", "config", "server"} & set(answer.json)
    shown = admin("GET", f"/api/v1/repositories/{repository}/artifacts/{name}").json
    assert shown["manifest"]["layers"]
    needs = writer("GET", f"/api/v1/repositories/{repository}/artifacts/{name}/dependencies").json
    assert not needs["scanned"]
    assert needs["nodes"][0]["scan"] == "failed"


def test_who_may_not_push_gets_nothing_either(gated, poisoned):
    repository, name, layer = poisoned
    for role in ("reader", "auditor"):
        client = gated.account(f"a-{role}-{fresh().replace('/', '-')}", {"**": role})
        for path in (f"manifests/{name}", f"blobs/{layer}"):
            assert client("GET", f"/v2/{repository}/{path}").status == 403


def test_a_curator_of_another_repository_is_nobody_here(gated, poisoned):
    repository, name, _ = poisoned
    client = gated.account(
        f"c-{fresh().replace('/', '-')}", {"**": "reader", "other/**": "curator"}
    )
    assert client("GET", f"/v2/{repository}/manifests/{name}").status == 403


def test_what_was_pushed_past_the_hub_is_behind_the_gate(gated, writer, tmp_path, repo):
    if gated.kind != UPSTREAM:
        pytest.skip("nobody pushes past a Hub that keeps the bytes")
    where = gated.options[gated.options.index("--upstream") + 1].removeprefix("http://")
    secret = gated.options[gated.options.index("--upstream-password-file") + 1]
    upstream = Wire(where, "admin", Path(secret).read_text().strip())
    name, [layer] = put(upstream, repo, "v1", POISONED)
    for path in (f"blobs/{layer}", "manifests/v1", f"manifests/{name}", f"blobs/{layer}"):
        assert denied(writer("GET", f"/v2/{repo}/{path}"))
    assert settled(writer, repo, "v1") == "refused"
