"""What must not run, each refused with a reason of its own; nothing of it is ever executed."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import digest_of
from tests.rig.vouched import ADMIT, NAME, Machine, echo_server, pinned

OTHER_POLICY = "sha256:" + "ab" * 32


class Attack:
    """A machine with a vouched-for server, and what somebody does to it."""

    def __init__(self, home: Path, admit: str = ADMIT) -> None:
        self.machine = Machine(home, admit)
        self.subject = self.machine.pack(echo_server(home / "server"))
        self.ran = home / "ran"

    def vouched(self) -> "Attack":
        self.machine.vouch(self.subject)
        self.machine.configure(pinned(NAME, self.subject))
        return self

    def file(self, digest: str) -> Path:
        return self.machine.layout.path(digest)

    def layer(self) -> Path:
        manifest, _ = self.machine.layout.manifest(self.subject)
        return self.file(manifest.layers[0].digest)

    def bundle_of(self, referrer) -> Path:
        manifest, _ = self.machine.layout.manifest(referrer)
        return self.file(manifest.layers[0].digest)

    def code(self) -> str:
        """The code of the denial; the server was not started and no copy is left."""
        said = self.machine.call()
        assert said.startswith("Denied by Remit: echo/echo."), said
        assert not self.machine.copies()
        record = self.machine.records("artifact.deny")[-1]
        assert not self.machine.records("artifact.admit")
        assert record["decision"]["detail"][:60].lower() in said.lower()
        return str(record["decision"]["error"])


@pytest.fixture
def attack(tmp_path):
    return Attack(tmp_path).vouched()


def flip(path: Path, at: int = -2000) -> None:
    """Change one byte of a file in place."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_a_changed_layer(attack):
    data = attack.layer().read_bytes()
    attack.layer().write_bytes(data.replace(b"Say it again", b"Say it agaln"))
    assert attack.code() == "artifact.digest"


def test_a_layer_that_is_cut_off(attack):
    attack.layer().write_bytes(attack.layer().read_bytes()[:-512])
    assert attack.code() == "artifact.digest"


def test_a_changed_manifest(attack):
    flip(attack.file(attack.subject.digest), 10)
    assert attack.code() == "artifact.digest"


def test_a_missing_layer_offline(attack):
    attack.layer().unlink()
    assert attack.code() == "artifact.store"


def test_a_changed_attestation(tmp_path):
    attack = Attack(tmp_path)
    signed = attack.machine.sign(attack.subject)
    attack.machine.summary(attack.subject)
    attack.machine.configure(pinned(NAME, attack.subject))
    flip(attack.bundle_of(signed), 100)
    assert attack.code() == "verify.unreadable"


def test_a_changed_signature(tmp_path):
    attack = Attack(tmp_path)
    machine = attack.machine
    machine.sign(attack.subject)
    summary = machine.summary(attack.subject)
    document = json.loads(attack.bundle_of(summary).read_bytes())
    signature = document["dsseEnvelope"]["signatures"][0]
    signature["sig"] = (
        signature["sig"][:20]
        + ("A" if signature["sig"][20] != "A" else "B")
        + signature["sig"][21:]
    )
    forget(machine.layout, summary)
    plant(attack, json.dumps(document).encode())
    machine.configure(pinned(NAME, attack.subject))
    assert attack.code() == "verify.signature"


def test_a_signature_of_a_stranger(tmp_path):
    attack = Attack(tmp_path)
    attack.machine.sign(attack.subject, key="stranger")
    attack.machine.summary(attack.subject)
    attack.machine.configure(pinned(NAME, attack.subject))
    assert attack.code() == "verify.unknown_key"


def test_a_signature_of_another_artifact(tmp_path):
    attack = Attack(tmp_path)
    machine = attack.machine
    other = machine.vouch(machine.pack(echo_server(tmp_path / "other", mark="other"), "team/x:1"))
    for referrer in machine.layout.entries():
        manifest, _ = machine.layout.manifest(referrer)
        if manifest.subject is not None and manifest.subject.digest == other.digest:
            layer = manifest.layers[0]
            plant(attack, machine.layout.read(layer.digest, limit=layer.size))
    machine.configure(pinned(NAME, attack.subject))
    assert attack.code() == "verify.subject"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"age_s": 31 * 86400}, "verify.vsa_stale"),
        ({"result": "FAILED"}, "verify.vsa_failed"),
        ({"policy": OTHER_POLICY}, "verify.vsa_policy"),
        ({"key": "sign"}, "verify.role"),
        ({"key": "stranger"}, "verify.unknown_key"),
        ({"age_s": -3600}, "verify.future"),
        (None, "verify.no_vsa"),
    ],
)
def test_words_of_the_gate_that_do_not_count(tmp_path, how, code):
    attack = Attack(tmp_path)
    attack.machine.sign(attack.subject)
    if how is not None:
        attack.machine.summary(attack.subject, **how)
    attack.machine.configure(pinned(NAME, attack.subject))
    assert attack.code() == code


