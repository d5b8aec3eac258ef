"""A machine whose servers are artifacts: keys, a trust root, a store, and a Guard that verifies."""

import atexit
import datetime as dt
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.artifacts.attestations import bundle_manifest, make_bundle
from remit.artifacts.layout import Layout
from remit.artifacts.local import find
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.names import Reference
from remit.artifacts.pack import pack, plan
from remit.attest.predicates import signature, vsa
from remit.core.digest import Digest, sha256
from tests.rig.governed import PYTHON, REMIT, ROOT, records
from tests.rig.wire import LEGACY, Wire
from tests.unit.attest.signing import key as key_of

ECHO = ROOT / "tests" / "conformance" / "servers" / "echo.py"
GATE_POLICY = sha256(b"the policy of the gate")
REPOSITORY = "hub.example/team/echo"
NAME = f"{REPOSITORY}:1.0"
ADMIT = (
    '@id("admit") permit (principal, action == Remit::Action::"artifact.load", resource)\n'
    'when { context.input.kind == "mcp-server" && context.input.vsa.present };\n'
)
TOOLS = (
    '@id("protocol") permit (principal, action in [Remit::Action::"mcp.connect", '
    'Remit::Action::"mcp.list", Remit::Action::"tool.result"], resource);\n'
    '@id("tools") permit (principal, action in Remit::Action::"tool.call", resource);\n'
)


