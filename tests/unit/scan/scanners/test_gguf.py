import struct

import pytest

from remit.scan.scanners.gguf import Gguf
from tests.unit.scan.making import rules, scan


def text(value):
    return struct.pack("<Q", len(value)) + value


def made(**keys):
    pairs = b"".join(
        text(name.replace("__", ".").encode()) + struct.pack("<I", 8) + text(value.encode())
        for name, value in keys.items()
    )
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + pairs


def found(tmp_path, data, name="m.gguf"):
    _, findings, coverage = scan(Gguf(), tmp_path, (name, data))
    return rules(findings), coverage[0]


def test_a_good_one_by_any_name(tmp_path):
    good = made(general__name="tiny", tokenizer__chat_template="{{ messages[0].content }}")
    for name in ("m.gguf", "blob"):
        said, coverage = found(tmp_path, good, name)
        assert (said, coverage.status) == ([], "complete")


@pytest.mark.parametrize("key", ["tokenizer__chat_template", "tokenizer__chat_template__tool_use"])
def test_templates_in_it(tmp_path, key):
    assert ("template.attribute", "critical") in found(
        tmp_path, made(**{key: "{{ ''.__class__ }}"})
    )[0]
    assert found(tmp_path, made(**{key: "{% if"}))[1].status == "error"


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        b"no magic",
        b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**63),
        made(a="b") + bytes(100),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + (text(b"a") + struct.pack("<IB", 0, 1)) * 2,
    ],
)
def test_what_breaks_a_rule_blocks(tmp_path, data):
    said, coverage = found(tmp_path, data)
    assert said == [("gguf.malformed", "high")]
    assert (coverage.status, coverage.executes) == ("error", True)


def test_code_in_other_texts(tmp_path):
    assert found(tmp_path, made(general__description="import os; os.system('x')"))[0] == [
        ("gguf.code", "high")
    ]
