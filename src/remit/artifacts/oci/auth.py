"""Proving to a registry who asks: Basic (RFC 7617), Bearer tokens as registries give them.

A registry answers 401 (or 403, when a token does not reach far enough) and says with which realm,
service and scope to ask for a token. What this decides, in order:

1. Nothing is sent before it is asked for, and only to the origin that this was made for.
2. No secret over plain HTTP, but to this machine or where the user asked for it.
3. The realm of a registry that is reached by HTTPS answers by HTTPS. It gets the registry's own
   credentials, never those of another host: it is the registry that names it.
4. Bearer before Basic. Another scheme is refused.
5. A token is kept for the scopes that it was asked for and until it expires, in memory only.

Token requests: ``GET realm?service=…&scope=…`` with Basic (distribution, "Token Authentication"),
or ``POST realm`` with a form (RFC 6749, sections 4.3 and 6) for an identity token, and where GET
is not allowed.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from remit.artifacts.oci.challenges import Challenge, parse_challenges
from remit.artifacts.oci.errors import DeniedError, ProtocolError, UnauthorizedError
from remit.artifacts.oci.http import Request
from remit.artifacts.oci.urls import Origin, may_hold_secrets
from remit.core.strictjson import StrictJsonError, parse

MAX_TOKEN_ANSWER = 256 * 1024
DEFAULT_LIFE_S = 60
EARLY_S = 10
CLIENT_ID = "remit"
_SECRET = re.compile(r"[\x21-\x7e]{1,65536}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}")
_METHODS = frozenset({404, 405, 501})


class Credentials(msgspec.Struct, frozen=True):
    """Who somebody is to one registry. Its text never shows a secret.

    Attributes:
        user: name; may be empty with an identity token.
        password: or a token in its place.
        identity_token: a refresh token for the realm, in place of the password.
    """

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"

    __str__ = __repr__

    @property
    def basic(self) -> str:
        """The value of ``Authorization``."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class _Token(msgspec.Struct, frozen=True):
    header: str
    until: float


def repository_scope(repository: str, *actions: str) -> str:
    """The scope for ``actions`` (``pull``, ``push``, ``delete``) in a repository."""
    return f"repository:{repository}:{','.join(actions)}"


def merge_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """One scope for each resource, with the actions of all of them, in a fixed order.

    Raises:
        ProtocolError: one that cannot be sent.
    """
    found: dict[str, set[str]] = {}
    for scope in scopes:
        if _SCOPE.fullmatch(scope) is None:
            raise ProtocolError(f"the registry asks for a scope that is none: `{scope[:80]!a}`")
        resource, colon, actions = scope.rpartition(":")
        if colon:
            found.setdefault(resource, set()).update(filter(None, actions.split(",")))
        else:
            found.setdefault(scope, set())
    return tuple(
        f"{resource}:{','.join(sorted(actions))}" if actions else resource
        for resource, actions in sorted(found.items())
    )


