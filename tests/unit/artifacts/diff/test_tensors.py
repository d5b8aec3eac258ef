import json
import math
import struct

import numpy as np
import pytest

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.comparers import tensors as module
from remit.artifacts.diff.formats import gguf as gguf_format
from remit.artifacts.diff.formats import numbers
from remit.artifacts.diff.formats import safetensors as safetensors_format
from tests.unit.artifacts.diff.making import (
    difference,
    gguf,
    npy,
    only,
    refused,
    safetensors,
    seen,
    zipped,
)

RNG = np.random.default_rng(3)
BASE = {
    "embed": RNG.normal(size=(40, 8)).astype(np.float32),
    "layer.0.weight": RNG.normal(size=(8, 8)).astype(np.float16),
    "layer.1.weight": RNG.normal(size=(8, 8)).astype(np.float32),
    "steps": np.arange(5, dtype=np.int64),
}


def model(**changed):
    return {"model.safetensors": safetensors({**BASE, **changed})}


def test_one_weight_that_changed_is_the_only_change(tmp_path):
    changed = BASE["layer.1.weight"].copy()
    changed[3, 4] += 0.5
    change = only(difference(tmp_path, model(), model(**{"layer.1.weight": changed})))
    assert (change.kind, change.subject) == ("tensor.values", "layer.1.weight")
    assert change.details["changed"] == 1
    assert change.details["share"] == pytest.approx(1 / 64)
    assert change.details["largest"] == pytest.approx(0.5)
    for side, values in ((change.before, BASE["layer.1.weight"]), (change.after, changed)):
        exact = values.astype(np.float64)
        assert side["minimum"] == exact.min()
        assert side["maximum"] == exact.max()
        assert side["mean"] == pytest.approx(exact.mean())
        assert side["deviation"] == pytest.approx(exact.std())
        assert (side["count"], side["nan"], side["infinite"]) == (64, 0, 0)


def test_the_biggest_change_comes_first(tmp_path):
    little, much = BASE["embed"] * np.float32(1.001), BASE["layer.1.weight"] * np.float32(3)
    found = difference(tmp_path, model(), model(embed=little, **{"layer.1.weight": much}))
    assert [each.subject for each in found.changes] == ["layer.1.weight", "embed"]
    assert found.changes[0].details["relative"] == pytest.approx(2, rel=1e-5)


def test_values_that_are_no_numbers_are_counted_and_grave(tmp_path):
    changed = BASE["embed"].copy()
    changed[0, :3] = np.nan
    changed[1, 0] = np.inf
    change = only(difference(tmp_path, model(), model(embed=changed)))
    assert change.severity == "high"
    assert (change.after["nan"], change.after["infinite"]) == (3, 1)
    assert "nan 0 → 3" in change.summary
    again = {"model.safetensors": safetensors({**BASE, "embed": changed})}
    assert difference(tmp_path / "again", again, again).equal


def test_tensors_that_came_went_and_took_another_shape(tmp_path):
    new = {k: v for k, v in BASE.items() if k != "steps"} | {
        "lora.a": np.zeros((2, 3), np.float32),
        "embed": np.zeros((41, 8), np.float32),
    }
    found = difference(tmp_path, model(), {"model.safetensors": safetensors(new)})
    assert seen(found) == [
        ("tensor.removed", "model.safetensors", "steps"),
        ("tensor.added", "model.safetensors", "lora.a"),
        ("tensor.shape", "model.safetensors", "embed"),
    ]
    assert found.changes[2].summary == "shape [40, 8] → [41, 8]"


