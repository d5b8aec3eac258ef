"""The gate of a Remit Hub (spec/hub-api.md, "The gate"), for clients: curators, and Guards."""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from remit.artifacts.oci.auth import repository_scope
from remit.artifacts.oci.catalog import HubCatalog
from remit.artifacts.oci.client import MAX_LIST_BYTES, ping
from remit.artifacts.oci.errors import ProtocolError
from remit.artifacts.oci.http import read
from remit.artifacts.oci.names import Reference
from remit.artifacts.oci.session import Call, Session
from remit.core.strictjson import StrictJsonError, parse

EVERYTHING = "registry:catalog:*"
_JSON = (("Content-Type", "application/json"),)
_NOT_MODIFIED = 304
MAX_TAG = 200
_NEXT = re.compile(r"[0-9]{1,17}", re.ASCII)


class Withdrawals(msgspec.Struct, frozen=True, kw_only=True):
    """What a Hub says may not be used any more.

    Attributes:
        found: each with ``repository``, ``digest``, ``state``, ``reason`` and more; none if nothing
            changed.
        following: what to ask ``since`` the next time.
        tag: of the answer, for the next time.
        more: whether the Hub has more to say already.
    """

    found: tuple[dict[str, Any], ...]
    following: str
    tag: str
    more: bool = False


class HubReview:
    """What the gate decided, and what curators say, behind a session with a Hub."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._catalog = HubCatalog(session)

    async def admission(self, reference: Reference) -> dict[str, Any]:
        """What is decided of an artifact, and on what."""
        return await self._about(reference, "admission", "pull")

    async def request(self, reference: Reference, until_us: int) -> dict[str, Any]:
        """What there is to decide about it, for a curator."""
        return await self._about(reference, f"decision?until_us={until_us}", "push")

    async def decide(self, reference: Reference, given: dict[str, Any]) -> dict[str, Any]:
        """Give a curator's word."""
        return await self._catalog.ask(
            Call(
                method="POST",
                target=_target(reference, "decision"),
                what=f"decide on `{reference}`",
                ok=frozenset({201}),
                scopes=(repository_scope(reference.repository, "pull", "push"),),
                headers=_JSON,
                body=msgspec.json.encode(given),
                repeat=False,
            )
        )

    async def suppressions(self, after: str = "") -> dict[str, Any]:
        """Findings that somebody answers for, with who asks and of which Hub."""
        more = f"?after={quote(after)}" if after else ""
        return await self._catalog.ask(
            Call(
                method="GET",
                target=f"/api/v1/suppressions{more}",
                what="list suppressions",
                scopes=(EVERYTHING,),
            )
        )

    async def suppress(self, given: dict[str, Any]) -> dict[str, Any]:
        """Answer for a finding."""
        return await self._catalog.ask(
            Call(
                method="POST",
                target="/api/v1/suppressions",
                what="suppress a finding",
                ok=frozenset({201}),
                scopes=(EVERYTHING,),
                headers=_JSON,
                body=msgspec.json.encode(given),
                repeat=False,
            )
        )

    async def revoke(self, id_: str) -> None:
        """End a suppression."""
        await self._catalog.ask(
            Call(
                method="DELETE",
                target=f"/api/v1/suppressions/{quote(id_, safe='')}",
                what=f"revoke the suppression `{id_}`",
                ok=frozenset({204}),
                scopes=(EVERYTHING,),
                repeat=False,
            )
        )

    async def withdrawals(
        self, since: str = "0", tag: str = "", *, limit: int = 500, max_bytes: int = MAX_LIST_BYTES
    ) -> Withdrawals:
        """What may not be used any more, of what the caller may see; a page of it.

        Args:
            since: ``following`` of the last answer; ``0`` for all.
            tag: of the last answer; if it would be the same again, nothing comes.
            limit: how many at most, to 1,000.
            max_bytes: longest answer that is read.

        Raises:
            RegistryError: the Hub refuses, is none, or does not answer. Then nothing is known:
                whoever asked goes on with what was withdrawn before.
        """
        what = "ask what was withdrawn"
        await ping(self._session)
        async with self._session.send(
            Call(
                method="GET",
                target=f"/api/v1/withdrawals?since={quote(since, safe='')}&limit={limit}",
                what=what,
                ok=frozenset({200, _NOT_MODIFIED}),
                scopes=(EVERYTHING,),
                headers=(("If-None-Match", tag),) if tag else (),
            )
        ) as answer:
            if answer.status == _NOT_MODIFIED:
                return Withdrawals(found=(), following=since, tag=tag)
            given = answer.headers.get("etag")[:MAX_TAG]
            data = await read(answer, max_bytes)
        return _withdrawals(data, given, what)

    async def _about(self, reference: Reference, what: str, *actions: str) -> dict[str, Any]:
        return await self._catalog.ask(
            Call(
                method="GET",
                target=_target(reference, what),
                what=f"ask about `{reference}`",
                scopes=(repository_scope(reference.repository, "pull", *actions),),
            )
        )


def _target(reference: Reference, what: str) -> str:
    return f"/api/v1/repositories/{reference.repository}/artifacts/{reference.name}/{what}"


def _withdrawals(data: bytes, tag: str, what: str) -> Withdrawals:
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_LIST_BYTES)
    except StrictJsonError as error:
        raise ProtocolError(f"cannot {what}: {error.message}") from error
    found = value.get("withdrawals") if isinstance(value, dict) else None
    following = value.get("next") if isinstance(value, dict) else None
    if (
        not isinstance(found, list)
        or not isinstance(following, str)
        or _NEXT.fullmatch(following) is None
        or not all(isinstance(each, dict) and isinstance(each.get("digest"), str) for each in found)
    ):
        raise ProtocolError(f"cannot {what}: the answer is no list of withdrawals")
    return Withdrawals(
        found=tuple(found), following=following, tag=tag, more=value.get("more") is True
    )
