"""What the commands over registries share: options, and the wiring of both ends of a transfer."""

import contextlib
import functools
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.artifacts.layout import Layout
    from remit.artifacts.oci.auth import Credentials
    from remit.artifacts.oci.client import Repository
    from remit.artifacts.oci.http import Transport
    from remit.artifacts.oci.names import Reference
    from remit.artifacts.oci.session import Session
    from remit.artifacts.transfer.ports import Source, Target

F = TypeVar("F", bound=Callable[..., Any])
_REFUSED, _NOT_VERIFIED, _UNREACHABLE = 1, 3, 5
_LAYOUT = "oci:"
_UNTRUSTED = ("trust.", "verify.", "guard.memory")
"""Codes of what nobody vouches for, or of a memory that does not count."""

STORE = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="REMIT_STORE",
    help="The store of artifacts on this machine.  [default: in the user's state directory]",
)
OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)
REFERRERS = click.option(
    "--referrers",
    is_flag=True,
    help="With signatures, attestations and whatever else refers to it.",
)
PLATFORM = click.option(
    "--platform", default="", metavar="OS/ARCH", help="Only that manifest of an index."
)
PARALLEL = click.option(
    "--parallel",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="Blobs at a time.",
)


_CA_FILE = click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="REMIT_CA_FILE",
    help="Certificates (PEM) to trust in place of the system's; means HTTPS on this machine too.",
)


class Connection(NamedTuple):
    """How registries are reached.

    Attributes:
        ca_file: certificates to trust in place of the system's.
        plain_http: HTTP or HTTPS; None for HTTPS but on this machine.
        target_plain_http: the same for what is copied to.
    """

    ca_file: Path | None = None
    plain_http: bool | None = None
    target_plain_http: bool | None = None


def connected(command: F) -> F:
    """Add the options of a connection, and end with the exit status that an error stands for."""

    @functools.wraps(command)
    def ending(*args: Any, **options: Any) -> Any:
        return _ended(command, *args, **options)

    return with_connection(ending)  # type: ignore[return-value]


def with_connection(command: F) -> F:
    """Add the options of a connection."""
    option = click.option(
        "--plain-http/--tls",
        default=None,
        help="HTTP, without any protection, or HTTPS.  [default: HTTP on this machine only]",
    )

    @functools.wraps(command)
    def run(*args: Any, plain_http: bool | None, ca_file: Path | None, **options: Any) -> Any:
        plain = _plain(plain_http, ca_file)
        return command(*args, connection=Connection(ca_file, plain, plain), **options)

    return option(_CA_FILE(run))  # type: ignore[return-value]


def connected_twice(command: F) -> F:
    """The same for a command with a registry at each end."""
    source = click.option(
        "--from-plain-http/--from-tls",
        default=None,
        help="HTTP or HTTPS to the registry of SOURCE.  [default: HTTP on this machine only]",
    )
    target = click.option(
        "--to-plain-http/--to-tls", default=None, help="The same to the registry of TARGET."
    )

    @functools.wraps(command)
    def run(
        *args: Any,
        from_plain_http: bool | None,
        to_plain_http: bool | None,
        ca_file: Path | None,
        **options: Any,
    ) -> Any:
        come, go = _plain(from_plain_http, ca_file), _plain(to_plain_http, ca_file)
        return _ended(command, *args, connection=Connection(ca_file, come, go), **options)

    return source(target(_CA_FILE(run)))  # type: ignore[return-value]


def _plain(plain_http: bool | None, ca_file: Path | None) -> bool | None:
    return False if plain_http is None and ca_file is not None else plain_http


