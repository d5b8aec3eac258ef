"""Looking into events, and what a session remembers of those that were let through."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from remit.core.decision import Obligation
from remit.core.event import Event, Kind
from remit.core.strictjson import dumps
from remit.guard.memory import UNINSPECTED, SessionMemory
from remit.guard.opinion import Opinion
from remit.policy.policy import Policy

if TYPE_CHECKING:
    from remit.content.summary import Summary

MAX_AT_ONCE = 16 * 1024
"""Bytes that are inspected in the event loop's thread; more would keep other sessions waiting."""

_TELLS = frozenset({"injection", "poisoning", "invisible", UNINSPECTED})
"""Findings after which a text is not the word of its source any more."""


async def look(
    policy: Policy, event: Event, session: SessionMemory, opinion: Opinion | None = None
) -> "Summary | None":
    """What is in an event; ``None`` if no policy wants to know.

    Args:
        policy: says what is wanted.
        event: to look into.
        session: whose tokens are no findings.
        opinion: is asked about what comes in, if detectors saw no orders in it.
    """
    wanted = policy.needs(event.action).content or (event.inbound and policy.watch.labels)
    if not wanted:
        return None
    seen = await _look(policy, event, session)
    if opinion is None or not event.inbound or "injection" in seen.kinds:
        return seen
    if _size(event) <= MAX_AT_ONCE:
        text = policy.inspector.masked(event)
    else:
        text = await asyncio.to_thread(policy.inspector.masked, event)
    return seen.plus(await opinion.ask(text))


async def _look(policy: Policy, event: Event, session: SessionMemory) -> "Summary":
    vault = session.memory.vault if session.memory.holds_values else None
    if _size(event) <= MAX_AT_ONCE:
        return policy.inspector.look_into(event, vault)
    return await asyncio.to_thread(policy.inspector.look_into, event, vault)


async def redacted(
    policy: Policy, event: Event, obligation: Obligation, session: SessionMemory,
    seen: "Summary | None" = None,
) -> Event:  # fmt: skip
    """The event without what the obligation names; ``seen`` is what was found in it before.

    Raises:
        Exception: it could not be done.
    """
    arguments = event, obligation.parameters, session.memory.vault, session.memory.key, seen
    if _size(event) <= MAX_AT_ONCE:
        return policy.inspector.redact(*arguments)
    return await asyncio.to_thread(policy.inspector.redact, *arguments)


async def look_again(policy: Policy, event: Event, session: SessionMemory) -> "Summary":
    """What is found in an event that was changed."""
    return await _look(policy, event, session)


def revealed(policy: Policy, event: Event, session: SessionMemory) -> Event:
    """A call with real values for the session's tokens, in the arguments that may have them."""
    if event.kind is not Kind.TOOL_CALL or not session.memory.holds_values:
        return event
    names = policy.labels(event.action).reveal
    if not names:
        return event
    from remit.content.vault import detokenise

    given = {
        name: detokenise(value, session.memory.vault, lambda _path, _label: True)
        if name in names
        else value
        for name, value in event.input.items()
    }
    return msgspec.structs.replace(event, input=given)


def remember(
    policy: Policy, event: Event, given: Event, seen: "Summary | None", session: SessionMemory
) -> None:
    """What the session used, and what it was given: labels of findings, where values came from.

    Args:
        policy: says what is worth remembering.
        event: as it goes on.
        given: as it came.
        seen: what was found in it.
        session: that remembers it.
    """
    if event.kind is Kind.TOOL_CALL and policy.watch.flow:
        effect = policy.labels(given.action).of(given.tool_class)
        session.memory.used(given.id, given.input, internal=effect == "internal")
    if not event.inbound:
        return
    source = str(event.input.get("tool", event.action))
    labels = policy.labels(source if "/" in source else f"{event.server}/{source}")
    kinds = frozenset({UNINSPECTED}) if seen is None else seen.kinds
    trusted = labels.result != "untrusted" and (seen is None or not kinds & _TELLS)
    # What a server says of itself is its operator's text, not anybody's; its values stay untrusted.
    # A listing holds free text of anybody beside its fields.
    alien = not trusted or labels.result == "listing"
    stranger = alien and (source != Kind.MCP_CONNECT or bool(kinds & _TELLS))
    for kind in kinds | {"untrusted"} if stranger else kinds:
        session.label(kind)
    if policy.watch.flow:
        session.memory.read(
            event.id,
            event.content,
            trusted=trusted,
            listing=labels.result == "listing",
            clean=seen is not None and not kinds & _TELLS,
        )
    else:
        session.memory.miss()


def _size(event: Event) -> int:
    """Bytes of text to look into."""
    return len(dumps({"input": event.input, "content": event.content}))