def test_an_artifact_that_was_withdrawn(attack):
    attack.machine.summary(attack.subject, result="FAILED", age_s=0)
    assert attack.code() == "verify.vsa_failed"


def test_a_trust_root_that_goes_back(attack):
    attack.machine.trust(serial=2)
    assert attack.machine.call() == "hello"
    attack.machine.trust(serial=1)
    assert "has the serial 1" in attack.machine.call()
    assert attack.machine.records("artifact.deny")[-1]["decision"]["error"] == "trust.rollback"


def test_a_trust_root_that_changed_without_its_serial(attack):
    assert attack.machine.call() == "hello"
    attack.machine.trust(repositories=("hub.example/**",))
    attack.machine.call()
    assert attack.machine.records("artifact.deny")[-1]["decision"]["error"] == "trust.serial"


def test_a_trust_root_that_another_key_signed(attack, tmp_path):
    machine = attack.machine
    from remit.attest.trust_signature import sign_trust

    def signed(by: str) -> None:
        bundle = sign_trust((tmp_path / "trust.toml").read_bytes(), machine.keys[by])
        (tmp_path / "trust.toml.sigstore.json").write_bytes(bundle)

    (tmp_path / "owner.pub").write_text(machine.keys["scan"].public.pem)
    machine.configure(pinned(NAME, attack.subject), trust='key = "owner.pub"')
    signed("stranger")
    assert attack.code() == "trust.signature"
    signed("scan")
    assert machine.call() == "hello"
    with (tmp_path / "trust.toml").open("a") as file:
        file.write("\n# changed\n")
    assert "not signed" in machine.call()


def test_a_revoked_key(attack):
    key = attack.machine.keys["sign"].public.fingerprint
    attack.machine.trust(serial=2, more=f'[[revoked]]\nkey = "{key}"\nreason = "lost"\n')
    assert attack.code() == "verify.revoked_key"


def test_a_key_that_may_not_speak_for_the_repository(attack):
    attack.machine.trust(serial=2, repositories=("hub.example/others/*",))
    assert attack.code() == "verify.scope"


def test_no_trust_root(attack, tmp_path):
    (tmp_path / "trust.toml").unlink()
    assert attack.code() == "cli.file"


def test_a_memory_of_serials_that_somebody_changed(attack):
    assert attack.machine.call() == "hello"
    (attack.machine.state / "trust" / "trust-roots.json").write_text("{")
    attack.machine.call()
    assert attack.machine.records("artifact.deny")[-1]["decision"]["error"] == "trust.memory"


@pytest.mark.parametrize(
    ("admit", "said"),
    [
        ("", "no policy permits"),
        (
            ADMIT + '@id("old") @reason("Too old") forbid (principal, action == '
            'Remit::Action::"artifact.load", resource) when { context.input.vsa.age_s > 10 };',
            "Too old",
        ),
        (
            ADMIT + '@id("unscanned") @reason("Not scanned") forbid (principal, action == '
            'Remit::Action::"artifact.load", resource) unless '
            "{ context.input.scan.present && context.input.scan.critical < 1 };",
            "Not scanned",
        ),
        (
            ADMIT.replace("resource)", 'resource in Remit::Repository::"hub.example/others")'),
            "no policy permits",
        ),
    ],
)
def test_what_policy_does_not_permit(tmp_path, admit, said):
    attack = Attack(tmp_path, admit).vouched()
    assert attack.code() == "artifact.policy"
    assert said in attack.machine.records("artifact.deny")[-1]["decision"]["detail"]


def test_a_command_that_fetches_code(tmp_path):
    server = echo_server(tmp_path / "server")
    manifest = json.loads((server / "manifest.json").read_text())
    manifest["server"]["mcp_config"] = {"command": "npx", "args": ["-y", "some-server"]}
    (server / "manifest.json").write_text(json.dumps(manifest))
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(server))
    machine.configure(pinned(NAME, subject))
    assert "no digest covers it" in machine.call()
    assert machine.records("artifact.deny")[-1]["decision"]["error"] == "artifact.fetches"


def test_a_state_directory_that_others_can_write(attack, tmp_path):
    tmp_path.chmod(0o777)
    try:
        environ = {**attack.machine.environ, "XDG_RUNTIME_DIR": ""}
        code = started_from_disk(attack, environ)
    finally:
        tmp_path.chmod(0o700)
    assert code == "artifact.place"


