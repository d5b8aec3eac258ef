"""Whether verified claims hold here and now, and who they name (RFC 9068 §4, RFC 7519 §4.1).

1. The token is an access token: ``at+jwt``, or plain if that is configured and it is not marked
   as an id or logout token.
2. ``iss`` is exactly the issuer. ``aud`` contains the resource, or the configured audience.
3. ``exp`` is there and not over; ``nbf`` and ``iat`` are not ahead; all with the skew.
4. A token that is bound to a key (``cnf``) is presented with that certificate (RFC 8705 §3). Other
   bindings are not supported, and ignoring them would undo them.
5. All required scopes are there.

Not checked: whether the issuer withdrew the token since it was issued (RFC 7009).
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any

from remit.core.event import Agent
from remit.guard.callers.base import Caller, Forbidden, Presented, invalid
from remit.guard.callers.settings import OAuthTable
from remit.web.jws import Token, VerifiedClaims, text_claim

MAX_ACTORS = 8
_SECOND_US = 1_000_000
_PLAIN = ("", "jwt")
_NOT_ACCESS = ("nonce", "at_hash", "c_hash", "s_hash", "events")


def check_type(token: Token, settings: OAuthTable) -> None:
    """Rule 1.

    Raises:
        Unauthenticated: the token is no access token.
    """
    plain = settings.allow_plain_jwt and token.type in _PLAIN
    if token.type != "at+jwt" and not (
        plain and not any(name in token.claims for name in _NOT_ACCESS)
    ):
        raise invalid("the token is not an access token (RFC 9068)", "oauth.type")


def check_claims(
    claims: VerifiedClaims, presented: Presented, settings: OAuthTable, now_us: int
) -> None:
    """Rules 2 to 5.

    Raises:
        Unauthenticated: the token does not hold.
        Forbidden: it holds and lacks a scope.
    """
    if claims.get("iss") != settings.issuer:
        raise invalid("the token is of another issuer", "oauth.issuer")
    accepted = {presented.resource, settings.audience} - {""}
    if accepted.isdisjoint(_audiences(claims.get("aud"))):
        raise invalid("the token is for another resource", "oauth.audience")
    _check_times(claims, settings.skew_s * _SECOND_US, now_us)
    _check_binding(claims.get("cnf"), presented.certificate)
    missing = set(settings.required_scopes) - _scopes(claims)
    if missing:
        raise Forbidden(
            "the token lacks a scope",
            code="caller.insufficient_scope",
            error="insufficient_scope",
            scope=" ".join(settings.required_scopes),
        )


def _audiences(value: Any) -> set[str]:
    values = value if isinstance(value, list) else [value]
    return {v for v in values if isinstance(v, str)}


def _scopes(claims: VerifiedClaims) -> set[str]:
    """``scope`` (RFC 8693 §4.2), else ``scp``, as some issuers call it."""
    value = claims.get("scope", claims.get("scp"))
    if isinstance(value, str):
        return set(value.split(" "))
    return {v for v in value if isinstance(v, str)} if isinstance(value, list) else set()


def _check_times(claims: VerifiedClaims, skew_us: int, now_us: int) -> None:
    expires_us = _time_us(claims, "exp")
    if expires_us is None:
        raise invalid("the token has no end", "oauth.time")
    if now_us >= expires_us + skew_us:
        raise invalid("the token has expired", "oauth.expired")
    for name in ("nbf", "iat"):
        time_us = _time_us(claims, name)
        if time_us is not None and time_us > now_us + skew_us:
            raise invalid("the token is not valid yet", "oauth.not_yet")


def _time_us(claims: VerifiedClaims, name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid("a time of the token is not a number", "oauth.time")
    # A float of any size: multiplied as a whole it could become infinite.
    return int(value) * _SECOND_US + int(value % 1 * _SECOND_US)


def _check_binding(value: Any, certificate: bytes) -> None:
    if value is None:
        return
    wanted = value.get("x5t#S256") if isinstance(value, dict) and len(value) == 1 else None
    digest = urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=")
    if (
        not certificate
        or not isinstance(wanted, str)
        or not hmac.compare_digest(wanted.encode(), digest)
    ):
        raise invalid("the token is bound to a key that was not presented", "oauth.binding")


def caller_of(claims: VerifiedClaims, settings: OAuthTable) -> Caller:
    """Who the claims name.

    Raises:
        Unauthenticated, TokenError: nobody, or not clearly.
    """
    if settings.agent_claim:
        agent = text_claim(claims, settings.agent_claim)
    else:
        client, party = text_claim(claims, "client_id"), text_claim(claims, "azp")
        if client and party and client != party:
            raise invalid("the token names two clients", "oauth.claim")
        agent = client or party
    user = text_claim(claims, settings.user_claim)
    subject = text_claim(claims, "sub")
    if not agent or not user or not subject:
        raise invalid("the token does not name its agent and user", "oauth.claim")
    return Caller(
        agent=Agent(id=agent),
        user=user,
        on_behalf_of=_actors(claims.get("act")),
        how="oauth",
        credential=f"{settings.issuer}#{subject}",
    )


def _actors(value: Any) -> str:
    """The chain of ``act``, the current actor first."""
    actors: list[str] = []
    while value is not None:
        if not isinstance(value, dict) or len(actors) == MAX_ACTORS:
            raise invalid("the token's chain of actors cannot be read", "oauth.claim")
        subject, issuer = text_claim(value, "sub"), text_claim(value, "iss")
        if not subject or " " in subject + issuer:
            raise invalid("the token's chain of actors cannot be read", "oauth.claim")
        actors.append(f"{issuer}#{subject}" if issuer else subject)
        value = value.get("act")
    return " ".join(actors)
