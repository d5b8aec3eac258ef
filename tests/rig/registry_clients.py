"""Real clients of registries, each in a home of its own, so that none sees another's credentials."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.programs import RIG, clean_environment, need
from tests.rig.registries import Registry, go_tool

DEADLINE_S = 300


@dataclass(frozen=True)
class Said:
    """What a program answered."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both outputs: programs do not agree on where reasons belong."""
        return f"{self.out}\n{self.err}"


class Client:
    """A program with a home.

    Args:
        name: of the program.
        command: how it is started.
        home: of the person who runs it; made.
        registry: the one that is meant by `ref`.
        extra: variables of its environment.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        home: Path,
        registry: Registry,
        extra: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.registry = registry
        self.home = home
        # Where no configuration may be looked for but below the home.
        self.env = clean_environment(
            home, XDG_RUNTIME_DIR=str(home), TMPDIR=str(home), **(extra or {})
        )

    def ref(self, repository: str, tag: str = "") -> str:
        """``HOST/REPOSITORY[:TAG]``; a digest begins with ``@``."""
        mark = "" if not tag or tag.startswith("@") else ":"
        return f"{self.registry.host}/{repository}{mark}{tag}"

    def run(
        self, *arguments: str, send: str = "", cwd: Path | None = None, timeout: float = DEADLINE_S
    ) -> Said:
        """Run the program; whatever comes of it."""
        done = subprocess.run(
            [*self.command, *arguments],
            input=send, capture_output=True, text=True, errors="replace",
            cwd=cwd or self.home, env=self.env, timeout=timeout, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, send: str = "", cwd: Path | None = None) -> str:
        """Run the program, which must succeed: what it printed."""
        said = self.run(*arguments, send=send, cwd=cwd)
        assert said.code == 0, f"{self.name} {' '.join(arguments)}: {said.code}\n{said.all}"
        return said.out

    def refused(self, *arguments: str, send: str = "", cwd: Path | None = None) -> str:
        """Run the program, which must fail and not crash: all that it printed."""
        said = self.run(*arguments, send=send, cwd=cwd)
        assert said.code != 0, f"{self.name} {' '.join(arguments)} succeeded\n{said.all}"
        for sign in ("panic:", "goroutine 1", "Traceback (most recent call last)"):
            assert sign not in said.all, said.all
        return said.all

    def login(self, user: str = "", password: str = "") -> None:
        """Log in as the registry's account, or as another; not at all where nobody is asked."""
        if self.registry.user:
            name, secret = user or self.registry.user, password or self.registry.password
            self.ok(*self.login_command(name), send=secret)

    def login_command(self, user: str) -> list[str]:
        """The arguments that log in with a password on standard input."""
        where = self.registry.host
        return {
            "kit": ["login", where, "-u", user, "--password-stdin", "--plain-http"],
            "oras": ["login", where, "-u", user, "--password-stdin", "--plain-http"],
            "helm": ["registry", "login", where, "-u", user, "--password-stdin", "--plain-http"],
            "skopeo": ["login", where, "-u", user, "--password-stdin", "--tls-verify=false"],
            "crane": ["auth", "login", where, "-u", user, "--password-stdin"],
            "cosign": ["login", where, "-u", user, "--password-stdin"],
        }[self.name]


def find_kit() -> Path | None:
    """The `kit` of this machine. No registry of packages has it, so people install it themselves."""
    found = shutil.which("kit")
    return Path(found) if found else None


def client(name: str, home: Path, registry: Registry) -> Client:
    """One of kit, oras, helm, crane, cosign, skopeo."""
    if name == "skopeo":
        program = Path(shutil.which("skopeo") or "")
        if program == Path():
            raise FileNotFoundError("skopeo is not installed: run `make rig-registry`")
        return Client(name, [str(program), "--insecure-policy"], home, registry)
    if name == "kit":
        kit = find_kit()
        assert kit is not None, "ask find_kit first"
        return Client(name, [str(kit), "--progress", "none"], home, registry)
    extra = {"COSIGN_PASSWORD": "a-password-of-keys"} if name == "cosign" else {}
    return Client(name, [str(go_tool(name))], home, registry, extra)


def oras_py() -> str:
    """The Python that has oras-py."""
    return str(need(RIG / "py-oras/bin/python", "rig-registry"))
