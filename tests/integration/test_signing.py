"""Signatures between programs: cosign takes ours, we take its, npm's verifier takes ours.

The registry is the Hub; what is refused is refused there and, pulled, in the store of this machine.
"""

import base64
import json
import shutil
from pathlib import Path

import pytest

from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import digest_of
from remit.attest.ecdsa import PublicKey
from tests.rig.exchange import log_in, put_artifact, put_document, remit
from tests.rig.registries import docker_registry
from tests.rig.registries import hub as running_hub
from tests.rig.registry_clients import client
from tests.rig.sigstore import sigstore

# cosign is built from source, which takes minutes.
pytestmark = pytest.mark.slow

OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "--yes", "--key", "cosign.key")
CHECK = ("--insecure-ignore-tlog=true", "--key")
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
REVIEW = "https://example.com/review/v1"
PASSPHRASE = "the passphrase of tests"
NAME = "team/model:v1"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hub")) as found:
        yield found


class World:
    """A user of this machine with keys, an artifact in a registry, and cosign."""

    def __init__(self, registry, home: Path, repository: str) -> None:
        self.registry, self.home = registry, home
        home.mkdir(exist_ok=True)
        self.state = home / "me"
        log_in(registry, self.state)
        (home / "passphrase").write_text(f"{PASSPHRASE}\n")
        self.store = Layout.open(self.state / "artifacts", create=True)
        self.subject = put_artifact(self.store, NAME, repository.encode())
        self.repository = f"{registry.host}/{repository}"
        self.ref = f"{self.repository}@{self.subject.digest}"
        self.ok("push", NAME, f"{self.repository}:v1")
        self.cosign = client("cosign", home / "cosign", registry)
        self.cosign.login()

    def run(self, *arguments, stdin="", **env):
        passphrase = {"REMIT_PASSPHRASE_FILE": str(self.home / "passphrase")}
        return remit(*arguments, state=self.state, stdin=stdin, **passphrase, **env)

    def ok(self, *arguments, stdin=""):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def key(self, name: str) -> str:
        """A key of Remit; its public part goes to cosign's home as NAME.pub."""
        path = self.home / "keys" / f"{name}.key"
        if not path.exists():
            self.ok("key", "signing", "new", str(path))
            pem = self.ok("key", "signing", "export", str(path))
            (self.cosign.home / f"{name}.pub").write_text(pem)
        return str(path)

    def public(self, name: str) -> str:
        return (self.cosign.home / f"{name}.pub").read_text()

    def trust(self, *, serial=1, repositories=("**",), more="", **roles: str) -> Path:
        """A trust root that gives each public key in cosign's home a role."""
        text = f'format = "remit.trust/v1"\nname = "tests"\nserial = {serial}\n'
        for name, role in roles.items():
            text += (
                f'[[keys]]\nname = "{name}"\nroles = ["{role}"]\n'
                f"repositories = {json.dumps(list(repositories))}\n"
                f'public = """\n{self.public(name)}"""\n'
            )
        path = self.home / f"trust-{serial}.toml"
        path.write_text(text + more)
        return path

    def verify(self, trust: Path, *options: str, ref: str = ""):
        """What `remit verify -o json` says, and that its status fits."""
        done = self.run("verify", ref or self.ref, "--trust", str(trust), "-o", "json", *options)
        assert done.returncode in {0, 3}, done.stderr
        value = json.loads(done.stdout)
        assert value["verified"] == (done.returncode == 0)
        return value

    def reason(self, trust: Path, *options: str, ref: str = "") -> str:
        """The code of the first check that failed."""
        value = self.verify(trust, *options, ref=ref)
        assert not value["verified"]
        return next(each["code"] for each in value["checks"] if not each["passed"])

    def vsa(self, result="PASSED", policy="sha256:" + "ab" * 32, when="", key="gate", **more):
        """Attest a summary of the gate."""
        import datetime as dt

        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        predicate = {
            "verifier": {"id": "https://hub.example/gate"}, "timeVerified": when or now,
            "resourceUri": f"oci://{self.repository}", "verificationResult": result,
            "policy": {"uri": "", "digest": {"sha256": policy.removeprefix("sha256:")}}, **more,
        }  # fmt: skip
        self.ok(
            "attest", self.ref, "--type", "vsa", "--predicate", "-", "--key", self.key(key),
            stdin=json.dumps(predicate),
        )  # fmt: skip
        return policy

    def bundles(self) -> list[tuple[str, bytes]]:
        """The bundles in this machine's store: digest of the manifest, and bytes."""
        found = []
        for each in self.store.entries():
            manifest, _ = self.store.manifest(each)
            if manifest.subject is not None:
                layer = manifest.layers[0]
                found.append((each.digest, self.store.read(layer.digest, limit=layer.size)))
        return found

    def plant(self, bundle: bytes, **annotations: str) -> None:
        """Push a referrer of the artifact with any bundle, as anybody with an account can."""
        self.store.put(b"{}")
        layer = {"mediaType": BUNDLE, "digest": self.store.put(bundle), "size": len(bundle)}
        put_document(self.store, "", {
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": BUNDLE, "layers": [layer], "annotations": annotations,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2},
            "subject": {"mediaType": self.subject.media_type, "digest": self.subject.digest, "size": self.subject.size},
        })  # fmt: skip
        self.ok("push", "--referrers", NAME, f"{self.repository}:v1")