def _ended(command: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return command(*args, **options)
    except RemitError as error:
        click.echo(f"remit: {error.diagnostics()}", err=True)
        sys.exit(_status(error))
    except OSError as error:
        place = f"`{error.filename}`" if error.filename else "the store"
        click.echo(f"remit: {place} cannot be used: {error.strerror or error}", err=True)
        sys.exit(_REFUSED)


def _status(error: RemitError) -> int:
    from remit.artifacts.errors import DigestError, ManifestError
    from remit.artifacts.layout import LayoutError
    from remit.artifacts.oci.errors import RegistryError, UnreachableError

    if isinstance(error, UnreachableError):
        return _UNREACHABLE
    if isinstance(error, DigestError | ManifestError) or error.code.startswith(_UNTRUSTED):
        return _NOT_VERIFIED
    if error.code.startswith("policy."):
        return _REFUSED
    return _REFUSED if isinstance(error, RegistryError | LayoutError) else 2


def store(path: Path | None, *, create: bool = False) -> "Layout":
    """The store of this machine."""
    from remit.artifacts.layout import Layout
    from remit.core.paths import user_state

    return Layout.open(path or user_state(os.environ) / "artifacts", create=create)


def reference(text: str) -> "Reference":
    """A reference to something in a registry.

    Raises:
        BadReferenceError: malformed, or without a host.
    """
    from remit.artifacts.errors import BadReferenceError

    found = parse(text)
    if not found.host:
        raise BadReferenceError(
            f"`{text[:200]}` does not say which registry",
            hint=f"for example registry.example/{found.repository}",
        )
    return found


def parse(text: str) -> "Reference":
    """A reference that a user wrote: a malformed digest in it is bad usage, not a bad artifact.

    Raises:
        BadReferenceError: malformed.
    """
    from remit.artifacts.errors import BadReferenceError, DigestError
    from remit.artifacts.oci.names import Reference

    try:
        return Reference.parse(text)
    except DigestError as error:
        raise BadReferenceError(error.message, hint=error.hint) from error


def local_name(layout: "Layout", text: str) -> str:
    """By what name or digest something is in the store: as given, else with ``:latest``."""
    from remit.artifacts.oci.digests import is_digest

    names = layout.names()
    if text in names or is_digest(text):
        return text
    parsed = parse(text)
    if parsed.digest:
        return parsed.digest
    if not parsed.tag and f"{text}:latest" in names:
        return f"{text}:latest"
    return text


def stored_name(parsed: "Reference") -> str:
    """The name in the store of what was pulled."""
    return str(parsed) if parsed.tag or parsed.digest else f"{parsed}:latest"


def credentials(host: str, repository: str = "") -> "Credentials | None":
    """What this user has for a registry."""
    from remit.artifacts.oci.credentials import find_credentials
    from remit.artifacts.oci.transport.helpers import ask

    return find_credentials(host, repository, os.environ, ask)


class Ends:
    """Both ends of transfers, over one transport; :func:`ends` makes it."""

    def __init__(self, transport: "Transport", connection: Connection) -> None:
        self.transport = transport
        self._connection = connection
        self._sessions: dict[tuple[str, Any, bool | None], Session] = {}

    def session(self, host: str, known: "Credentials | None", *, target: bool = False) -> "Session":
        """The session with a registry, as the source of a copy or as its target."""
        from remit.artifacts.oci.auth import Auth
        from remit.artifacts.oci.session import Session
        from remit.artifacts.oci.urls import endpoint

        said = self._connection.target_plain_http if target else self._connection.plain_http
        if (host, known, said) not in self._sessions:
            origin, plain = endpoint(host, plain_http=said), bool(said)

            def warn(text: str) -> None:
                click.echo(f"warning of {host}: {text}", err=True)

            self._sessions[host, known, said] = Session(
                self.transport,
                origin,
                Auth(origin, known, plain_http=plain),
                plain_http=plain,
                warn=warn,
            )
        return self._sessions[host, known, said]

    def repository(self, parsed: "Reference", *, target: bool = False) -> "Repository":
        """The repository of a reference, to copy from or to."""
        from remit.artifacts.oci.client import Repository
        from remit.artifacts.oci.urls import repository_at

        name = repository_at(parsed.host, parsed.repository)
        known = credentials(parsed.host, name)
        return Repository(self.session(parsed.host, known, target=target), name)

    def source(self, text: str, path: Path | None) -> "tuple[Source, str, str]":
        """An end to copy from: it, the name of the artifact there, and its tag."""
        from remit.artifacts.layout import Layout
        from remit.artifacts.transfer.layouts import LayoutSource
        from remit.artifacts.transfer.registries import RegistrySource

        if text.startswith(_LAYOUT):
            directory, name = _layout(text)
            tag = "" if ":" in name else name
            return LayoutSource(Layout.open(directory)), name, tag
        parsed = parse(text)
        if parsed.host:
            return RegistrySource(self.repository(parsed), parsed.host), parsed.name, parsed.tag
        layout = store(path)
        return LayoutSource(layout), local_name(layout, text), parsed.tag

    def target(self, text: str, path: Path | None, tag: str = "") -> "tuple[Target, str, str]":
        """An end to copy to: it, the name for the artifact there, and how that is written.

        Args:
            text: what the user wrote.
            path: of the store of this machine.
            tag: of the source, for a target without one.
        """
        from remit.artifacts.errors import BadReferenceError
        from remit.artifacts.layout import Layout
        from remit.artifacts.transfer.layouts import LayoutTarget

        if text.startswith(_LAYOUT):
            directory, name = _layout(text)
            layout = Layout.open(directory, create=True)
            name = name or tag
            if ":" in name:
                raise BadReferenceError("a target has a tag, not a digest")
            written = f"{_LAYOUT}{directory}" + (f":{name}" if name else "")
            return LayoutTarget(layout, self._pause), name, written
        parsed = parse(text)
        if parsed.digest:
            raise BadReferenceError("a target has a tag, not a digest", hint="leave the digest out")
        if parsed.host:
            name = parsed.tag or tag or "latest"
            written = f"{parsed.host}/{parsed.repository}:{name}"
            return self.registry_target(parsed), name, written
        layout = store(path, create=True)
        name = str(parsed) if parsed.tag else f"{parsed}:{tag or 'latest'}"
        return LayoutTarget(layout, self._pause), name, name

    def named(self, text: str, path: Path | None) -> "tuple[Source, str, str]":
        """An end to read from, the name of the artifact there, and its ``HOST/REPOSITORY``.

        The last is empty for a layout: nothing says what its artifacts are called elsewhere.
        """
        from remit.artifacts.oci.digests import is_digest

        source, name, _ = self.source(text, path)
        if text.startswith(_LAYOUT) or is_digest(text):
            return source, name, ""
        parsed = parse(text)
        host = f"{parsed.host}/" if parsed.host else ""
        return source, name, f"{host}{parsed.repository}"

    def beside(self, text: str, path: Path | None) -> "tuple[Source, Target, str, str]":
        """The same, and where to store what refers to the artifact: where it is itself."""
        from remit.artifacts.transfer.layouts import LayoutSource, LayoutTarget

        source, name, repository = self.named(text, path)
        if isinstance(source, LayoutSource):
            return source, LayoutTarget(source.layout, self._pause), name, repository
        return source, self.registry_target(parse(text)), name, repository

    def registry_target(self, parsed: "Reference", layout: "Layout | None" = None) -> "Target":
        """A repository to copy to; uploads are remembered beside ``layout``."""
        from remit.artifacts.transfer.memory import Uploads
        from remit.artifacts.transfer.registries import RegistryTarget

        uploads = None
        if layout is not None:
            uploads = Uploads(layout.root, time.time)
            uploads.sweep()
        return RegistryTarget(self.repository(parsed, target=True), parsed.host, uploads)

    async def _pause(self, attempt: int) -> None:
        await self.transport.sleep(0.5 * 2 ** (attempt - 1))

    pause = _pause


def _layout(text: str) -> tuple[Path, str]:
    """Directory and name of ``oci:DIR[:TAG][@DIGEST]``."""
    from remit.artifacts.oci.digests import parse_digest
    from remit.artifacts.oci.names import is_tag

    rest, at, digest = text.removeprefix(_LAYOUT).partition("@")
    directory, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag or not is_tag(tag):
        directory, tag = rest, ""
    return Path(directory), str(parse_digest(digest)) if at else tag


@contextlib.asynccontextmanager
async def ends(connection: Connection) -> AsyncIterator[Ends]:
    """Open the network."""
    from remit.artifacts.oci.transport import AiohttpTransport

    async with AiohttpTransport(connection.ca_file) as transport:
        yield Ends(transport, connection)
