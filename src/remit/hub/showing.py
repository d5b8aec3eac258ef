"""Wiring of the console, a part of the composition root. Starlette is imported when it is made."""

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from remit.artifacts.trust_files import load_trust
from remit.attest.trust import TrustRoot
from remit.audit.log import directory_of
from remit.core.clock import Clock
from remit.hub.admission.keys import ROLES, RoleKeys
from remit.hub.catalog.ports import Catalog
from remit.hub.console.curation import Curation
from remit.hub.console.door import BACK, Door, Keeper
from remit.hub.console.evidence import Evidence, Trust
from remit.hub.console.options import ConsoleOpenId, ConsoleOptions
from remit.hub.console.suppressing import Suppressing
from remit.hub.errors import HubError
from remit.hub.ledger import Ledger
from remit.hub.registry.ports import Small
from remit.hub.store.database import Database
from remit.hub.store.shown import SqlShown, Standings, rows_of
from remit.web.errors import WebError
from remit.web.fetch import exchange, fetch
from remit.web.openid import OpenId
from remit.web.urls import check_url

if TYPE_CHECKING:
    from remit.hub.console.app import Console, View


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the Hub is.

    Attributes:
        state: its directory.
        url: how browsers reach it; empty for what they say in ``Host``.
        listen: ``http://HOST:PORT`` of this very process.
        gated: whether it has a gate.
    """

    state: Path
    url: str
    listen: str
    gated: bool


def no_trust() -> TrustRoot | None:
    """The trust root of a Hub that signs nothing."""
    return None


def own_keys(keys: RoleKeys) -> Trust:
    """The trust root of what this Hub signs; its keys are made when there are none."""

    @functools.cache
    def root() -> TrustRoot:
        return TrustRoot.of_roles("this Hub", {role: keys.public(role) for role in ROLES})

    return root


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What of the Hub the console stands on.

    Attributes:
        database, catalog, small: what is known, and bytes.
        keeper: knows accounts.
        ledger, clock: records and time.
        curation: carries out what curators decide; ``None`` if nobody decides here.
        suppressing: keeps findings that somebody answers for; likewise.
        standings: what the gate says of artifacts.
        own: trust root of the Hub's own keys.
    """

    database: Database
    catalog: Catalog
    small: Small
    keeper: Keeper
    ledger: Ledger
    clock: Clock
    curation: Curation | None = None
    suppressing: Suppressing | None = None
    standings: Standings = rows_of
    own: Trust = no_trust


def console_of(
    stack: contextlib.AsyncExitStack, options: ConsoleOptions, place: Place, parts: Parts
) -> "Console":
    """The console of a Hub; what it keeps running ends with the stack.

    Raises:
        RemitError: an option that cannot be used.
    """
    from remit.hub.console.app import Console
    from remit.hub.console.difference import Differences
    from remit.hub.console.licences import Licences
    from remit.hub.console.views.account import account
    from remit.hub.console.views.artifact import ArtifactPages, Sources
    from remit.hub.console.views.artifacts import ArtifactList
    from remit.hub.console.views.quarantine import Quarantine
    from remit.hub.console.views.queue import Queue
    from remit.hub.console.views.suppressions import Suppressions

    catalog, small, clock, ledger = parts.catalog, parts.small, parts.clock, parts.ledger
    shown = SqlShown(parts.database, clock, parts.standings)
    differences = Differences(small)
    stack.push_async_callback(differences.close)
    artifacts = ArtifactPages(
        Sources(
            catalog=catalog,
            shown=shown,
            small=small,
            evidence=Evidence(catalog, small, _trust(options, place, parts.own, clock), clock),
            differences=differences,
            directory=directory_of(place.state, ledger.log.origin),
        ),
        ledger,
        gated=place.gated,
        decides=parts.curation is not None,
    )
    listed = ArtifactList(catalog, shown, Licences(catalog, small), gated=place.gated)
    quarantine = Quarantine(shown, artifacts, parts.curation, clock)
    door = Door(parts.keeper, ledger, clock, _openid(options.openid, place, clock))
    views: dict[tuple[str, str], View] = {
        ("GET", "/ui/artifacts"): listed,
        ("GET", "/ui/queue"): Queue(shown, clock, gated=place.gated),
        ("GET", "/ui/account"): account,
        **quarantine.views,
        **Suppressions(parts.suppressing, clock).views,
        **artifacts.views,
    }
    return Console(door, views, ledger, url=place.url)


def _openid(options: ConsoleOpenId | None, place: Place, clock: Clock) -> OpenId | None:
    if options is None:
        return None
    try:
        check_url(options.issuer, "the issuer", loopback=True)
    except WebError as error:
        raise HubError(error.message, hint=error.hint, code="hub.openid") from error
    back = f"{(place.url or place.listen).rstrip('/')}{BACK}"
    secret = functools.partial(_secret, options.secret_file)
    secret()
    return OpenId(options, secret, back, fetch, exchange, clock)


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise HubError(
            f"the secret of the provider cannot be read from `{file}`",
            code="hub.openid",
            hint="the file holds what the provider gave for the Hub, and nothing else",
        ) from error


def _trust(options: ConsoleOptions, place: Place, own: Trust, clock: Clock) -> Trust:
    """The trust root of a file, as it is when it is asked for; else the Hub's own keys."""
    file = options.trust
    if file is None:
        return own

    def read() -> TrustRoot:
        return load_trust(file, options.trust_key, clock.now_us(), place.state)

    read()
    return read
