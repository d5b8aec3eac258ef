"""What a restart must know, read from the log itself.

Two things: which allowed calls have no result (they are closed with status ``unknown``), and how
often each limit was used. A snapshot beside the log only shortens the reading; a missing, foreign
or damaged one costs time, never truth.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from remit.audit.log import Log
from remit.audit.read import read
from remit.core.errors import RemitError
from remit.core.files import write_atomically
from remit.facts.usage import Usage
from remit.guard.ledger import Ledger, Outcome


class _Snapshot(msgspec.Struct, forbid_unknown_fields=True):
    origin: str
    size: int
    usage: dict[str, Any]
    open: dict[str, dict[str, Any]]


def restore(directory: Path, snapshot: Path, log: Log, usage: Usage) -> dict[str, dict[str, Any]]:
    """Count the hits of earlier runs into ``usage`` and give the calls they left open.

    Args:
        directory: the log's directory.
        snapshot: where :func:`save_snapshot` wrote.
        log: the open log; only records that it accepted at opening are read.
        usage: fresh counters.

    Raises:
        RemitError: the log cannot be read.
    """
    opened: dict[str, dict[str, Any]] = {}
    start = 0
    known = _load(snapshot, log)
    if known is not None:
        with contextlib.suppress(RemitError):
            usage.load(known.usage)
            opened, start = dict(known.open), known.size
    for entry in read(directory, start):
        record = entry.record
        kind, call = record.get("kind"), record.get("call")
        if kind == "tool.decision" and isinstance(call, str):
            decision = record.get("decision", {})
            if decision.get("effect") == "allow" or decision.get("mode") == "observe":
                opened[call] = {k: record[k] for k in ("actor", "session", "action") if k in record}
            for key in record.get("limits", ()):
                usage.replay(key, record["time"])
        elif kind == "tool.result" and isinstance(call, str):
            opened.pop(call, None)
    return opened


def _load(path: Path, log: Log) -> _Snapshot | None:
    try:
        known = msgspec.json.decode(path.read_bytes(), type=_Snapshot)
    except (OSError, msgspec.DecodeError):
        return None
    return known if known.origin == log.origin and 0 <= known.size <= log.size else None


def save_snapshot(path: Path, ledger: Ledger, usage: Usage) -> None:
    """Write a snapshot of the present state; a failure to write it is no failure."""
    state = _Snapshot(
        origin=ledger.log.origin,
        size=ledger.log.durable_size,
        usage=usage.dump(),
        open=ledger.open_calls,
    )
    if ledger.log.durable_size != ledger.log.size:
        return
    with contextlib.suppress(OSError):
        write_atomically(path, msgspec.json.encode(state))


def close_orphans(ledger: Ledger, opened: Mapping[str, dict[str, Any]]) -> None:
    """Close the calls of a run that ended without their results; nobody knows how they went."""
    for call, opening in opened.items():
        ledger.open_calls[call] = opening
        ledger.close_call(Outcome(call=call, status="unknown"))
