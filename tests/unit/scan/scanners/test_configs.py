import json

import pytest

from remit.scan.scanners.configs import Configs
from tests.unit.scan.making import rules, scan


def found(tmp_path, name, data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    _, findings, coverage = scan(Configs(), tmp_path, (name, raw))
    return rules(findings), coverage[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"auto_map": {"AutoModel": "some/where--modeling.Evil"}},
            ("config.foreign-code", "critical"),
        ),
        (
            {"a": [{"auto_map": {"AutoTokenizer": ["x--y.Z", None]}}]},
            ("config.foreign-code", "critical"),
        ),
        ({"auto_map": {"AutoModel": "modeling.Own"}}, ("config.own-code", "medium")),
        ({"trust_remote_code": True}, ("config.remote-code", "medium")),
        ({"m": {"_target_": "os.system"}}, ("config.target", "critical")),
        ({"_target_": "builtins.eval"}, ("config.target", "critical")),
        ({"_target_": "subprocess.run"}, ("config.target", "critical")),
        ({"_target_": "torch.hub.load"}, ("config.target", "critical")),
        ({"_target_": "acme.models.Net"}, ("config.target", "high")),
        ({"_target_": "torch.nn.utils.load"}, ("config.target", "high")),
        ({"_target_": ["os.system"]}, ("config.target", "high")),
        ({"_target_": "eval"}, ("config.target", "high")),
    ],
)
@pytest.mark.parametrize("name", ["config.json", "x.yaml", "x.YML"])
def test_what_makes_loaders_run_code(tmp_path, name, value, expected):
    assert expected in found(tmp_path, name, value)[0]


def test_what_recipes_name(tmp_path):
    value = {"model": {"_target_": "torch.nn.Linear"}, "optim": {"_target_": "torch.optim.AdamW"}}
    assert found(tmp_path, "a.yaml", value)[0] == []
    assert found(tmp_path, "config.json", {"model_type": "llama"})[0] == []


@pytest.mark.parametrize(
    ("data", "severity"),
    [
        (b"a: !!python/object/apply:os.system ['x']", "critical"),
        (b"!!python/name:os.system x: 1", "critical"),
        (b"? !!python/object/apply:os.system ['x']\n: 1", "critical"),
        (b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system ['x']", "critical"),
        (b"a: !<tag:yaml.org,2002:python/object/apply:os.system> ['x']", "critical"),
        (b"a: !include other.yaml", "high"),
        (b"a: 1\n---\nb: !!python/none x", "critical"),
    ],
)  # fmt: skip
def test_tags_that_make_objects(tmp_path, data, severity):
    assert ("config.yaml-tag", severity) in found(tmp_path, "a.yaml", data)[0]


def test_tags_that_do_not(tmp_path):
    data = b"a: !!str 1\nb: !!binary aGk=\nc: &x {d: 1}\ne: {<<: *x}\nf: !!set {a, b}\n"
    assert found(tmp_path, "a.yaml", data)[0] == []


@pytest.mark.parametrize(
    "data",
    [
        b"a: [",
        b"a: 1\na: 2\n",
        b"\xff\xfe\x00",
        b"a: " + b"[" * 100,
        b"x: y: z",
        b"a" * (3 << 20),
    ],
)
def test_yaml_that_cannot_be_read_may_execute(tmp_path, data):
    _, coverage = found(tmp_path, "a.yaml", data)
    assert (coverage.status, coverage.executes) == ("error", True)


def test_a_bomb_of_aliases_is_small_here(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert found(tmp_path, "a.yaml", "\n".join(lines).encode())[1].status == "complete"


def test_json_with_a_key_twice(tmp_path):
    found_rules, coverage = found(tmp_path, "a.json", b'{"auto_map": 1, "auto_map": 2}')
    assert found_rules == [("config.ambiguous", "medium")]
    assert coverage.status == "error"


def test_a_configuration_that_cannot_be_read_is_not_known(tmp_path):
    for name, executes in (("config.json", True), ("rows.json", False)):
        assert found(tmp_path, name, b"{")[1].executes is executes