def test_a_type_that_changed_is_compared_by_value(tmp_path):
    values = np.array([1.0, -2.0, 0.5, 1024.0], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    a = {"m.safetensors": safetensors({"w": values})}
    b = {"m.safetensors": safetensors({"w": halves}, dtypes={"w": "BF16"})}
    change = only(difference(tmp_path, a, b))
    assert (change.kind, change.before, change.after) == ("tensor.dtype", "F32", "BF16")
    assert change.summary == "type F32 → BF16; all values are the same"


def test_metadata_of_the_header_is_compared(tmp_path):
    a = {"m.safetensors": safetensors(BASE, {"format": "pt", "step": "1"})}
    b = {"m.safetensors": safetensors(BASE, {"format": "pt", "step": "2"})}
    change = only(difference(tmp_path, a, b))
    assert (change.kind, change.subject) == ("metadata.changed", "step")
    assert (change.before, change.after) == ("1", "2")


def test_another_order_of_the_same_tensors_changes_nothing_but_bytes(tmp_path):
    backwards = dict(reversed(BASE.items()))
    found = difference(tmp_path, model(), {"model.safetensors": safetensors(backwards)})
    assert only(found).kind == "bytes.changed"


def test_many_changed_tensors_are_cut_and_the_number_is_told(tmp_path, monkeypatch):
    many = {f"t{n}": np.full(2, n, np.float32) for n in range(600)}
    a = {"m.safetensors": safetensors(many)}
    b = {"m.safetensors": safetensors({k: v + 1 for k, v in many.items()})}
    found = difference(tmp_path, a, b)
    assert len(found.changes) == 501
    assert found.changes[-1].details == {"count": 100}


@pytest.mark.parametrize("scalar", ["f8_e4m3", "f8_e5m2"])
def test_eight_bit_floats_are_the_ones_of_the_specification(scalar):
    values = numbers.decode(bytes(range(256)), scalar)
    largest = {"f8_e4m3": 448.0, "f8_e5m2": 57344.0}[scalar]
    smallest = {"f8_e4m3": 2.0**-9, "f8_e5m2": 2.0**-16}[scalar]
    finite = values[np.isfinite(values)]
    assert finite.max() == largest
    assert finite[finite > 0].min() == smallest
    assert np.isnan(values).sum() == {"f8_e4m3": 2, "f8_e5m2": 6}[scalar]
    assert np.isinf(values).sum() == {"f8_e4m3": 0, "f8_e5m2": 2}[scalar]
    assert values[{"f8_e4m3": 0x38, "f8_e5m2": 0x3C}[scalar]] == 1.0


def test_statistics_in_chunks_are_those_of_the_whole():
    values = RNG.normal(1e6, 1, size=10_001).astype(np.float64)
    raw = values.tobytes()
    found = numbers.statistics((raw[i : i + 800] for i in range(0, len(raw), 800)), "f64")
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(values.std(), rel=1e-9)


# -- hostile --------------------------------------------------------------------------------------


def head(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


W = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too short"),
        (head({}, length=1 << 63), "says"),
        (head({}, length=1 << 20), "says"),
        (head(b'{"a":1', length=6), "cannot be read"),
        (head(b'{"a":{},"a":{}}'), "twice"),
        (head(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "nested"),
        (head({"w": {**W, "extra": 1}}, b"0000"), "other fields"),
        (head({"w": {**W, "dtype": "F33"}}, b"0000"), "unknown type"),
        (head({"w": {**W, "shape": [True]}}, b"0000"), "list of sizes"),
        (head({"w": {**W, "shape": [1.0]}}, b"0000"), "list of sizes"),
        (head({"w": {**W, "shape": [-1]}}, b"0000"), "list of sizes"),
        (head({"w": {**W, "shape": [1 << 62, 1 << 62]}}, b"0000"), "size of a tensor"),
        (head({"w": {**W, "shape": [1] * 1000}}, b"0000"), "list of sizes"),
        (head({"w": {**W, "data_offsets": [4, 0]}}, b"0000"), "beginning and end"),
        (head({"w": W}, b"00000000"), "belong to none"),
        (head({"w": W, "v": W}, b"0000"), "overlap"),
        (head({"w": {**W, "data_offsets": [4, 8]}}, b"00000000"), "belong to none"),
        (head({"w": W}, b""), "belong to none"),
        (head({"__metadata__": {"a": 1}}), "metadata"),
        (head([]), "no JSON object"),
        (head(b"{" + b" " * 100 + b"} {}"), "more behind"),
    ],
)
def test_a_header_that_lies_is_not_looked_into(tmp_path, data, reason):
    good = safetensors(BASE)
    assert reason in refused(difference(tmp_path, {"m.safetensors": good}, {"m.safetensors": data}))


def test_a_header_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors_format, "MAX_HEADER_BYTES", 1000)
    data = head(b'{"a":' + b" " * 2000 + b"1}")
    assert "more than the 1000" in refused(
        difference(tmp_path, {"m.safetensors": safetensors({})}, {"m.safetensors": data})
    )


def test_headers_as_large_as_they_may_be_end(tmp_path):
    """As many tensors as a header of the greatest size can name, all of no size."""
    names = 100_000
    tensors = {
        f"{n:x}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(names)
    }
    a = head(tensors)
    del tensors["0"]
    change = only(difference(tmp_path, {"m.safetensors": a}, {"m.safetensors": head(tensors)}))
    assert (change.kind, change.subject) == ("tensor.removed", "0")


# -- GGUF -----------------------------------------------------------------------------------------

KEYS = (
    ("general.architecture", "llama"),
    ("general.alignment", 32),
    ("tokenizer.chat_template", "{{ messages }}\n"),
    ("tokenizer.tokens", ["<s>", "a"] * 100),
    ("rope.scale", 1.5),
    ("flag", True),
)


def test_a_changed_template_of_a_gguf_is_shown_as_text(tmp_path):
    keys = dict(KEYS) | {"tokenizer.chat_template": "{{ messages }}\n{{ evil }}\n"}
    tensors = {"w": BASE["embed"]}
    found = difference(
        tmp_path, {"m.gguf": gguf(tensors, KEYS)}, {"m.gguf": gguf(tensors, tuple(keys.items()))}
    )
    change = only(found)
    assert (change.subject, change.severity) == ("tokenizer.chat_template", "high")
    assert [each.text for each in change.lines if each.kind == "added"] == ["{{ evil }}"]


