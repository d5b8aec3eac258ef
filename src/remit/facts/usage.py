"""How often limits were used: exact sliding windows over the calls that were counted.

Pure: the time is passed in. A limit keeps the times of at most its last ``max`` hits for each key
(who, where), which is all that an exact answer needs. The keys that :meth:`Usage.hit` returns go
into the audit record, and :meth:`Usage.replay` rebuilds the state from records after a restart.

Rules:

1. A clock that is set back frees nothing: time never goes backwards in here, and a hit "in the
   future" still counts until its window has passed.
2. When there is no room for another key, the limit counts as exceeded.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from remit.core.event import Event
from remit.facts.base import FactError
from remit.facts.registry import matches

MAX_KEYS = 50_000
"""Most keys of one limit that are remembered at a time."""
MAX_REMEMBERED = 4096
"""Most events whose keys are remembered."""
MAX_HITS = 100_000
"""Largest ``max`` of a limit."""
MAX_WINDOW_US = 366 * 86_400 * 1_000_000

Part = Literal["agent", "user", "session", "server", "tool"]

_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_WINDOW = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def parse_window(text: str) -> int:
    """``30s``, ``5m``, ``1h``, ``1d`` (also ``500ms``) as microseconds.

    Raises:
        FactError: ``facts.bad_limit``; zero, fractions and more than 366 days are refused.
    """
    match = _WINDOW.fullmatch(text)
    window_us = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < window_us <= MAX_WINDOW_US:
        raise FactError(
            f"`{text[:40]}` is not a window",
            hint="write a whole number and ms, s, m, h or d, for example `30s` or `1h`",
            code="facts.bad_limit",
        )
    return window_us


class Limit(msgspec.Struct, frozen=True):
    """At most ``max`` calls in any ``window_us`` for each distinct value of ``per``.

    Attributes:
        name: unique in the bundle; a member of ``context.over_limit`` when it is exceeded.
        max: calls allowed in a window; 0 allows none.
        window_us: length of the window in microseconds.
        per: what is counted apart; empty counts all together.
        tools: globs over ``<server>/<tool>``.

    Raises:
        FactError: ``facts.bad_limit`` at construction.
    """

    name: str
    max: int
    window_us: int
    per: tuple[Part, ...]
    tools: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a limit that could not be counted."""
        if not _NAME.fullmatch(self.name):
            raise FactError(
                f"`{self.name[:64]}` is not a name of a limit",
                hint="letters, digits, `-`, `_` and `.`, at most 64",
                code="facts.bad_limit",
            )
        if not 0 <= self.max <= MAX_HITS or not 0 < self.window_us <= MAX_WINDOW_US:
            raise FactError(
                f"limit `{self.name}` is out of range",
                hint=f"`max` is 0 to {MAX_HITS}, the window at most 366 days",
                code="facts.bad_limit",
            )
        if len(set(self.per)) != len(self.per):
            raise FactError(f"limit `{self.name}` repeats in `per`", code="facts.bad_limit")

    def applies(self, action: str) -> bool:
        """Whether calls of ``action`` are counted."""
        return matches(self.tools, action)

    def key(self, event: Event) -> str:
        """Stable text of what ``event`` is counted under; it begins with the limit's name."""
        values: dict[Part, str] = {
            "agent": event.agent.id,
            "user": event.user,
            "session": event.session,
            "server": event.server,
            "tool": event.action,
        }
        return "|".join([self.name, *(f"{part}={_escape(values[part])}" for part in self.per)])


def _escape(text: str) -> str:
    """Keep ``text`` from looking like another key: two different values give different keys."""
    return text.replace("%", "%25").replace("|", "%7C")


