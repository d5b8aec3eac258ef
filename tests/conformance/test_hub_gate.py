"""Nothing gets out past the gate, whatever the Hub stands on: the ways that were thought of."""

import base64
import json
import time
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
from tests.rig.hub_process import HubProcess
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


def wire(gated, role):
    client = gated.account(role, {"**": role})
    name, _, password = (
        base64.b64decode(client.authorization.partition(" ")[2]).decode().partition(":")
    )
    return Wire(gated.registry.host, name, password)


@pytest.fixture(scope="module")
def writer(gated):
    return wire(gated, "writer")


@pytest.fixture(scope="module")
def reader(gated):
    return wire(gated, "reader")


@pytest.fixture(scope="module")
def admin(gated):
    return Wire.to(gated.registry)


@pytest.fixture
def repo():
    return fresh()


@pytest.fixture(scope="module")
def poisoned(gated, writer, reader):
    """A repository with a poisoned artifact that was refused: its name, manifest and layer."""
    repository = fresh()
    name, [layer] = put(writer, repository, "v1", POISONED)
    assert settled(reader, repository, "v1") == "refused"
    return repository, name, layer


def denied(answer):
    assert (answer.status, answer.code) == (403, "DENIED"), answer
    assert PICKLE not in answer.body
    return True


def test_by_tag_by_digest_and_in_parts(writer, reader, poisoned):
    repository, name, layer = poisoned
    for path in ("manifests/v1", f"manifests/{name}", f"blobs/{layer}"):
        assert denied(reader("GET", f"/v2/{repository}/{path}"))
    for part in ("bytes=0-", "bytes=0-0", "bytes=-5", "bytes=0-3,5-9", f"bytes={len(PICKLE)}-"):
        assert denied(reader("GET", f"/v2/{repository}/blobs/{layer}", Range=part))
    assert denied(
        reader("GET", f"/v2/{repository}/blobs/{layer}", If_Range='"x"', Range="bytes=0-")
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


def test_mounting_it_where_one_curates(gated, writer, poisoned):
    """Who curates some repository does not get through it what another holds back."""
    repository, _, layer = poisoned
    mine = fresh()
    for role in ("reader", "writer"):
        eve = gated.account(
            f"e-{role}-{fresh().replace('/', '-')}", {"**": role, f"{mine}/**": "curator"}
        )
        answer = eve("POST", f"/v2/{mine}/x/blobs/uploads/?mount={layer}&from={repository}", b"")
        # As the specification has it for what cannot be mounted: an upload begins.
        assert answer.status == 202
        assert eve("GET", f"/v2/{mine}/x/blobs/{layer}").status == 404
    clean, [held] = put(writer, repository, "lent", CLEAN)
    settled(writer, repository, "lent")
    answer = eve("POST", f"/v2/{mine}/x/blobs/uploads/?mount={held}&from={repository}", b"")
    assert answer.status == 201, clean


def test_a_clean_artifact_lends_nothing_to_another(writer, reader, poisoned, repo):
    """An admitted manifest in the same repository does not refer to it; elsewhere it is elsewhere."""
    repository, _, layer = poisoned
    put(writer, repository, "clean", CLEAN)
    assert settled(reader, repository, "clean") == "admitted"
    assert denied(reader("GET", f"/v2/{repository}/blobs/{layer}"))
    put(writer, repo, "v1", CLEAN)
    settled(reader, repo, "v1")
    writer.blob(repo, PICKLE)
    assert denied(reader("GET", f"/v2/{repo}/blobs/{layer}"))


def test_the_same_elsewhere_and_under_another_tag(writer, reader, poisoned, repo):
    repository, name, _ = poisoned
    body = json.dumps(manifest_of(writer, repository, POISONED)).encode()
    assert digest(body) == name
    for tag in ("v2", "latest"):
        done = writer("PUT", f"/v2/{repository}/manifests/{tag}", body, content_type=MANIFEST)
        assert done.status == 201
        assert state(reader, repository, tag) == "refused"
    other, [layer] = put(writer, repo, "v1", POISONED)
    assert other == name
    assert state(reader, repo, "v1") in {"quarantined", "refused"}
    assert denied(reader("GET", f"/v2/{repo}/blobs/{layer}"))
    assert settled(reader, repo, "v1") == "refused"


def test_deleting_and_pushing_it_again(writer, reader, admin, repo):
    name, [layer] = put(writer, repo, "v1", POISONED)
    settled(reader, repo, "v1")
    assert admin("DELETE", f"/v2/{repo}/manifests/{name}").status == 202
    again, _ = put(writer, repo, "v1", POISONED)
    assert again == name
    assert state(reader, repo, "v1") in {"quarantined", "refused"}
    assert denied(reader("GET", f"/v2/{repo}/blobs/{layer}"))
    assert settled(reader, repo, "v1") == "refused"


def test_moving_a_tag_from_what_is_admitted(writer, reader, repo):
    put(writer, repo, "latest", CLEAN)
    assert settled(reader, repo, "latest") == "admitted"
    put(writer, repo, "latest", POISONED)
    assert state(reader, repo, "latest") in {"quarantined", "refused"}


def test_a_subject_makes_no_evidence(writer, reader, poisoned, repo):
    subject = {"mediaType": MANIFEST, "digest": poisoned[1], "size": 1}
    _, [layer] = put(writer, repo, "v1", POISONED, subject=subject)
    assert denied(reader("GET", f"/v2/{repo}/manifests/v1"))
    assert denied(reader("GET", f"/v2/{repo}/blobs/{layer}"))
    assert settled(reader, repo, "v1") == "refused"


@pytest.mark.parametrize(
    "kind", [DSSE, SIMPLE, bundle(3), bundle(2), "application/vnd.in-toto+json"]
)
def test_a_label_makes_no_evidence(writer, reader, repo, kind):
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
    assert denied(reader("GET", f"/v2/{repo}/manifests/sha256-{hexes}.sig"))
    assert denied(reader("GET", f"/v2/{repo}/blobs/{layers[0]['digest']}"))
    assert settled(reader, repo, f"sha256-{hexes}.sig") == "refused"


def test_evidence_is_given_out_and_lends_nothing(writer, reader, repo):
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
        assert denied(reader("GET", f"/v2/{repo}/manifests/{other}")), change
    assert denied(reader("GET", f"/v2/{repo}/blobs/{pickled}"))


def test_an_index_lends_nothing(writer, reader, poisoned):
    repository, name, layer = poisoned
    member = {"mediaType": MANIFEST, "digest": name, "size": 1}
    clean, _ = put(writer, repository, "clean", CLEAN)
    settled(reader, repository, "clean")
    good = {"mediaType": MANIFEST, "digest": clean, "size": 1}
    for tag, members in (
        ("index", [member]),
        ("both", [good, member]),
        ("inline", [{**good, "data": base64.b64encode(PICKLE).decode()}]),
    ):
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members}
        put_manifest(writer, repository, tag, document)
        assert state(reader, repository, tag) == "refused", tag
    assert denied(reader("GET", f"/v2/{repository}/blobs/{layer}"))
    subject = {"mediaType": MANIFEST, "digest": clean, "size": 1}
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [member], "subject": subject}
    put_manifest(writer, repository, "about", document)
    assert state(reader, repository, "about") == "refused"


