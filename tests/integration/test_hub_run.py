"""`remit hub run`: where it does not start, and how it ends."""

import signal
import subprocess

from tests.rig.exchange import remit
from tests.rig.governed import REMIT
from tests.rig.registries import free_port, hub


def test_an_address_that_is_taken_is_not_shared(tmp_path):
    with hub(tmp_path / "one") as first:
        state = tmp_path / "two"
        done = remit("hub", "run", "--listen", first.host, "--state", state, state=state)
        assert done.returncode == 2
        assert "cannot listen" in done.stderr
        assert "--listen" in done.stderr
        same = remit(
            "hub", "run", "--listen", f"127.0.0.1:{free_port()}", "--state", first.state,
            state=state,
        )  # fmt: skip
        assert same.returncode == 2
        assert "another Hub is using" in same.stderr


def test_passwords_do_not_pass_a_network_in_the_clear(tmp_path):
    done = remit("hub", "run", "--listen", "0.0.0.0:0", "--state", tmp_path, state=tmp_path)
    assert done.returncode == 2
    assert "in the clear" in done.stderr


def test_it_ends_when_it_is_asked_to_and_says_so_in_its_log(tmp_path):
    port = free_port()
    command = [REMIT, "hub", "run", "--listen", f"127.0.0.1:{port}", "--state", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for row in process.stderr:
        if "ready at" in row:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    told = remit("audit", "tail", "-n", "1", "--state", tmp_path, state=tmp_path)
    assert "hub.stop" in told.stdout
