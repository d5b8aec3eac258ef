"""The golden log in ``vectors/audit``: the same bytes today, and verified by code that shares none."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from remit.audit import proof
from remit.audit.log import read
from remit.audit.verify import verify
from tests.unit.audit.support import KEY, ORIGIN, check

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors" / "audit"


def files(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix not in {".py", ".md", ".pyc"}
    }


def test_the_generator_gives_the_same_bytes(tmp_path):
    specification = importlib.util.spec_from_file_location("generate", VECTORS / "generate.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.generate(tmp_path)
    assert files(tmp_path) == files(VECTORS)


def test_the_independent_verifier_accepts_it():
    command = [sys.executable, "-I", str(ROOT / "spec" / "verify_log.py"), str(VECTORS / "log")]
    command += ["--vkey", KEY.vkey, "--checkpoint", str(VECTORS / "checkpoint-200")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"OK {ORIGIN}: 300 records, root ")


def test_our_verifier_accepts_it():
    report = verify(
        VECTORS / "log", ORIGIN, check, kept=[(VECTORS / "checkpoint-200").read_bytes()]
    )
    assert report.ok, report.problem
    assert (report.records, report.unanchored_records, report.unanchored_seconds) == (
        300,
        100,
        99.0,
    )


def test_the_proof_proves_record_42():
    leaf = proof.check(proof.parse((VECTORS / "record-42.tlog-proof").read_bytes()), ORIGIN, check)
    assert json.loads(leaf)["seq"] == 42


@pytest.fixture(scope="module")
def schema():
    return jsonschema_rs.validator_for(
        json.loads((ROOT / "spec" / "record.schema.json").read_text())
    )


def test_the_records_fit_the_schema(schema):
    for entry in read(VECTORS / "log"):
        schema.validate(entry.record)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"seq": -1}, {"time": 1.5}, {"prev": "x"}, {"kind": "No"}, {"log": ""},
        {"action": {"args_c": "plain"}}, {"decision": {"effect": "maybe"}}, {"seq": None},
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_no_record(schema, change):
    record = next(read(VECTORS / "log")).record
    assert not schema.is_valid({**record, **change})


def test_the_schema_keeps_unknown_fields(schema):
    record = next(read(VECTORS / "log")).record
    assert schema.is_valid({**record, "later": {"anything": [1]}})
