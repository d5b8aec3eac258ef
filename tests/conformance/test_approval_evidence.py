"""Evidence of real approvals, against the verifier that shares no code with Remit."""

import base64
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from remit.attest.ecdsa import PublicKey
from tests.rig.people import Person, Treasury
from tests.rig.sigstore import sigstore

SPEC = Path(__file__).parents[2] / "spec"
SCRIPT = SPEC / "verify_approval.py"


class Case:
    """One Guard's evidence: of a payment that two people approved, and of a refused one."""

    def __init__(self, stage: Treasury) -> None:
        self.stage = stage
        self.module = verifier()
        self.ann, self.ben = stage.person("ann"), stage.person("ben")
        with stage.agent() as wire:
            self.paid = stage.waits(wire, 1, 5000, "BOB")
            self.pending = self.export(self.ann, self.paid, "pending.json")
            said = self.ann.says("approve", self.paid, "-m", "seen the bill", "--ticket", "CHG-7")
            assert said.returncode == 0, said.stderr
            assert self.ben.says("approve", self.paid).returncode == 0
            wire.response(1)
            self.refused = stage.waits(wire, 2, 7000, "EVE")
            assert self.ann.says("deny", self.refused, "-m", "who is EVE?").returncode == 0
            wire.response(2)
            often = stage.waits(wire, 3, 77, "OFTEN")
            assert self.ann.says("approve", often, "--uses", "3").returncode == 0
            wire.response(3)
            stage.pays(wire, 4, 77, "OFTEN")
            wire.response(4)
            assert stage.ran("OFTEN") == 2
        self.often = self.export(self.ben, often, "often.json")
        self.used = self.export(self.ben, self.paid, "used.json")
        self.denied = self.export(self.ben, self.refused, "denied.json")
        (self.log,) = (stage.guard.state / "audit").iterdir()
        self.vkey = (self.log / "log.vkey").read_text().strip()
        people = json.loads(self.ann.run("approvers", "-o", "json").stdout)
        self.keys = {person["id"]: person["key"] for person in people}

    def export(self, person: Person, request: str, name: str) -> Path:
        """Write an evidence file with the command line."""
        path = self.stage.directory / name
        done = person.run("show", request, "--bundle", str(path))
        assert done.returncode == 0, done.stderr
        return path

    def trust(self) -> list[str]:
        """The arguments of somebody who knows both approvers and the log."""
        people = [f"--approver={user}={key}" for user, key in self.keys.items()]
        return ["--vkey", self.vkey, *people]

    def verify(self, path: Path, *more: str, trust: list[str] | None = None) -> tuple[int, str]:
        """Exit code and output of the verifier, run without Remit on its path."""
        done = subprocess.run(
            [sys.executable, "-I", str(SCRIPT), str(path), *(trust or self.trust()), *more],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def check(self, data: bytes, log: Path | None = None) -> list[str]:
        """Verify in this process."""
        keys = [f"{user}={key}" for user, key in self.keys.items()]
        return list(self.module.verify(data, self.vkey, keys, log))

    def holds(self, data: bytes) -> bool:
        """Whether the verifier accepts it."""
        try:
            return bool(self.check(data))
        except Exception:
            return False


def verifier() -> Any:
    """The script as a module."""
    specification = importlib.util.spec_from_file_location("verify_approval", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """The evidence."""
    with Treasury(tmp_path_factory.mktemp("evidence")) as stage:
        yield Case(stage)


def test_it_says_who_approved_what_and_that_it_was_used_once(case: Case) -> None:
    code, said = case.verify(case.used, "--log", str(case.log))
    assert code == 0, said
    lines = said.splitlines()
    assert lines[0].startswith(f"OK {case.paid} of ")
    assert '  "to": "BOB"' in lines
    assert any(line.startswith("approve by 'ann', 'Ann Lee', key sha256:") for line in lines)
    assert any(line.startswith("approve by 'ben', 'Ben Lee', key sha256:") for line in lines)
    assert "  meaning: 'I have read this action in full and approve that" in said
    assert "  reason: 'seen the bill'" in lines
    assert "  ticket: 'CHG-7'" in lines
    assert any(line.startswith("used 2") and "by call '" in line for line in lines)
    assert lines[-1] == "used exactly once in the whole log"
    code, said = case.verify(case.used)
    assert (code, said.splitlines()[-1]) == (
        0, "used exactly once, as far as this file says (see --log)",
    )  # fmt: skip


def test_several_uses_are_counted(case: Case) -> None:
    code, said = case.verify(case.often, "--log", str(case.log))
    assert code == 0, said
    assert said.splitlines()[-1] == "used exactly 2 times in the whole log"
    value = json.loads(case.often.read_bytes())
    fewer = canonical({**value, "uses": value["uses"][:1]})
    assert case.check(fewer)[-1].startswith("used exactly once, as far as this file says")
    with pytest.raises(ValueError, match="log: has other uses"):
        case.check(fewer, case.log)


def test_a_refusal_and_an_open_request_are_evidence_too(case: Case) -> None:
    code, said = case.verify(case.denied, "--log", str(case.log))
    assert code == 0, said
    assert "deny by 'ann'" in said
    assert "  reason: 'who is EVE?'" in said
    assert said.splitlines()[-1] == "not used in the whole log"
    code, said = case.verify(case.pending)
    assert code == 0, said
    assert "approve by" not in said
    assert said.splitlines()[-1].startswith("not used, as far as")


def test_they_fit_the_schema(case: Case) -> None:
    schema = json.loads((SPEC / "approval.schema.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for path in (case.used, case.denied, case.pending):
        evidence = json.loads(path.read_bytes())
        validator.validate(evidence)
        assert not validator.is_valid({**evidence, "more": 1})
        for approval in evidence["approvals"]:
            for name, kind in (("decision", "approval"), ("enrolment", "enrolment")):
                bundle = json.loads(approval[name])
                statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
                of_kind = jsonschema_rs.validator_for({**schema, "$ref": f"#/$defs/{kind}"})
                of_kind.validate(statement)
                validator.validate(statement)
                assert not of_kind.is_valid({**statement, "predicate": {}})
                assert not of_kind.is_valid({**statement, "subject": []})


def test_npm_sigstore_accepts_what_real_people_signed(case: Case) -> None:
    approvals = [
        one
        for path in (case.used, case.denied)
        for one in json.loads(path.read_bytes())["approvals"]
    ]
    keys = [PublicKey(base64.b64decode(one["key"])).pem for one in approvals]
    bundles = [one[kind] for one in approvals for kind in ("enrolment", "decision")]
    assert sigstore(keys, bundles) == ["ok"] * 6
    assert "ok" not in sigstore(keys[1:2], bundles[:2])


def test_only_trusted_keys_count(case: Case) -> None:
    ann, ben = case.keys["ann"], case.keys["ben"]
    log = ["--vkey", case.vkey]
    assert case.verify(case.used, trust=[*log, "--approver", ann, "--approver", ben])[0] == 0
    for people in ([ann], [f"ann={ben}", f"ben={ann}"], [f"eve={ann}", ben]):
        trust = [*log, *(f"--approver={key}" for key in people)]
        code, said = case.verify(case.used, trust=trust)
        assert (code, said[:12]) == (3, "NOT VERIFIED")
        assert "nobody trusts the key" in said
    from remit.attest.keys import LogKey

    other = LogKey(case.vkey.split("+")[0], b"\x07" * 32).vkey
    code, said = case.verify(case.used, trust=["--vkey", other, *case.trust()[2:]])
    assert (code, said) == (3, "NOT VERIFIED evidence: of another log\n")


@pytest.mark.parametrize(
    "stride", [pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(600)]), 13]
)
def test_every_changed_byte_is_seen(case: Case, stride: int) -> None:
    """One flipped bit of each byte; the whole file is canonical, so none is insignificant."""
    data = case.used.read_bytes()
    assert case.holds(data)
    for at in range(0, len(data), stride):
        changed = bytearray(data)
        changed[at] ^= 1 << at // stride % 8
        assert not case.holds(bytes(changed)), (at, data[at - 40 : at + 20])


def test_other_separators_are_seen(case: Case) -> None:
    """What Python also takes for white space or for the end of a line."""
    data = case.used.read_bytes()
    for other in (b"\\f", b"\\r", b" ", b"\\t", b"\\u2028", b"\\n\\n", b"\xe2\x80\xa8", b""):
        for start in range(0, data.count(b"\\n"), 5):
            parts = data.split(b"\\n")
            changed = b"\\n".join(parts[: start + 1]) + other + b"\\n".join(parts[start + 1 :])
            assert not case.holds(changed), (other, start)


def paths(value: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Where leaves are in a JSON value, and in the JSON texts that it holds."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, *above, key)
    elif isinstance(value, str) and value.startswith("{"):
        for inner in paths(json.loads(value)):
            yield (*above, "{}", *inner)
    else:
        yield above


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """The value with another leaf."""
    if not path:
        return {str: "forged", int: 7, bool: False}.get(type(value), "forged")
    if path[0] == "{}":
        inner = changed(json.loads(value), path[1:])
        return json.dumps(inner, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:])
    return copy


def canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


def test_every_changed_leaf_is_seen(case: Case) -> None:
    value = json.loads(case.used.read_bytes())
    assert canonical(value) == case.used.read_bytes()
    found = list(paths(value))
    assert len(found) > 40
    for path in found:
        assert not case.holds(canonical(changed(value, path))), path


def test_parts_cannot_be_taken_away_doubled_or_mixed(case: Case) -> None:
    value, other = json.loads(case.used.read_bytes()), json.loads(case.denied.read_bytes())
    ann, ben = value["approvals"]
    forged = {
        "one approval less": {"approvals": [ann]},
        "none": {"approvals": []},
        "one twice": {"approvals": [ann, ann]},
        "another person's name": {"approvals": [ann, {**ben, "enrolment": ann["enrolment"]}]},
        "another key": {"approvals": [ann, {**ben, "key": ann["key"]}]},
        "of another request": {"approvals": [ann, *other["approvals"]]},
        "another action": {"action": other["action"]},
        "another text": {"displayed": other["displayed"]},
        "another request": {"request": other["request"]},
        "no approval, but a decision": {"uses": [ann["decided"]]},
        "more": {"more": 1},
        "a member more": {"approvals": [ann, {**ben, "more": ""}]},
    }
    for name, parts in forged.items():
        assert not case.holds(canonical({**value, **parts})), name
    spaced = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).encode()
    for data in (spaced, case.used.read_bytes() + b"\n", b"{}\n", b"", b"\xff"):
        assert not case.holds(data)


def test_a_use_that_is_kept_back_is_seen_in_the_log(case: Case) -> None:
    data = canonical({**json.loads(case.used.read_bytes()), "uses": []})
    assert case.check(data)[-1] == "not used, as far as this file says (see --log)"
    with pytest.raises(ValueError, match="log: has other uses"):
        case.check(data, case.log)


def test_a_changed_log_is_seen(case: Case, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(case.log, tmp_path / "log"))
    segment = copy / "seg" / "000000000000.seg"
    segment.write_bytes(segment.read_bytes().replace(b"approval.consume", b"approval.consumx"))
    with pytest.raises(ValueError, match="not the one that was signed"):
        case.check(case.used.read_bytes(), copy)
    segment.write_bytes(segment.read_bytes()[:400])
    with pytest.raises(ValueError, match="not the one that was signed"):
        case.check(case.used.read_bytes(), copy)


def test_the_script_is_small_and_imports_nothing_of_ours() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 150
    assert "import remit" not in text
    assert "from remit" not in text


def test_what_cannot_be_exported_is_explained(case: Case, tmp_path: Path) -> None:
    out = str(tmp_path / "x.json")
    done = case.ann.run("show", "APR-NONE", "--bundle", out)
    assert done.returncode == 2
    assert "there is no request" in done.stderr
    done = case.ann.run("show", case.paid, "--bundle", str(tmp_path / "no" / "x.json"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    done = case.ann.run("show", case.paid, "--bundle", out, "--state", str(tmp_path))
    assert done.returncode == 2
    assert "there is no audit log" in done.stderr
    assert not Path(out).exists()


def test_it_is_exported_without_a_guard_too(case: Case, tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    state = str(case.stage.guard.state)
    env = {**case.ann.env, "REMIT_SOCKET": str(tmp_path / "nobody.sock")}
    from tests.rig.governed import REMIT

    done = subprocess.run(
        [REMIT, "approvals", "show", case.paid, "--bundle", str(out), "--state", state],
        capture_output=True, text=True, env=env, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert case.check(out.read_bytes())[-1].startswith("used exactly once")
