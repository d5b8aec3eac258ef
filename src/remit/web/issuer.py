"""The issuer's keys, found by discovery and kept for a while.

1. Keys are fetched again after ``FRESH_S``, when they are needed.
2. A key id that is not known causes one more look, so that a rotation is seen at once.
3. Whatever the reason and the outcome, the issuer is asked at most once in ``RETRY_S``: nobody can
   use this program to keep the issuer busy. It is asked by a task of its own, which all who need it
   wait for: a client that hangs up must not keep the others from the keys.
4. If it cannot be asked, the last keys hold until ``max_stale_s`` after they were fetched. Then
   there are none, and every token is refused.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.web.errors import WebError, invalid
from remit.web.fetch import MAX_BYTES, Fetch, FetchError
from remit.web.jwks import KeySet, read_key_set
from remit.web.urls import check_url, is_loopback

FRESH_S = 300
RETRY_S = 10
ASK_S = 10.0
_NS = 1_000_000_000


class Issuer:
    """The keys of one issuer. Belongs to one event loop.

    Args:
        issuer: exact ``iss`` of its tokens; checked.
        fetch: asks it.
        clock: only durations are measured.
        jwks_uri: where its keys are; empty to discover it.
        max_stale_s: seconds that keys are used after they were last fetched.
    """

    def __init__(
        self, issuer: str, fetch: Fetch, clock: Clock, *, jwks_uri: str = "",
        max_stale_s: int = 3600,
    ) -> None:  # fmt: skip
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._max_stale_s = max_stale_s
        self._fetch = fetch
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_ns = 0
        self._asked_ns: int | None = None
        self._asking: asyncio.Task[None] | None = None
        self.problem = ""

    async def keys(self, key_id: str | None) -> KeySet:
        """The keys that hold now, looked up again if ``key_id`` is not among them.

        Raises:
            TokenError: there are none.
        """
        if self._wants(key_id):
            if self._asking is None and self._may_ask():
                self._asking = asyncio.create_task(self._ask())
            if self._asking is not None:
                await asyncio.shield(self._asking)
        max_stale_ns = self._max_stale_s * _NS
        if self._keys is None or self._clock.monotonic_ns() - self._fetched_ns > max_stale_ns:
            self._keys = None
            raise invalid(
                "tokens cannot be checked: the issuer's keys are not available",
                "oauth.no_keys",
                hint=self.problem,
            )
        return self._keys

    def _wants(self, key_id: str | None) -> bool:
        if self._keys is None or not self._keys.knows(key_id):
            return True
        fresh_s = min(FRESH_S, self._max_stale_s)
        return self._clock.monotonic_ns() - self._fetched_ns >= fresh_s * _NS

    def _may_ask(self) -> bool:
        asked_ns = self._asked_ns
        return asked_ns is None or self._clock.monotonic_ns() - asked_ns >= RETRY_S * _NS

    async def _ask(self) -> None:
        self._asked_ns = started_ns = self._clock.monotonic_ns()
        try:
            async with asyncio.timeout(ASK_S):
                uri = self._jwks_uri or await self._discover()
                self._keys = read_key_set(await self._fetch(uri))
            self._fetched_ns, self.problem = started_ns, ""
        except WebError as error:
            self.problem = error.message
        except TimeoutError:
            self.problem = f"the issuer gave no answer in {ASK_S:.0f} s"
        finally:
            self._asking = None

    async def _discover(self) -> str:
        """``jwks_uri`` of the issuer's metadata.

        Raises:
            WebError: no metadata, or another issuer's.
        """
        return endpoint(await discover(self._issuer, self._fetch), "jwks_uri", self._issuer)


async def discover(issuer: str, fetch: Fetch) -> Mapping[str, Any]:
    """The issuer's metadata (RFC 8414 §3, OpenID Connect Discovery §4).

    Raises:
        WebError: there is none, or it is another issuer's.
    """
    problem: WebError | None = None
    for url in discovery_urls(issuer):
        try:
            data = await fetch(url)
        except FetchError as error:
            problem = problem or error
            continue
        try:
            found = parse(data, fold_keys=False, max_bytes=MAX_BYTES)
        except RemitError as error:
            raise FetchError("the issuer's metadata is not strict JSON") from error
        if not isinstance(found, dict) or found.get("issuer") != issuer:
            raise FetchError("the issuer's metadata is another issuer's (RFC 8414 §3.3)")
        return found
    raise problem or FetchError("the issuer has no metadata")


def endpoint(metadata: Mapping[str, Any], name: str, issuer: str) -> str:
    """A URL of the issuer's metadata.

    Raises:
        WebError: it is not there, or not one that is safe to use.
    """
    uri = metadata.get(name)
    if not isinstance(uri, str):
        what = "keys" if name == "jwks_uri" else f"`{name}`"
        raise FetchError(f"the issuer's metadata names no {what}")
    check_url(uri, f"{name} of the issuer", loopback=is_loopback(issuer))
    return uri


def discovery_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata can be, in the order in which to look."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    urls = (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )
    return tuple(dict.fromkeys(urls))
