"""A request of the client on its way, and the continuations of the modern era."""

import asyncio
import enum
import os
from typing import Any

import msgspec

from remit.core.canonical import digest_bytes
from remit.core.decision import Obligation
from remit.core.digest import Digest, sha256
from remit.core.event import Event
from remit.guard.mcp.messages import INVALID_PARAMS, Id, Refused, Request
from remit.guard.mcp.methods import META_CAPABILITIES, Method

CONTINUATION_TTL_US = 600_000_000
MAX_CONTINUATIONS = 256
CONFIRM_KEY = "remit.confirm"


class State(enum.Enum):
    """Where a request is."""

    HELD = "held"
    FORWARDED = "forwarded"
    CANCELLED = "cancelled"


class Call:
    """One request of the client; owned by its session, in the event loop's thread."""

    __slots__ = (
        "answered",
        "asking",
        "event",
        "fulfilled",
        "judged",
        "method",
        "modern",
        "question",
        "request",
        "shown",
        "started_us",
        "state",
        "task",
    )

    def __init__(self, request: Request, method: Method, *, modern: bool) -> None:
        self.request = request
        self.method = method
        self.modern = modern
        self.state = State.HELD
        self.answered = False
        self.asking = False
        self.judged = False
        self.event: Event | None = None
        self.fulfilled: frozenset[str] = frozenset()
        self.question: Obligation | None = None
        # The event as the person who is asked may see it.
        self.shown: Event | None = None
        self.started_us = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def id(self) -> Id:
        """The client's id of it."""
        return self.request.id

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the client offered with this request (modern era)."""
        offered = self.request.params["_meta"][META_CAPABILITIES]
        assert isinstance(offered, dict)
        return offered

    @property
    def token(self) -> str | int | None:
        """The progress token that the client gave, if it gave one."""
        meta = self.request.params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        return token if type(token) is str or type(token) is int else None


class Continuation(msgspec.Struct, frozen=True, kw_only=True):
    """What Guard remembers between the rounds of one call of the modern era.

    Attributes:
        action: digest of method, name and arguments: the retry must be the same call.
        upstream: the server's own ``requestState``.
        fulfilled: rules already fulfilled for this action.
        question: the confirmation that was asked for in this round.
        expires_us: wall time after which it is worthless.
    """

    action: Digest
    upstream: str | None
    fulfilled: frozenset[str]
    question: Obligation | None
    expires_us: int


class Continuations:
    """``requestState`` values: unguessable, bound to one action, used once, short-lived.

    The value that the client holds is a random token; the state stays here, so the client can
    neither read nor forge it (the specification asks to treat it as the attacker's input).
    """

    def __init__(self) -> None:
        self._held: dict[str, Continuation] = {}

    def put(self, continuation: Continuation) -> str:
        """Keep it and give its token; the oldest falls out when there are too many."""
        while len(self._held) >= MAX_CONTINUATIONS:
            del self._held[next(iter(self._held))]
        token = os.urandom(24).hex()
        self._held[token] = continuation
        return token

    def take(self, token: str, action: Digest, now_us: int, id: Id) -> Continuation:  # noqa: A002 - JSON-RPC's own name
        """The continuation of ``token``, which is used up by this.

        Raises:
            Refused: unknown, used, expired, or of another action.
        """
        held = self._held.pop(token, None)
        if held is None or held.action != action or held.expires_us < now_us:
            raise Refused(
                "`requestState` is unknown, used, expired or of another call",
                rpc_code=INVALID_PARAMS,
                id=id,
                code="mcp.request_state",
            )
        return held


def action_digest(method: str, params: dict[str, Any]) -> Digest:
    """What makes two rounds the same call: everything but the two retry members and ``_meta``."""
    kept = {k: v for k, v in params.items() if k not in {"inputResponses", "requestState", "_meta"}}
    return sha256(digest_bytes([method, kept]))
