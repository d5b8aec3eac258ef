import json

import pytest

from remit.policy.errors import PinError
from remit.policy.pins import (
    Lock,
    PinnedServer,
    accepted,
    compare,
    dump_lock,
    parse_lock,
    pin,
    skeleton,
)


def tool(name, **more):
    return {"name": name, "description": "does it", "inputSchema": {"type": "object"}, **more}


def kinds(changes):
    return [(change.kind, change.tool) for change in changes]


def test_equal_lists_have_no_changes_whatever_the_order():
    one = pin("s", [tool("a"), tool("b")], "hello")
    two = pin("s", [dict(reversed(tool("b").items())), tool("a")], "hello")
    assert compare(one, two) == ()
    assert accepted(one, two) == two.tools


def test_any_field_that_changes_unpins_a_tool():
    before = pin("s", [tool("a"), tool("b")])
    for changed in (
        tool("a", description="does more"),
        tool("a", title="A"),
        tool("a", annotations={"readOnlyHint": True}),
        tool("a", _meta={}),
        tool("a", inputSchema={"type": "object", "properties": {}}),
        tool("a", unknown=1),
    ):
        live = pin("s", [changed, tool("b")])
        assert kinds(compare(before, live)) == [("changed", "a")]
        assert [t.name for t in accepted(before, live)] == ["b"]


def test_added_removed_and_instructions_are_told():
    before = pin("s", [tool("a"), tool("b")], "read")
    live = pin("s", [tool("b"), tool("c")], "obey")
    assert kinds(compare(before, live)) == [("instructions", ""), ("removed", "a"), ("added", "c")]
    assert "-read" in compare(before, live)[0].detail
    assert "+obey" in compare(before, live)[0].detail


@pytest.mark.parametrize(
    "name", ["Read_file", "read_fi1e", "read\u200b_file", "reаd_file", "ｒead_file"]
)
def test_a_new_tool_that_looks_like_a_known_one_is_told_as_that(name):
    before = pin("s", [tool("read_file"), tool("x")])
    live = pin("s", [tool(name), tool("x")]) if "\u200b" not in name else None
    if live is None:
        with pytest.raises(PinError):
            pin("s", [tool(name)])
        return
    assert kinds(compare(before, live)) == sorted(
        [("look_alike", name), ("removed", "read_file")], key=lambda c: c[1]
    )


def test_a_new_tool_of_another_servers_name_is_a_look_alike():
    before, live = pin("s", []), pin("s", [tool("search")])
    other = pin("o", [tool("search")])
    changes = compare(before, live, [other])
    assert kinds(changes) == [("look_alike", "search")]
    assert "`o`" in changes[0].detail


@pytest.mark.parametrize(
    "tools",
    [
        [tool("a"), tool("a")],
        [tool("a"), tool("A")],
        [tool("")],
        [tool("a\nb")],
        [tool("a\tb")],
        [tool("a\u202eb")],
        [tool("a" * 201)],
        [tool(1)],
        [{}],
        ["a"],
        [None],
        [tool("a", x=float("nan"))],
        [tool("a", x=object())],
        [tool("a", description="\ud800")],
    ],
)
def test_lists_that_cannot_be_told_apart_are_not_pinned(tools):
    with pytest.raises(PinError):
        pin("s", tools)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "-a", "a\n", "é", "x" * 65])
def test_server_ids_are_plain(name):
    with pytest.raises(PinError):
        pin(name, [])


def test_a_lock_survives_its_text_form():
    definition = tool("ü ☃", inputSchema={"maximum": 1.50, "n": 10**30, "x": None})
    lock = Lock({"s": pin("s", [definition, tool("a")], "line\nline")})
    data = dump_lock(lock)
    again = parse_lock(data)
    assert again.servers["s"].tools[0].digest == lock.servers["s"].tools[0].digest
    assert compare(lock.servers["s"], again.servers["s"]) == ()
    assert dump_lock(again) == data


def damage(change):
    value = json.loads(dump_lock(Lock({"s": pin("s", [tool("a")])})))
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"version": 1, "servers": []}',
        b'{"version": true, "servers": {}}',
        b'{"version": 1.0, "servers": {}}',
        b'{"version": 2, "servers": {}}',
        b'{"version": 1, "version": 1, "servers": {}}',
        damage(lambda v: v.update(extra=1)),
        damage(lambda v: v["servers"]["s"].update(extra=1)),
        damage(lambda v: v["servers"]["s"]["tools"][0].update(digest="sha256:" + "0" * 64)),
        damage(lambda v: v["servers"]["s"]["tools"][0]["definition"].update(description="x")),
        damage(lambda v: v["servers"]["s"]["tools"][0].update(name="b")),
        damage(lambda v: v["servers"]["s"]["tools"].append(v["servers"]["s"]["tools"][0])),
        damage(lambda v: v["servers"]["s"].update(tools={})),
        damage(lambda v: v["servers"]["s"].update(instructions=1)),
        damage(lambda v: v["servers"].update({"a/b": v["servers"]["s"]})),
    ],
)
def test_a_damaged_lock_is_refused(data):
    with pytest.raises(PinError):
        parse_lock(data)


def test_differences_draw_nothing_on_the_terminal():
    before = pin("s", [tool("a")])
    live = pin("s", [tool("a", description="\x1b[2Jhi\u202e" + "x" * 5000)])
    detail = compare(before, live)[0].detail
    assert "\x1b" not in detail
    assert "\u202e" not in detail


def test_long_differences_are_cut():
    live = pin("s", [tool("a", many={str(n): n for n in range(1000)})])
    assert "cut" in compare(pin("s", []), live)[0].detail


def test_a_tool_is_found_by_its_exact_name():
    pinned = pin("s", [tool("a")])
    assert isinstance(pinned, PinnedServer)
    assert pinned.tool("a").name == "a"
    assert pinned.tool("A") is None


def test_skeletons_join_what_looks_alike():
    assert skeleton("раусо") == skeleton("payco")
    assert skeleton("list_dir") != skeleton("list_dirs")