def test_what_is_elsewhere_or_in_the_manifest_is_not_clean(gated, writer, reader, repo):
    layer = {"mediaType": OCTETS, "digest": f"sha256:{'2' * 64}", "size": 9}
    for tag, more in (
        ("urls", {"urls": ["https://example.com/x"]}),
        ("foreign", {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar"}),
    ):
        document = manifest_of(writer, repo, CLEAN)
        document["layers"] = [*document["layers"], {**layer, **more}]
        put_manifest(writer, repo, tag, document)
        assert settled(reader, repo, tag) == "refused", tag
    document = manifest_of(writer, repo, CLEAN)
    document["layers"][0]["data"] = base64.b64encode(PICKLE).decode()
    put_manifest(writer, repo, "data", document)
    assert settled(reader, repo, "data") == "refused"


def test_the_config_is_looked_at(writer, reader, repo):
    document = manifest_of(writer, repo, CLEAN)
    document["config"] = {
        "mediaType": OCTETS, "digest": writer.blob(repo, PICKLE), "size": len(PICKLE)
    }  # fmt: skip
    put_manifest(writer, repo, "v1", document)
    assert settled(reader, repo, "v1") == "refused"


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


def test_what_was_pushed_past_the_hub_is_behind_the_gate(gated, writer, reader, tmp_path, repo):
    if gated.kind != UPSTREAM:
        pytest.skip("nobody pushes past a Hub that keeps the bytes")
    where = gated.options[gated.options.index("--upstream") + 1].removeprefix("http://")
    secret = gated.options[gated.options.index("--upstream-password-file") + 1]
    upstream = Wire(where, "admin", Path(secret).read_text().strip())
    name, [layer] = put(upstream, repo, "v1", POISONED)
    for path in (f"blobs/{layer}", "manifests/v1", f"manifests/{name}", f"blobs/{layer}"):
        assert denied(reader("GET", f"/v2/{repo}/{path}"))
    assert settled(reader, repo, "v1") == "refused"


# -- whoever pushes ----------------------------------------------------------------------------


def records(gated, digest):
    found = HubProcess(gated.registry.state.parent).records()
    return [each for each in found if each.get("artifact", {}).get("digest") == digest]


def test_whoever_pushes_reads_manifests_and_never_a_blob(gated, writer, reader, poisoned):
    """A client reads what it signs; what a loader would run stays where it is."""
    repository, name, layer = poisoned
    for path in ("v1", name):
        answer = writer("GET", f"/v2/{repository}/manifests/{path}")
        assert (answer.status, digest(answer.body)) == (200, name)
        assert denied(reader("GET", f"/v2/{repository}/manifests/{path}"))
    answer = writer("GET", f"/v2/{repository}/blobs/{layer}")
    assert denied(answer)
    # As the refusal of the manifest would: so clients show why.
    assert "is refused" in answer.reason
    assert "weights.pkl" in answer.reason
    assert answer.json["errors"][0]["detail"] == {
        **answer.json["errors"][0]["detail"], "state": "refused", "digest": name,
    }  # fmt: skip
    time.sleep(0.5)
    pulls = [e for e in records(gated, name) if e["kind"] == "registry.pull"]
    mine = [e for e in pulls if e["actor"]["user"] == "writer"]
    assert mine
    assert all(each["quarantined"] for each in mine)


def test_the_gravest_state_of_what_refers_to_a_blob_is_told(writer, reader, repo):
    files = {**CLEAN, **POISONED}
    _, layers = put(writer, repo, "bad", files)
    assert settled(reader, repo, "bad") == "refused"
    put(writer, repo, "other", POISONED, annotations={"a": "b"})
    answer = reader("GET", f"/v2/{repo}/blobs/{layers[-1]}")
    assert denied(answer)
    assert answer.json["errors"][0]["detail"]["state"] == "refused"
    # What something admitted refers to, too, is given out all the same.
    assert denied(reader("GET", f"/v2/{repo}/blobs/{layers[0]}"))
    put(writer, repo, "good", CLEAN)
    assert settled(reader, repo, "good") == "admitted"
    assert reader("GET", f"/v2/{repo}/blobs/{layers[0]}").status == 200
    settled(reader, repo, "other")


@pytest.mark.parametrize("where", ["config", "layers", "subject", "manifests"])
def test_whoever_pushes_gets_no_manifest_with_content_of_its_own(writer, repo, where):
    inline = {
        "mediaType": OCTETS, "digest": digest(PICKLE), "size": len(PICKLE),
        "data": base64.b64encode(PICKLE).decode(),
    }  # fmt: skip
    if where == "manifests":
        member, _ = put(writer, repo, "member", CLEAN)
        inline |= {"mediaType": MANIFEST, "digest": member}
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [inline]}
    else:
        document = manifest_of(writer, repo, CLEAN)
        writer.blob(repo, PICKLE)
        document[where] = [inline] if where == "layers" else inline
    name = put_manifest(writer, repo, "v1", document)
    for path in ("v1", name):
        answer = writer("GET", f"/v2/{repo}/manifests/{path}")
        assert (answer.status, answer.code) == (403, "DENIED"), answer
        assert inline["data"].encode() not in answer.body


def test_a_writer_of_another_repository_is_nobody_here(gated, poisoned):
    repository, name, layer = poisoned
    client = gated.account(f"w-{fresh().replace('/', '-')}", {"**": "reader", "other/**": "writer"})
    assert client("GET", f"/v2/{repository}/manifests/{name}").status == 403
    assert client("GET", f"/v2/{repository}/blobs/{layer}").status == 403


def test_what_is_not_there_is_unknown_and_not_held_back(gated, writer, reader, poisoned, repo):
    nothing = digest(b"nothing is this")
    for who in (writer, reader):
        for repository in (poisoned[0], repo):
            answer = who("GET", f"/v2/{repository}/blobs/{nothing}")
            assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN"), answer
            for name in ("never", nothing):
                answer = who("GET", f"/v2/{repository}/manifests/{name}")
                assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN"), answer
    # Of other repositories nothing is told, not even that.
    stranger = gated.account(f"s-{fresh().replace('/', '-')}", {"other/**": "reader"})
    assert stranger("GET", f"/v2/{poisoned[0]}/blobs/{nothing}").status == 403


def test_what_one_may_see_ends_with_the_role(gated, writer, reader, repo):
    """Neither a token nor the gate's word about an artifact outlives the role or the account."""
    from remit.hub.store import accounts as kept

    name, [layer] = put(writer, repo, "v1", CLEAN)
    assert settled(reader, repo, "v1") == "admitted"
    held, _ = put(writer, repo, "v2", POISONED)
    assert settled(reader, repo, "v2") == "refused"
    user = "u-" + fresh().replace("/", "-")
    client = gated.account(user, {repo: "curator"})
    token = client.bearer(f"repository:{repo}:pull")
    good = [f"/v2/{repo}/manifests/{name}", f"/v2/{repo}/blobs/{layer}"]
    assert [token("GET", path).status for path in (*good, f"/v2/{repo}/manifests/{held}")] == [
        200, 200, 200,
    ]  # fmt: skip

    def grants(role):
        gated.change(lambda c: kept.revoke(c, user, repo))
        if role:
            gated.change(lambda c: kept.grant(c, user, repo, role, 1))

    grants("reader")
    waits(token, f"/v2/{repo}/manifests/{held}", 403)
    assert [token("GET", path).status for path in good] == [200, 200]
    grants("")
    for path in good:
        waits(token, path, 403)
    gated.change(lambda c: kept.remove(c, user))
    for who in (token, client):
        waits(who, good[0], 401)


def waits(client, path, status):
    until = time.monotonic() + 10
    while client("GET", path).status != status:
        assert time.monotonic() < until
        time.sleep(0.2)
