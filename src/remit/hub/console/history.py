"""What the Hub's log says about an artifact: the newest of its records, read off the event loop."""

import asyncio
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from remit.audit.read import leaves
from remit.audit.record import entry
from remit.core.errors import RemitError

MAX_LOOKED = 100_000
"""Records from the end of the log that are looked through."""
MAX_SHOWN = 100


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A record.

    Attributes:
        seq: its index in the log.
        time_us: microseconds since the Unix epoch.
        kind: of record.
        user, peer: who, and from where.
        text: what it says besides.
        attached: how many manifests were stored that refer to the artifact, one after another;
            0 for a record about the artifact itself.
    """

    seq: int
    time_us: int
    kind: str
    user: str
    peer: str
    text: str
    attached: int = 0


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; ``looked`` records were looked through, of ``size``."""

    events: tuple[Event, ...]
    looked: int
    size: int


async def history(directory: Path, size: int, digest: str, repository: str) -> History:
    """Records that name a digest in a repository, the newest first.

    Args:
        directory: of the log.
        size: how many records it has.
        digest: of the artifact.
        repository: where it is.
    """
    return await asyncio.to_thread(_read, directory, size, digest, repository)


def _read(directory: Path, size: int, digest: str, repository: str) -> History:
    start = max(0, size - MAX_LOOKED)
    needle, last = digest.encode(), deque[Event](maxlen=MAX_SHOWN)
    looked = 0
    try:
        for seq, leaf in leaves(directory, start):
            looked += 1
            # Most are about something else: what does not name the digest is not parsed.
            if needle in leaf and (
                event := _event(entry(seq, leaf).record, digest, repository, seq)
            ):
                if event.attached and last and last[-1].attached:
                    event = msgspec.structs.replace(event, attached=last.pop().attached + 1)
                last.append(event)
    except (RemitError, OSError):
        # A page about what can be read says more than none; the log has its own check.
        pass
    return History(events=tuple(reversed(last)), looked=looked, size=max(size, looked))


def _event(record: Mapping[str, Any], digest: str, repository: str, seq: int) -> Event | None:
    artifact, actor = record.get("artifact"), record.get("actor")
    where = artifact.get("repository") if isinstance(artifact, dict) else None
    if where is not None and where != repository:
        return None
    about = isinstance(artifact, dict) and artifact.get("digest") != digest
    attached = about and isinstance(artifact, dict) and artifact.get("subject") == digest
    who = actor if isinstance(actor, dict) else {}
    time = record.get("time")
    return Event(
        seq=seq,
        time_us=time if isinstance(time, int) else 0,
        kind=str(record.get("kind", "")),
        user=str(who.get("user", "")),
        peer=str(who.get("peer", "")),
        text=_text(record),
        attached=int(attached),
    )


def _text(record: Mapping[str, Any]) -> str:
    """The words of a record that people read."""
    words: list[str] = []
    decision, scan, artifact = (record.get(each) for each in ("decision", "scan", "artifact"))
    if isinstance(decision, dict):
        words += [str(decision.get("effect", "")), str(decision.get("word", ""))]
        reasons = decision.get("reasons")
        words += [str(each) for each in reasons[:3]] if isinstance(reasons, list) else []
        words.append(str(decision.get("reason", "")))
    if isinstance(scan, dict) and "findings" in scan:
        words.append(f"{scan['findings']} findings of {scan.get('reports', '?')} scanners")
    if isinstance(artifact, dict) and artifact.get("tag"):
        words.append(f"tag {artifact['tag']}")
    if isinstance(record.get("reason"), str):
        words.append(record["reason"])
    return "; ".join(each for each in words if each)[:500]
