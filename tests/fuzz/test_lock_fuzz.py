"""``tools.lock``: whatever the bytes, a lock that says the same again, or a refusal."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from remit.policy.errors import PinError
from remit.policy.pins import Lock, accepted, compare, dump_lock, parse_lock, pin, skeleton

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TOOLS = st.lists(
    st.fixed_dictionaries({"name": st.text(min_size=1, max_size=8)}, optional={"x": JSON}),
    max_size=4,
)


@given(TOOLS, st.text(), TOOLS)
def test_what_can_be_pinned_survives_and_compares(tools, instructions, others):
    try:
        one = pin("s", tools, instructions)
        two = pin("s", others, instructions)
    except PinError:
        return
    names = [skeleton(tool.name) for tool in one.tools]
    assert len(set(names)) == len(names)
    with contextlib.suppress(UnicodeEncodeError):
        data = dump_lock(Lock({"s": one}))
        again = parse_lock(data).servers["s"]
        assert compare(one, again) == ()
        assert [t.digest for t in again.tools] == [t.digest for t in one.tools]
    assert compare(one, one) == ()
    shown = {tool.name for tool in accepted(one, two)}
    changed = {change.tool for change in compare(one, two)}
    assert not shown & changed
    assert shown | changed >= {tool.name for tool in two.tools}


@given(st.binary())
def test_any_bytes(data):
    with contextlib.suppress(PinError):
        parse_lock(data)


BASE = json.loads(dump_lock(Lock({"s": pin("s", [{"name": "a", "d": {"e": [1, 2.5]}}], "x")})))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), JSON)
def test_a_value_put_anywhere(path, value):
    document = json.loads(json.dumps(BASE))
    node, last = document, None
    for step in path:
        keys = (
            sorted(node)
            if isinstance(node, dict)
            else range(len(node))
            if isinstance(node, list)
            else []
        )
        keys = list(keys)
        if not keys:
            break
        last = (node, keys[step % len(keys)])
        node = node[last[1]]
    if last is not None:
        last[0][last[1]] = value
    try:
        lock = parse_lock(json.dumps(document).encode("utf-8", "surrogatepass"))
    except PinError:
        return
    for server in lock.servers.values():
        assert [t.digest for t in pin(server.id, [t.definition for t in server.tools]).tools] == [
            t.digest for t in server.tools
        ]
