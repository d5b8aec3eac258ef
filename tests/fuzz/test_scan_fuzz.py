"""Readers of hostile formats: whatever the bytes, an answer, and never a clean one for a payload."""

import contextlib
import io
import json
import pickle
import struct

from hypothesis import given
from hypothesis import strategies as st

from remit.scan.base import Artifact, Coverage, scanners
from remit.scan.document import BrokenDocumentError, read_json, read_yaml, walk
from remit.scan.jinja import BrokenTemplateError, check
from remit.scan.pickle.machine import Machine
from remit.scan.pickle.source import BrokenPickleError, Source

HEADS = st.sampled_from(
    [b"", b"\x80\x04", b"\x80\x02}q\0", b"GGUF\3\0\0\0", b"\x93NUMPY\1\0", b"PK\3\4", b"(", b"{",
     struct.pack("<Q", 20) + b'{"a":', b"\x89HDF\r\n\x1a\n"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each) | st.tuples(each, each),
    max_leaves=20,
)


class Bytes:
    """A member in memory."""

    def __init__(self, path, data):
        self.path, self.data, self.size, self.head = path, data, len(data), data[:4096]

    def open(self):
        return io.BytesIO(self.data)


@given(HEADS, st.binary(max_size=300))
def test_the_machine_ends(head, data):
    data = head + data
    with contextlib.suppress(BrokenPickleError, OverflowError):
        Machine(Source(io.BytesIO(data), len(data)), 10_000).run()


@given(VALUES, st.integers(0, 5))
def test_plain_values_say_nothing(value, protocol):
    data = pickle.dumps(value, protocol)
    machine = Machine(Source(io.BytesIO(data), len(data)))
    machine.run()
    assert [each.severity for each in machine.notes if each.severity != "info"] == []


@given(VALUES, st.integers(0, 5), st.data())
def test_a_payload_in_a_pickle_is_seen(value, protocol, data):
    good = pickle.dumps(value, protocol)
    bad = b"cos\nsystem\n(S'x'\ntR0" + good[2:] if protocol >= 2 else b"cos\nsystem\n0" + good
    machine = Machine(Source(io.BytesIO(bad), len(bad)))
    with contextlib.suppress(BrokenPickleError):
        machine.run()
    assert machine.notes[0].rule == "import"


@given(st.sampled_from(["m.pkl", "m", "m.safetensors", "m.gguf", "m.npy", "a.json", "a.yaml",
                        "x!/schema.json", "x!/r/data.pkl", "m.jinja", "a.safetensors.index.json"]),
       HEADS, st.binary(max_size=200))  # fmt: skip
def test_every_scanner_answers_for_what_it_claims(path, head, data):
    member = Bytes(path, head + data)
    artifact = Artifact(digest="", members=[member])
    for scanner in scanners().values():
        if scanner.claims(artifact, member):
            results = list(scanner.scan(artifact, [member]))
            assert any(isinstance(each, Coverage) for each in results), scanner.name


@given(st.text(alphabet="{}%-|.'\"[]() \nifor_aset=x~+", max_size=80))
def test_templates_are_read_or_refused(text):
    with contextlib.suppress(BrokenTemplateError):
        check(text)


@given(st.binary(max_size=200) | st.text(alphabet="!&*-:[]{}#|>'\"\n ab1<", max_size=80))
def test_documents_are_read_or_refused(data):
    raw = data.encode() if isinstance(data, str) else data
    for read in (read_json, read_yaml):
        with contextlib.suppress(BrokenDocumentError):
            list(walk(read(raw)))


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_documents_mean_what_they_say(value):
    with contextlib.suppress(UnicodeEncodeError):
        assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value
