"""Graphs, written field by field."""

import pytest

from remit.scan.scanners.graphs import Graphs
from tests.unit.scan.making import rules, scan


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def f(number, value):
    """A field: a number, a text or a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tf_node(operator):
    return f(1, "n") + f(2, operator)


def saved(graph):
    return f(1, 1) + f(2, f(2, graph))


def found(tmp_path, name, data):
    _, findings, coverage = scan(Graphs(), tmp_path, (name, data))
    return rules(findings), coverage[0].status


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("MatMul", []),
        ("RestoreV2", []),
        ("ReadFile", [("graph.operator", "critical")]),
        ("EagerPyFunc", [("graph.operator", "critical")]),
        ("SomebodysOwn", [("graph.unknown", "high")]),
    ],
)
def test_tensorflow_wherever_the_operator_is(tmp_path, operator, expected):
    node = f(1, tf_node(operator))
    function = f(2, f(1, f(1, f(1, "f")) + f(3, tf_node(operator))))
    plain = f(1, tf_node("Const"))
    for data in (saved(node), saved(plain + node), saved(plain + function), node, plain + function):
        assert found(tmp_path, "saved_model.pb", data) == (expected, "complete")


def onnx_node(operator, domain="", attribute=b""):
    return (
        f(4, operator) + (f(7, domain) if domain else b"") + (f(5, attribute) if attribute else b"")
    )


def model(*graph, more=b""):
    return f(1, 8) + f(7, b"".join(graph)) + more


BAD = onnx_node("PythonOp", "ai.onnx.contrib")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (model(f(1, onnx_node("Relu"))), []),
        (model(f(1, onnx_node("Gelu", "com.microsoft"))), []),
        (model(f(1, BAD)), [("graph.operator", "critical")]),
        (model(f(1, onnx_node("X", "acme"))), [("graph.domain", "high")]),
        (model(f(1, onnx_node("If", attribute=f(6, f(1, BAD))))), [("graph.operator", "critical")]),
        (model(f(1, onnx_node("If", attribute=f(11, f(1, BAD))))), [("graph.operator", "critical")]),
        (model(f(1, onnx_node("Relu")), more=f(20, f(2, f(1, BAD)))), [("graph.operator", "critical")]),
        (model(f(1, onnx_node("F", "own")), more=f(25, f(1, "F") + f(10, "own") + f(7, onnx_node("Relu")))), []),
        (model(f(1, onnx_node("F", "own")), more=f(25, f(1, "F") + f(10, "own") + f(7, BAD))), [("graph.operator", "critical")]),
    ],
)  # fmt: skip
def test_onnx(tmp_path, data, expected):
    assert found(tmp_path, "m.onnx", data) == (expected, "complete")


@pytest.mark.parametrize(
    ("location", "fine"),
    [("weights.bin", True), ("data/w.bin", True), ("../x", False), ("a/../../x", False),
     ("/etc/passwd", False), ("C:\\x", False), ("a\\..\\x", False), ("file:x", False), ("", False),
     ("a//b", False)],
)  # fmt: skip
def test_external_data_is_in_the_folder(tmp_path, location, fine):
    tensor = f(8, "w") + f(13, f(1, "location") + f(2, location)) + f(14, 1)
    relu = f(1, onnx_node("Relu"))
    expected = [] if fine else [("graph.location", "critical")]
    inside = f(1, onnx_node("Constant", attribute=f(5, tensor)))
    for data in (model(relu, f(5, tensor)), model(inside)):
        assert found(tmp_path, "m.onnx", data)[0] == expected


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 20, f(7, b"\x0a\xff"), f(1, 1), b"\x80", b"not one"]
)
def test_what_cannot_be_read_is_an_error(tmp_path, data):
    for name in ("m.onnx", "saved_model.pb"):
        assert found(tmp_path, name, data)[1] == "error"


def test_deep_nesting_ends(tmp_path):
    node = onnx_node("Relu")
    for _ in range(100):
        node = onnx_node("If", attribute=f(6, f(1, node)))
    assert found(tmp_path, "m.onnx", model(f(1, node)))[1] == "error"
