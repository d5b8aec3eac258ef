"""Wiring of a Hub in front of another registry; a part of the composition root."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.auth import Auth, Credentials
from remit.artifacts.oci.names import is_repository
from remit.artifacts.oci.session import Session
from remit.artifacts.oci.transport import AiohttpTransport
from remit.artifacts.oci.urls import Origin, endpoint, may_hold_secrets
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.ids import EntropyPool
from remit.hub.catalog.describe import Describer
from remit.hub.errors import HubError
from remit.hub.registry.front.noting import Noting
from remit.hub.registry.front.poll import Poller, Synced
from remit.hub.registry.front.upstream import Upstream
from remit.hub.registry.ports import Record
from remit.hub.store.database import Database
from remit.hub.store.front import SqlNotes

PASSWORD = "REMIT_UPSTREAM_PASSWORD"  # noqa: S105 - the name of a variable
CONNECT_S = 5.0
IDLE_S = 60.0
CONNECTIONS = 256
ATTEMPTS = 2
POLL_S = 300.0


class UpstreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which registry keeps the bytes, and how it is talked to.

    Attributes:
        url: ``http[s]://HOST[:PORT][/PREFIX]``; the prefix stands before names of repositories.
        user: the Hub's account there; empty for none.
        password: its password or token.
        plain_http: send them over plain HTTP to another machine.
        ca_file: certificates to trust in place of the system's.
        repositories: what to poll, as the Hub calls it; empty to ask the upstream.
        poll_s: seconds between two looks; 0 for none.
        whole: send each blob in one request.
    """

    url: str
    user: str = ""
    password: str = ""
    plain_http: bool = False
    ca_file: Path | None = None
    repositories: tuple[str, ...] = ()
    poll_s: float = POLL_S
    whole: bool = False

    def __repr__(self) -> str:
        return f"UpstreamOptions(url={self.url!r}, user={self.user!r})"

    __str__ = __repr__


def parse_upstream(url: str) -> tuple[Origin, str]:
    """Where an upstream is, and what stands before names of repositories there.

    Raises:
        HubError: the address is malformed or holds credentials.
    """
    try:
        parts = urlsplit(url)
        # What is neither is refused as an origin.
        scheme = parts.scheme if parts.scheme in {"http", "https"} and not parts.query else "none"
        Origin.of(f"{scheme}://{parts.netloc}")
        origin = endpoint(parts.netloc, plain_http=parts.scheme == "http")
    except (ArtifactError, ValueError) as error:
        raise HubError(
            "the address of the upstream is not one of a registry",
            code="hub.upstream",
            hint="https://HOST[:PORT][/PREFIX]; credentials go to --upstream-user and the"
            f" environment ({PASSWORD})",
        ) from error
    path = parts.path.strip("/").removeprefix("v2").strip("/")
    if path and not is_repository(path):
        raise HubError(
            f"`{path[:80]}` cannot begin the name of a repository",
            code="hub.upstream",
            hint="a prefix is like the name of a repository: `team` or `mirror/team`",
        )
    return origin, f"{path}/" if path else ""


@contextlib.asynccontextmanager
async def connected(options: UpstreamOptions) -> AsyncIterator[Upstream]:
    """A way to the upstream; nothing is asked of it yet.

    Raises:
        HubError: the address is malformed, or a password would pass in the clear.
    """
    origin, prefix = parse_upstream(options.url)
    if options.user and not may_hold_secrets(origin, plain_http=options.plain_http):
        raise HubError(
            f"the password would pass to `{origin}` in the clear",
            code="hub.clear",
            hint="give an address of https, or --upstream-plain-http where the network is trusted",
        )
    if options.user and not options.password:
        raise HubError(
            f"there is no password of `{options.user}` at the upstream",
            code="hub.upstream",
            hint=f"give it in {PASSWORD}, or a file of it with --upstream-password-file",
        )
    credentials = (
        Credentials(user=options.user, password=options.password) if options.user else None
    )
    auth = Auth(origin, credentials, plain_http=options.plain_http)
    async with AiohttpTransport(
        options.ca_file, CONNECTIONS, connect_s=CONNECT_S, idle_s=IDLE_S
    ) as transport:
        session = Session(transport, origin, auth, plain_http=options.plain_http, attempts=ATTEMPTS)
        found = Upstream(session, auth, prefix=prefix, credentials=credentials is not None)
        found.whole = found.whole or options.whole
        yield found


async def polling(poller: Poller, every_s: float, say: Callable[[str], None]) -> None:
    """Look every now and then, and say once that it fails, until it does not."""
    failing = ""
    while every_s:
        try:
            done = await poller.run()
            now = "; ".join(done.failed[:3])
        except (RemitError, OSError) as error:
            now = str(error)
        if now and now != failing:
            say(f"remit hub: the upstream was not looked through: {now}")
        failing = now
        await asyncio.sleep(every_s)


async def sync_once(
    options: UpstreamOptions, database: Database, clock: Clock, namespace: str, *, deep: bool
) -> Synced:
    """Look once, beside a Hub that may run, whose log gets the records.

    Args:
        options: where.
        database: with the catalogue.
        clock: times of rows.
        namespace: of MCP servers without a name of their own.
        deep: ask also for manifests without a tag.

    Raises:
        RemitError: the upstream or the database cannot be used.
    """

    async def later(id_: str, record: Record) -> None:
        del id_, record

    async with connected(options) as upstream:
        notes = SqlNotes(database, clock, "", EntropyPool(os.urandom))
        noting = Noting(notes, Describer(upstream.small, namespace), later)
        return await Poller(upstream, notes, noting, later, options.repositories).run(deep=deep)