class Auth:
    """What one origin was told and gave; decides, and asks nothing itself."""

    def __init__(
        self, origin: Origin, credentials: Credentials | None = None, *, plain_http: bool = False
    ) -> None:
        self.origin = origin
        self._credentials = credentials
        self._plain_http = plain_http
        self._tokens: dict[tuple[str, ...], _Token] = {}
        self._basic = False

    def authorization(self, url: str, scopes: Sequence[str], now: float) -> str:
        """The value of ``Authorization`` for a request; empty for none. Rules 1, 2 and 5."""
        if Origin.of(url) != self.origin:
            return ""
        if not may_hold_secrets(self.origin, plain_http=self._plain_http):
            return ""
        if self._basic and self._credentials is not None:
            return self._credentials.basic
        kept = self._tokens.get(merge_scopes(scopes))
        return kept.header if kept is not None and now < kept.until else ""

    def forget(self, scopes: Sequence[str]) -> None:
        """Drop the token for ``scopes``: it was refused."""
        self._tokens.pop(merge_scopes(scopes), None)

    def challenged(self, fields: Sequence[str], scopes: Sequence[str]) -> Request | None:
        """What to do about the ``WWW-Authenticate`` fields of an answer.

        Returns:
            The request for a token, for :meth:`granted`; or None if the request can be sent
            again at once, because Basic will do.

        Raises:
            UnauthorizedError: there is nothing to prove it with, or no way that Remit speaks.
            DeniedError: it would send a secret where none may go.
            ProtocolError: it cannot be read.
        """
        challenges = parse_challenges(fields)
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                return self._ask(challenge, scopes)
        if not any(challenge.scheme == "basic" for challenge in challenges):
            said = ", ".join(challenge.scheme for challenge in challenges)[:80] or "nothing"
            raise UnauthorizedError(
                f"`{self.origin}` wants to know who asks, by a way that Remit does not speak"
                f" (`{said}`)",
                hint="Remit speaks Basic and Bearer",
            )
        if self._credentials is None or not self._credentials.password:
            raise UnauthorizedError(f"`{self.origin}` wants to know who asks", hint=self._login())
        if self._basic:
            raise UnauthorizedError(
                f"`{self.origin}` does not accept the password of `{self._credentials.user}`",
                hint=self._login(),
            )
        self._guard(self.origin)
        self._basic = True
        return None

    def again(self, request: Request, status: int) -> Request | None:
        """The other form of a token request that was answered ``status``, if there is one."""
        if request.method != "GET" or status not in _METHODS or self._credentials is None:
            return None
        parts = urlsplit(request.url)
        asked = dict(parse_qsl(parts.query))
        scopes = [value for name, value in parse_qsl(parts.query) if name == "scope"]
        form = {
            "grant_type": "password",
            "username": self._credentials.user,
            "password": self._credentials.password,
            "service": asked.get("service", ""),
            "client_id": CLIENT_ID,
            "scope": " ".join(scopes),
        }
        return _post(request.url.partition("?")[0], form)

    def granted(self, scopes: Sequence[str], body: bytes, now: float) -> None:
        """Keep the token of an answer ``200`` to a token request.

        Raises:
            ProtocolError: it holds none.
        """
        try:
            answer: Any = parse(body, fold_keys=False, max_bytes=MAX_TOKEN_ANSWER, max_depth=16)
        except StrictJsonError as error:
            raise ProtocolError(
                f"the token of `{self.origin}` cannot be read: {error.message}"
            ) from error
        found = answer if isinstance(answer, dict) else {}
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str) or _SECRET.fullmatch(token) is None:
            raise ProtocolError(f"the realm of `{self.origin}` answers without a token")
        life = found.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else DEFAULT_LIFE_S
        until = now + max(seconds - EARLY_S, seconds / 2)
        self._tokens[merge_scopes(scopes)] = _Token(f"Bearer {token}", until)

    def refused(self) -> UnauthorizedError:
        """The error of a token request that was answered 401 or 403."""
        if self._credentials is None:
            return UnauthorizedError(f"`{self.origin}` wants to know who asks", hint=self._login())
        return UnauthorizedError(
            f"`{self.origin}` does not accept the credentials of `{self._credentials.user}`",
            hint=self._login(),
        )

    def _ask(self, challenge: Challenge, scopes: Sequence[str]) -> Request:
        realm = challenge.parameters["realm"]
        place = Origin.of(realm)
        if place.scheme == "http" and place != self.origin:
            if self.origin.scheme == "https":
                raise DeniedError(
                    f"`{self.origin}` wants a token to be fetched over plain HTTP at `{place}`",
                    hint="its realm must be an address of HTTPS",
                )
            self._guard(place)
        asked = challenge.parameters.get("scope", "").split()
        wanted = merge_scopes([*asked, *scopes])
        service = challenge.parameters.get("service", "")
        credentials = self._credentials
        if credentials is not None:
            self._guard(place)
        if credentials is not None and credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "service": service,
                "client_id": CLIENT_ID,
                "scope": " ".join(wanted),
            }
            return _post(realm, form)
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in wanted]
        headers: tuple[tuple[str, str], ...] = (("Accept", "application/json"),)
        if credentials is not None and credentials.password:
            query.append(("account", credentials.user))
            headers = (*headers, ("Authorization", credentials.basic))
        base = realm.partition("#")[0]
        joint = "&" if "?" in base else "?"
        url = f"{base}{joint}{urlencode(query)}" if query else base
        return Request(method="GET", url=url, headers=headers)

    def _guard(self, place: Origin) -> None:
        if not may_hold_secrets(place, plain_http=self._plain_http):
            raise DeniedError(
                f"no secret is sent to `{place}`: it is plain HTTP to another machine",
                hint="--plain-http allows that, where the network can be trusted",
            )

    def _login(self) -> str:
        name = str(self.origin).partition("://")[2]
        return f"`remit login {name}` keeps a name and a password or token for it"


def _post(url: str, form: dict[str, str]) -> Request:
    return Request(
        method="POST",
        url=url,
        headers=(
            ("Accept", "application/json"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ),
        body=urlencode({name: value for name, value in form.items() if value}).encode(),
    )
