"""Records: what a leaf of the log holds. ``spec/audit-log.md`` is the normative text.

The leaf bytes are the JSON that was written and are never re-serialised. The log fills the
fields of :data:`RESERVED`; everything else comes from the caller and is opaque here.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from remit.audit.errors import RecordError
from remit.core.canonical import canonical_bytes

VERSION = 1
MAX_RECORD_BYTES = 16 * 1024
MAX_VALUE_BYTES = 1024 * 1024
SALT_BYTES = 16
_BLOCK = 64
_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))
RESERVED = frozenset(
    ("v", "log", "seq", "time", "boot", "mono_ns", "prev", "kind", "batch"),
)
KINDS = frozenset(
    (
        "guard.start", "guard.stop", "guard.heartbeat", "policy.load", "artifact.admit",
        "artifact.deny", "agent.seen", "tool.decision", "tool.result", "mcp.decision",
        "content.finding", "completion.decision", "handoff", "approval.request",
        "approval.decision", "approval.consume", "key.rotate", "anchor.received", "edge.anchor",
        "sync.conflict", "clock.jump", "audit.gap", "retention.redact", "program.start",
        "evidence.request", "evidence.export", "evidence.accept", "gap.open", "gap.close",
        "hub.start", "hub.stop", "registry.push", "registry.pull", "registry.mount",
        "registry.delete", "registry.deny", "registry.token", "registry.retire",
        "registry.collect", "registry.found", "registry.lost", "account.add", "account.password",
        "account.remove", "account.grant", "account.revoke", "rule.set", "rule.drop",
        "console.login", "console.logout", "console.refuse",
    )
)  # fmt: skip
"""Kinds that have a meaning today. Others of the same form are kept and verified all the same."""

_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}")
_KIND_LENGTH = 64


class Entry(msgspec.Struct, frozen=True):
    """One record as read back.

    Attributes:
        seq: its index in the log.
        leaf: the bytes that the tree commits to.
        record: the parsed leaf. For display and search; verification works on ``leaf``.
    """

    seq: int
    leaf: bytes
    record: dict[str, Any]


def check_kind(kind: str) -> None:
    """Refuse a kind that is not dotted lower-case words.

    Raises:
        RecordError: it is not.
    """
    if kind not in KINDS and not (len(kind) <= _KIND_LENGTH and _KIND.fullmatch(kind)):
        raise RecordError(f"`{kind!r}` is not a record kind")


def leaf_bytes(head: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
    """The canonical bytes of one record (RFC 8785 within the limits of ``core.canonical``).

    Args:
        head: the fields of :data:`RESERVED`.
        body: all others.

    Raises:
        RecordError: a reserved field in ``body``, or more than :data:`MAX_RECORD_BYTES`.
        CanonicalError: floats, integers beyond 53 bits, keys that are not ASCII, other types.
    """
    if not RESERVED.isdisjoint(body):
        name = min(RESERVED.intersection(body))
        raise RecordError(f"the field `{name}` is filled by the log")
    leaf = canonical_bytes({**body, **head})
    if len(leaf) > MAX_RECORD_BYTES:
        raise RecordError(
            f"a record of {len(leaf)} bytes is larger than {MAX_RECORD_BYTES}",
            hint="Cut long texts before they are recorded, or pass them as private values.",
            code="audit.record_too_large",
        )
    return leaf


def commitment(salt: bytes, value: bytes) -> str:
    """The salted commitment to a private value: ``hmac-sha256:<hex>``, keyed with the salt."""
    # RFC 2104 by hand: `hmac.digest` lets the interpreter lock go for each of these small values,
    # and taking it back costs more than both hashes.
    key = salt.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(key.translate(_IPAD) + value).digest()
    return "hmac-sha256:" + hashlib.sha256(key.translate(_OPAD) + inner).hexdigest()


def with_field(body: Mapping[str, Any], path: str, value: str) -> dict[str, Any]:
    """A copy of ``body`` with ``value`` at the dotted ``path``; objects on the way are copied.

    Raises:
        RecordError: something that is not an object is on the way, or the field exists.
    """
    copy = dict(body)
    first, dot, rest = path.partition(".")
    if not first:
        raise RecordError(f"`{path!r}` is not a path of a field")
    if dot:
        inner = copy.get(first, {})
        if not isinstance(inner, Mapping):
            raise RecordError(f"`{first}` on the path `{path}` is not an object")
        copy[first] = with_field(inner, rest, value)
    elif first in copy:
        raise RecordError(f"the private field `{path}` is in the record already")
    else:
        copy[first] = value
    return copy


def field(record: Mapping[str, Any], path: str) -> Any:
    """The value at the dotted ``path``, ``None`` if there is none."""
    value: Any = record
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def entry(seq: int, leaf: bytes) -> Entry:
    """An entry of stored bytes.

    Raises:
        RecordError: the bytes are not a JSON object.
    """
    try:
        record = orjson.loads(leaf)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"record {seq} is not JSON") from error
    if type(record) is not dict:
        raise RecordError(f"record {seq} is not a JSON object")
    return Entry(seq, leaf, record)
