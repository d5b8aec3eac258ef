import json
import struct

import numpy as np
import pytest

from remit.scan.scanners.safetensors import Safetensors
from tests.unit.scan.making import rules, scan


def made(arrays=None, metadata=None, header=None, tail=b""):
    arrays = {"w": np.arange(4, dtype="<f4")} if arrays is None else arrays
    names = {"f4": "F32", "f2": "F16", "f8": "F64", "u1": "U8", "u2": "BF16"}
    said, data = {}, b""
    if metadata is not None:
        said["__metadata__"] = metadata
    for name, each in arrays.items():
        begin = len(data)
        data += each.tobytes()
        kind = names[each.dtype.str[1:]]
        said[name] = {"dtype": kind, "shape": list(each.shape), "data_offsets": [begin, len(data)]}
    raw = json.dumps(said).encode() if header is None else header
    return struct.pack("<Q", len(raw)) + raw + data + tail


def found(tmp_path, data, name="m.safetensors"):
    claimed, findings, coverage = scan(Safetensors(), tmp_path, (name, data))
    return rules(findings), coverage[0] if claimed else None


def test_a_good_one_by_any_name(tmp_path):
    for name in ("m.safetensors", "weights.bin"):
        assert found(tmp_path, made(metadata={"format": "pt"}), name)[0] == []
        assert found(tmp_path, made(), name)[1].status == "complete"
    assert found(tmp_path, made({}))[1].status == "complete"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("<Q", 2**63) + b"{}",
        made(tail=b"x"),
        made(header=b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'),
        made(header=b'{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}'),
        made(header=b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1}}'),
        made(header=b'{"w":{"dtype":"F32","shape":[true,4],"data_offsets":[0,16]}}'),
        made(header=b'{"w":{"dtype":"Q4","shape":[4],"data_offsets":[0,16]}}'),
        made(header=b'{"__metadata__":{"a":1}}'),
        made(header=b'{"v":{"dtype":"U8","shape":[10],"data_offsets":[0,10]},"w":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}}'),
        made(header=b'{"w":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}}'),
        made(header=b" {}"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_blocks(tmp_path, data):
    said, coverage = found(tmp_path, data)
    assert said == [("safetensors.malformed", "high")]
    assert (coverage.status, coverage.executes) == ("error", True)


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8"])
def test_numbers_that_are_none(tmp_path, kind):
    values = np.zeros(700_000, dtype=kind)
    values[-1] = np.nan
    assert found(tmp_path, made({"w": values}))[0] == [("safetensors.nan", "high")]
    values[-1] = -np.inf
    assert found(tmp_path, made({"w": values}))[0] == [("safetensors.infinite", "low")]
    values[-1] = np.finfo(kind).max
    assert found(tmp_path, made({"w": values}))[0] == []


def test_bfloat16(tmp_path):
    assert found(tmp_path, made({"w": np.array([0x7FC0], dtype="<u2")}))[0] == [
        ("safetensors.nan", "high")
    ]
    assert found(tmp_path, made({"w": np.array([0xFF80], dtype="<u2")}))[0] == [
        ("safetensors.infinite", "low")
    ]
    assert found(tmp_path, made({"w": np.array([0x7F7F], dtype="<u2")}))[0] == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import os; os.system('x')", "code"),
        ("exec(b64decode('eA=='))", "code"),
        ("<script>alert(1)</script>", "markup"),
        ("see https://somewhere.example/x", "url"),
        (r"\x48\x65\x6c\x6c\x6f\x20\x57\x6f", "packed"),
    ],
)
def test_texts_in_metadata(tmp_path, text, rule):
    assert f"safetensors.{rule}" in {
        each[0] for each in found(tmp_path, made(metadata={"a": text}))[0]
    }


def test_texts_that_are_fine(tmp_path):
    text = json.dumps(
        {
            "ss_network_module": "networks.lora",
            "ss_lr": "1e-4",
            "from": "https://huggingface.co/x/y",
        }
    )
    assert (
        found(
            tmp_path, made(metadata={"training": text, "author": "we import cars and run tests"})
        )[0]
        == []
    )


def test_a_program_in_place_of_a_tensor(tmp_path):
    values = np.frombuffer(b"\x7fELF" + bytes(12), dtype="u1")
    assert found(tmp_path, made({"w": values}))[0] == [("safetensors.program", "medium")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a-00001.safetensors", []), ("../a.safetensors", [("safetensors.shard", "high")]),
     ("/etc/passwd", [("safetensors.shard", "high")]), ("a.bin", [("safetensors.shard", "high")])],
)  # fmt: skip
def test_shards_lie_beside_their_index(tmp_path, name, expected):
    data = json.dumps({"weight_map": {"w": name}}).encode()
    assert found(tmp_path, data, "model.safetensors.index.json")[0] == expected