def started_from_disk(attack: Attack, environ) -> str:
    """Deny or admit with copies on the disk, as on a machine without memory for them."""
    machine = attack.machine
    script = (
        "import sys; from remit.guard.admission import copies; copies.memory_of = lambda _: [];"
        "from remit.cli.main import main; main()"
    )
    command = [sys.executable, "-c", script, "mcp", "exec"]
    command += ["--config", str(machine.home / "remit.toml"), "echo"]
    subprocess.run(
        command, input=b"", env=environ, cwd=machine.home, timeout=60, check=False,
        capture_output=True,
    )  # fmt: skip
    return str(machine.records("artifact.deny")[-1]["decision"]["error"])


SWAPPER = """
import os, sys, time
layer, evil, good = sys.argv[1:4]
bad, right = open(evil, "rb").read(), open(good, "rb").read()
print("ready", flush=True)
number = 0
while True:
    number += 1
    data = bad if number % 2 else right
    if number % 3:
        with open(layer + ".new", "wb") as file:
            file.write(data)
        os.replace(layer + ".new", layer)
    else:
        with open(layer, "r+b") as file:
            file.write(data)
    time.sleep(0.0005 * (number % 7))
"""


def test_a_file_that_is_swapped_all_the_time_never_runs(attack, tmp_path):
    """A process changes the layer by renaming and in place while the server is started."""
    layer = attack.layer()
    good = layer.read_bytes()
    line = b'"""The quickest MCP server'
    assert line in good
    evil = good.replace(line, b'open("' + str(attack.ran).encode() + b'","w")\n"""', 1)
    # The same length, and a layer that unpacks: only its bytes are others.
    start = evil.index(b'"""', evil.index(b'open("'))
    extra = len(evil) - len(good)
    evil = evil[: start + 3] + evil[start + 3 + extra :]
    assert len(evil) == len(good)
    (tmp_path / "evil").write_bytes(evil)
    (tmp_path / "good").write_bytes(good)
    proven(attack, evil, good)
    command = [
        sys.executable,
        "-c",
        SWAPPER,
        str(layer),
        str(tmp_path / "evil"),
        str(tmp_path / "good"),
    ]
    swapper = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        until = time.monotonic() + 12
        starts = 0
        while starts < 25 and time.monotonic() < until:
            said = attack.machine.call()
            assert said == "hello" or said.startswith("Denied by Remit"), said
            assert not attack.ran.exists()
            starts += 1
    finally:
        swapper.kill()
        swapper.communicate()
    denied = len(attack.machine.records("artifact.deny"))
    admitted = len(attack.machine.records("artifact.admit"))
    assert denied + admitted == starts
    assert denied
    assert not attack.machine.copies()


def proven(attack: Attack, evil: bytes, good: bytes) -> None:
    """The changed layer would run, were it not for its digest."""
    layout = Layout.open(attack.machine.home / "control", create=True)
    manifest = json.loads(attack.file(attack.subject.digest).read_bytes())
    config = attack.file(manifest["config"]["digest"]).read_bytes()
    text = json.dumps(manifest).replace(digest_of(good), digest_of(evil))
    config = config.replace(digest_of(good).encode(), digest_of(evil).encode())
    text = text.replace(manifest["config"]["digest"], digest_of(config))
    from remit.artifacts.oci.manifest import MANIFEST, Descriptor
    from remit.artifacts.unpack import unpack

    for blob in (config, evil, text.encode()):
        layout.put(blob)
    found = Descriptor(
        media_type=MANIFEST, digest=digest_of(text.encode()), size=len(text.encode())
    )
    unpack(layout, found, attack.machine.home / "unpacked")
    main = attack.machine.home / "unpacked" / "server" / "main.py"
    subprocess.run([sys.executable, str(main)], input=b"", timeout=30, check=False)
    assert attack.ran.exists()
    attack.ran.unlink()


def forget(layout: Layout, referrer) -> None:
    """Take a referrer out of the index."""
    index = json.loads((layout.root / "index.json").read_bytes())
    index["manifests"] = [e for e in index["manifests"] if e["digest"] != referrer.digest]
    (layout.root / "index.json").write_text(json.dumps(index))


def plant(attack: Attack, bundle: bytes) -> None:
    """Put any bundle beside the artifact."""
    from remit.artifacts.attestations import bundle_manifest

    fetched = bundle_manifest(attack.subject, bundle, "x", "2026-01-01T00:00:00Z")
    for blob in (b"{}", bundle, fetched.data):
        attack.machine.layout.put(blob)
    attack.machine.layout.record(fetched.descriptor)