@pytest.fixture
def world(hub, tmp_path, request):
    words = "".join(c if c.isalnum() else "-" for c in request.node.name.lower()).strip("-")
    return World(hub, tmp_path, f"team/{words}")


def test_cosign_takes_a_signature_of_remit(world):
    world.ok("sign", world.ref, "--key", world.key("ci"))
    said = json.loads(world.cosign.ok("verify", *CHECK, "ci.pub", world.ref))
    assert [each["critical"]["image"]["docker-manifest-digest"] for each in said] == [
        world.subject.digest
    ]
    world.key("other")
    world.cosign.refused("verify", *CHECK, "other.pub", world.ref)


def test_cosign_takes_attestations_of_remit(world):
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": [{"type": "machine-learning-model", "name": "m"}],
    }
    for kind, predicate, theirs in (
        (REVIEW, {"by": "ada", "score": 1.5}, REVIEW),
        ("cyclonedx", bom, "cyclonedx"),
    ):
        world.ok(
            "attest", world.ref, "--type", kind, "--predicate", "-", "--key", world.key("ci"),
            stdin=json.dumps(predicate),
        )  # fmt: skip
        out = world.cosign.ok("verify-attestation", *CHECK, "ci.pub", "--type", theirs, world.ref)
        payload = json.loads(base64.b64decode(json.loads(out.splitlines()[0])["payload"]))
        assert payload["predicate"] == predicate
    world.cosign.refused(
        "verify-attestation", *CHECK, "ci.pub", "--type", "https://example.com/x", world.ref
    )
    tree = world.cosign.ok("tree", world.ref)
    assert REVIEW in tree
    world.vsa()
    world.cosign.ok(
        "verify-attestation", *CHECK, "gate.pub", "--type",
        "https://slsa.dev/verification_summary/v1", world.ref,
    )  # fmt: skip


def test_remit_takes_what_cosign_signed(world):
    world.cosign.ok("generate-key-pair")
    assert world.reason(world.trust(cosign="sign")) == "verify.no_signature"
    world.cosign.ok("sign", *OFFLINE, world.ref)
    (world.cosign.home / "review.json").write_text('{"by": "ada", "score": 1.5}')
    world.cosign.ok("attest", *OFFLINE, "--predicate", "review.json", "--type", REVIEW, world.ref)
    assert world.verify(world.trust(cosign="sign"))["verified"]
    # The type of the attestation is not one that whoever signs may sign; a key is told which.
    assert world.reason(world.trust(cosign="sign"), "--require", REVIEW) == "verify.role"
    both = world.trust(serial=2, cosign="sign")
    text = both.read_text().replace(
        "roles =", f'predicates = ["https://sigstore.dev/cosign/sign/v1", "{REVIEW}"]\nroles ='
    )
    both.write_text(text)
    assert world.verify(both, "--require", REVIEW)["verified"]
    done = world.run("verify", world.ref, "--key", str(world.cosign.home / "cosign.pub"))
    assert done.returncode == 0
    assert "verified" in done.stdout


def test_the_manifest_is_that_of_cosign(world):
    """Byte for byte, but for times and digests."""
    world.cosign.ok("generate-key-pair")
    world.cosign.ok("sign", *OFFLINE, world.ref)
    world.ok("sign", world.ref, "--key", world.key("ci"))
    world.ok("pull", "--referrers", world.ref)
    manifests = []
    for digest, bundle in world.bundles():
        text = world.store.read(digest, limit=10_000).decode()
        value = json.loads(text)
        text = text.replace(value["annotations"]["org.opencontainers.image.created"], "TIME")
        layer = value["layers"][0]
        manifests.append(
            text.replace(layer["digest"], "DIGEST").replace(f'"size":{len(bundle)}', "SIZE")
        )
    assert len(manifests) == 2
    assert manifests[0] == manifests[1]


