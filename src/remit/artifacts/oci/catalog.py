"""The catalogue of a Remit Hub (spec/hub-api.md), for clients: what it has, and what uses what."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from remit.artifacts.oci.auth import repository_scope
from remit.artifacts.oci.client import MAX_LIST_BYTES, ping
from remit.artifacts.oci.errors import NotFoundError, ProtocolError
from remit.artifacts.oci.http import read
from remit.artifacts.oci.names import Reference
from remit.artifacts.oci.session import Call, Session
from remit.core.errors import RemitError
from remit.core.strictjson import StrictJsonError, parse

PAGE = 200


class HubCatalog:
    """The catalogue behind a session with a Hub."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._greeted = False

    async def search(
        self, parameters: Sequence[tuple[str, str]], limit: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """Artifacts that match, at most ``limit``, and whether there are more.

        Raises:
            RegistryError: the Hub refuses, or is none.
        """
        found: list[dict[str, Any]] = []
        cursor = ""
        while len(found) < limit:
            more = [("cursor", cursor)] if cursor else []
            page = [*parameters, ("limit", str(min(PAGE, limit - len(found)))), *more]
            answer = await self._get(f"/api/v1/artifacts?{urlencode(page)}", "search", ())
            rows = answer.get("artifacts")
            if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
                raise ProtocolError("the answer to the search is no list of artifacts")
            found += rows
            following = answer.get("next", "")
            if not isinstance(following, str) or following == cursor:
                following = ""
            cursor = following
            if not cursor or not rows:
                return found, False
        return found[:limit], True

    async def uses(self, reference: Reference) -> dict[str, Any]:
        """What uses an artifact."""
        return await self._about(reference, "uses")

    async def dependencies(self, reference: Reference) -> dict[str, Any]:
        """What an artifact needs, and whether all of it was scanned."""
        return await self._about(reference, "dependencies")

    async def _about(self, reference: Reference, what: str) -> dict[str, Any]:
        target = f"/api/v1/repositories/{reference.repository}/artifacts/{reference.name}/{what}"
        scope = repository_scope(reference.repository, "pull")
        return await self._get(target, f"ask about `{reference}`", (scope,))

    async def _get(self, target: str, what: str, scopes: tuple[str, ...]) -> dict[str, Any]:
        return await self.ask(Call(method="GET", target=target, what=what, scopes=scopes))

    async def ask(self, call: Call) -> dict[str, Any]:
        """The JSON object that answers a call; an empty one if nothing is said.

        Raises:
            RegistryError: the Hub refuses, or is none.
        """
        if not self._greeted:
            # The catalogue answers those who do not log in, too, with what they may see: so the
            # credentials are given where they are always asked for.
            await ping(self._session)
            self._greeted = True
        what = call.what
        try:
            async with self._session.send(call) as answer:
                data = await read(answer, MAX_LIST_BYTES)
        except NotFoundError as error:
            hint = error.hint or "only a Remit Hub has a catalogue; see that this is one"
            raise NotFoundError(
                error.message, hint=hint, status=error.status, reasons=error.reasons
            ) from error
        if not data:
            return {}
        try:
            value = parse(data, fold_keys=False, max_bytes=MAX_LIST_BYTES)
        except StrictJsonError as error:
            raise ProtocolError(f"cannot {what}: {error.message}") from error
        if not isinstance(value, dict):
            raise ProtocolError(f"cannot {what}: the answer is no JSON object")
        return value


def only_host(hosts: Sequence[str]) -> str:
    """The one registry that somebody is logged in to.

    Raises:
        RemitError: there is none, or several.
    """
    if len(hosts) == 1:
        return hosts[0]
    said = f"you are logged in to {', '.join(hosts)}" if hosts else "you are logged in to none"
    raise RemitError(
        f"it is not clear which Hub is meant: {said}",
        code="hub.which",
        hint="say --hub HOST, or set REMIT_HUB",
    )
