"""The context of what is decided outside of a call: people's grants, and artifacts."""

from collections.abc import Iterable, Mapping
from typing import Any

from remit.policy import engine, request
from remit.policy.schema import Reads

_NOTHING: Mapping[str, Mapping[str, Any]] = {
    "session": {"labels": [], "calls": 0, "tools": []},
    "content": {"findings": [], "max_severity": 0, "injection": 0, "inspected": True},
    "flow": {
        **dict.fromkeys(("effect", "destination", "payload", "links"), "none"),
        **{o: [] for o in ("user", "trusted", "named", "quoted", "unknown", "untrusted")},
    },
}


def context(
    reads: Reads,
    *,
    given: Mapping[str, Any],
    now_us: int,
    user: str,
    fulfilled: Iterable[str] = (),
) -> dict[str, Any]:
    """What policies see where there is no session, finding or flow: empty ones, as far as read.

    Args:
        reads: what the policies read.
        given: ``context.input``.
        now_us: the time, microseconds since 1970.
        user: for whom, or who decides.
        fulfilled: obligations that are.
    """
    whole: dict[str, Any] = {
        "input": given,
        "now": request.time_text(now_us),
        "over_limit": [],
        "fulfilled": sorted(fulfilled),
        "user": engine.uid("User", user),
        "on_behalf_of": "",
    }
    found = {name: value for name, value in whole.items() if reads.has(name)}
    for name, empty in _NOTHING.items():
        if reads.has(name):
            found[name] = {key: value for key, value in empty.items() if reads.part(name, key)}
    return found