def test_npm_takes_what_remit_signed(world):
    world.ok("sign", NAME, "--key", world.key("ci"))
    ((_, bundle),) = world.bundles()
    assert sigstore([world.public("ci")], [bundle.decode()]) == ["ok"]
    assert sigstore(
        [world.public("ci")], [bundle.decode().replace('"payload":"e', '"payload":"f')]
    ) != ["ok"]


def test_wrong_key_wrong_role_and_wrong_repository(world):
    world.ok("sign", world.ref, "--key", world.key("ci"))
    world.key("other")
    assert world.verify(world.trust(ci="sign"))["verified"]
    assert world.reason(world.trust(serial=2, other="sign")) == "verify.unknown_key"
    assert world.reason(world.trust(serial=3, ci="scan")) == "verify.role"
    elsewhere = world.trust(serial=4, repositories=["hub.example/**"], ci="sign")
    assert world.reason(elsewhere) == "verify.scope"
    fingerprint = PublicKey.from_pem(world.public("ci")).fingerprint
    revoked = world.trust(
        serial=5, ci="sign", more=f'[[revoked]]\nkey = "{fingerprint}"\nreason = "lost"\n'
    )
    assert world.reason(revoked) == "verify.revoked_key"


def test_the_gate(world):
    world.ok("sign", world.ref, "--key", world.key("ci"))
    world.key("gate")
    trust = world.trust(ci="sign", gate="gate")
    policy = "sha256:" + "ab" * 32
    assert world.reason(trust, "--policy-digest", policy) == "verify.no_vsa"
    world.vsa(when="2020-01-01T00:00:00Z")
    assert world.reason(trust, "--policy-digest", policy) == "verify.vsa_stale"
    world.vsa()
    assert world.verify(trust, "--policy-digest", policy)["verified"]
    assert world.reason(trust, "--policy-digest", "sha256:" + "cd" * 32) == "verify.vsa_policy"
    # Offline the same, by the name under which it was pulled.
    world.ok("pull", "--referrers", f"{world.repository}:v1")
    offline = ("--offline", "--policy-digest", policy)
    assert world.verify(trust, *offline, ref=f"{world.repository}:v1")["verified"]
    only = world.trust(serial=2, repositories=[world.repository], ci="sign", gate="gate")
    assert world.verify(only, *offline, ref=f"{world.repository}:v1")["verified"]
    assert world.reason(only, *offline, ref=NAME) == "verify.scope"
    world.vsa("FAILED")
    assert world.reason(only, "--policy-digest", policy) == "verify.vsa_failed"
    # What makes one key per role necessary: cosign takes the gate's no for a signature.
    world.cosign.ok("verify", *CHECK, "gate.pub", world.ref)


def test_bundles_that_others_plant(world):
    """Whoever may push may store any bundle; none of these counts, and none hides the good one."""
    world.ok("sign", NAME, "--key", world.key("ci"))
    ((_, good),) = world.bundles()
    trust = world.trust(ci="sign")
    stranger = World(
        world.registry, world.home / "stranger", f"{world.repository.partition('/')[2]}/own"
    )
    stranger.ok("sign", NAME, "--key", stranger.key("evil"))
    ((_, theirs),) = stranger.bundles()
    legacy = json.loads(theirs) | {
        "cert": base64.b64encode(stranger.public("evil").encode()).decode(),
        "base64Signature": "YQ==",
    }
    moved = json.loads(good)
    payload = base64.b64decode(moved["dsseEnvelope"]["payload"])
    moved["dsseEnvelope"]["payload"] = base64.b64encode(
        payload.replace(b'"predicate":{}', b'"predicate":{"a":1}')
    ).decode()
    world.store.forget(NAME)
    world.subject = put_artifact(world.store, NAME, b"another artifact")
    world.ref = f"{world.repository}@{world.subject.digest}"
    for bundle, code in (
        (json.dumps(legacy).encode(), "verify.bundle_legacy"),
        (theirs, "verify.unknown_key"),
        (json.dumps(moved).encode(), "verify.signature"),
        (good, "verify.subject"),
    ):
        world.plant(bundle)
        assert world.reason(trust) == code
    world.ok("sign", world.ref, "--key", world.key("ci"))
    value = world.verify(trust)
    assert value["verified"]
    assert len(value["attestations"]) == 5


