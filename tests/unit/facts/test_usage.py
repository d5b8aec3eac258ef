import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.core.event import Agent, Event, Kind
from remit.facts import usage as usage_module
from remit.facts.base import FactError
from remit.facts.usage import Limit, Usage, parse_window

SECOND = 1_000_000


def event(action: str = "bank/pay", **more: Any) -> Event:
    values: dict[str, Any] = {
        "id": "1", "kind": Kind.TOOL_CALL, "server": action.split("/", maxsplit=1)[0], "action": action,
        "agent": Agent(id="a"), "user": "u", "session": "s", "input": {},
    }  # fmt: skip
    return Event(**{**values, **more})


def limit(**more: Any) -> Limit:
    values: dict[str, Any] = {
        "name": "pay", "max": 2, "window_us": 10 * SECOND, "per": ("agent",), "tools": ("bank/*",),
    }  # fmt: skip
    return Limit(**{**values, **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30 * SECOND),
        ("5m", 300 * SECOND),
        ("1h", 3600 * SECOND),
        ("1d", 86_400 * SECOND),
        ("500ms", 500_000),
        ("366d", 366 * 86_400 * SECOND),
    ],
)
def test_windows(text: str, expected: int) -> None:
    assert parse_window(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "1",
        "s",
        "1w",
        "1.5h",
        "-1s",
        " 1s",
        "1s ",
        "1h30m",
        "1S",
        "367d",
        "1e3s",
        "١s",
        "1s\n",
    ],
)
def test_bad_windows(text: str) -> None:
    with pytest.raises(FactError) as caught:
        parse_window(text)
    assert caught.value.code == "facts.bad_limit"


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""}, {"name": "a|b"}, {"name": "a" * 65}, {"name": "é"}, {"max": -1}, {"max": 10**6},
        {"window_us": 0}, {"window_us": 10**18}, {"per": ("agent", "agent")},
    ],
)  # fmt: skip
def test_bad_limits(more: dict[str, Any]) -> None:
    with pytest.raises(FactError) as caught:
        limit(**more)
    assert caught.value.code == "facts.bad_limit"


def test_two_limits_of_one_name_are_refused() -> None:
    with pytest.raises(FactError):
        Usage([limit(), limit()])


def test_exact_sliding_window() -> None:
    usage = Usage([limit()])
    usage.hit(event(), 0)
    assert usage.over(event(), 1) == frozenset()
    usage.hit(event(), 5 * SECOND)
    assert usage.over(event(), 5 * SECOND) == {"pay"}
    assert usage.wait_us("pay", event(), 6 * SECOND) == 4 * SECOND
    assert usage.over(event(), 10 * SECOND - 1) == {"pay"}
    assert usage.over(event(), 10 * SECOND) == frozenset()
    usage.hit(event(), 10 * SECOND)
    assert usage.wait_us("pay", event(), 10 * SECOND) == 5 * SECOND


def test_other_tools_and_other_keys_are_free() -> None:
    usage = Usage([limit(max=1)])
    assert usage.hit(event(), 0) == ("pay|agent=a",)
    assert usage.hit(event("mail/send"), 0) == ()
    assert usage.over(event("mail/send"), 0) == frozenset()
    assert usage.wait_us("pay", event("mail/send"), 0) == 0
    assert usage.over(event(agent=Agent(id="b")), 0) == frozenset()
    assert usage.over(event(), 0) == {"pay"}


def test_max_zero_is_never_allowed() -> None:
    usage = Usage([limit(max=0)])
    assert usage.over(event(), 0) == {"pay"}
    usage.hit(event(), 0)
    assert usage.wait_us("pay", event(), 10**15) == 10 * SECOND


def test_keys_cannot_be_forged() -> None:
    by = limit(per=("agent", "user", "session", "server", "tool"))
    assert by.key(event()) == "pay|agent=a|user=u|session=s|server=bank|tool=bank/pay"
    one = limit(per=("agent", "user"))
    a = one.key(event(agent=Agent(id="x|user=y"), user="z"))
    b = one.key(event(agent=Agent(id="x"), user="y|user=z"))
    c = one.key(event(agent=Agent(id="x%7Cuser=y"), user="z"))
    assert len({a, b, c}) == 3


