"""Accounts: people with passwords, robots with random secrets, and what both may do.

Passwords are kept as scrypt, robots' secrets, which nobody can guess, as SHA-256. A right answer
is remembered for a minute, under a key of this process, because clients send it with each request.
"""

import asyncio
import contextlib
import functools
import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Protocol, TypeVar

import msgspec

from remit.core.clock import Clock
from remit.hub.registry.access import ANONYMOUS, Caller, Grant
from remit.hub.registry.errors import TooMany, Unauthorized
from remit.hub.registry.tokens import Tokens

_K = TypeVar("_K")
_V = TypeVar("_V")
ROBOT_PREFIX = "robot$"
_SECRET_PREFIX = "rht_"  # noqa: S105 - marks what follows as one, for scanners
_N, _R, _P, _BYTES = 1 << 15, 8, 1, 32
_MAX_MEMORY = 64 * 1024 * 1024
MAX_PASSWORD = 1024
MAX_ACCOUNT = 255
REMEMBER_US = 60_000_000
GRANTS_US = 2_000_000
"""How long roles are remembered: so long a revoked one still works."""
FREE_TRIES = 5
MAX_WAIT_US = 60_000_000
MAX_KEPT = 4096
CHECKS_AT_ONCE = 1
_WRONG = "the user name or the password is wrong"
MAX_QUEUED = 64


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who may log in.

    Attributes:
        name: of a person, or ``robot$`` and a name.
        kind: ``user`` or ``robot``.
        secret: what :func:`keep` made of the password.
        expires_us: when it ends by itself; 0 for never.
        disabled_us: when it was disabled; 0 if it was not.
    """

    name: str
    kind: str
    secret: bytes
    expires_us: int = 0
    disabled_us: int = 0


class Accounts(Protocol):
    """Where accounts are kept."""

    async def account(self, name: str) -> tuple[Account | None, tuple[Grant, ...]]:
        """An account and its roles; roles alone for ``anonymous``."""
        ...


def keep(kind: str, password: str) -> bytes:
    """What is stored of a password or a robot's secret."""
    data = password.encode()
    if kind == "robot":
        return b"sha256$" + hashlib.sha256(data).digest()
    salt = secrets.token_bytes(16)
    return b"scrypt$" + salt + _scrypt(data, salt)


def new_secret() -> str:
    """A robot's secret: 256 random bits, with a prefix by which scanners find leaked ones."""
    return _SECRET_PREFIX + secrets.token_urlsafe(32)


def _scrypt(data: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(data, salt=salt, n=_N, r=_R, p=_P, maxmem=_MAX_MEMORY, dklen=_BYTES)


def same(kept: bytes, password: str) -> bool:
    """Whether ``password`` is the one that was kept. Takes about 80 ms for a person's."""
    kind, _, rest = kept.partition(b"$")
    data = password.encode()
    if kind == b"sha256":
        return hmac.compare_digest(rest, hashlib.sha256(data).digest())
    if kind == b"scrypt":
        return hmac.compare_digest(rest[16:], _scrypt(data, rest[:16]))
    return False


@functools.cache
def _nobody() -> bytes:
    return keep("user", "nobody has this password")


class Doorkeeper:
    """The :class:`~remit.hub.registry.access.Authenticator` over accounts and tokens."""

    def __init__(self, accounts: Accounts, tokens: Tokens, clock: Clock) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self._wrong: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._known: OrderedDict[str, tuple[Account | None, tuple[Grant, ...], int]] = OrderedDict()
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._queued = 0

    async def basic(self, name: str, password: str, peer: str) -> Caller:
        """The account with this password."""
        # No account is called so; not every database can even be asked.
        if len(name) > MAX_ACCOUNT or not name.isprintable():
            raise Unauthorized(_WRONG)
        self._let_try(name, peer)
        account, grants = await self._look(name)
        if not await self._right_password(account, name, password, peer):
            raise Unauthorized(_WRONG)
        return Caller(name=name, grants=grants)

    def _let_try(self, name: str, peer: str) -> None:
        _, until = self._wrong.get((name, peer), (0, 0))
        now = self._clock.now_us()
        if until > now:
            raise TooMany(
                "too many wrong passwords",
                headers=(("retry-after", str((until - now) // 10**6 + 1)),),
            )

    def _count_wrong(self, name: str, peer: str) -> None:
        tries, _ = self._wrong.get((name, peer), (0, 0))
        wait = min(MAX_WAIT_US, 500_000 << (tries + 1 - FREE_TRIES)) if tries >= FREE_TRIES else 0
        _put(self._wrong, (name, peer), (min(tries + 1, 40), self._clock.now_us() + wait))

    async def _right_password(
        self, account: Account | None, name: str, password: str, peer: str
    ) -> bool:
        if len(password) > MAX_PASSWORD:
            return False
        kept = account.secret if account and self._alive(account) else _nobody()
        mark = hmac.digest(self._key, f"{len(name)}:{name}{password}".encode(), "sha256")
        known = self._right.get(mark)
        if known is not None and known[0] == kept and known[1] > self._clock.now_us():
            return True
        if self._queued >= MAX_QUEUED:
            raise TooMany("too many log in at once", headers=(("retry-after", "2"),))
        self._queued += 1
        try:
            async with self._checks:
                # Asked again in turn: guesses that came together count like those one by one.
                self._let_try(name, peer)
                right = await asyncio.to_thread(same, kept, password) and kept is not _nobody()
                if not right:
                    self._count_wrong(name, peer)
                    return False
        finally:
            self._queued -= 1
        self._wrong.pop((name, peer), None)
        _put(self._right, mark, (kept, self._clock.now_us() + REMEMBER_US))
        return True

    async def bearer(self, token: str) -> Caller:
        """The account that a token was made for."""
        name, scopes = self._tokens.read(token)
        account, grants = await self._look(name)
        if name != ANONYMOUS and (account is None or not self._alive(account)):
            raise Unauthorized("the account of this token is no more")
        return Caller(name=name, grants=grants, scopes=scopes)

    async def known(self, name: str) -> tuple[Caller, bytes] | None:
        """A person's account, if it is there now, and a mark that changes with the password."""
        account, grants = await self._look(name)
        if account is None or account.kind != "user" or not self._alive(account):
            return None
        mark = hmac.digest(self._key, account.secret, "sha256")
        return Caller(name=name, grants=grants), mark

    async def anonymous(self) -> Caller:
        """Nobody in particular."""
        _, grants = await self._look(ANONYMOUS)
        return Caller(name=ANONYMOUS, grants=grants)

    def _alive(self, account: Account) -> bool:
        ended = account.expires_us and account.expires_us <= self._clock.now_us()
        return not ended and not account.disabled_us

    async def _look(self, name: str) -> tuple[Account | None, tuple[Grant, ...]]:
        now = self._clock.now_us()
        known = self._known.get(name)
        if known is not None and known[2] > now:
            return known[0], known[1]
        with contextlib.suppress(KeyError):
            del self._known[name]
        account, grants = await self._accounts.account(name)
        _put(self._known, name, (account, grants, now + GRANTS_US))
        return account, grants


def _put(kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    kept[key] = value
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)
