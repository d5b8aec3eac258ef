"""Where pins live."""

import os
import subprocess
import sys
import threading

import pytest

from remit.core.errors import RemitError
from remit.guard.store.pins import PinStore, write_atomically
from remit.policy.pins import Lock, parse_lock, pin
from tests.unit.guard.helpers import TOOLS, tool


def test_saved_pins_come_back(tmp_path):
    store = PinStore(None, tmp_path / "new" / "tools.lock")
    assert store.get("srv") is None
    store.save(pin("srv", TOOLS, "Be nice."))
    store.save(pin("other", TOOLS[:1]))
    store.save(pin("srv", TOOLS[1:]))
    again = PinStore(None, tmp_path / "new" / "tools.lock")
    assert again.get("srv") == pin("srv", TOOLS[1:])
    assert again.others("srv") == (pin("other", TOOLS[:1]),)
    names = {p.name for p in (tmp_path / "new").iterdir()}
    assert names == {"tools.lock", "tools.lock.guard"}


def test_pins_of_the_bundle_rule(tmp_path):
    bundle = Lock(servers={"srv": pin("srv", TOOLS)})
    store = PinStore(bundle, tmp_path / "tools.lock")
    store.save(pin("srv", [tool("evil")]))
    store.save(pin("other", TOOLS[:1]))
    assert store.get("srv") == pin("srv", TOOLS)
    assert {s.id for s in store.others("other")} == {"srv"}
    assert store.others("other")[0] == pin("srv", TOOLS)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"version":1,"servers":{"srv":{}}}', b"x" * 100]
)
def test_an_unreadable_file_blocks_reading_and_writing(tmp_path, damage):
    path = tmp_path / "tools.lock"
    path.write_bytes(damage)
    store = PinStore(None, path)
    for use in (
        lambda: store.get("srv"),
        lambda: store.others("srv"),
        lambda: store.save(pin("srv", TOOLS)),
    ):
        with pytest.raises(RemitError):
            use()
    assert path.read_bytes() == damage


def test_a_digest_changed_by_hand_blocks(tmp_path):
    path = tmp_path / "tools.lock"
    PinStore(None, path).save(pin("srv", TOOLS))
    path.write_bytes(path.read_bytes().replace(b"The tool get", b"The tool GET"))
    with pytest.raises(RemitError):
        PinStore(None, path).get("srv")


def test_a_directory_in_its_place_blocks(tmp_path):
    (tmp_path / "tools.lock").mkdir()
    store = PinStore(None, tmp_path / "tools.lock")
    with pytest.raises(RemitError) as error:
        store.get("srv")
    assert error.value.code == "pins.unreadable"
    with pytest.raises(RemitError):
        store.save(pin("srv", TOOLS))


def test_an_unwritable_place_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RemitError) as error:
        PinStore(None, tmp_path / "file" / "tools.lock").save(pin("srv", TOOLS))
    assert error.value.code in {"pins.unwritable", "pins.unreadable"}


def test_concurrent_saves_lose_nothing(tmp_path):
    path = tmp_path / "tools.lock"
    errors = []

    def save(number):
        try:
            PinStore(None, path).save(pin(f"s{number}", TOOLS[:1]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(parse_lock(path.read_bytes()).servers) == {f"s{n}" for n in range(12)}


def test_write_atomically_replaces_and_is_private(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two" * 100_000)
    assert path.read_bytes() == b"two" * 100_000
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(_descriptor):
        raise OSError(5, "I/O error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="I/O"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_link_planted_for_the_temporary_file_is_not_followed(tmp_path):
    target = tmp_path / "victim"
    target.write_text("safe")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        write_atomically(tmp_path / "file", b"new")
    assert target.read_text() == "safe"


def test_a_process_killed_while_it_writes_leaves_old_or_new(tmp_path):
    path = tmp_path / "tools.lock"
    PinStore(None, path).save(pin("srv", TOOLS))
    code = (
        "import sys; from pathlib import Path\n"
        "from remit.guard.store.pins import PinStore; from remit.policy.pins import pin\n"
        "print('go', flush=True); n = 0\n"
        "while True:\n"
        "  n += 1; PinStore(None, Path(sys.argv[1])).save("
        "pin('srv', [{'name': f't{n}', 'inputSchema': {}}]))\n"
    )
    for wait_s in (0.03, 0.05):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE
        ) as child:
            child.stdout.readline()
            threading.Event().wait(wait_s)
            child.kill()
        assert PinStore(None, path).get("srv") is not None
    # The lock died with its holder.
    PinStore(None, path).save(pin("srv", TOOLS))
