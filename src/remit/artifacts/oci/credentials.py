"""Credentials of registries that are kept on this machine.

In this order, and the first that names a host decides:

1. Remit's own file, written by ``remit login``;
2. ``config.json`` of docker (``$DOCKER_CONFIG``, else ``~/.docker``), with its helpers;
3. ``auth.json`` of podman and skopeo (``$REGISTRY_AUTH_FILE``, ``$XDG_RUNTIME_DIR/containers``,
   ``~/.config/containers``), where an entry may name a part of a registry.

No secret is ever part of an error.
"""

import base64
import binascii
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.auth import Credentials
from remit.core.files import write_atomically
from remit.core.locks import exclusive
from remit.core.paths import user_state
from remit.core.strictjson import StrictJsonError, parse

MAX_FILE = 4 * 1024 * 1024
_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Helper = Callable[[str, str], Credentials | None]
"""Asks the credential helper of a name about a server."""


class CredentialsError(ArtifactError):
    """A file of credentials, or a helper, that cannot be used."""

    code = "registry.credentials"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Remit keeps for one registry."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Entry(user={self.user!r})"


class _File(msgspec.Struct, kw_only=True):
    version: int = 1
    registries: dict[str, Entry] = {}


class OwnFile:
    """Remit's own file of credentials: mode 0600, replaced as a whole.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "OwnFile":
        """The file of this user."""
        return cls(user_state(environ) / "registries.json")

    def find(self, host: str) -> Credentials | None:
        """What is kept for ``host``.

        Raises:
            CredentialsError: the file cannot be read, or others can read it too.
        """
        for name in _aliases(host):
            if (entry := self._read().registries.get(name)) is not None:
                return Credentials(user=entry.user, password=entry.password)
        return None

    def hosts(self) -> tuple[str, ...]:
        """The registries for which something is kept.

        Raises:
            CredentialsError: the file cannot be read, or others can read it too.
        """
        return tuple(sorted(self._read().registries))

    def keep(self, host: str, credentials: Credentials) -> None:
        """Keep credentials for ``host`` in place of others.

        Raises:
            CredentialsError: what is there cannot be read.
            OSError: it cannot be written; what was there still is.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(self._lock):
            known = self._read()
            known.registries[host] = Entry(credentials.user, credentials.password)
            self._write(known)

    def forget(self, host: str) -> bool:
        """Forget those of ``host``; whether there were any.

        Raises:
            CredentialsError: what is there cannot be read.
        """
        if not self.path.exists():
            return False
        with exclusive(self._lock):
            known = self._read()
            if known.registries.pop(host, None) is None:
                return False
            self._write(known)
            return True

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    def _write(self, known: _File) -> None:
        write_atomically(self.path, msgspec.json.encode(known), mode=0o600)

    def _read(self) -> _File:
        try:
            if self.path.stat().st_mode & _OTHERS:
                raise CredentialsError(
                    f"`{self.path}` can be read by others",
                    hint=f"after `chmod 600 {self.path}` it is used; change the passwords in it",
                )
            data = self.path.read_bytes()
        except FileNotFoundError:
            return _File()
        except OSError as error:
            raise CredentialsError(f"`{self.path}` cannot be read: {error.strerror}") from error
        try:
            return msgspec.json.decode(data, type=_File)
        except msgspec.MsgspecError as error:
            raise CredentialsError(
                f"`{self.path}` is no file of credentials", hint="remove it, then `remit login`"
            ) from error


def find_credentials(
    host: str, repository: str, environ: Mapping[str, str], helper: Helper
) -> Credentials | None:
    """The credentials for a repository; None for asking as nobody.

    Args:
        host: of the registry, as it stands in references.
        repository: for entries that name a part of a registry.
        environ: of the process.
        helper: asks a credential helper.

    Raises:
        CredentialsError: a file or a helper cannot be used.
    """
    own = OwnFile.of(environ).find(host)
    if own is not None:
        return own
    for path in _files(environ):
        document = _load(path)
        if document is None:
            continue
        found = in_config(document, host, repository, helper, path)
        if found is not None:
            return found
    return None


def in_config(
    document: dict[str, Any], host: str, repository: str, helper: Helper, path: Path
) -> Credentials | None:
    """What a configuration of docker or podman has for a repository.

    Raises:
        CredentialsError: its entry is malformed, or its helper fails.
    """
    helpers, auths = document.get("credHelpers"), document.get("auths")
    for name in _aliases(host):
        program = helpers.get(name) if isinstance(helpers, dict) else None
        if isinstance(program, str):
            return helper(program, _server(name))
    entries = {_bare(key): value for key, value in auths.items()} if isinstance(auths, dict) else {}
    for name in _aliases(host):
        for key in _parts(name, repository):
            entry = entries.get(key)
            if isinstance(entry, dict) and (found := _entry(entry, path)) is not None:
                return found
    store = document.get("credsStore")
    if isinstance(store, str) and store:
        for name in _aliases(host):
            if (found := helper(store, _server(name))) is not None:
                return found
    return None


def _entry(entry: dict[str, Any], path: Path) -> Credentials | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials(identity_token=token)
    user, password = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(password, str) and user and password:
        return Credentials(user=user, password=password)
    auth = entry.get("auth")
    if not isinstance(auth, str) or not auth:
        return None
    try:
        pair = base64.b64decode(auth, validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    user, colon, password = pair.partition(":")
    if not colon:
        raise CredentialsError(f"an `auth` in `{path}` cannot be read", hint="log in again there")
    return Credentials(user=user, password=password.rstrip("\0"))


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/nonexistent")
    docker = environ.get("DOCKER_CONFIG")
    yield (Path(docker) if docker else home / ".docker") / "config.json"
    if environ.get("REGISTRY_AUTH_FILE"):
        yield Path(environ["REGISTRY_AUTH_FILE"])
        return
    if environ.get("XDG_RUNTIME_DIR"):
        yield Path(environ["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
    config = environ.get("XDG_CONFIG_HOME")
    yield (Path(config) if config else home / ".config") / "containers" / "auth.json"


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(
            f"`{path}` cannot be read: {error.strerror}",
            hint="$DOCKER_CONFIG and $REGISTRY_AUTH_FILE name other places",
        ) from error
    try:
        document = parse(data or b"{}", fold_keys=False, max_bytes=MAX_FILE)
    except StrictJsonError:
        document = None
    if not isinstance(document, dict):
        raise CredentialsError(f"`{path}` is not a JSON object")
    return document


def _aliases(host: str) -> tuple[str, ...]:
    return (host, *(each for each in _HUB if each != host)) if host in _HUB else (host,)


def _server(host: str) -> str:
    return "https://index.docker.io/v1/" if host in _HUB else host


def _bare(key: str) -> str:
    """The host (and path) of a key, which docker wrote as a URL in older versions."""
    bare = key.partition("://")[2] or key
    for end in ("/v1", "/v2"):
        bare = bare.rstrip("/").removesuffix(end)
    return bare


def _parts(host: str, repository: str) -> Iterator[str]:
    """The repository, each namespace around it, the registry."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), -1, -1):
        yield "/".join([host, *parts[:count]])