def test_weights_and_keys_of_a_gguf(tmp_path):
    changed = BASE["embed"].copy()
    changed[0, 0] = 9
    packed = (32,), 2, bytes(18)
    other = (32,), 2, bytes(17) + b"\1"
    keys = (*KEYS[:3], ("tokenizer.tokens", ["<s>", "b"] * 100), *KEYS[4:])
    found = difference(
        tmp_path,
        {"m.gguf": gguf({"w": BASE["embed"], "q": packed}, KEYS)},
        {"m.gguf": gguf({"w": changed, "q": other}, keys)},
    )
    assert sorted(seen(found)) == [
        ("metadata.changed", "m.gguf", "tokenizer.tokens"),
        ("tensor.values", "m.gguf", "q"),
        ("tensor.values", "m.gguf", "w"),
    ]
    packed_change = next(each for each in found.changes if each.subject == "q")
    assert packed_change.details["changed_bytes"] == 1
    assert "Q4_0 numbers are packed" in packed_change.summary


def counted(tensors, keys, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + bytes(64)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (counted(1_000_000_000, 0), "1000000000 tensors"),
        (counted(1 << 63, 0), "tensors"),
        (counted(0, 1 << 60), "keys"),
        (counted(0, 0, 99), "version 99"),
        (b"GGUF\3", "larger than the file"),
        (counted(0, 0), "belong to no tensor"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 50), "keys"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 50) + bytes(64), "longer than"),
        (gguf({}, [("k", ["a"])])[:56], "items"),
        (gguf({"w": ((1 << 40, 1 << 40), 0, b"")}), "outside the file"),
        (gguf({"w": ((1,), 77, b"0000")}), "unknown type"),
        (gguf({"w": ((3,), 2, bytes(18))}), "does not fit"),
        (gguf({}, [("k", 1), ("k", 2)]), "twice"),
        (gguf({}, [("general.alignment", 7)]), "power of two"),
    ],
)
def test_a_gguf_that_lies_is_not_looked_into(tmp_path, data, reason):
    good = gguf({"w": BASE["embed"]}, KEYS)
    assert reason in refused(difference(tmp_path, {"m.gguf": good}, {"m.gguf": data}))


def test_an_array_of_arrays_ends(tmp_path):
    value = struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 9, 1) * 200
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + value
    good = gguf({}, ())
    assert "unknown type" in refused(difference(tmp_path, {"m.gguf": good}, {"m.gguf": data}))


def test_many_items_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_format, "MAX_ITEMS", 10)
    data = gguf({}, [("k", ["a"] * 11)])
    assert "items" in refused(difference(tmp_path, {"m.gguf": gguf({})}, {"m.gguf": data}))


# -- NumPy ----------------------------------------------------------------------------------------


def test_arrays_of_numpy(tmp_path):
    a, b = np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4)
    b[1, 1] = -1
    change = only(difference(tmp_path, {"x.npy": npy(a)}, {"x.npy": npy(b)}))
    assert (change.kind, change.details["changed"]) == ("tensor.values", 1)


def test_arrays_in_an_npz(tmp_path):
    a, b = np.arange(3, dtype=np.int8), np.arange(3, dtype=np.int8)
    b[2] = 9
    found = difference(
        tmp_path,
        {"x.npz": zipped({"p.npy": npy(a), "q.npy": npy(a)})},
        {"x.npz": zipped({"p.npy": npy(a), "q.npy": npy(b)})},
    )
    assert (only(found).path, only(found).kind) == ("x.npz!/q.npy", "tensor.values")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "objects"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "records"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,)}", "size of its data"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", "tuple of sizes"),
        ("__import__('os').abort()", "no literal"),
        ("(" * 30000, "no literal"),
        ("{}", "other fields"),
    ],
)
def test_an_array_that_lies_is_not_looked_into(tmp_path, header, reason):
    text = header.encode()
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(8)
    good = npy(np.zeros(1))
    assert reason in refused(difference(tmp_path, {"x.npy": good}, {"x.npy": data}))


def test_reading_keeps_little_in_memory(tmp_path):
    """Chunks, not tensors: the peak is far below the size of the files."""
    import tracemalloc

    size = 24_000_000
    a = np.zeros(size, np.float32)
    b = a.copy()
    b[-1] = 1
    left, right = {"m.safetensors": safetensors({"w": a})}, {"m.safetensors": safetensors({"w": b})}
    for name, files in (("a", left), ("b", right)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.safetensors").write_bytes(files["m.safetensors"])
    del left, right, a, b, files
    from remit.artifacts.diff.compare import compare
    from remit.artifacts.diff.tree import DirectoryTree

    tracemalloc.start()
    change = only(compare(DirectoryTree(tmp_path / "a"), DirectoryTree(tmp_path / "b")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert change.details["changed"] == 1
    assert math.isclose(change.after["maximum"], 1.0)
    assert peak < 60_000_000


def test_what_the_module_shows_of_metadata_is_cut():
    assert module._short({"a": "x" * 9999})["a"].endswith("more characters)")
    with pytest.raises(NotLookedIntoError):
        list(module._paced(_tensor(), __import__("io").BytesIO(b"")))


def _tensor():
    from remit.artifacts.diff.formats.tensors import Tensor

    return Tensor(name="w", dtype="F32", shape=(2,), offset=0, size=8, scalar="f32")
