"""Every record that a Guard writes fits the published schema of records."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from tests.rig.governed import Governed
from tests.rig.wire import LEGACY, MODERN

SCHEMA = Path(__file__).parents[2] / "spec" / "record.schema.json"


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_records_of_all_kinds_fit_the_schema(tmp_path: Path, era: str) -> None:
    with Governed(tmp_path, era) as guard:
        guard.tools()
        guard.call("echo", message="hello")
        guard.call("forbidden", message="no")
        guard.call("nobody", message="no")
        guard.wire.write(b'{"jsonrpc":"2.0","id":77,"method":"no/such"}\n')
        guard.wire.response(77)
        guard.call("mutate", kind="added", notify=True)
        guard.tools()
        guard.still_works()
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    records = guard.records()
    for record in records:
        validator.validate(record)
    kinds = {record["kind"] for record in records}
    assert kinds >= {
        "guard.start", "guard.stop", "policy.load", "agent.seen", "tools.pin", "tools.changed",
        "tool.decision", "tool.result", "mcp.refused",
    }  # fmt: skip
