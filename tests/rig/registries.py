"""Registries as real processes on loopback ports, and what a larger Hub stands on.

Each is a context manager that leaves nothing running and nothing outside its directory:
`hub` (this project's), `docker_registry` (Debian's, which knows no referrers), `crane_registry`
(go-containerregistry's, which knows no accounts), `s3` (moto) and `postgresql` (Debian's).
"""

import contextlib
import dataclasses
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.governed import REMIT
from tests.rig.programs import RIG, clean_environment, need

DEADLINE_S = 60.0
USER = "admin"
PASSWORD = "a-password-of-tests"
PASSWORD_BCRYPT = "$2y$05$abcdefghijklmnopqrstuueA.5djcjiTIZGfiZPkCs0FT7mnizswe"


@dataclass(frozen=True)
class Registry:
    """Where a registry is, and who may do everything there.

    Attributes:
        host: ``127.0.0.1:PORT``, as references begin.
        user, password: of an account that may do everything; empty if nobody is asked.
        auth: ``basic``, ``bearer`` or empty.
        log: what the process wrote.
        state: its directory.
    """

    host: str
    log: Path
    state: Path
    user: str = ""
    password: str = ""
    auth: str = ""

    @property
    def url(self) -> str:
        """How HTTP clients call it."""
        return f"http://{self.host}"


def free_port() -> int:
    """A loopback port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a server answers at `url`, with whatever status."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, urllib.error.URLError):
        return False


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    url: str,
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block runs; it answers at `url` when the block begins."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=None if env is None else dict(env), start_new_session=True,
            user=user, group=user, extra_groups=None if user is None else [],
        )  # fmt: skip
    try:
        until = time.monotonic() + DEADLINE_S
        while not answers(url):
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < until, f"{command[0]} does not answer: {log.read_text()}"
            time.sleep(0.05)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server of ours, politely first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


@contextlib.contextmanager
def hub(
    directory: Path,
    *,
    auth: str = "bearer",
    options: Sequence[str] = (),
    port: int = 0,
    env: Mapping[str, str] | None = None,
    gate: bool = False,
) -> Iterator[Registry]:
    """`remit hub run` with its state in `directory`; `options` are those of the command.

    Without `gate` it is a registry alone, which gives out what was pushed.
    """
    port = port or free_port()
    state, log = directory / "hub", directory / "hub.log"
    command = [
        REMIT, "hub", "run", "--listen", f"127.0.0.1:{port}", "--state", str(state),
        "--auth", auth, "--gate" if gate else "--no-gate", *options,
    ]  # fmt: skip
    variables = {**clean_environment(directory / "home"), **(env or {})}
    with serving(command, f"http://127.0.0.1:{port}/healthz", log, env=variables):
        yield Registry(
            host=f"127.0.0.1:{port}",
            log=log,
            state=state,
            user=USER,
            password=(state / "admin-password").read_text().strip(),
            auth=auth,
        )


@contextlib.contextmanager
def large_hub(directory: Path, *, auth: str = "bearer", gate: bool = False) -> Iterator[Registry]:
    """A Hub over PostgreSQL and S3, both of which are started for it."""
    with postgresql() as database, s3(directory / "s3") as endpoint:
        options = ["--database", database, "--blobs", f"s3://artifacts?endpoint={endpoint}"]
        with hub(directory, auth=auth, options=options, env=S3_ENVIRONMENT, gate=gate) as registry:
            yield registry


def administer(registry: Registry, *arguments: str, send: str = "") -> str:
    """Run `remit hub …` for a Hub over SQLite and files: what it printed."""
    command = [REMIT, "hub", *arguments, "--state", str(registry.state)]
    done = subprocess.run(
        command, input=send, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def person(registry: Registry, name: str, role: str, pattern: str, *options: str) -> Registry:
    """Make an account with one role: the registry as this person sees it.

    `options` are those of the commands, for example ``--database``.
    """
    password = f"the password of {name}"
    administer(registry, "account", "add", name, *options, send=f"{password}\n")
    administer(registry, "grant", name, role, pattern, *options)
    return dataclasses.replace(registry, user=name, password=password)


@contextlib.contextmanager
def docker_registry(directory: Path, *, auth: str = "") -> Iterator[Registry]:
    """Debian's docker-registry, which asks for a password if `auth` is ``basic``."""
    found = shutil.which("docker-registry")
    program = found or need(RIG / "deb-docker-registry/usr/bin/docker-registry", "rig-registry")
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    asked = ""
    if auth == "basic":
        htpasswd = directory / "htpasswd"
        htpasswd.write_text(f"{USER}:{PASSWORD_BCRYPT}\n")
        asked = f"auth:\n  htpasswd:\n    realm: test\n    path: {htpasswd}\n"
    config = directory / "config.yml"
    config.write_text(
        "version: 0.1\nlog:\n  level: warn\n  accesslog:\n    disabled: true\n"
        "storage:\n  delete:\n    enabled: true\n"
        f"  filesystem:\n    rootdirectory: {directory / 'data'}\n"
        f"http:\n  addr: 127.0.0.1:{port}\n{asked}"
    )
    log = directory / "registry.log"
    with serving([str(program), "serve", str(config)], f"http://127.0.0.1:{port}/v2/", log):
        yield Registry(
            host=f"127.0.0.1:{port}",
            log=log,
            state=directory,
            user=USER if auth else "",
            password=PASSWORD if auth else "",
            auth=auth,
        )


