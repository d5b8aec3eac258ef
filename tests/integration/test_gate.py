"""The gate of a Hub: what is pushed is scanned by real workers before anybody may pull it."""

import time

import pytest

from tests.rig.exchange import log_in, remit
from tests.rig.fronts import INDEX, MANIFEST, Wire
from tests.rig.gated import CLEAN, POISONED, put, put_manifest, settled, state
from tests.rig.hub_process import HubProcess
from tests.rig.registries import hub, person
from tests.rig.registry_clients import client, find_kit


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("gated"), auth="basic", gate=True) as found:
        yield found


@pytest.fixture(scope="module")
def account(gated):
    """The Hub, as somebody who may push and pull and nothing else."""
    return person(gated, "writer", "writer", "**")


@pytest.fixture(scope="module")
def writer(account):
    return Wire.to(account)


@pytest.fixture(scope="module")
def curator(gated):
    return Wire.to(person(gated, "curator", "curator", "**"))


def test_nothing_is_pulled_before_it_is_scanned(writer):
    name, [layer] = put(writer, "team/clean", "v1", CLEAN)
    for path in ("manifests/v1", f"manifests/{name}", f"blobs/{layer}"):
        answer = writer("GET", f"/v2/team/clean/{path}")
        assert (answer.status, answer.code) == (403, "DENIED"), path
        assert "quarantined" in answer.reason
        # Clients that push ask whether it is there.
        assert writer("HEAD", f"/v2/team/clean/{path}").status == 200
    assert settled(writer, "team/clean", "v1") == "admitted"
    assert writer("GET", f"/v2/team/clean/blobs/{layer}").body == CLEAN["README.md"]


def test_what_is_poisoned_is_refused_with_the_reason(writer, curator, gated):
    name, [layer] = put(writer, "team/poisoned", "v1", POISONED)
    assert settled(writer, "team/poisoned", "v1") == "refused"
    answer = writer("GET", "/v2/team/poisoned/manifests/v1")
    assert "weights.pkl" in answer.reason
    assert answer.json["errors"][0]["detail"]["digest"] == name
    assert writer("GET", f"/v2/team/poisoned/blobs/{layer}").status == 403
    # Who decides must be able to look.
    assert curator("GET", f"/v2/team/poisoned/manifests/{name}").status == 200
    assert curator("GET", f"/v2/team/poisoned/blobs/{layer}").body == POISONED["weights.pkl"]
    time.sleep(0.5)
    found = [
        each
        for each in HubProcess(gated.state.parent).records()
        if each.get("artifact", {}).get("digest") == name
    ]
    kinds = [each["kind"] for each in found]
    assert kinds.index("registry.push") < kinds.index("scan.done") < kinds.index("artifact.refuse")
    [pull] = [each for each in found if each["kind"] == "registry.pull"]
    assert pull["quarantined"]
    denied = [each for each in found if each["kind"] == "registry.deny"]
    assert denied[-1]["artifact"]["state"] == "refused"


def test_an_index_is_what_its_members_are(writer):
    members = []
    for tag, files in (("one", CLEAN), ("two", {"NOTES.md": b"all is well\n"})):
        name, _ = put(writer, "team/index", tag, files)
        members.append({"mediaType": MANIFEST, "digest": name, "size": 1})
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members}
    put_manifest(writer, "team/index", "both", document)
    assert state(writer, "team/index", "both") == "quarantined"
    assert settled(writer, "team/index", "both") == "admitted"
    bad, _ = put(writer, "team/index", "bad", POISONED)
    document["manifests"].append({"mediaType": MANIFEST, "digest": bad, "size": 1})
    put_manifest(writer, "team/index", "all", document)
    assert settled(writer, "team/index", "all") == "refused"
    assert state(writer, "team/index", "both") == "admitted"


@pytest.mark.parametrize("name", ["oras", "kit"])
def test_clients_show_why(account, writer, tmp_path, name):
    if name == "kit" and find_kit() is None:
        pytest.skip("kit is not installed")
    put(writer, "team/shown", "v1", POISONED)
    settled(writer, "team/shown", "v1")
    program = client(name, tmp_path / name, account)
    program.login()
    said = program.refused("pull", "--plain-http", program.ref("team/shown", "v1"))
    assert "is refused" in said
    assert "weights.pkl" in said


def test_remit_pushes_and_pulls(account, writer, tmp_path):
    me, other = tmp_path / "me", tmp_path / "other"
    for home in (me, other):
        log_in(account, home)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "README.md").write_bytes(CLEAN["README.md"])
    place = f"{account.host}/team/remit:v1"
    assert remit("pack", str(folder), "-t", "notes:v1", state=me).returncode == 0
    assert remit("push", "notes:v1", place, state=me).returncode == 0
    early = remit("pull", place, state=other)
    assert early.returncode != 0
    assert "quarantined" in early.stderr
    assert settled(writer, "team/remit", "v1") == "admitted"
    done = remit("pull", place, state=other)
    assert done.returncode == 0, done.stderr
