"""`remit import` as its users run it: from git, from what the Hugging Face client leaves, from
another registry; each attestation is verified by programs that know nothing of Remit."""

import base64
import hashlib
import json
import os
import subprocess

import pytest

from remit.attest.ecdsa import FileSigner
from tests.rig.hub_users import User, ask
from tests.rig.programs import RIG
from tests.rig.registries import hub
from tests.rig.sigstore import sigstore

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
WEIGHTS = b"GGUF" + bytes(range(256)) * 40


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("import")
    with hub(root) as registry:
        user = User(root / "ann")
        user.login(registry)
        key = FileSigner.generate(root / "import.key", b"horse battery")
        (root / "passphrase").write_bytes(b"horse battery")
        (root / "passphrase").chmod(0o600)
        yield registry, user, root, key.public


def bring(world, source, target, *options, status=0):
    registry, user, root, _ = world
    return user.run(
        "import", source, f"{registry.host}/{target}", "--key", root / "import.key",
        "-o", "json", *options, status=status,
        REMIT_PASSPHRASE_FILE=str(root / "passphrase"),
    )  # fmt: skip


def attested(world, repository, done):
    """The statement of an import, after npm's verifier and the Hub found it in its place."""
    registry, _, _, key = world
    (found,) = ask(registry, f"/v2/{repository}/referrers/{done['digest']}").json["manifests"]
    assert found["digest"] == done["attestation"]
    assert found["artifactType"] == BUNDLE
    assert found["annotations"]["dev.sigstore.bundle.predicateType"] == (
        "https://slsa.dev/provenance/v1"
    )
    manifest = ask(registry, f"/v2/{repository}/manifests/{found['digest']}").json
    layer = manifest["layers"][0]["digest"]
    bundle = ask(registry, f"/v2/{repository}/blobs/{layer}").body.decode()
    assert sigstore([key.pem], [bundle]) == ["ok"]
    statement = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    assert statement["subject"][0]["digest"]["sha256"] == done["digest"].removeprefix("sha256:")
    return statement["predicate"]


def git(directory, *arguments):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=m"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=directory, env=env, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def checkout(directory):
    """A git repository whose weights are under Git LFS, checked out with their content."""
    directory.mkdir()
    git(directory, "init", "-q")
    (directory / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (directory / ".gitattributes").write_text("*.gguf filter=lfs\n")
    (directory / "model.gguf").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        f"oid sha256:{hashlib.sha256(WEIGHTS).hexdigest()}\nsize {len(WEIGHTS)}\n"
    )
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "weights")
    git(directory, "remote", "add", "origin", "https://ann:secret@huggingface.co/org/model?x=1")
    (directory / "model.gguf").write_bytes(WEIGHTS)
    return git(directory, "rev-parse", "HEAD")


def test_a_git_checkout_with_lfs_is_attested_with_its_commit(world):
    directory = world[2] / "checkout"
    commit = checkout(directory)
    done = json.loads(bring(world, directory, "models/git:v1").stdout)
    assert done["kind"] == "model"
    assert done["origin"] == {
        "form": "git",
        "uri": "https://huggingface.co/org/model",
        "commit": commit,
    }
    predicate = attested(world, "models/git", done)
    build = predicate["buildDefinition"]
    assert build["buildType"] == "https://remit.example/import/v1"
    source, *files = build["resolvedDependencies"]
    assert source["uri"] == "https://huggingface.co/org/model"
    assert source["digest"] == {"gitCommit": commit}
    assert {each["name"]: each["digest"]["sha256"] for each in files} == {
        "README.md": hashlib.sha256((directory / "README.md").read_bytes()).hexdigest(),
        "model.gguf": hashlib.sha256(WEIGHTS).hexdigest(),
    }
    run = predicate["runDetails"]["metadata"]
    assert run["startedOn"] <= run["finishedOn"]


def test_a_checkout_that_was_changed_is_refused_and_gets_no_name(world):
    registry, user, root, _ = world
    directory = root / "changed"
    checkout(directory)
    (directory / "model.gguf").write_bytes(WEIGHTS + b"x")
    done = bring(world, directory, "models/changed:v1", status=2)
    assert "`model.gguf` is not what the commit" in done.stderr
    (directory / "model.gguf").write_bytes(WEIGHTS)
    (directory / "extra.py").write_text("print()\n")
    done = bring(world, directory, "models/changed:v1", status=2)
    assert "`extra.py` is not in the commit" in done.stderr
    git(directory, "checkout", "-q", "--", "model.gguf")
    done = bring(world, directory, "models/changed:v1", status=2)
    assert "pointer of Git LFS" in done.stderr
    assert ask(registry, "/v2/models/changed/tags/list").status == 404
    assert user.json("list") is not None


