import json

import pytest

from remit.scan.scanners.containers import Containers
from tests.unit.scan.making import rules, scan

DATA = ("m.pt!/archive/data.pkl", b".")


def found(tmp_path, *files):
    _, findings, coverage = scan(Containers(), tmp_path, *files)
    return rules(findings), coverage


def test_what_torch_writes(tmp_path):
    names = (
        "data/0",
        "version",
        "byteorder",
        ".format_version",
        ".storage_alignment",
        ".data/serialization_id",
    )
    files = [(f"m.pt!/archive/{name}", b"3") for name in names]
    assert found(tmp_path, DATA, *files)[0] == []


@pytest.mark.parametrize("name", ["archive/evil.pkl", "other/data/0", "x.py", "archive/data/0/1"])
def test_what_torch_does_not_write(tmp_path, name):
    said, _ = found(tmp_path, DATA, (f"m.pt!/{name}", b"x"))
    assert said == [("container.layout", "medium")]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b"def f(x: Tensor) -> Tensor:\n  return torch.relu(x)", []),
        (b"y = torch.from_file('/etc/passwd', False, 10)", [("container.torchscript", "high")]),
        (b"torch.save(x, '/tmp/y')", [("container.torchscript", "high")]),
        (b"ops.evil.run(x)", [("container.torchscript", "high")]),
        (b"ops.prim.NumToTensor(x)", []),
    ],
)
def test_torchscript(tmp_path, code, expected):
    assert found(tmp_path, ("m.pt!/a/code/__torch__/m.py", code))[0] == expected


def node(
    loader="ObjectNode",
    module="sklearn.linear_model._logistic",
    name="LogisticRegression",
    content=None,
):
    return {"__loader__": loader, "__module__": module, "__class__": name, "content": content}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (node(content={"C": node("JsonNode", "builtins", "str", "1")}), []),
        (node("FunctionNode", "os", "function"), [("container.skops", "critical")]),
        (node("OperatorFuncNode", "operator", "attrgetter"), [("container.skops", "critical")]),
        (node("MethodNode"), [("container.skops", "critical")]),
        (node("TypeNode", "os", "system"), [("container.skops", "critical")]),
        (node("ObjectNode", "acme", "Net"), [("container.skops", "high")]),
        ({"a": [{"b": node("FunctionNode")}]}, [("container.skops", "critical")]),
        (node(None), [("container.skops", "critical")]),
        (node(module=3), [("container.skops", "high")]),
    ],
)
def test_skops(tmp_path, value, expected):
    assert found(tmp_path, ("m.skops!/schema.json", json.dumps(value).encode()))[0] == expected


def test_a_schema_that_cannot_be_read(tmp_path):
    _, coverage = found(tmp_path, ("m.skops!/schema.json", b"{"))
    assert (coverage[0].status, coverage[0].executes) == ("error", True)


def test_arrays_that_are_cut(tmp_path):
    _, coverage = found(tmp_path, ("a.npy", b"\x93NUMPY\1\0\x10\0{'descr': '<f8'}"))
    assert (coverage[0].status, coverage[0].executes) == ("error", True)
