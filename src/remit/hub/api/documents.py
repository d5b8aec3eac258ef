"""The JSON of the catalogue (spec/hub-api.md)."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from remit.hub.catalog.ports import Item, Reach, Use

_MICRO = 1_000_000


def time_of(us: int) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    seconds, micro = divmod(us, _MICRO)
    whole = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{micro:06d}Z"


def item_json(item: Item) -> dict[str, Any]:
    """An artifact as a list shows it."""
    found: dict[str, Any] = {
        "repository": item.repository,
        "digest": item.digest,
        "tags": item.tags,
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "title": item.title,
        "mediaType": item.media_type,
        "artifactType": item.artifact_type,
        "size": item.size,
        "totalBytes": item.total,
        "pushedBy": item.pushed_by,
        "pushedAt": time_of(item.pushed_us),
    }
    if item.subject:
        found["subject"] = item.subject
    if item.graph:
        found["graph"] = item.graph
    return found


def uses_json(digest: str, uses: Sequence[Use]) -> dict[str, Any]:
    """What uses an artifact."""
    return {
        "digest": digest,
        "uses": [
            {
                **item_json(each.item),
                "role": each.role,
                "as": each.name,
                "direct": each.digest == digest,
                "dependency": each.digest,
            }
            for each in uses
        ],
    }


def needs_json(digest: str, reach: Reach, states: Mapping[str, str]) -> dict[str, Any]:
    """What an artifact needs, and whether all of it was scanned.

    ``scanned`` is true only if every artifact that can be reached is here, is one of which the
    needs are known, and passed its scan. Each reason against it is listed.
    """
    met = dict.fromkeys([digest, *(each.digest for each in reach.edges if each.digest)])
    reasons: list[str] = [] if reach.whole else ["the graph is too large to be walked to its end"]
    reasons += [
        f"`{each.reference[:300]}`, {each.role} of `{each.subject}`, has no digest"
        for each in reach.edges
        if not each.digest
    ]
    nodes = []
    for each in met:
        items = reach.items.get(each, ())
        state = states.get(each, "unscanned")
        node: dict[str, Any] = {"digest": each, "present": bool(items), "scan": state}
        if items:
            first = items[0]
            node |= {"kind": first.kind, "name": first.name, "version": first.version}
            node["locations"] = [
                {"repository": item.repository, "tags": item.tags} for item in items
            ]
            if first.graph:
                node["graph"] = first.graph
            if first.graph not in {"", "complete", "unlocked"}:
                reasons.append(f"what `{each}` needs cannot be read")
            if state != "passed":
                reasons.append(f"`{each}` is {state}")
        else:
            reasons.append(f"`{each}` is not here")
        nodes.append(node)
    return {
        "digest": digest,
        "scanned": not reasons,
        "reasons": reasons,
        "nodes": nodes,
        "edges": [
            {
                "subject": each.subject,
                "role": each.role,
                "name": each.name,
                "dependency": each.digest or None,
                "reference": each.reference,
            }
            for each in reach.edges
        ],
    }