@contextlib.contextmanager
def crane_registry(directory: Path) -> Iterator[Registry]:
    """The registry of go-containerregistry, over files; it asks nobody who they are."""
    port = free_port()
    data, log = directory / "data", directory / "registry.log"
    data.mkdir(parents=True)
    command = [str(go_tool("crane")), "registry", "serve", "--disk", str(data)]
    with serving([*command, "--address", f"127.0.0.1:{port}"], f"http://127.0.0.1:{port}/v2/", log):
        yield Registry(host=f"127.0.0.1:{port}", log=log, state=directory)


@contextlib.contextmanager
def s3(directory: Path, bucket: str = "artifacts") -> Iterator[str]:
    """An S3 server with one bucket: its endpoint. Any credentials will do."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    directory.mkdir(parents=True, exist_ok=True)
    program = str(need(RIG / "py-moto/bin/moto_server", "rig-registry"))
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    with serving(
        command, endpoint, directory / "s3.log", env=clean_environment(directory / "home")
    ):
        request = urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            yield endpoint


S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}
"""Credentials that the S3 server takes."""


@contextlib.contextmanager
def postgresql(options: Sequence[str] = ()) -> Iterator[str]:
    """A PostgreSQL of our own in a temporary directory: the address of its database ``remit``.

    As root it runs as the user ``postgres``, whom Debian's package makes: it refuses to be root.
    """
    root = os.geteuid() == 0
    user = "postgres" if root else None
    # Not pytest's directory: that one is root's alone, and a socket's name must be short.
    directory = Path(tempfile.mkdtemp(prefix="remit-pg-", dir="/tmp"))
    try:
        if root:
            entry = pwd.getpwnam("postgres")
            os.chown(directory, entry.pw_uid, entry.pw_gid)
        data, log, password = directory / "data", directory / "log", secrets.token_hex(16)
        secret = directory / "password"
        secret.write_text(password)
        secret.chmod(0o644)
        subprocess.run(
            [
                _postgresql_program("initdb"), "--pgdata", str(data), "--username", "remit",
                "--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8",
                "--no-locale", "--no-sync",
            ],
            check=True, capture_output=True, cwd=directory, user=user, group=user,
            extra_groups=None if user is None else [],
        )  # fmt: skip
        port = free_port()
        url = f"postgresql://remit:{password}@127.0.0.1:{port}/postgres"
        command = [
            _postgresql_program("postgres"), "-D", str(data), "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={directory}",
            *options,
        ]  # fmt: skip
        with _postgresql_running(command, log, user, port, directory):
            subprocess.run(
                ["psql", url, "--quiet", "-c", "CREATE DATABASE remit"],
                check=True,
                capture_output=True,
            )
            yield f"{url.removesuffix('/postgres')}/remit"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _postgresql_running(
    command: Sequence[str], log: Path, user: str | None, port: int, directory: Path
) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
            start_new_session=True, user=user, group=user,
            extra_groups=None if user is None else [],
        )  # fmt: skip
    try:
        until = time.monotonic() + DEADLINE_S
        ready = ["pg_isready", "--host", "127.0.0.1", "--port", str(port), "--quiet"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        # Fast shutdown: connections are closed, nothing waits for their clients.
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _postgresql_program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found:
        return str(found[-1])
    elsewhere = shutil.which(name)
    if elsewhere is None:
        raise FileNotFoundError(f"{name} is not installed: run `make rig-registry`")
    return elsewhere


def go_tool(name: str) -> Path:
    """A program of tests/rig/go-tools.txt."""
    return need(RIG / "go/bin" / name, "rig-registry")
