"""`cosign`: signatures and attestations beside what they are about.

Nothing is written to a public transparency log and no root is fetched: keys are files, as with an
internal registry. Version 3 keeps Sigstore bundles as referrers; the older form, tags that are
made from the digest, is what many keep, so both are tried.
"""

import base64
import json
from pathlib import Path

import pytest

from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client

pytestmark = pytest.mark.slow
OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "--yes", "--key", "cosign.key")
OLD = "--new-bundle-format=false"
VERIFY = ("--key", "cosign.pub", "--insecure-ignore-tlog=true")
PREDICATE = "https://example.com/review/v1"


@pytest.fixture
def oras(registry: Registry, tmp_path: Path) -> Client:
    made = client("oras", tmp_path / "oras", registry)
    made.login()
    return made


@pytest.fixture
def cosign(registry: Registry, tmp_path: Path) -> Client:
    made = client("cosign", tmp_path / "cosign", registry)
    made.login()
    made.ok("generate-key-pair")
    return made


@pytest.fixture
def pinned(oras: Client, repository: str) -> str:
    """An artifact in the registry, by digest."""
    (oras.home / "model.bin").write_bytes(b"weights")
    tagged = oras.ref(repository, "v1")
    oras.ok("push", "--plain-http", tagged, "model.bin")
    return oras.ref(repository, f"@{oras.ok('resolve', '--plain-http', tagged).strip()}")


def verified(cosign: Client, reference: str, *more: str) -> list[str]:
    """The digests that signatures of this key are about."""
    said = cosign.ok("verify", *VERIFY, *more, reference)
    return [each["critical"]["image"]["docker-manifest-digest"] for each in json.loads(said)]


def test_sign_and_verify(cosign: Client, pinned: str, repository: str) -> None:
    digest = pinned.partition("@")[2]
    assert "no signatures found" in cosign.refused("verify", *VERIFY, pinned)
    cosign.ok("sign", *OFFLINE, pinned)
    assert verified(cosign, pinned) == [digest]
    # By tag it is the same artifact.
    assert verified(cosign, cosign.ref(repository, "v1")) == [digest]
    said = cosign.ok("download", "signature", pinned)
    bundle = json.loads(said.strip().splitlines()[-1])
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"


def test_a_key_that_did_not_sign(
    cosign: Client, pinned: str, registry: Registry, tmp_path: Path
) -> None:
    cosign.ok("sign", *OFFLINE, pinned)
    other = client("cosign", tmp_path / "other", registry)
    other.login()
    other.ok("generate-key-pair")
    other.refused("verify", *VERIFY, pinned)


def test_as_a_referrer(cosign: Client, oras: Client, pinned: str) -> None:
    cosign.ok("sign", *OFFLINE, pinned)
    said = json.loads(oras.ok("discover", "--plain-http", pinned, "--format", "json"))
    (found,) = said["referrers"]
    assert found["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"


def test_the_older_form(cosign: Client, oras: Client, pinned: str, repository: str) -> None:
    digest = pinned.partition("@")[2]
    where = cosign.ok("triangulate", pinned).strip()
    assert where == cosign.ref(repository, f"{digest.replace(':', '-')}.sig")
    cosign.ok("sign", *OFFLINE, OLD, pinned)
    assert verified(cosign, pinned, OLD) == [digest]
    assert where.rpartition(":")[2] in oras.ok("repo", "tags", "--plain-http", oras.ref(repository))
    # A second signature is added to the first one's manifest.
    cosign.ok("sign", *OFFLINE, OLD, "-a", "by=ada", pinned)
    assert verified(cosign, pinned, OLD, "-a", "by=ada") == [digest]


def test_attest(cosign: Client, pinned: str) -> None:
    (cosign.home / "review.json").write_text('{"reviewer": "ada"}')
    for form in ([], [OLD]):
        said = ("--predicate", "review.json", "--type", PREDICATE)
        cosign.ok("attest", *OFFLINE, *said, *form, pinned)
        out = cosign.ok("verify-attestation", *VERIFY, "--type", PREDICATE, *form, pinned)
        envelope = json.loads(out.splitlines()[0])
        statement = json.loads(base64.b64decode(envelope["payload"]))
        assert statement["predicateType"] == PREDICATE
    cosign.refused("verify-attestation", *VERIFY, "--type", "https://example.com/other", pinned)


def test_attach_and_tree(cosign: Client, pinned: str) -> None:
    assert "No Supply Chain Security Related Artifacts" in cosign.ok("tree", pinned)
    (cosign.home / "sbom.json").write_text('{"bomFormat": "CycloneDX"}')
    cosign.ok("attach", "sbom", "--type", "cyclonedx", "--sbom", "sbom.json", pinned)
    cosign.ok("sign", *OFFLINE, pinned)
    cosign.ok("sign", *OFFLINE, OLD, pinned)
    cosign.ok("attest", *OFFLINE, "--predicate", "sbom.json", "--type", "cyclonedx", pinned)
    tree = cosign.ok("tree", pinned)
    for part in (".sbom", ".sig", "sigstore.dev/cosign/sign/v1", "cyclonedx.org/bom"):
        assert part in tree, tree
    # What is taken away by hand is away for everybody.
    cosign.ok("clean", "--force", pinned)
    assert "No Supply Chain Security Related Artifacts" in cosign.ok("tree", pinned)


def test_attach_a_signature(cosign: Client, pinned: str) -> None:
    """Signed where there is no registry, attached where there is one."""
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": pinned.partition("@")[0]},
                "image": {"docker-manifest-digest": pinned.partition("@")[2]},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )
    (cosign.home / "payload.json").write_text(payload)
    cosign.ok("sign-blob", *OFFLINE, OLD, "--output-signature", "payload.sig", "payload.json")
    cosign.ok(
        "attach", "signature", "--payload", "payload.json", "--signature", "payload.sig", pinned
    )
    assert verified(cosign, pinned, OLD) == [pinned.partition("@")[2]]


def test_copy(cosign: Client, pinned: str, repository: str) -> None:
    cosign.ok("sign", *OFFLINE, OLD, pinned)
    copied = cosign.ref(f"{repository}/copy", "v1")
    cosign.ok("copy", pinned, copied)
    assert verified(cosign, copied, OLD) == [pinned.partition("@")[2]]