class Usage:
    """Counts hits of limits. Not thread-safe; one event loop owns it.

    Raises:
        FactError: ``facts.bad_limit`` if two limits have one name.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = {limit.name: limit for limit in limits}
        if len(self._limits) != len(limits):
            raise FactError("two limits have the same name", code="facts.bad_limit")
        # limit name → key → times of its last hits, oldest first. Dict order is the order of
        # the last hit, so what may be evicted stands at the front.
        self._hits: dict[str, dict[str, deque[int]]] = {name: {} for name in self._limits}
        self._latest_us = 0
        self._applied: dict[tuple[str, ...], tuple[tuple[Limit, str], ...]] = {}

    def over(self, event: Event, now_us: int) -> frozenset[str]:
        """Names of the limits that this event, counted at ``now_us``, would exceed."""
        now_us = self._now(now_us)
        return frozenset(
            [limit.name for limit, key in self._applying(event) if self._wait(limit, key, now_us)]
        )

    def _applying(self, event: Event) -> tuple[tuple[Limit, str], ...]:
        """The limits that apply to an event, with its keys; remembered, for calls come in rows."""
        what = (event.action, event.agent.id, event.user, event.session, event.server, event.tool)
        known = self._applied.get(what)
        if known is None:
            limits = self._limits.values()
            known = tuple((x, x.key(event)) for x in limits if x.applies(event.action))
            if len(self._applied) >= MAX_REMEMBERED:
                self._applied.clear()
            self._applied[what] = known
        return known

    def wait_us(self, name: str, event: Event, now_us: int) -> int:
        """Microseconds until ``event`` would no longer exceed limit ``name``; 0 if it does not.

        Raises:
            FactError: ``facts.bad_limit`` if there is no such limit.
        """
        limit = self._limits.get(name)
        if limit is None:
            raise FactError(f"there is no limit `{name[:64]}`", code="facts.bad_limit")
        if not limit.applies(event.action):
            return 0
        # The caller's clock may stand behind ours; it has that much longer to wait.
        behind_us = max(0, self._latest_us - now_us)
        wait_us = self._wait(limit, limit.key(event), self._now(now_us))
        return wait_us + behind_us if wait_us else 0

    def hit(self, event: Event, now_us: int) -> tuple[str, ...]:
        """Count ``event`` and return the keys it was counted under."""
        now_us = self._now(now_us)
        keys = []
        for limit, key in self._applying(event):
            self._count(limit, key, now_us)
            keys.append(key)
        return tuple(keys)

    def replay(self, key: str, time_us: int) -> None:
        """Count a hit of an earlier run, in the order of the records.

        Keys of limits that no longer exist, or that are counted per something else now, are
        ignored: nothing asks for them.
        """
        limit = self._limits.get(key.split("|", 1)[0])
        if limit is not None:
            self._count(limit, key, self._now(time_us))

    def dump(self) -> dict[str, Any]:
        """State for a snapshot; :meth:`load` reads it back."""
        return {
            "version": 1,
            "latest_us": self._latest_us,
            "hits": {
                key: list(times) for keys in self._hits.values() for key, times in keys.items()
            },
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Replace the state by a dump. On an error the state stays as it was.

        Raises:
            FactError: ``facts.bad_state`` for anything that :meth:`dump` would not write.
        """
        try:
            state = msgspec.convert(dumped, _State, strict=True)
        except msgspec.ValidationError as error:
            raise FactError(
                f"the usage state is damaged: {error}", code="facts.bad_state"
            ) from None
        fresh = Usage(list(self._limits.values()))
        for key, times in state.hits.items():
            if not times or times[-1] > state.latest_us or times != sorted(times) or times[0] < 0:
                raise FactError("the usage state is damaged: times", code="facts.bad_state")
            limit = fresh._limits.get(key.split("|", 1)[0])
            if limit is not None and limit.max:
                fresh._hits[limit.name][key] = deque(times, maxlen=limit.max)
        for name, keys in fresh._hits.items():
            if len(keys) > MAX_KEYS:
                raise FactError(
                    f"the usage state has too many keys of `{name}`", code="facts.bad_state"
                )
            fresh._hits[name] = dict(sorted(keys.items(), key=lambda item: item[1][-1]))
        self._hits = fresh._hits
        self._latest_us = max(self._latest_us, state.latest_us)

    def _now(self, now_us: int) -> int:
        self._latest_us = max(self._latest_us, now_us)
        return self._latest_us

    def _wait(self, limit: Limit, key: str, now_us: int) -> int:
        if limit.max == 0:
            return limit.window_us
        keys = self._hits[limit.name]
        times = keys.get(key)
        if times is None:
            self._evict(limit, now_us)
            if len(keys) < MAX_KEYS:
                return 0
            return max(1, next(iter(keys.values()))[-1] + limit.window_us - now_us)
        if len(times) < limit.max:
            return 0
        return max(0, times[0] + limit.window_us - now_us)

    def _count(self, limit: Limit, key: str, now_us: int) -> None:
        if limit.max == 0:
            return
        keys = self._hits[limit.name]
        times = keys.pop(key, None)
        if times is None:
            self._evict(limit, now_us)
            if len(keys) >= MAX_KEYS:
                # Counted although `over` said no (observe mode, replay): there is no room, and
                # until there is, every unknown key is over.
                return
            times = deque(maxlen=limit.max)
        times.append(now_us)
        keys[key] = times

    def _evict(self, limit: Limit, now_us: int) -> None:
        keys = self._hits[limit.name]
        while keys:
            oldest = next(iter(keys))
            if keys[oldest][-1] + limit.window_us > now_us:
                return
            del keys[oldest]


class _State(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    latest_us: int
    hits: dict[str, list[int]]
