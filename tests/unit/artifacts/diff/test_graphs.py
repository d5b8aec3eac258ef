import struct

import numpy as np
import pytest

from tests.unit.artifacts.diff.making import difference, only, refused, seen


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(operator, inputs, outputs, name="", domain="", alpha=None):
    out = b"".join(field(1, each) for each in inputs) + b"".join(field(2, each) for each in outputs)
    out += field(3, name) + field(4, operator) + (field(7, domain) if domain else b"")
    if alpha is not None:
        out += field(
            5, field(1, "alpha") + varint(2 << 3 | 5) + struct.pack("<f", alpha) + field(20, 1)
        )
    return out


def tensor(name, values, outside=None):
    out = b"".join(field(1, n) for n in values.shape) + field(2, 1) + field(8, name)
    if outside:
        return out + field(13, field(1, "location") + field(2, outside)) + field(14, 1)
    return out + field(9, values.tobytes())


W = np.arange(6, dtype=np.float32).reshape(2, 3)
NODES = (node("MatMul", ["x", "w"], ["h"], "mm"), node("Relu", ["h"], ["y"], "act"))


def model(nodes=NODES, tensors=None, opset=17, more=b""):
    graph = b"".join(field(1, each) for each in nodes) + field(2, "g")
    graph += b"".join(field(5, each) for each in tensors or (tensor("w", W),))
    graph += field(11, field(1, "x")) + field(12, field(1, "y"))
    head = field(1, 8) + field(2, "test") + field(8, field(1, "") + field(2, opset))
    return {"m.onnx": head + field(7, graph) + more}


def test_one_operator_that_changed(tmp_path):
    other = NODES[0], node("LeakyRelu", ["h"], ["y"], "act", alpha=0.5)
    change = only(difference(tmp_path, model(), model(other)))
    assert (change.kind, change.subject) == ("graph.changed", "act")
    assert change.summary == "Relu → LeakyRelu; attributes alpha"


@pytest.mark.parametrize("named", [True, False])
def test_an_operator_that_came(tmp_path, named):
    def of(*names):
        found = [(n, node(n, ["x"], ["y"], n if named else "")) for n in names]
        return model([each for _, each in found])

    change = only(difference(tmp_path, of("A", "B", "C"), of("A", "X", "B", "C")))
    assert (change.kind, change.summary) == ("graph.added", "operator added: X")


def test_an_operator_of_another_domain_is_grave(tmp_path):
    new = *NODES, node("Run", ["y"], ["z"], "run", "evil.example")
    change = only(difference(tmp_path, model(), model(new)))
    assert (change.severity, change.summary) == ("high", "operator added: evil.example:Run")


def test_an_attribute_that_changed(tmp_path):
    a, b = (model([node("Elu", ["x"], ["y"], "e", alpha=value)]) for value in (1.0, 2.0))
    assert only(difference(tmp_path, a, b)).summary == "attributes alpha"


def test_weights_of_initializers(tmp_path):
    changed = W.copy()
    changed[0, 0] = 9
    change = only(difference(tmp_path, model(), model(tensors=(tensor("w", changed),))))
    assert (change.kind, change.subject, change.details["changed"]) == ("tensor.values", "w", 1)


def test_where_outside_data_is(tmp_path):
    a, b = (model(tensors=(tensor("w", W, place),)) for place in ("w.bin", "../../etc/passwd"))
    change = only(difference(tmp_path, a, b))
    assert (change.subject, change.severity) == ("outside data of w", "high")
    assert change.after.endswith("location=../../etc/passwd")


def test_operator_sets_and_fields_that_nobody_knows(tmp_path):
    found = difference(tmp_path, model(), model(opset=18, more=field(99, b"\0\1")))
    assert seen(found) == [
        ("metadata.added", "m.onnx", "field 99"),
        ("metadata.changed", "m.onnx", "opset ai.onnx"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 graphs"),
        (b"\x3a\xff\xff\xff\xff\x7f", "larger than what holds it"),
        (b"\xff" * 100, "does not end"),
        (b"\x00\x01", "without a number"),
        (b"\x0b", "unknown type"),
        (field(7, field(1, field(1, b"x" * 70_000))), "more than 65536 bytes"),
        (
            field(7, field(5, field(1, 1 << 40) + field(2, 1) + field(9, b"0000"))),
            "size of a tensor",
        ),
        (field(7, field(5, b"".join(field(1, 1) for _ in range(99)))), "dimensions"),
        (field(7, b"") * 2, "2 graphs"),
        (model(tensors=(tensor("w", W),) * 2)["m.onnx"], "tensor twice"),
        (field(7, field(1, b"\x0a\x7f")), "larger than what holds it"),
    ],
)
def test_a_model_that_lies_is_not_looked_into(tmp_path, data, reason):
    assert reason in refused(difference(tmp_path, model(), {"m.onnx": data}))


@pytest.mark.timeout(60)
def test_millions_of_fields_end(tmp_path):
    data = field(1, 1) * 5_000_000
    assert not difference(tmp_path, model(), {"m.onnx": data}).equal


def test_fields_of_initializers_that_nobody_reads_are_told(tmp_path):
    a, b = (model(tensors=(tensor("w", W) + field(12, text),)) for text in ("one", "two"))
    assert only(difference(tmp_path, a, b)).subject == "field 12 of w"