def test_a_clock_set_back_frees_nothing() -> None:
    usage = Usage([limit()])
    usage.hit(event(), 100 * SECOND)
    usage.hit(event(), 1 * SECOND)
    assert usage.over(event(), 2 * SECOND) == {"pay"}
    assert usage.over(event(), 0) == {"pay"}
    wait_us = usage.wait_us("pay", event(), 2 * SECOND)
    assert usage.over(event(), 2 * SECOND + wait_us - 1) == {"pay"}
    assert usage.over(event(), 2 * SECOND + wait_us) == frozenset()


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(FactError):
        Usage([]).wait_us("x", event(), 0)


def test_replay_gives_the_same_answers() -> None:
    first, second = Usage([limit()]), Usage([limit()])
    for time_us in (0, 3 * SECOND, 7 * SECOND):
        for key in first.hit(event(), time_us):
            second.replay(key, time_us)
    for time_us in range(7 * SECOND, 20 * SECOND, SECOND // 2):
        assert first.over(event(), time_us) == second.over(event(), time_us)
    second.replay("gone|agent=a", 0)
    assert second.dump() == first.dump() | {"latest_us": second.dump()["latest_us"]}


def test_dump_and_load() -> None:
    first = Usage([limit(), limit(name="b", max=1, per=())])
    first.hit(event(), 5)
    first.hit(event(agent=Agent(id="z")), 3)
    second = Usage([limit(), limit(name="b", max=1, per=())])
    second.load(json.loads(json.dumps(first.dump())))
    assert second.dump() == first.dump()
    assert second.over(event(), 6) == {"b"}


def test_load_keeps_only_the_limits_there_are() -> None:
    first = Usage([limit(max=5), limit(name="old")])
    for at in range(5):
        first.hit(event(), at)
    second = Usage([limit(max=2)])
    second.load(first.dump())
    assert second.dump()["hits"] == {"pay|agent=a": [3, 4]}


@pytest.mark.parametrize(
    "dumped",
    [
        {},
        {"version": 2, "latest_us": 0, "hits": {}},
        {"version": 1, "latest_us": 0, "hits": {}, "x": 1},
        {"version": 1, "latest_us": "0", "hits": {}},
        {"version": 1, "latest_us": 0, "hits": {"pay|agent=a": []}},
        {"version": 1, "latest_us": 9, "hits": {"pay|agent=a": [2, 1]}},
        {"version": 1, "latest_us": 0, "hits": {"pay|agent=a": [5]}},
        {"version": 1, "latest_us": 9, "hits": {"pay|agent=a": [-5]}},
        {"version": 1, "latest_us": 9, "hits": {"pay|agent=a": [1.5]}},
        {"version": 1, "latest_us": 9, "hits": []},
    ],
)
def test_damaged_states_are_refused(dumped: dict[str, Any]) -> None:
    usage = Usage([limit()])
    usage.hit(event(), 1)
    before = usage.dump()
    with pytest.raises(FactError) as caught:
        usage.load(dumped)
    assert caught.value.code == "facts.bad_state"
    assert usage.dump() == before


def test_the_number_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "MAX_KEYS", 3)
    usage = Usage([limit()])
    for at, name in enumerate("abc"):
        usage.hit(event(agent=Agent(id=name)), at * SECOND)
    stranger = event(agent=Agent(id="d"))
    assert usage.over(stranger, 3 * SECOND) == {"pay"}
    assert usage.over(event(agent=Agent(id="a")), 3 * SECOND) == frozenset()
    usage.hit(stranger, 3 * SECOND)
    assert len(usage.dump()["hits"]) == 3
    wait_us = usage.wait_us("pay", stranger, 3 * SECOND)
    assert usage.over(stranger, 3 * SECOND + wait_us) == frozenset()


HITS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=40)


@given(hits=HITS, maximum=st.integers(0, 4), window=st.integers(1, 12))
def test_agrees_with_counting_every_hit(
    hits: list[tuple[str, int]], maximum: int, window: int
) -> None:
    """Against the definition: more than ``max`` hits of one key in a window."""
    usage = Usage([limit(max=maximum, window_us=window)])
    counted: list[tuple[str, int]] = []
    now = 0
    for name, at in hits:
        now = max(now, at)
        wanted = sum(1 for n, t in counted if n == name and t + window > now) >= maximum
        who = event(agent=Agent(id=name))
        assert (usage.over(who, at) == {"pay"}) is wanted
        if not wanted:
            usage.hit(who, at)
            counted.append((name, now))
