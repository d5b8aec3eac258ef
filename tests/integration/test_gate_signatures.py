"""What a Hub signs about artifacts, read by programs that know nothing of Remit."""

import base64
import json
import time

import pytest

from tests.rig.exchange import log_in
from tests.rig.fronts import Wire, hub_command
from tests.rig.gated import CLEAN, POISONED, put
from tests.rig.registries import hub
from tests.rig.registry_clients import client
from tests.rig.sigstore import sigstore

# cosign is built from source, which takes minutes.
pytestmark = pytest.mark.slow

SCAN = "https://remit.example/scan/v1"
VSA = "https://slsa.dev/verification_summary/v1"
BOM = "https://cyclonedx.org/bom"
CHECK = ("--insecure-ignore-tlog=true",)


class World:
    def __init__(self, registry, home):
        self.registry = registry
        self.wire = Wire.to(registry)
        log_in(registry, home / "me")
        self.cosign = client("cosign", home / "cosign", registry)
        self.cosign.login()
        self.pem = {}
        for role in ("scan", "gate"):
            self.pem[role] = hub_command(registry, "keys", "--role", role).stdout
            (self.cosign.home / f"{role}.pub").write_text(self.pem[role])

    def attestation(self, role, kind, ref):
        return ("verify-attestation", "--key", f"{role}.pub", *CHECK, "--type", kind, ref)

    def bundles(self, repository, digest):
        listed = self.wire("GET", f"/v2/{repository}/referrers/{digest}").json["manifests"]
        found = []
        for each in listed:
            manifest = self.wire("GET", f"/v2/{repository}/manifests/{each['digest']}").json
            [layer] = manifest["layers"]
            body = self.wire("GET", f"/v2/{repository}/blobs/{layer['digest']}").body
            found.append((each["annotations"]["dev.sigstore.bundle.predicateType"], body.decode()))
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub"), gate=True, auth="basic") as registry:
        yield World(registry, tmp_path_factory.mktemp("home"))


def test_cosign_and_sigstore_accept_it(world):
    digest, _ = put(world.wire, "team/clean", "v1", CLEAN)
    assert state_of(world, "team/clean", digest) == "admitted"
    ref = f"{world.registry.host}/team/clean@{digest}"
    for role, kind in (("gate", VSA), ("scan", SCAN), ("scan", BOM)):
        said = world.cosign.ok(*world.attestation(role, kind, ref))
        assert "payload" in said
    for role, kind in (("scan", VSA), ("gate", SCAN)):
        world.cosign.refused(*world.attestation(role, kind, ref))
    found = world.bundles("team/clean", digest)
    assert len(found) > 5
    every = [bundle for _, bundle in found]
    assert set(sigstore(list(world.pem.values()), every)) == {"ok"}
    gate = [bundle for kind, bundle in found if kind == VSA]
    assert "ok" not in sigstore([world.pem["scan"]], gate)
    changed = [each.replace('"payload":"ey', '"payload":"ez', 1) for each in every]
    assert "ok" not in sigstore(list(world.pem.values()), changed)


def test_what_is_refused_says_failed(world):
    digest, _ = put(world.wire, "team/poisoned", "v1", POISONED)
    assert state_of(world, "team/poisoned", digest) == "refused"
    [summary] = [b for kind, b in world.bundles("team/poisoned", digest) if kind == VSA]
    payload = json.loads(base64.b64decode(json.loads(summary)["dsseEnvelope"]["payload"]))
    assert payload["predicate"]["verificationResult"] == "FAILED"
    assert payload["subject"][0]["digest"]["sha256"] == digest.removeprefix("sha256:")


def state_of(world, repository, digest):
    """The administrator gets everything, so the state is asked for."""
    until = time.monotonic() + 90
    path = f"/api/v1/repositories/{repository}/artifacts/{digest}/admission"
    while True:
        state = world.wire("GET", path).json["state"]
        if state != "quarantined":
            return state
        assert time.monotonic() < until
        time.sleep(0.2)
