"""Policy bundles as artifacts: built, signed, pulled by Guard; an older one is never loaded."""

import json
import shutil
from pathlib import Path

import pytest

from tests.rig.governed import remit
from tests.rig.vouched import NAME, TOOLS, Machine, echo_server, pinned

REF = "hub.example/policies/base:stable"
PASSPHRASE = "of tests"


class Office:
    """Where a policy is written and released, on one machine with the Guard that loads it."""

    def __init__(self, home: Path) -> None:
        self.machine = Machine(home)
        self.home = home
        (home / "passphrase").write_text(PASSPHRASE)
        self.env = {
            **self.machine.environ,
            "REMIT_PASSPHRASE_FILE": str(home / "passphrase"),
            "REMIT_STORE": str(home / "artifacts"),
        }
        self.key = str(home / "policy.key")
        self.run("key", "signing", "new", self.key)
        public = self.run("key", "signing", "export", self.key).stdout
        self.trusts = (
            f'[[keys]]\nname = "office"\nroles = ["policy", "sign"]\n'
            f'repositories = ["hub.example/policies/*"]\npublic = """\n{public}"""\n'
        )
        self.machine.trust(more=self.trusts)
        self.source = self.machine.bundle

    def run(self, *arguments: str, code: int = 0):
        done = remit(*arguments, env=self.env)
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr + done.stdout
        return done

    def serial(self, number: int, more: str = "") -> None:
        text = f'name = "tests"\nversion = "{number}"\nserial = {number}\n{more}'
        (self.source / "bundle.toml").write_text(text)

    def build(self, *options: str, code: int = 0, tag: str = REF):
        return self.run(
            "policy", "build", str(self.source), "-t", tag, "--key", self.key, *options, code=code
        )

    def configure(self) -> None:
        """A Guard whose policy and whose server are artifacts."""
        machine = self.machine
        subject = machine.vouch(machine.pack(echo_server(self.home / "server")))
        path = machine.configure(pinned(NAME, subject))
        path.write_text(path.read_text().replace('bundle = "bundle"', f'bundle = "oci://{REF}"'))

    def refusal(self) -> str:
        return str(self.machine.records("artifact.deny")[-1]["decision"]["error"])


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def test_a_bundle_that_was_built_is_in_force(office):
    said = json.loads(office.build("-o", "json").stdout)
    assert said["signed"]
    assert said["bundle"]["serial"] == 1
    office.configure()
    assert office.machine.call() == "hello"
    admitted = office.machine.records("artifact.admit")
    assert [each["artifact"]["kind"] for each in admitted] == ["policy", "mcp-server"]
    assert admitted[0]["bundle"]["digest"] == said["bundle"]["digest"]
    assert {each["type"] for each in admitted[0]["attestations"]} == {"policy-check", "signature"}


def test_a_newer_one_replaces_it_and_an_older_one_never(office):
    office.build("-o", "json")
    old = office.machine.layout.resolve(REF)
    office.configure()
    assert office.machine.call() == "hello"
    (office.source / "tool" / "tools.cedar").write_text(TOOLS.replace("tool.call", "tool.read"))
    assert "did not rise" in office.build(code=1).stderr
    office.serial(2)
    said = json.loads(office.build("-o", "json").stdout)
    assert sum(said["changes"].values()) > 0
    assert "No policy permits" in office.machine.call()
    office.machine.layout.name(REF, old)
    assert "No policy permits" in office.machine.call()
    assert office.refusal() == "policy.rollback"


def test_a_memory_that_somebody_changed_is_told(office):
    office.build()
    office.configure()
    assert office.machine.call() == "hello"
    memory = office.machine.state / "policy" / "in-force.json"
    kept = memory.read_bytes()
    memory.write_bytes(kept.replace(b'"serial":1', b'"serial":0'))
    assert "changed by somebody else" in failing(office)
    memory.unlink()
    assert "is gone" in failing(office)
    memory.write_bytes(kept)
    assert office.machine.call() == "hello"


def failing(office: Office) -> str:
    """What a Guard says that does not start."""
    done = remit("mcp", "exec", "--config", str(office.home / "remit.toml"), "echo", env=office.env)
    assert done.returncode == 2
    return done.stderr


