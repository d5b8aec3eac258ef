"""What a server offers, page by page, against its pins."""

import asyncio

import pytest

from remit.core.errors import RemitError
from remit.guard.errors import GuardError
from remit.guard.mcp.catalog import MAX_PAGES, MAX_TOOLS, list_tools
from tests.unit.guard.helpers import AGENT, SERVER, TOOLS, Talk, go, tool


def pages(*answers):
    """A server that gives these pages, and the cursors it was asked for."""
    asked = []

    async def ask(method, params):
        assert method == "tools/list"
        asked.append(params)
        return answers[min(len(asked), len(answers)) - 1]

    return ask, asked


def test_all_pages_and_the_empty_cursor():
    ask, asked = pages(
        {"tools": [tool("a")], "nextCursor": ""},
        {"tools": [], "nextCursor": "x"},
        {"tools": [tool("b")]},
    )
    assert [t["name"] for t in asyncio.run(list_tools(ask))] == ["a", "b"]
    assert asked == [{}, {"cursor": ""}, {"cursor": "x"}]


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"tools": None},
        {"tools": {}},
        {"tools": ["a"]},
        {"tools": [tool("a"), None]},
        {"tools": [], "nextCursor": 5},
        {"tools": [], "nextCursor": ["x"]},
        {"tools": [], "nextCursor": "again"},
        {"tools": [tool("a")] * (MAX_TOOLS + 1)},
        {"tools": [tool("a")] * 100, "nextCursor": "again"},
    ],
)
def test_bad_lists(page):
    ask, asked = pages(page)
    with pytest.raises(GuardError) as error:
        asyncio.run(list_tools(ask))
    assert error.value.code == "mcp.bad_list"
    assert len(asked) <= MAX_PAGES


def test_a_null_cursor_ends_the_list():
    ask, asked = pages({"tools": [tool("a")], "nextCursor": None})
    assert len(asyncio.run(list_tools(ask))) == 1
    assert len(asked) == 1


async def listed(talk, tools):
    async def ask(_method, _params):
        if isinstance(tools, Exception):
            raise tools
        return {"tools": tools}

    await talk.catalog.refresh(ask)
    return {t["name"] for t in talk.catalog.listing(AGENT, "alice")}


USABLE = {"get", "put", "pay", "few"}


@pytest.mark.parametrize(
    ("tools", "seen"),
    [
        (TOOLS, USABLE),
        (list(reversed(TOOLS)), USABLE),
        (TOOLS[1:], USABLE - {"get"}),
        ([*TOOLS, tool("new")], USABLE),
        ([*TOOLS, tool("gеt")], USABLE),
        ([*TOOLS, {"name": 5}, {"name": ""}, {}], USABLE),
        ([*TOOLS, TOOLS[0]], USABLE - {"get"}),
        ([*TOOLS, {**TOOLS[0], "description": "other"}], USABLE - {"get"}),
        ([{**TOOLS[0], "title": "other"}, *TOOLS[1:]], USABLE - {"get"}),
        ([{**TOOLS[0], "_meta": {}}, *TOOLS[1:]], USABLE - {"get"}),
        ([{**TOOLS[0], "annotations": {"readOnlyHint": True}}, *TOOLS[1:]], USABLE - {"get"}),
        ([{**TOOLS[0], "inputSchema": {"type": "object"}}, *TOOLS[1:]], USABLE - {"get"}),
        ([], set()),
        (GuardError("no answer in time", code="mcp.timeout"), set()),
    ],
)
def test_only_what_equals_its_pin_exists(tmp_path, tools, seen):
    async def play():
        async with Talk(tmp_path, pinned=TOOLS) as talk:
            assert await listed(talk, TOOLS) == USABLE
            assert await listed(talk, tools) == seen
            assert await listed(talk, tools) == seen
            noted = [r["kind"] for r in talk.records() if r["kind"].startswith("tools.")]
            # A state of affairs is noted once; what cannot be a tool at all is none.
            same = tools == [*TOOLS, {"name": 5}, {"name": ""}, {}]
            assert len(noted) == (0 if same or tools in (TOOLS, TOOLS[::-1]) else 1)
            # What comes back is accepted again: nothing was pinned over.
            assert await listed(talk, TOOLS) == USABLE

    go(play())


def test_first_sight_pins_and_says_so(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            assert await listed(talk, TOOLS) == USABLE
            assert talk.store.get(SERVER).tool("put") is not None
            (pinned,) = [r for r in talk.records() if r["kind"] == "tools.pin"]
            assert pinned["count"] == len(TOOLS)

    go(play())


@pytest.mark.parametrize(
    "tools", [[TOOLS[0], TOOLS[0]], [tool("echo"), tool("есho")], [{"name": 5}]]
)
def test_a_dubious_first_sight_pins_nothing(tmp_path, tools):
    async def play():
        async with Talk(tmp_path) as talk:
            assert await listed(talk, tools) == set()
            assert talk.catalog.problem
            assert talk.store.get(SERVER) is None

    go(play())


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"version":1,"servers":{"srv":1}}'])
def test_unreadable_pins_block_and_are_not_overwritten(tmp_path, damage):
    async def play():
        async with Talk(tmp_path, pinned=TOOLS) as talk:
            (tmp_path / "tools.lock").write_bytes(damage)
            assert await listed(talk, TOOLS) == set()
            assert talk.catalog.problem
            assert (tmp_path / "tools.lock").read_bytes() == damage
            with pytest.raises(RemitError):
                talk.governed.open()
            with pytest.raises(RemitError):
                talk.catalog.instructions_accepted("x")

    go(play())


def test_instructions(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            assert talk.catalog.instructions_accepted("anything")
            talk.catalog.instructions = "Be nice."
            await listed(talk, TOOLS)
            assert talk.catalog.instructions_accepted("Be nice.")
            assert not talk.catalog.instructions_accepted("Be evil.")
            talk.catalog.instructions = "Be evil."
            await listed(talk, TOOLS)
            (changed,) = [r for r in talk.records() if r["kind"] == "tools.changed"]
            assert changed["changes"] == [{"kind": "instructions", "tool": ""}]

    go(play())


def test_many_who_wait_for_a_dead_list_do_not_wait_one_after_another(tmp_path):
    async def play():
        async with Talk(tmp_path) as talk:
            asked = 0

            async def dead(_method, _params):
                nonlocal asked
                asked += 1
                await asyncio.sleep(0.05)
                raise GuardError("no answer in time", code="mcp.timeout")

            await asyncio.gather(*(talk.catalog.ensure(dead) for _ in range(20)))
            assert asked <= 2
            assert talk.catalog.tool("get") is None

    go(play())
