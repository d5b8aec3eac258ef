"""Where the arguments of a call come from, in the form that policies read."""

from collections.abc import Collection, Mapping
from typing import Any

from remit.content.provenance import ORIGINS, Origin, Provenance, worst

NOTHING_THERE = "none"


def flow(
    arguments: Mapping[str, Any], dest: Collection[str], effect: str, seen: Provenance
) -> Mapping[str, Any]:
    """``context.flow`` of policies; types in spec/policy-schema.md.

    Args:
        arguments: of the call, decoded.
        dest: names of those that say where data goes.
        effect: what the call changes.
        seen: what the session has seen so far.
    """
    if not dest and effect in {"egress", "irreversible"}:
        # Nobody said where this goes: any argument may say it.
        dest = tuple(arguments)
    origins: dict[str, Origin] = {
        name: seen.origin(value, "destination" if name in dest else "payload")
        for name, value in arguments.items()
    }
    going = [origin for name, origin in origins.items() if name in dest]
    links = [
        origin
        for name, value in arguments.items()
        if name not in dest and (origin := seen.links(value)) is not None
    ]
    carried = [origin for name, origin in origins.items() if name not in dest]
    return {
        "effect": effect,
        "destination": worst(going) if going else NOTHING_THERE,
        "payload": worst(carried) if carried else NOTHING_THERE,
        "links": worst(links) if links else NOTHING_THERE,
        **{
            source: sorted(name for name, origin in origins.items() if origin == source)
            for source in ORIGINS
        },
    }


NOTHING: Mapping[str, Any] = {
    "effect": "none",
    "destination": NOTHING_THERE,
    "payload": NOTHING_THERE,
    "links": NOTHING_THERE,
    **{source: [] for source in ORIGINS},
}
"""Of an event that is no call."""
