"""Servers named by reference: what runs was signed, passed the gate, is permitted, and is hashed."""

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