def test_a_checkout_cannot_run_programs(world):
    directory = world[2] / "trap"
    checkout(directory)
    trap = world[2] / "sprung"
    script = world[2] / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "filter.lfs.smudge",
                 "filter.lfs.clean", "filter.lfs.process", "core.hooksPath"):  # fmt: skip
        git(directory, "config", name, str(script))
    bring(world, directory, "models/trap:v1")
    assert not trap.exists()


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def downloaded(directory, place=".cache/huggingface/download", commit="a" * 40):
    """What the Hugging Face client leaves with `--local-dir`."""
    files = {"README.md": b"# A model\n", "model.gguf": WEIGHTS}
    for name, data in files.items():
        directory.mkdir(exist_ok=True)
        (directory / name).write_bytes(data)
        tag = hashlib.sha256(data).hexdigest() if name.endswith("gguf") else blob_id(data)
        metadata = directory / place / f"{name}.metadata"
        metadata.parent.mkdir(parents=True, exist_ok=True)
        metadata.write_text(f"{commit}\n{tag}\n1712656091.123\n")


@pytest.mark.parametrize("place", [".cache/huggingface/download", ".huggingface/download"])
def test_what_the_hugging_face_client_downloaded(world, place):
    directory = world[2] / f"hf{len(place)}"
    downloaded(directory, place)
    uri = "https://huggingface.co/org/model"
    (directory / ".kitignore").write_text(".huggingface\n")
    (directory / ".cache").mkdir(exist_ok=True)
    done = json.loads(bring(world, directory, "models/hf:v1", "--origin", uri).stdout)
    assert done["origin"] == {"form": "huggingface", "uri": uri, "commit": "a" * 40}
    source = attested(world, "models/hf", done)["buildDefinition"]["resolvedDependencies"][0]
    assert source["digest"] == {"gitCommit": "a" * 40}


def test_a_download_with_a_missing_or_wrong_digest_is_refused(world):
    directory = world[2] / "partial"
    downloaded(directory)
    (directory / "more.bin").write_bytes(b"1")
    assert "`more.bin` has no digest" in bring(world, directory, "m/p:v1", status=2).stderr
    (directory / "more.bin").unlink()
    downloaded(directory, commit="b" * 40)
    metadata = directory / ".cache/huggingface/download/README.md.metadata"
    good = metadata.read_text()
    metadata.write_text(good.replace("b" * 40, "c" * 40))
    assert "of two commits" in bring(world, directory, "m/p:v1", status=2).stderr
    metadata.write_text("x")
    assert "is malformed" in bring(world, directory, "m/p:v1", status=2).stderr
    metadata.write_text(good)
    (directory / "README.md").write_text("changed")
    assert "is not what was downloaded" in bring(world, directory, "m/p:v1", status=2).stderr


def test_any_directory_into_the_store_of_this_machine(world):
    _, user, root, _ = world
    directory = root / "plain"
    directory.mkdir()
    (directory / "rows.jsonl").write_text('{"a": 1}\n')
    done = json.loads(
        user.run(
            "import", directory, "data/rows:v1", "--key", root / "import.key", "-o", "json",
            REMIT_PASSPHRASE_FILE=str(root / "passphrase"),
        ).stdout
    )  # fmt: skip
    assert done["origin"]["form"] == "directory"
    referrers = user.run("referrers", "data/rows:v1", "-o", "json").stdout
    assert done["attestation"] in referrers


def test_from_another_registry_and_cosign_agrees(world, tmp_path):
    registry, user, _, key = world
    directory = tmp_path / "skill"
    directory.mkdir()
    (directory / "model.gguf").write_bytes(WEIGHTS)
    with hub(tmp_path) as other:
        user.login(other)
        digest = user.publish(directory, f"{other.host}/far/model:v7")
        done = json.loads(bring(world, f"{other.host}/far/model:v7", "near/model:v7").stdout)
    assert done["digest"] == digest
    found = attested(world, "near/model", done)["buildDefinition"]
    assert found["externalParameters"]["source"] == f"oci://{other.host}/far/model:v7"
    assert len(found["resolvedDependencies"]) == 3
    cosign = RIG / "go" / "bin" / "cosign"
    if not cosign.exists():
        pytest.skip("cosign is not installed: run `make rig-registry`")
    (tmp_path / "key.pub").write_text(key.pem)
    config = tmp_path / "docker"
    config.mkdir()
    pair = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    (config / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": pair}}}))
    command = [
        str(cosign), "verify-attestation", "--key", str(tmp_path / "key.pub"),
        "--insecure-ignore-tlog=true", "--type", "https://slsa.dev/provenance/v1",
        "--allow-http-registry", f"{registry.host}/near/model@{digest}",
    ]  # fmt: skip
    env = {**os.environ, "DOCKER_CONFIG": str(config), "HOME": str(tmp_path)}
    verified = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert verified.returncode == 0, verified.stderr


def test_without_a_key_that_opens_nothing_is_brought(world):
    registry, user, root, _ = world
    directory = root / "plain2"
    directory.mkdir()
    (directory / "a.txt").write_text("a")
    target = f"{registry.host}/no/key:v1"
    assert "--key" in user.run("import", directory, target, status=2).stderr
    done = user.run(
        "import", directory, target, "--key", root / "import.key", status=None,
        REMIT_PASSPHRASE_FILE=str(root / "plain2" / "a.txt"),
    )  # fmt: skip
    assert done.returncode not in {0, 1}
    assert ask(registry, "/v2/no/key/tags/list").status == 404
