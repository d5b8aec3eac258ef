"""Who asks, and what they may do: Basic and Bearer credentials, roles, token scopes.

Rules, in order:

1. Credentials that are sent must be right; wrong ones are 401 and never "anonymous".
2. Without credentials the caller is ``anonymous``, who may do what was granted to that name.
3. A caller may do to a repository what their roles there say *now*; a token narrows that further.
4. What is refused looks the same whether the repository exists or not.
"""

import base64
import re
from collections.abc import Iterable
from typing import Protocol

import msgspec

from remit.hub.patterns import matches
from remit.hub.registry.errors import Denied, Unauthorized
from remit.hub.registry.http import Request

ANONYMOUS = "anonymous"
ROLES = {
    "reader": frozenset({"list", "pull"}),
    "writer": frozenset({"list", "pull", "push"}),
    "curator": frozenset({"list", "pull", "push", "delete", "curate"}),
    "admin": frozenset({"list", "pull", "push", "delete", "curate", "admin", "audit"}),
    "auditor": frozenset({"list", "audit"}),
}
"""What each role may do to the repositories that it is granted for."""
WIRE = ("pull", "push", "delete")
"""Actions that token scopes name (distribution's token specification)."""
_SCOPE = re.compile(
    r"(?P<type>[a-z]+)(?:\([a-z]+\))?:(?P<name>[^:]+(?::[0-9]+/[^:]+)?):(?P<actions>[a-z*,]*)"
)
MAX_SCOPES = 32


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A role for the repositories that a pattern means."""

    pattern: str
    role: str


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is asked for, or is good for."""

    type: str
    name: str
    actions: tuple[str, ...]


CATALOG = Scope(type="registry", name="catalog", actions=("*",))
"""The list of repositories (distribution's token specification)."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks.

    Attributes:
        name: of the account; :data:`ANONYMOUS` without credentials.
        grants: the account's roles now.
        scopes: of the token that was sent; ``None`` without one.
    """

    name: str
    grants: tuple[Grant, ...] = ()
    scopes: tuple[Scope, ...] | None = None

    def role_allows(self, repository: str, action: str) -> bool:
        """Whether a role of the account allows it, whatever the token says."""
        return any(
            action in ROLES.get(grant.role, ()) and matches(grant.pattern, repository)
            for grant in self.grants
        )

    def token_allows(self, repository: str, *wire: str) -> bool:
        """Whether the token, if there is one, is good for one of these actions of the wire."""
        return self.scopes is None or any(
            scope.type == "repository"
            and scope.name == repository
            and not set(wire).isdisjoint(scope.actions)
            for scope in self.scopes
        )


class Authenticator(Protocol):
    """Finds out who asks."""

    async def basic(self, name: str, password: str, peer: str) -> Caller:
        """The account with this password.

        Raises:
            Unauthorized, TooMany: there is none, or too many wrong ones were tried.
        """
        ...

    async def bearer(self, token: str) -> Caller:
        """The account that the token was given to.

        Raises:
            Unauthorized: it is forged or has expired, or the account is gone.
        """
        ...

    async def anonymous(self) -> Caller:
        """Whoever says nothing."""
        ...


def challenge(
    request: Request, realm: str, repository: str = "", action: str = "", scope: Scope | None = None
) -> str:
    """The ``WWW-Authenticate`` of a refusal (RFC 9110; distribution's token specification)."""
    if not realm:
        return 'Basic realm="Remit Hub", charset="UTF-8"'
    wanted = {"push": "pull,push", "delete": "delete"}.get(action, "pull")
    asked = f"repository:{repository}:{wanted}" if repository else ""
    if scope is not None:
        asked = f"{scope.type}:{scope.name}:{','.join(scope.actions)}"
    said = f',scope="{asked}"' if asked else ""
    return f'Bearer realm="{realm}",service="{service(request)}"{said}'


def service(request: Request) -> str:
    """The name of this service in tokens: the host that the client calls it by."""
    host = request.headers.get("host", "")
    return host if re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,255}", host) else "hub"


async def authenticate(request: Request, authenticator: Authenticator, realm: str) -> Caller:
    """Who sends this request.

    Raises:
        Unauthorized: the credentials are wrong; with the challenge for others.
    """
    try:
        return await _identified(request, authenticator)
    except Unauthorized as error:
        error.headers = (("www-authenticate", challenge(request, realm)),)
        raise


async def _identified(request: Request, authenticator: Authenticator) -> Caller:
    header = request.headers.get("authorization")
    if header is None:
        return await authenticator.anonymous()
    kind, _, value = header.partition(" ")
    if kind.lower() == "basic":
        return await authenticator.basic(*parse_basic(value), request.peer)
    if kind.lower() == "bearer":
        return await authenticator.bearer(value.strip())
    raise Unauthorized("credentials are Basic or Bearer")


def parse_basic(value: str) -> tuple[str, str]:
    """User name and password of Basic credentials (RFC 7617).

    Raises:
        Unauthorized: they are malformed.
    """
    try:
        name, colon, password = (
            base64.b64decode(value.strip(), validate=True).decode().partition(":")
        )
    except ValueError:
        raise Unauthorized("the Basic credentials cannot be read") from None
    if not colon or not name:
        raise Unauthorized("the Basic credentials have no user name or no password")
    return name, password


def require(
    caller: Caller, request: Request, realm: str, repository: str, needs: tuple[str, ...]
) -> None:
    """Let ``caller`` do something to ``repository``.

    Args:
        caller: who asks.
        request: what they sent.
        realm: where tokens are given.
        repository: its name.
        needs: the action that a role must allow; behind it those of which a token must name one,
            if they are others.

    Raises:
        Unauthorized: nobody said who they are, and with credentials it might be allowed.
        Denied: this account may not, or its token is not good for it.
    """
    action = needs[0]
    allowed = caller.role_allows(repository, action)
    if allowed and caller.token_allows(repository, *(needs[1:] or needs)):
        return
    header = (("www-authenticate", challenge(request, realm, repository, action)),)
    if caller.name == ANONYMOUS:
        raise Unauthorized("log in to do this", headers=header)
    if allowed:
        raise Denied(f"the token is not good for {action} of `{repository}`", headers=header)
    raise Denied(
        f"`{caller.name}` may not {action} `{repository}`",
        detail={"repository": repository, "action": action},
        headers=header if caller.scopes is not None else (),
    )


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes of a token request; those that cannot be read ask for nothing."""
    found: list[Scope] = []
    for text in (part for each in texts for part in each.split()):
        match = _SCOPE.fullmatch(text)
        if match and len(found) < MAX_SCOPES:
            actions = tuple(sorted(set(match["actions"].split(",")) - {""}))
            found.append(Scope(type=match["type"], name=match["name"], actions=actions))
    return tuple(found)


def granted(caller: Caller, asked: Iterable[Scope]) -> tuple[Scope, ...]:
    """What of ``asked`` the account may do now; ``*`` asks for everything."""
    found: list[Scope] = []
    for scope in asked:
        if scope == CATALOG:
            found.append(scope)
        if scope.type != "repository":
            continue
        wanted = WIRE if "*" in scope.actions else scope.actions
        actions = tuple(
            each for each in wanted if each in WIRE and caller.role_allows(scope.name, each)
        )
        if not actions and caller.role_allows(scope.name, "list"):
            continue
        if actions:
            found.append(Scope(type="repository", name=scope.name, actions=actions))
    return tuple(found)