class Machine:
    """One user's machine; everything is below `home`."""

    def __init__(self, home: Path, admit: str = ADMIT) -> None:
        self.home = home
        self.state = home / "state"
        # A directory of its own in memory, so that tests beside each other do not meet.
        shared = Path("/dev/shm")
        name = f"remit-tests-{os.getpid()}-{time.monotonic_ns()}"
        self.memory = shared / name if shared.is_dir() else home / "memory"
        atexit.register(shutil.rmtree, self.memory, ignore_errors=True)
        self.layout = Layout.open(home / "artifacts", create=True)
        roles = ("sign", "gate", "scan", "stranger")
        self.keys = {role: key_of(number) for number, role in enumerate(roles, 21)}
        self.bundle = home / "bundle"
        for folder in ("tool", "artifact"):
            (self.bundle / folder).mkdir(parents=True, exist_ok=True)
        (self.bundle / "bundle.toml").write_text('name = "tests"\nversion = "1"\nserial = 1\n')
        (self.bundle / "tool" / "tools.cedar").write_text(TOOLS)
        (self.bundle / "artifact" / "admit.cedar").write_text(admit)
        self.trust()

    # -- what people and the Hub do ------------------------------------------------------------

    def trust(self, serial: int = 1, more: str = "", repositories: Sequence[str] = ("**",)) -> Path:
        """Write the trust root."""
        text = f'format = "remit.trust/v1"\nname = "tests"\nserial = {serial}\n'
        for role in ("sign", "gate", "scan"):
            text += (
                f'[[keys]]\nname = "{role}r"\nroles = ["{role}"]\n'
                f"repositories = {json.dumps(list(repositories))}\n"
                f'public = """\n{self.keys[role].public.pem}"""\n'
            )
        path = self.home / "trust.toml"
        path.write_text(text + more)
        return path

    def pack(self, directory: Path, name: str = NAME) -> Descriptor:
        """Pack a directory into the store."""
        pack(self.layout, plan(directory), name=name)
        return find(self.layout, Reference.parse(name))

    def attest(
        self, subject: Descriptor, kind: str, predicate: Mapping[str, Any], key: str,
        repository: str = REPOSITORY,
    ) -> Descriptor:  # fmt: skip
        """Sign a statement and put it beside its subject."""
        bundle = make_bundle(repository, subject.digest, kind, predicate, self.keys[key])
        fetched = bundle_manifest(subject, bundle, kind, "2026-01-01T00:00:00Z")
        for blob in (b"{}", bundle, fetched.data):
            self.layout.put(blob)
        self.layout.record(fetched.descriptor)
        return fetched.descriptor

    def sign(self, subject: Descriptor, key: str = "sign") -> Descriptor:
        """Sign an artifact."""
        return self.attest(subject, signature.TYPE, signature.predicate(), key)

    def summary(
        self, subject: Descriptor, *, result: Any = "PASSED", age_s: int = 60, key: str = "gate",
        policy: str = GATE_POLICY, repository: str = REPOSITORY,
    ) -> Descriptor:  # fmt: skip
        """What the gate says of an artifact."""
        now = dt.datetime.now(dt.UTC).timestamp() - age_s
        found = vsa.VerificationSummary(
            verifier="https://hub.example/gate",
            time_us=int(now * 1e6),
            resource=f"oci://{repository}",
            policy_uri="",
            policy_digest=policy,
            result=result,
        )
        return self.attest(subject, vsa.TYPE, found.predicate(), key)

    def vouch(self, subject: Descriptor) -> Descriptor:
        """Sign it and let the gate pass it."""
        self.sign(subject)
        self.summary(subject)
        return subject

    # -- Guard ---------------------------------------------------------------------------------

    def configure(
        self, artifact: str, *, server: str = "", more: str = "", trust: str = ""
    ) -> Path:
        """Write remit.toml for one server, `echo`."""
        path = self.home / "remit.toml"
        path.write_text(
            f'[guard]\nbundle = "bundle"\nstate = "state"\n'
            f'[trust]\nroot = "trust.toml"\ngate_policy = "{GATE_POLICY}"\n{trust}\n'
            f'[artifacts]\nstore = "artifacts"\noffline = true\n{more}\n'
            f"[servers.echo]\nartifact = {json.dumps(artifact)}\n{server}\n"
        )
        return path

    @property
    def environ(self) -> dict[str, str]:
        """Of Guard."""
        self.memory.mkdir(mode=0o700, exist_ok=True)
        return {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.memory),
            "REMIT_STATE": str(self.home / "me"),
        }

    def start(self, *options: str) -> Wire:
        """`remit mcp exec echo`."""
        config = str(self.home / "remit.toml")
        return Wire(
            [REMIT, "mcp", "exec", "--config", config, *options, "echo"],
            cwd=self.home,
            env=self.environ,
        )

    def call(self, message: str = "hello", options: Sequence[str] = ()) -> str:
        """Start the server, call its tool, and give the text of the answer."""
        with self.start(*options) as wire:
            wire.open(LEGACY)
            answer = wire.request("tools/call", {"name": "echo", "arguments": {"message": message}})
        return str(answer["result"]["content"][0]["text"])

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Records of a kind in Guard's log."""
        return [each for each in records(self.state) if each["kind"] == kind]

    def copies(self) -> list[Path]:
        """Copies of this machine's artifacts, in memory and on its disk, that are there now."""
        runs = [self.state / "run", *self.memory.glob("remit-run*/*")]
        return [each for run in runs if run.exists() for each in run.iterdir()]


def echo_server(directory: Path, *, mark: str = "") -> Path:
    """Write the contents of an MCP bundle with a server that says again what it is told."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "server").mkdir(exist_ok=True)
    shutil.copy(ECHO, directory / "server" / "main.py")
    if mark:
        text = (directory / "server" / "main.py").read_text()
        (directory / "server" / "main.py").write_text(text.replace('"Say it again"', f'"{mark}"'))
    manifest = {
        "manifest_version": "0.3",
        "name": "echo",
        "version": "1.0",
        "description": "Says it again",
        "author": {"name": "tests"},
        "server": {
            "type": "python",
            "entry_point": "server/main.py",
            "mcp_config": {"command": PYTHON, "args": ["-I", "-S", "${__dirname}/server/main.py"]},
        },
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


def pinned(reference: str, subject: Descriptor) -> str:
    """A reference with its digest."""
    return f"{reference}@{subject.digest}"


def blob(layout: Layout, digest: Digest) -> Path:
    """The file of a blob."""
    return layout.path(digest)
