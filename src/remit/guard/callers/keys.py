"""Bearer keys that Guard issues: ``rmt_<id>_<secret><check>``.

The id (8 characters) is public, the secret has 200 bits, and the check (CRC-32 of all before it,
8 hex digits) lets a secret scanner recognise a key and tells a typing error from a wrong key.

Kept is a salted SHA-256 of the key. A slow hash would protect a password that people choose;
200 random bits cannot be guessed at any speed, and a slow hash would let anybody who can reach the
port keep this machine busy.
"""

import fnmatch
import hashlib
import hmac
import re
import zlib
from base64 import b32encode
from collections.abc import Callable
from typing import Annotated, Protocol, Self

import msgspec

from remit.core.clock import Clock
from remit.core.event import Agent
from remit.core.text import printable
from remit.guard.callers.base import Caller, Forbidden, invalid
from remit.guard.errors import GuardError

PREFIX = "rmt_"
SCOPE = "mcp"
ALL_SERVERS = ("*",)
_ID_BYTES = 5
_SECRET_BYTES = 25
_SALT_BYTES = 16
_KEY = re.compile(r"rmt_([a-z2-7]{8})_[a-z2-7]{40}([0-9a-f]{8})", re.ASCII)
_GLOB = re.compile(r"[A-Za-z0-9._*?-]{1,64}", re.ASCII)
_MAX_NAME = 100

_Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]+\Z", min_length=32, max_length=64)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_NAME)]
_Time = Annotated[int, msgspec.Meta(ge=0)]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a key; the key itself is not.

    Attributes:
        id: its public part.
        agent, user: who it speaks for.
        servers: globs of the servers it is for; none means none.
        scopes: surfaces it is for.
        salt, hash: hex; ``hash`` is SHA-256 over salt and key.
        created, expires, revoked: microseconds since 1970; 0 for never.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"\A[a-z2-7]{8}\Z")]
    agent: _Name
    user: _Name
    servers: tuple[_Name, ...]
    scopes: tuple[_Name, ...]
    salt: _Hex
    hash: _Hex
    created: _Time
    expires: _Time = 0
    revoked: _Time = 0

    def __repr__(self) -> str:
        """Without salt and hash."""
        return f"KeyRecord(id={self.id!r}, agent={self.agent!r}, user={self.user!r})"

    def matches(self, key: str) -> bool:
        """Whether ``key`` is this one, in constant time."""
        return hmac.compare_digest(_hash(self.salt, key), self.hash)

    def state(self, now_us: int) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and now_us >= self.expires else "active"


class NewKey:
    """A key that was just made; :meth:`reveal` is the only way to its text."""

    __slots__ = ("_text", "record")

    def __init__(self, text: str, record: KeyRecord) -> None:
        self._text = text
        self.record = record

    def reveal(self) -> str:
        """The key, to be shown once."""
        return self._text

    def __repr__(self) -> str:
        return f"NewKey({self.record.id})"

    @classmethod
    def make(
        cls,
        entropy: Callable[[int], bytes],
        now_us: int,
        *,
        agent: str,
        user: str,
        servers: tuple[str, ...] = ALL_SERVERS,
        scopes: tuple[str, ...] = (SCOPE,),
        expires: int = 0,
    ) -> Self:
        """Make a key.

        Args:
            entropy: gives random bytes.
            now_us: the time, in microseconds since 1970, as ``expires`` (0 for never).
            agent: name of the agent for policies.
            user: on whose behalf.
            servers: globs of server ids.
            scopes: surfaces it is for.
            expires: when it ends.

        Raises:
            GuardError: a name or glob that cannot be used.
        """
        for what, name in (("agent", agent), ("user", user)):
            if not 0 < len(name) <= _MAX_NAME or name != printable(name).strip() or "\n" in name:
                raise GuardError(f"`{printable(name, 80)}` cannot name the {what}", code="key.name")
        for glob in servers:
            if not _GLOB.fullmatch(glob):
                raise GuardError(
                    f"`{printable(glob, 80)}` is not a server or a pattern of servers",
                    code="key.server",
                    hint="letters, digits, `.`, `_`, `-`, and `*` and `?` for any of them",
                )
        body = f"{PREFIX}{_text(entropy(_ID_BYTES))}_{_text(entropy(_SECRET_BYTES))}"
        text = body + _check(body)
        salt = entropy(_SALT_BYTES).hex()
        record = KeyRecord(
            id=body[len(PREFIX) :].partition("_")[0],
            agent=agent,
            user=user,
            servers=servers,
            scopes=scopes,
            salt=salt,
            hash=_hash(salt, text),
            created=now_us,
            expires=expires,
        )
        return cls(text, record)


class KeyStore(Protocol):
    """Where the records of keys are."""

    def find(self, key_id: str) -> KeyRecord | None:
        """The record of a key as it is on disk now.

        Raises:
            GuardError: the records cannot be read, so there are none.
        """
        ...

    async def used(self, key_id: str, now_us: int) -> None:
        """Remember that a key was used; best effort, never raises."""
        ...


class KeyCallers:
    """Callers by key."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def authenticate(self, key: str, server: str) -> Caller:
        """The caller who presents ``key`` for ``server``.

        Raises:
            Unauthenticated: not a key of this Guard, or one that ended.
            Forbidden: not for this server or surface.
        """
        key_id = id_of(key)
        if not key_id:
            raise invalid("the key is mistyped or cut off", "caller.key_mistyped")
        try:
            record = self._store.find(key_id)
        except GuardError as error:
            raise invalid("the keys of this Guard cannot be read", error.code) from error
        if record is None or not record.matches(key):
            raise invalid("the key is not one of this Guard", "caller.key_unknown")
        # Only who has the whole key learns more about it.
        now_us = self._clock.now_us()
        state = record.state(now_us)
        if state != "active":
            raise invalid(f"the key is {state}", f"caller.key_{state}")
        if not any(fnmatch.fnmatchcase(server, glob) for glob in record.servers):
            raise Forbidden(
                "the key is not for this server",
                code="caller.key_server",
                hint="issue one with `remit key new --server`",
                error="insufficient_scope",
            )
        if SCOPE not in record.scopes:
            raise Forbidden(
                "the key is not for MCP",
                code="caller.insufficient_scope",
                error="insufficient_scope",
                scope=SCOPE,
            )
        await self._store.used(record.id, now_us)
        return Caller(
            agent=Agent(id=record.agent), user=record.user, how="key", credential=record.id
        )


def id_of(key: str) -> str:
    """The id of a well-formed key; empty if its form or check is wrong. Says nothing of trust."""
    found = _KEY.fullmatch(key)
    return found[1] if found and _check(key[:-8]) == found[2] else ""


def _check(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _text(data: bytes) -> str:
    return b32encode(data).decode().lower()


def _hash(salt: str, key: str) -> str:
    return hashlib.sha256(f"remit.caller-key/v1\n{salt}\n{key}".encode()).hexdigest()
