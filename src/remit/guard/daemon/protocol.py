"""What is said on Guard's socket: ``spec/guard-socket.md`` is the normative text. Pure.

One line of JSON asks, one answers. For ``op = "mcp"`` the asking message carries the standard
streams of the client (SCM_RIGHTS), and Guard goes on with empty lines as signs of life until it
says how the session ended.
"""

from typing import Any, Literal

import msgspec

from remit.core.errors import RemitError
from remit.core.strictjson import StrictJsonError, dumps, parse
from remit.guard.errors import GuardError

VERSION = 1
MAX_HELLO = 16 * 1024
MAX_ANSWER = 1 << 22
SIGN_OF_LIFE = b"\n"

Op = Literal[
    "mcp", "status", "reload", "stop", "questions", "answer",
    "approvals", "approval", "approve", "approvers", "enrol", "invite", "revoke",
]  # fmt: skip


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a peer asks.

    Attributes:
        remit: version of this protocol.
        op: what is wanted.
        server: of ``mcp``: id of the server.
        question, yes: of ``answer``: id of the confirmation, and the person's word.
        request: of ``approval`` and ``approve``: id of the request.
        closed: of ``approvals``: those that are used or expired.
        bundle: of ``approve`` and ``enrol``: the signed word, as text.
        key: of ``enrol``: the public key, PEM.
        user: of ``revoke`` and ``invite``: whose enrolment ends, or begins.
        name: of ``invite``: their printed name.
    """

    remit: Literal[1]
    op: Op
    server: str = ""
    question: str = ""
    yes: bool = False
    request: str = ""
    closed: bool = False
    bundle: str = ""
    key: str = ""
    user: str = ""
    name: str = ""


def parse_hello(line: bytes) -> Hello:
    """The first line of a peer.

    Raises:
        GuardError: it is none (``guard.bad_hello``).
    """
    try:
        value = parse(line, max_bytes=MAX_HELLO)
        return msgspec.convert(value, Hello, strict=True)
    except (StrictJsonError, msgspec.ValidationError) as error:
        raise GuardError("this is no request to Guard", code="guard.bad_hello") from error


def granted(**more: Any) -> bytes:
    """The answer to what was done."""
    return dumps({"ok": True, **more}) + b"\n"


def refused(error: RemitError) -> bytes:
    """The answer to what was not."""
    value = {"ok": False, "code": error.code, "error": error.message, "hint": error.hint}
    return dumps(value) + b"\n"


def ended(status: int, reason: str = "") -> bytes:
    """The last line of a session."""
    return dumps({"end": {"status": status, "reason": reason}}) + b"\n"
