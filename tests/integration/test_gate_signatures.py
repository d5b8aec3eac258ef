"""What a Hub signs about artifacts, read by programs that know nothing of Remit."""

import base64
import json
import time

import pytest

from tests.rig.exchange import log_in, remit
from tests.rig.fronts import Wire, front, hub_command
from tests.rig.gated import CLEAN, POISONED, put
from tests.rig.registries import docker_registry, hub, person
from tests.rig.registry_clients import client
from tests.rig.sigstore import sigstore

# cosign is built from source, which takes minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

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
    return about(world.wire, repository, digest)["state"]


SIGNED = """
@id("p") permit (principal, action == Remit::Action::"artifact.promote", resource)
when { context.input.complete && context.input.unread == 0 };
@id("signed") @reason("our build has to sign it")
forbid (principal, action == Remit::Action::"artifact.promote", resource)
unless { context.input.signed_by.contains("ci") };
"""


def test_a_policy_that_wants_a_signature(tmp_path):
    keys = {name: tmp_path / f"keys-{name}" / "key" for name in ("ci", "other")}
    env = {"REMIT_PASSPHRASE_FILE": str(tmp_path / "passphrase")}
    (tmp_path / "passphrase").write_text("the passphrase of tests\n")
    trust = 'format = "remit.trust/v1"\nname = "signers"\nserial = 1\n'
    for name, path in keys.items():
        done = remit("key", "signing", "new", path, state=tmp_path / "me", **env)
        assert done.returncode == 0, done.stderr
        pem = remit("key", "signing", "export", path, state=tmp_path / "me").stdout
        if name == "ci":
            trust += (
                '[[keys]]\nname = "ci"\nroles = ["sign"]\nrepositories = ["**"]\n'
                f'public = """\n{pem}"""\n'
            )
    (tmp_path / "signers.toml").write_text(trust)
    bundle = tmp_path / "policy"
    (bundle / "artifact").mkdir(parents=True)
    (bundle / "bundle.toml").write_text('name = "signed"\nversion = "1"\nserial = 1\n')
    (bundle / "artifact" / "a.cedar").write_text(SIGNED)
    options = ["--policy", str(bundle), "--signers", str(tmp_path / "signers.toml")]
    (tmp_path / "hub").mkdir()
    with hub(tmp_path / "hub", gate=True, auth="basic", options=options) as registry:
        wire = Wire.to(registry)
        log_in(registry, tmp_path / "me")
        digest, _ = put(wire, "team/signed", "v1", CLEAN)
        found = about(wire, "team/signed", digest)
        assert found["state"] == "refused"
        assert "our build has to sign it" in found["reason"]
        ref = f"{registry.host}/team/signed@{digest}"
        for name, wanted in (("other", "refused"), ("ci", "admitted")):
            done = remit("sign", ref, "--key", keys[name], state=tmp_path / "me", **env)
            assert done.returncode == 0, done.stderr
            until = time.monotonic() + 20
            while about(wire, "team/signed", digest)["state"] != wanted or wanted == "refused":
                if time.monotonic() > until - (17 if wanted == "refused" else 0):
                    break
                time.sleep(0.2)
            assert about(wire, "team/signed", digest)["state"] == wanted, name


OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "--yes", "--key", "cosign.key")


def trusting(pem, serial):
    """A trust root in which a key is the build's."""
    return (
        'format = "remit.trust/v1"\nname = "signers"\n'
        f'serial = {serial}\n[[keys]]\nname = "ci"\n'
        f'roles = ["sign"]\nrepositories = ["**"]\npublic = """\n{pem}"""\n'
    )


