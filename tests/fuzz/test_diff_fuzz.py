"""Whatever two files hold: a comparison ends, says nothing false about equality, and never raises."""

import io
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.artifacts.diff.compare import compare
from remit.artifacts.diff.document import dump_difference
from remit.artifacts.diff.html import page
from remit.artifacts.diff.sequence import edits
from remit.artifacts.diff.text import visible
from remit.artifacts.diff.tree import digest_stream
from remit.policy.difference import compare_bundles
from tests.unit.artifacts.diff import test_graphs as graphs
from tests.unit.artifacts.diff.making import gguf, npy, safetensors, zipped

ARRAY = np.arange(6, dtype=np.float32)
SEEDS = {
    "m.safetensors": safetensors({"a": ARRAY, "b": ARRAY}, {"k": "v"}),
    "m.gguf": gguf({"a": ARRAY}, [("general.name", "x"), ("tokens", ["a", "b"]), ("n", 1)]),
    "m.npy": npy(ARRAY),
    "m.onnx": graphs.model()["m.onnx"],
    "m.npz": zipped({"a.npy": npy(ARRAY)}),
    "m.pkl": pickle.dumps({"a": [1, 2.5, "x", b"y"], "e": ValueError("z")}, 4),
    "m.pt": zipped({"r/data.pkl": pickle.dumps([1], 2), "r/data/0": bytes(8)}, method=0),
    "x.mcpb": zipped({"manifest.json": '{"manifest_version":"0.3","server":{},"tools":[{"name":"a"}]}'}),
    "tools.json": b'{"tools":[{"name":"a","inputSchema":{"type":"object","properties":{"x":{"enum":[1]}}}}]}',
    "d.csv": b'id,x\n1,"a"\n2,b\n',
    "d.jsonl": b'{"id":1,"x":"a"}\n{"id":2}\n',
    "c.json": b'{"a":[{"name":"x"},{"name":"y"}],"b":1.5}',
    "agent.yaml": b"model: registry.example/a:v1\nservers:\n- name: a\n",
    "s.sarif": b'{"runs":[{"results":[{"ruleId":"A"}]}]}',
    "README.md": b"---\nlicense: mit\n---\n# A\ntext\n",
    "SKILL.md": "# Ü\nAsk.\n".encode(),
}  # fmt: skip


class Memory:
    """A file that is in memory."""

    kind = "file"
    executable = False

    def __init__(self, path, data):
        self.path, self.data, self.size = path, data, len(data)

    @property
    def digest(self):
        return digest_stream(io.BytesIO(self.data))

    def open(self):
        return io.BytesIO(self.data)


class MemoryTree:
    kind = "directory"
    metadata = None
    problems = ()
    name = "memory"

    def __init__(self, files):
        self.files = {path: Memory(path, data) for path, data in files.items()}

    def entries(self):
        return self.files

    def close(self):
        pass


@st.composite
def edited(draw, data):
    """``data`` with some bytes replaced, cut out or put in."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(out)))
        cut = draw(st.integers(0, 8))
        out[at : at + cut] = draw(st.binary(max_size=8))
    return bytes(out)


def looked(a, b):
    found = compare(MemoryTree(a), MemoryTree(b))
    assert found.equal == (a == b)
    for unread in found.unread:
        assert "\n" not in unread.reason
        assert "failed (" not in unread.reason, unread
    assert json.loads(dump_difference(found))["equal"] == found.equal
    assert page(found).startswith(b"<!doctype html>")
    return found


@pytest.mark.parametrize("name", sorted(SEEDS))
@given(data=st.data())
@settings(max_examples=settings().max_examples // 2)
def test_every_format_with_bytes_changed(name, data):
    changed = data.draw(edited(SEEDS[name]))
    looked({name: SEEDS[name]}, {name: changed})


@pytest.mark.parametrize("name", sorted(SEEDS))
@given(data=st.binary(max_size=200))
def test_every_format_with_any_bytes(name, data):
    looked({name: data}, {name: SEEDS[name]})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=5) | st.sampled_from(["name", "type", "enum", "properties", "required", "items", "tools", "servers", "findings", "runs"]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(
    _JSON,
    _JSON,
    st.sampled_from(
        ["c.json", "tools.json", "manifest.json", "s.sarif", "agent.json", "package.json"]
    ),
)
def test_any_two_values(a, b, name):
    def text(value):
        return json.dumps(value).encode()

    looked({name: text(a)}, {name: text(b)})
    tool = {"tools": [{"name": "t", "inputSchema": None}]}
    left = {**tool, "tools": [{"name": "t", "inputSchema": a}]}
    right = {**tool, "tools": [{"name": "t", "inputSchema": b}]}
    looked({"tools.json": text(left)}, {"tools.json": text(right)})


@given(
    st.lists(st.integers(0, 3), max_size=40),
    st.lists(st.integers(0, 3), max_size=40),
    st.integers(0, 50),
)
def test_edits_lead_from_one_side_to_the_other(a, b, bound):
    out = []
    for what, i, j, k, m in edits(a, b, max_edits=bound):
        assert what == "replace" or a[i:j] == b[k:m]
        out += b[k:m]
    assert out == b


@given(st.text())
def test_what_is_shown_acts_on_nothing(text):
    assert all(c == "\t" or c.isprintable() or c == "\n" for c in visible(text))


@given(
    st.binary(max_size=200),
    st.sampled_from(["bundle.toml", "tools.toml", "facts.toml", "tool/a.cedar", "entities/a.toml"]),
)
def test_bundles_of_any_bytes(data, name):
    head = b'name = "x"\nversion = "1"\nserial = 1\n'
    compare_bundles({"bundle.toml": head}, {"bundle.toml": head, name: data})
