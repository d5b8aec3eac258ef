"""Records of what was admitted and denied fit the published schema of records."""

import json
from pathlib import Path

import jsonschema_rs

from tests.rig.governed import records
from tests.rig.vouched import NAME, Machine, echo_server, pinned

SCHEMA = Path(__file__).parents[2] / "spec" / "record.schema.json"


def test_records_fit_the_schema(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(echo_server(tmp_path / "server")))
    machine.configure(NAME)
    machine.call()
    machine.configure(pinned(NAME, subject))
    machine.call()
    machine.summary(subject, result="FAILED", age_s=0)
    machine.call()
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    found = records(machine.state)
    for record in found:
        validator.validate(record)
    kinds = [record["kind"] for record in found if record["kind"].startswith("artifact.")]
    assert kinds == ["artifact.deny", "artifact.admit", "artifact.deny"]
    admitted = next(record for record in found if record["kind"] == "artifact.admit")
    assert {each["key"] for each in admitted["attestations"]} == {"signr", "gater"}