def test_whoever_pushes_signs_with_cosign_what_policy_keeps_back(tmp_path):
    """They are no curators: what cosign and oras read to sign and attach is all that they get."""
    bundle, signers = tmp_path / "policy", tmp_path / "signers.toml"
    (bundle / "artifact").mkdir(parents=True)
    (bundle / "bundle.toml").write_text('name = "signed"\nversion = "1"\nserial = 1\n')
    (bundle / "artifact" / "a.cedar").write_text(SIGNED)
    done = remit("key", "signing", "new", tmp_path / "key", state=tmp_path / "me",
                 REMIT_PASSPHRASE_FILE=str(secret(tmp_path)))  # fmt: skip
    assert done.returncode == 0, done.stderr
    other = remit("key", "signing", "export", tmp_path / "key", state=tmp_path / "me").stdout
    signers.write_text(trusting(other, 1))
    (tmp_path / "hub").mkdir()
    options = ["--policy", str(bundle), "--signers", str(signers)]
    with hub(tmp_path / "hub", gate=True, auth="bearer", options=options) as registry:
        account = person(registry, "wendy", "writer", "team/**")
        reader = Wire.to(person(registry, "rita", "reader", "team/**"))
        digest, [layer] = put(Wire.to(account), "team/signed", "v1", CLEAN)
        assert about(reader, "team/signed", digest)["state"] == "refused"
        ref = f"{registry.host}/team/signed@{digest}"
        cosign = client("cosign", tmp_path / "cosign", account)
        cosign.login()
        cosign.ok("generate-key-pair")
        signers.write_text(trusting((cosign.home / "cosign.pub").read_text(), 2))
        oras = client("oras", tmp_path / "oras", account)
        oras.login()
        (oras.home / "notes.txt").write_text("see our wiki")
        oras.ok("attach", "--plain-http", "--artifact-type", "application/x.notes", ref,
                "notes.txt:text/plain")  # fmt: skip
        said = oras.refused("pull", "--plain-http", ref)
        assert "our build has to sign it" in said
        cosign.ok("sign", *OFFLINE, ref)
        until = time.monotonic() + 60
        while about(reader, "team/signed", digest)["state"] != "admitted":
            assert time.monotonic() < until
            time.sleep(0.3)
        assert reader("GET", f"/v2/team/signed/blobs/{layer}").status == 200


def secret(directory):
    path = directory / "passphrase"
    path.write_text("the passphrase of tests\n")
    return path


def test_a_broken_policy_keeps_the_hub_from_starting(tmp_path):
    bundle = tmp_path / "policy"
    (bundle / "artifact").mkdir(parents=True)
    (bundle / "bundle.toml").write_text('name = "broken"\nversion = "1"\nserial = 1\n')
    (bundle / "artifact" / "a.cedar").write_text(SIGNED.replace("signed_by", "singed_by"))
    done = remit(
        "hub", "run", "--state", tmp_path / "hub", "--listen", "127.0.0.1:0",
        "--policy", bundle, state=tmp_path / "me", timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "singed_by" in done.stderr


def about(wire, repository, digest):
    """What the API says, once it was decided."""
    until = time.monotonic() + 90
    path = f"/api/v1/repositories/{repository}/artifacts/{digest}/admission"
    while True:
        found = wire("GET", path).json
        if found["state"] != "quarantined":
            return found
        assert time.monotonic() < until
        time.sleep(0.2)


def test_before_an_upstream(tmp_path):
    with (
        docker_registry(tmp_path / "upstream") as upstream,
        front(tmp_path / "hub", upstream, gate=True) as registry,
    ):
        wire = Wire.to(registry)
        digest, _ = put(wire, "team/fronted", "v1", CLEAN)
        found = about(wire, "team/fronted", digest)
        assert found["state"] == "admitted", found
        assert found["summary"]
        assert len(found["attestations"]) > 5
        lines = hub_command(registry, "keys").stdout
        trust = tmp_path / "trust.toml"
        trust.write_text(f'format = "remit.trust/v1"\nname = "hub"\nserial = 1\n{lines}')
        log_in(registry, tmp_path / "me")
        arguments = ["--trust", trust, "--no-signature", "--policy-digest", found["policy"]]
        # The upstream itself has the evidence, too, under the fallback tag.
        for host in (registry.host, upstream.host):
            ref = f"{host}/team/fronted@{digest}"
            done = remit("verify", ref, *arguments, state=tmp_path / "me")
            assert done.returncode == 0 or host == upstream.host, done.stdout + done.stderr
            assert "PASSED" in done.stdout, done.stdout + done.stderr
        decide = f"/api/v1/repositories/team/fronted/artifacts/{digest}/decision"
        action = wire("GET", decide).json["action"]
        body = json.dumps({"word": "refuse", "reason": "no", "action": action}).encode()
        assert wire("POST", decide, body).status == 201
        until = time.monotonic() + 30
        while about(wire, "team/fronted", digest)["state"] != "withdrawn":
            assert time.monotonic() < until
            time.sleep(0.2)
        done = remit("verify", f"{registry.host}/team/fronted@{digest}", *arguments,
                     state=tmp_path / "me")  # fmt: skip
        assert done.returncode == 3
        assert "FAILED" in done.stdout
