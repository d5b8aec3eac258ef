"""Pickles made opcode by opcode, and pickles of the real library."""

import base64
import collections
import datetime as dt
import decimal
import io
import pathlib
import pickle
import pickletools
import struct
import uuid

import numpy as np
import pytest

from remit.scan.pickle.machine import Machine
from remit.scan.pickle.source import BrokenPickleError, LimitError, Source


def follow(data, limit=100_000, **options):
    file = io.BytesIO(data)
    machine = Machine(Source(file, len(data)), limit, **options)
    machine.run()
    return machine


def notes(data, **options):
    return {(each.rule, each.evidence) for each in follow(data, **options).notes}


def text(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


def stack_global(module, name):
    return text(module) + text(name) + b"\x93"


OS = ("import", "os.system")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "x", b"y", (1, 2, 3, 4), {1, 2}, frozenset({3})]},
        collections.OrderedDict(a=1),
        collections.Counter("abc"),
        collections.defaultdict(list, a=[1]),
        collections.deque([1]),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        decimal.Decimal("1.5"),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("a/b"),
        np.arange(6).reshape(2, 3),
        np.float64(1.5),
        np.random.default_rng(1),
        np.random.RandomState(1),
        np.ma.array([1, 2], mask=[0, 1]),
        np.array(["a", "b"], dtype=object),
        np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]),
        [10**40, -1, 2**31, bytes(300), "x" * 5000, b"", complex(1, 2), range(3), slice(1)],
        bytearray(b"x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_python_and_numpy_write_is_known(value, protocol):
    machine = follow(pickle.dumps(value, protocol))
    assert machine.notes == []


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'x'\ntR.",
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'x'\no.",
        b"\x80\x04" + stack_global("os", "system") + text("x") + b"\x85R.",
        b"\x80\x02X\x02\0\0\0osX\x06\0\0\0system\x93X\x01\0\0\0x\x85R.",
        b"\x80\x04U\x02osU\x06system\x93.",
        b"S'os'\nS'system'\n\x93.",
        b'S"o\\x73"\nV\\u0073ystem\n\x93.',
        # through the memo, overwritten once
        b"\x80\x04"
        + text("collections")
        + b"q\x00"
        + text("os")
        + b"q\x000h\x00"
        + text("system")
        + b"\x93.",
        b"\x80\x04" + text("os") + b"\x94" + b"0h\x00" + text("system") + b"\x93.",
        # popped marks, duplicates, several PROTO, a lying frame
        b"(1(NN1" + text("os") + text("system") + b"\x93.",
        b"(0" + text("os") + text("system") + b"2" + b"0\x93.",
        b"\x80\x04\x80\x02\x80\x04\x95\x03\0\0\0\0\0\0\0" + stack_global("os", "system") + b".",
        b"(" + text("os") + text("system") + b"l0" + stack_global("os", "system") + b".",
    ],
)
def test_a_name_is_found_on_every_way_to_it(data):
    assert OS in notes(data)


def test_names_of_python_2_are_those_of_python_3():
    assert ("import", "builtins.exec") in notes(b"c__builtin__\nexec\n.")
    assert ("import", "builtins.eval") in notes(b"\x80\x02c__builtin__\neval\n.")
    assert notes(b"\x80\x03c__builtin__\nset\n.") == {("unknown", "__builtin__.set")}
    assert notes(b"\x80\x02c__builtin__\nset\n.") == set()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\x80\x04" + stack_global("collections", "OrderedDict.fromkeys") + b".", "attribute"),
        (b"\x80\x04K\x01" + text("x") + b"\x93.", "computed"),
        (b"\x80\x04" + text("os") + b"]\x93.", "computed"),
        (b"\x82\x01.", "extension"),
        (b"\x84\x01\0\0\0.", "extension"),
        (b"Pthing\n.", "persistent"),
        (b"(X\x07\0\0\0storageX\x01\0\0\0aX\x01\0\0\0bX\x01\0\0\0cK\x01tQ.", "persistent"),
        (b"csomewhere\nthing\n.", "unknown"),
        (b"ccollections\nOrderedDict\n}b.", "build"),
        (b"c_codecs\nencode\n(X\x01\0\0\0xX\x03\0\0\0zipt" + b"R.", "call"),
        (b"ctorch._utils\n_rebuild_tensor_v2\nNR.", "call"),
        (b"csklearn.tree\nsomething\n.", "unknown"),
        (b"cnumpy\nload\n.", "unknown"),
        (b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "bomb"),
        (b"cbuiltins\nlist\ncbuiltins\nrange\nJ\xff\xff\xff\x7f\x85R\x85R.", "bomb"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\nNNNtR.", "call"),
        (b"cnumpy.random._pickle\n__bit_generator_ctor\ncpathlib\nPath\n\x85R.", "call"),
        (b"ccopyreg\n_reconstructor\n(cnumpy\nfloat64\ncbuiltins\nobject\nNtR.", "call"),
    ],
)  # fmt: skip
def test_what_nobody_may_do(data, rule):
    assert rule in {each[0] for each in notes(data)}


def test_a_storage_of_torch():
    good = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ."
    assert notes(good) == set()
    assert notes(good.replace(b"FloatStorage", b"float32")) == {("persistent", "")}


def test_names_of_torchscript_only_beside_its_code():
    data = b"c__torch__.m\nM\n)\x81}b."
    assert {each[0] for each in notes(data)} == {"unknown", "call", "build"}
    assert notes(data, torchscript=True) == set()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x80", b".", b"\x80\x06.", b"\xff", b"N", b"cos\n", b"h\x05.", b"(.", b"t.", b"R.",
        b"NNs.", b"(Nd.", b"\x8c\x05ab.", b"X\xff\xff\xff\xff.", b"T\xff\xff\xff\xff.",
        b"\x8e" + struct.pack("<Q", 2**63) + b".", b"S'a\n.", b"Ix\n.", b"(K\x01(0t(R.",
        b"\x8c\x01\xff.", b"g5\n.", b"p-1\n.",
    ],
)  # fmt: skip
def test_what_is_broken_is_an_error(data):
    with pytest.raises(BrokenPickleError):
        follow(data)


def test_what_ran_before_it_broke_is_known():
    file = io.BytesIO(b"cos\nsystem\n(S'x'\ntR\xff")
    machine = Machine(Source(file, 100))
    with pytest.raises(BrokenPickleError):
        machine.run()
    assert [each.rule for each in machine.notes] == ["import", "call"]


def test_opcodes_without_end_end():
    with pytest.raises(LimitError):
        follow(b"N0" * 1000 + b"N.", limit=500)


def test_every_opcode_of_python_is_known():
    machine = Machine(Source(io.BytesIO(), 0))
    known = {chr(code) for code in machine._does} | {"."}
    assert {each.code for each in pickletools.opcodes} <= known


def test_payloads_are_passed_over_and_not_kept():
    data = pickle.dumps([bytes(50_000_000), "x" * 1_000_000])
    import tracemalloc

    tracemalloc.start()
    file = io.BytesIO(data)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    Machine(Source(file, len(data))).run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - before < 4_000_000


def test_a_pickle_that_is_held_as_a_value_is_told_and_loads_nothing():
    inner = pickle.dumps({"a": list(range(20))}, 4)
    for value in (inner, base64.b64encode(inner).decode(), inner.hex(), inner.hex().encode()):
        machine = follow(pickle.dumps([value]))
        assert [(each.rule, each.severity) for each in machine.notes] == [("inner", "info")]
    assert follow(pickle.dumps(["gAbc", "8004", "gain"])).notes == []
