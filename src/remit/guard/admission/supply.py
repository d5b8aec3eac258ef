"""Pulling by digest, with everything that refers to it: the network's part of admission.

What was received stays in the store, verified by its digest, and a pull that broke off goes on
where it was. Credentials are those of this user (``remit login``, docker).
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from remit.artifacts.oci.errors import UnreachableError
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.names import Reference
from remit.artifacts.oci.uploads import Outcome
from remit.guard.admission.settings import ArtifactsConfig

if TYPE_CHECKING:
    from remit.artifacts.oci.http import Transport
    from remit.artifacts.oci.session import Session

PULL_S = 600.0
ATTEST_S = 15.0


class RegistrySupply:
    """Registries as they are configured.

    Args:
        config: ``[artifacts]``.
        limit_s: longest time for a pull; the next one goes on where it ended.
    """

    def __init__(self, config: ArtifactsConfig, limit_s: float = PULL_S) -> None:
        self._config = config
        self._limit_s = limit_s

    async def pull(self, reference: Reference, store: Path) -> None:
        """See :class:`remit.guard.admission.admission.Supply`."""
        try:
            async with asyncio.timeout(self._limit_s):
                await self._pull(reference, store)
        except TimeoutError as error:
            raise UnreachableError(
                f"`{reference.host}` did not give the artifact within {self._limit_s:g} s"
            ) from error

    async def _pull(self, reference: Reference, store: Path) -> None:
        from remit.artifacts.layout import Layout
        from remit.artifacts.oci.client import Repository
        from remit.artifacts.oci.session import ATTEMPTS
        from remit.artifacts.oci.transport import AiohttpTransport
        from remit.artifacts.oci.urls import repository_at
        from remit.artifacts.transfer.copy import Transfer
        from remit.artifacts.transfer.layouts import LayoutTarget
        from remit.artifacts.transfer.partial import sweep
        from remit.artifacts.transfer.registries import RegistrySource

        layout = Layout.open(store, create=True)
        sweep(layout, time.time())
        host, name = reference.host, repository_at(reference.host, reference.repository)
        config = self._config
        async with (
            AiohttpTransport(config.ca_file) as transport,
            registry(config, transport, host, name, ATTEMPTS) as session,
        ):

            async def pause(attempt: int) -> None:
                await transport.sleep(0.5 * 2 ** (attempt - 1))

            transfer = Transfer(
                source=RegistrySource(Repository(session, name), host),
                target=LayoutTarget(layout, pause),
                each=transport.each,
                watcher=_Nobody(),
                referrers=True,
            )
            await transfer.run(reference.digest or reference.name, str(reference))


@contextlib.asynccontextmanager
async def registry(
    config: ArtifactsConfig, transport: "Transport", host: str, repository: str, attempts: int
) -> AsyncIterator["Session"]:
    """A session with a registry, as it is configured.

    Args:
        config: ``[artifacts]``.
        transport: the way to it, entered.
        host: of the registry, as it stands in references.
        repository: for credentials that are of a part of the registry.
        attempts: how often a request is sent that may succeed the next time.

    Raises:
        RemitError: the credentials cannot be had.
    """
    from remit.artifacts.oci.auth import Auth
    from remit.artifacts.oci.credentials import find_credentials
    from remit.artifacts.oci.session import Session
    from remit.artifacts.oci.transport.helpers import ask
    from remit.artifacts.oci.urls import endpoint

    said = config.plain_http
    plain = False if said is None and config.ca_file is not None else said
    origin = endpoint(host, plain_http=plain)
    known = await asyncio.to_thread(find_credentials, host, repository, os.environ, ask)
    auth = Auth(origin, known, plain_http=bool(plain))
    yield Session(
        transport,
        origin,
        auth,
        plain_http=bool(plain),
        warn=lambda _: None,
        attempts=attempts,
    )


class _Nobody:
    """Nobody watches."""

    def planned(self, blobs: object) -> None:
        """These blobs are looked at."""

    def moved(self, blob: Descriptor, there: int) -> None:
        """So many bytes of it are there."""

    def ended(self, blob: Descriptor, outcome: Outcome) -> None:
        """It is there."""