def test_the_last_good_one_stays_in_force(office):
    office.build()
    office.configure()
    assert office.machine.call() == "hello"
    shutil.rmtree(office.home / "artifacts" / "blobs")
    (office.home / "artifacts" / "blobs" / "sha256").mkdir(parents=True)
    said = office.machine.call()
    assert "Denied by Remit: echo/echo." in said  # the server's artifact is gone with the store
    denied = office.machine.records("artifact.deny")
    assert {each["artifact"]["repository"] for each in denied} == {
        "hub.example/policies/base",
        "hub.example/team/echo",
    }


def test_a_last_good_one_that_was_changed_is_not_loaded(office):
    office.build()
    office.configure()
    assert office.machine.call() == "hello"
    (kept,) = (office.machine.state / "policy" / "bundles").iterdir()
    (kept / "tool" / "tools.cedar").write_text(TOOLS.replace("permit", "permit"))
    with (kept / "tool" / "more.cedar").open("w") as file:
        file.write(
            '@id("all") permit (principal, action, resource) when { context.now > datetime("2020-01-01") };'
        )
    # The store still has the bundle: it is unpacked again.
    assert office.machine.call() == "hello"
    with (kept / "tool" / "more.cedar").open("w") as file:
        file.write(
            '@id("all") permit (principal, action, resource) when { context.now > datetime("2020-01-01") };'
        )
    office.machine.layout.forget(REF)
    assert "was changed" in failing(office)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("expires = 2020-01-01T00:00:00Z\n", "expired"),
        ("nonsense = 1\n", "nonsense"),
    ],
)
def test_what_does_not_check_is_not_built(office, more, code):
    office.serial(1, more)
    assert code in office.build(code=1).stderr
    assert REF not in office.machine.layout.names()


def test_a_test_that_fails_keeps_it_from_being_built(office):
    (office.source / "tests").mkdir()
    (office.source / "tests" / "one.yaml").write_text(
        "tests:\n  - {name: wrong, agent: a, action: mcp.connect, server: echo, expect: deny}\n"
    )
    assert "1 of 1 tests fail" in office.build(code=1).stderr


@pytest.mark.parametrize("key", ["stranger", "sign"])
def test_keys_that_may_not(office, key):
    """One that nobody knows, and one that signs but must not speak of policies."""
    from remit.attest.predicates import policy_check, signature

    machine = office.machine
    office.build()
    subject = machine.layout.resolve(REF)
    (check,) = (each for each in statements(machine, subject.digest) if "validation" in each)
    index = machine.layout.root / "index.json"
    document = json.loads(index.read_bytes())
    document["manifests"] = [
        each for each in document["manifests"] if each["digest"] == subject.digest
    ]
    index.write_text(json.dumps(document))
    repository = "hub.example/policies/base"
    machine.attest(subject, signature.TYPE, {}, key, repository)
    machine.attest(subject, policy_check.TYPE, check, key, repository)
    office.configure()
    said = failing(office)
    assert "a key signed it that the trust root does not hold" in said or "may not sign" in said


def statements(machine: Machine, digest: str):
    import base64

    for each in machine.layout.entries():
        manifest, _ = machine.layout.manifest(each)
        if manifest.subject is not None and manifest.subject.digest == digest:
            layer = manifest.layers[0]
            bundle = json.loads(machine.layout.read(layer.digest, limit=layer.size))
            yield json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]


def test_pulled_into_a_directory(office, tmp_path):
    office.build()
    old = office.machine.layout.resolve(REF)
    target = tmp_path / "policy"
    options = ("--trust", str(tmp_path / "trust.toml"), "--offline")
    office.run("policy", "pull", REF, str(target), *options)
    assert office.run("policy", "check", str(target)).returncode == 0
    assert "is as it was" in office.run("policy", "pull", REF, str(target), *options).stdout
    office.serial(2)
    office.build()
    office.run("policy", "pull", REF, str(target), *options)
    assert "serial = 2" in (target / "bundle.toml").read_text()
    office.machine.layout.name(REF, old)
    said = office.run("policy", "pull", REF, str(target), *options, code=1).stderr
    assert "has the serial 1" in said
    assert "serial = 2" in (target / "bundle.toml").read_text()
    assert sorted(each.name for each in tmp_path.glob(".policy*")) == []
