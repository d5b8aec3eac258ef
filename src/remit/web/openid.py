"""Who somebody is, by a provider of OpenID Connect: the authorization code flow with PKCE.

Rules (OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9207, RFC 9700):

1. ``state``, ``nonce`` and the verifier are random, belong to one browser, and count once.
2. The code is exchanged at the issuer's own token endpoint, never at one that the browser names.
3. The id token is verified: signature by the issuer's published keys, ``iss``, ``aud``, ``azp``,
   ``exp``, ``iat``, ``nonce``. An address of mail names nobody before it was verified.

Not checked: that the user may approve anything. That is policy.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec

from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.web.errors import PageError
from remit.web.fetch import MAX_BYTES, Fetch
from remit.web.issuer import Issuer, discover, endpoint
from remit.web.jws import VerifiedClaims, read_token, text_claim

SECRET_BYTES = 32
SKEW_S = 30
MAX_AGE_S = 600
MAX_CODE = 4096

Exchange = Callable[[str, str, Mapping[str, str], Mapping[str, str] | None], Awaitable[bytes]]
"""Sends a request: method, URL, headers, form."""


class Registration(Protocol):
    """Where we are registered, and what we read there."""

    @property
    def issuer(self) -> str:
        """Exact ``iss`` of id tokens; ``https``, or ``http`` on loopback."""
        ...

    @property
    def client_id(self) -> str:
        """Our name there."""
        ...

    @property
    def user_claim(self) -> str:
        """The claim that names the user as we do."""
        ...

    @property
    def name_claim(self) -> str:
        """The claim with the printed name."""
        ...

    @property
    def scopes(self) -> str:
        """What is asked for, separated by spaces."""
        ...

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Accepted signatures."""
        ...


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser takes along to the provider, to be compared when it comes back.

    Attributes:
        state, nonce, verifier: secrets of this one attempt.
        to: the page that was wanted.
    """

    state: str
    nonce: str
    verifier: str
    to: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the provider says that somebody is.

    Attributes:
        user: as our own configuration calls them.
        name: printed name.
        issuer, subject: by whom, and its own name for them.
        acr: how they were authenticated, empty if it does not say.
    """

    user: str
    name: str
    issuer: str
    subject: str
    acr: str


