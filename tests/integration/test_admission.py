"""Servers named by reference: what runs was signed, passed the gate, is permitted, and is hashed."""

from tests.rig.governed import remit
from tests.rig.vouched import NAME, Machine, echo_server, pinned


def test_what_is_vouched_for_runs(tmp_path):
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(echo_server(tmp_path / "server")))
    machine.configure(pinned(NAME, subject))
    assert machine.call("hello") == "hello"
    (admitted,) = machine.records("artifact.admit")
    assert admitted["artifact"]["digest"] == subject.digest
    assert admitted["signed_by"] == ["signr"]
    assert admitted["vsa"]["result"] == "PASSED"
    assert admitted["decision"]["rule_ids"] == ["admit"]
    assert not machine.copies()


def test_what_nobody_signed_is_refused_in_the_words_of_the_protocol(tmp_path):
    machine = Machine(tmp_path)
    subject = machine.pack(echo_server(tmp_path / "server"))
    machine.summary(subject)
    machine.configure(pinned(NAME, subject))
    said = machine.call()
    assert said.startswith("Denied by Remit: echo/echo.")
    assert "no attestation of type `signature`" in said
    (denied,) = machine.records("artifact.deny")
    assert denied["decision"]["error"] == "verify.no_signature"
    assert not machine.copies()


def test_a_tag_counts_as_it_was_locked(tmp_path):
    machine = Machine(tmp_path)
    subject = machine.vouch(machine.pack(echo_server(tmp_path / "server"), "team/echo:1.0"))
    path = machine.configure("team/echo:1.0")
    assert "has no digest" in machine.call()
    assert machine.records("artifact.deny")[-1]["decision"]["error"] == "artifact.unlocked"
    done = remit("lock", str(path), env=machine.environ)
    assert done.returncode == 0, done.stderr
    assert f"team/echo:1.0@{subject.digest}" in done.stdout
    assert machine.call() == "hello"
    machine.pack(echo_server(tmp_path / "server", mark="another"), "team/echo:1.0")
    assert remit("lock", "--check", str(path), env=machine.environ).returncode == 1
    assert machine.call() == "hello"
    assert machine.records("artifact.admit")[-1]["artifact"]["digest"] == subject.digest