def test_a_registry_without_referrers(tmp_path):
    """The tag that stands in for the list: written by us, read by cosign, and the other way."""
    with docker_registry(tmp_path) as registry:
        world = World(registry, tmp_path / "w", "team/model")
        world.cosign.ok("generate-key-pair")
        world.ok("sign", world.ref, "--key", world.key("ci"))
        world.cosign.ok("verify", *CHECK, "ci.pub", world.ref)
        world.cosign.ok("sign", *OFFLINE, world.ref)
        assert world.verify(world.trust(cosign="sign"))["verified"]
        assert world.verify(world.trust(serial=2, ci="sign"))["verified"]


def test_the_store_of_this_machine_and_what_is_tampered_with_there(world):
    world.ok("sign", NAME, "--key", world.key("ci"))
    trust = world.trust(ci="sign")
    assert world.verify(trust, ref=NAME)["verified"]
    assert world.verify(
        trust,
        ref=f"oci:{world.store.root}:{NAME}".replace(":team/model:v1", f"@{world.subject.digest}"),
    )["verified"]
    ((manifest, bundle),) = world.bundles()
    blob = world.store.path(digest_of(bundle))
    blob.write_bytes(bundle[:-1] + b" ")
    assert world.reason(trust, ref=NAME) == "verify.unreadable"
    blob.unlink()
    assert world.reason(trust, ref=NAME) == "verify.unreadable"
    world.store.path(manifest).write_bytes(b"{}")
    assert world.reason(trust, ref=NAME) == "verify.no_signature"
    artifact = world.store.path(world.subject.digest)
    artifact.write_bytes(artifact.read_bytes().replace(b"octet", b"0ctet"))
    done = world.run("verify", NAME, "--trust", str(trust))
    assert done.returncode == 3, done.stderr
    assert "holds something else" in done.stderr


def test_trust_roots(world):
    world.ok("sign", world.ref, "--key", world.key("ci"))
    root = world.key("root")
    first, second = world.trust(ci="sign"), world.trust(serial=2, ci="sign")
    with_key = ("--trust-key", str(world.cosign.home / "root.pub"))
    done = world.run("verify", world.ref, "--trust", str(first), *with_key)
    assert done.returncode != 0
    world.ok("trust", "sign", str(first), "--key", root)
    world.ok("trust", "sign", str(second), "--key", root)
    assert "ci\tsign" in world.ok("trust", "check", str(first), *with_key)
    assert world.verify(second, *with_key)["verified"]
    # Replayed, tampered with, and signed by somebody else.
    done = world.run("verify", world.ref, "--trust", str(first), *with_key)
    assert (done.returncode, "serial 1" in done.stderr) == (3, True)
    second.write_text(second.read_text().replace('"**"', '"*"'))
    done = world.run("verify", world.ref, "--trust", str(second), *with_key)
    assert (done.returncode, "signed another file" in done.stderr) == (3, True)
    done = world.run("verify", world.ref, "--trust", str(second))
    assert (done.returncode, "did not rise" in done.stderr) == (3, True)
    third = world.trust(serial=3, ci="sign")
    world.ok("trust", "sign", str(third), "--key", world.key("evil"))
    assert world.run("trust", "check", str(third), *with_key).returncode == 3


def test_usage_and_what_is_not_there(world):
    trust = world.key("ci") and world.trust(ci="sign")
    assert world.run("verify", world.ref).returncode == 2
    assert world.run("verify", world.ref, "--trust", str(trust), "--no-signature").returncode == 2
    assert (
        world.run("verify", world.ref, "--trust", str(trust), "--policy-digest", "x").returncode
        == 2
    )
    assert world.run("verify", f"{world.repository}:nothing", "--trust", str(trust)).returncode == 1
    assert world.run("verify", "127.0.0.1:1/x:v1", "--trust", str(trust)).returncode == 5
    assert world.run("sign", "nothing:v1", "--key", world.key("ci")).returncode == 1
    bad = world.run(
        "attest", NAME, "--type", "vsa", "--predicate", "-", "--key", world.key("ci"), stdin='{"policy":{}}'
    )  # fmt: skip
    assert (bad.returncode, "verificationResult" in bad.stderr) == (2, True)
    assert world.bundles() == []
    shutil.rmtree(world.home / "keys")
    assert world.run("sign", NAME, "--key", str(world.home / "keys" / "ci.key")).returncode == 2