class OpenId:
    """See the module's text.

    Args:
        settings: which provider.
        secret: gives the client's secret; empty for a public client.
        back: URL to which the provider sends browsers back.
        fetch, exchange: ask the provider.
        clock: time.
    """

    def __init__(
        self, settings: Registration, secret: Callable[[], str], back: str, fetch: Fetch,
        exchange: Exchange, clock: Clock,
    ) -> None:  # fmt: skip
        self.issuer = settings.issuer
        self._settings = settings
        self._secret = secret
        self._back = back
        self._fetch = fetch
        self._exchange = exchange
        self._clock = clock
        self._keys = Issuer(settings.issuer, fetch, clock)

    async def begin(self, to: str) -> tuple[str, Leaving]:
        """Where to send a browser, and what it must bring back.

        Raises:
            RemitError: the provider cannot be reached.
        """
        metadata = await discover(self.issuer, self._fetch)
        state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.client_id,
                "redirect_uri": self._back,
                "scope": self._settings.scopes,
                "state": state,
                "nonce": nonce,
                "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
                "code_challenge_method": "S256",
            }
        )
        place = endpoint(metadata, "authorization_endpoint", self.issuer)
        joined = f"{place}{'&' if '?' in place else '?'}{query}"
        return joined, Leaving(state=state, nonce=nonce, verifier=verifier, to=to)

    async def finish(self, leaving: Leaving, query: Mapping[str, str]) -> Identity:
        """Who came back.

        Raises:
            RemitError: nobody that could be told.
        """
        given = query.get("state", "").encode()
        if not hmac.compare_digest(given, leaving.state.encode()):
            raise PageError(403, "this answer is to another question", code="openid.state")
        if query.get("iss", self.issuer) != self.issuer:
            raise PageError(403, "another provider answered", code="openid.issuer")
        code = query.get("code", "")
        if not code or len(code) > MAX_CODE:
            raise PageError(403, "the provider let nobody in", code="openid.refused")
        metadata = await discover(self.issuer, self._fetch)
        answer = await self._redeemed(metadata, code, leaving)
        claims = await self._verified(answer)
        self._check(claims, leaving.nonce)
        more = await self._described(metadata, answer, claims)
        return self._identity(claims, more)

    async def _redeemed(
        self, metadata: Mapping[str, Any], code: str, leaving: Leaving
    ) -> Mapping[str, Any]:
        """What the token endpoint gives for a code."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": leaving.verifier,
        }
        headers = {}
        secret, client = self._secret(), self._settings.client_id
        if secret:
            # RFC 6749 §2.3.1: both are encoded like a form before they are joined.
            pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields["client_id"] = client
        place = endpoint(metadata, "token_endpoint", self.issuer)
        return _object(await self._exchange("POST", place, headers, fields))

    async def _verified(self, answer: Mapping[str, Any]) -> VerifiedClaims:
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise PageError(502, "the provider gave no id token", code="openid.token")
        token = read_token(text)
        if token.algorithm in self._settings.algorithms:
            keys = await self._keys.keys(token.key_id)
            for key in keys.candidates(token.key_id, token.algorithm):
                claims = token.verified(key)
                if claims is not None:
                    return claims
        raise PageError(403, "the id token is not the provider's", code="openid.signature")

    async def _described(
        self, metadata: Mapping[str, Any], answer: Mapping[str, Any], claims: VerifiedClaims
    ) -> Mapping[str, Any]:
        """Claims of the user, from where the provider keeps them (Core §5.3)."""
        token = answer.get("access_token")
        if self._settings.user_claim in claims or not isinstance(token, str):
            return claims
        place = endpoint(metadata, "userinfo_endpoint", self.issuer)
        headers = {"Authorization": f"Bearer {token}"}
        found = _object(await self._exchange("GET", place, headers, None))
        if found.get("sub") != claims.get("sub"):
            raise PageError(403, "the provider describes somebody else", code="openid.subject")
        return found

    def _check(self, claims: VerifiedClaims, nonce: str) -> None:
        """Whether claims hold here and now.

        Raises:
            PageError: they do not.
        """
        now_s = self._clock.now_us() // 1_000_000
        audience, client = claims.get("aud"), self._settings.client_id
        several = isinstance(audience, list) and len(audience) > 1
        holds = (
            claims.get("iss") == self.issuer
            and (audience == client or (isinstance(audience, list) and client in audience))
            and claims.get("azp", None if several else client) == client
            and _number(claims, "exp") > now_s - SKEW_S
            and now_s - MAX_AGE_S <= _number(claims, "iat") <= now_s + SKEW_S
            and isinstance(claims.get("nonce"), str)
            and hmac.compare_digest(claims["nonce"].encode(), nonce.encode())
        )
        if not holds:
            raise PageError(403, "the id token is for something else", code="openid.claims")

    def _identity(self, claims: VerifiedClaims, more: Mapping[str, Any]) -> Identity:
        """Who the claims name; ``more`` are those of the user.

        Raises:
            PageError: nobody.
        """
        settings = self._settings
        try:
            user = text_claim(more, settings.user_claim)
            name = text_claim(more, settings.name_claim) or user
            subject, acr = text_claim(claims, "sub"), text_claim(claims, "acr")
        except RemitError as error:
            raise PageError(403, "the id token names nobody", code="openid.user") from error
        unsure = settings.user_claim == "email" and more.get("email_verified") is not True
        if not user or not subject or unsure:
            raise PageError(
                403, "the provider names nobody",
                hint=f"there is no verified `{settings.user_claim}`", code="openid.user",
            )  # fmt: skip
        return Identity(user=user, name=name, issuer=self.issuer, subject=subject, acr=acr)


def _object(data: bytes) -> Mapping[str, Any]:
    found: Any = parse(data, fold_keys=False, max_bytes=MAX_BYTES)
    if not isinstance(found, dict):
        raise PageError(502, "the provider gave no object", code="openid.answer")
    return found


def _number(claims: VerifiedClaims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float("-inf")
    return float(value)
