"""Which repositories a caller sees in lists: one pattern for all of their grants, made once.

The same as :meth:`~remit.hub.registry.access.Caller.role_allows` for each name, and a test holds it
to that; a list over thousands of repositories has no time to look at each grant for each of them.
"""

import functools
import re

from remit.hub.catalog.ports import Sees
from remit.hub.patterns import expression
from remit.hub.registry.access import ROLES, Caller

EVERYTHING = "**"


def sees(caller: Caller) -> Sees | None:
    """What the caller may know of; ``None`` for everything."""
    patterns = _patterns(caller, "list")
    return None if EVERYTHING in patterns else _matcher(patterns)


def pulls(caller: Caller) -> Sees | None:
    """What the caller may be shown the content of, with the token that was sent."""
    patterns = _patterns(caller, "pull")
    if caller.scopes is None:
        return None if EVERYTHING in patterns else _matcher(patterns)
    allowed = _matcher(patterns)
    return lambda name: allowed(name) and caller.token_allows(name, "pull")


def _patterns(caller: Caller, action: str) -> tuple[str, ...]:
    found = {each.pattern for each in caller.grants if action in ROLES.get(each.role, ())}
    return tuple(sorted(found))


@functools.lru_cache(maxsize=256)
def _matcher(patterns: tuple[str, ...]) -> Sees:
    if not patterns:
        return lambda _: False
    compiled = re.compile("|".join(f"(?:{expression(each)})" for each in patterns))
    return lambda name: compiled.fullmatch(name) is not None
