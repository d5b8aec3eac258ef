import stat
import threading
import time

import orjson
import pytest

from remit.attest.keys import LogKey
from remit.audit import committer as committer_module
from remit.audit.errors import AuditError, Closed, Corrupt, Locked, Poisoned, QueueFull, RecordError
from remit.audit.log import Log, directory_of, read
from remit.audit.verify import verify
from remit.core.canonical import CanonicalError
from tests.unit.audit import support
from tests.unit.audit.support import KEY, ORIGIN, FakeClock, body, check, make_log, open_log


def test_records_have_the_fields_of_the_log(tmp_path):
    with open_log(tmp_path / "log") as log:
        assert [log.append("tool.decision", body(n)) for n in range(3)] == [0, 1, 2]
        log.flush()
        assert log.durable_size == log.size == 3
    first, second, third = read(tmp_path / "log")
    assert first.record["prev"] == support.mth([]).hex()
    assert second.record["prev"] == support.leaf_hash(first.leaf).hex()
    assert third.record["v"] == 1
    assert {k: third.record[k] for k in ("log", "seq", "boot", "kind", "call")} == {
        "log": ORIGIN,
        "seq": 2,
        "boot": "boot-1",
        "kind": "tool.decision",
        "call": body(2)["call"],
    }
    assert first.record["time"] < second.record["time"] < third.record["time"]
    assert third.record["batch"] <= 2


def test_the_layout_is_the_documented_one(tmp_path):
    directory = directory_of(tmp_path, ORIGIN)
    make_log(directory, 300, reserve_bytes=4096)
    assert directory.name == "9bdcef3fffeae8c8c028f95c20cdcd9ff24194a3117b432c64806a3eef2a8c63"
    assert (directory / "log.vkey").read_text() == KEY.vkey + "\n"
    assert check((directory / "checkpoint").read_bytes()).startswith(f"{ORIGIN}\n300\n")
    assert {"0", "300"} <= {p.name for p in (directory / "checkpoints").iterdir()}
    assert (directory / "tile" / "0" / "000").stat().st_size == 8192
    assert (directory / "tile" / "0" / "001.p" / "44").stat().st_size == 44 * 32
    assert (directory / "reserve.bin").stat().st_size == 4096
    for path in directory.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_reopening_goes_on(tmp_path):
    make_log(tmp_path / "log", 5)
    with open_log(tmp_path / "log", clock=FakeClock(support.START_US * 2)) as log:
        assert log.size == log.durable_size == 5
        assert log.append("guard.start", {}) == 5
    report = verify(tmp_path / "log", ORIGIN, check)
    assert (report.ok, report.records, report.signed) == (True, 6, 6)
    assert report.root == support.mth(
        [support.leaf_hash(x) for x in support.leaves_of(tmp_path / "log")]
    )


def test_the_second_writer_is_refused(tmp_path):
    with open_log(tmp_path / "log"), pytest.raises(Locked):
        open_log(tmp_path / "log")
    open_log(tmp_path / "log").close()


def test_subscribers_hear_every_commit_in_order(tmp_path):
    heard = []
    with open_log(tmp_path / "log") as log:
        log.subscribe(lambda size, error: heard.append((size, error)))
        for number in range(600):
            log.append("tool.decision", body(number))
            if number % 97 == 0:
                log.urge()
        log.flush()
    sizes = [size for size, _ in heard]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 600
    assert {error for _, error in heard} == {None}


def test_an_urged_record_is_durable_soon_and_an_unurged_one_within_the_bound(tmp_path):
    done = threading.Event()
    with open_log(tmp_path / "log") as log:
        log.subscribe(lambda size, error: done.set())
        for bound, urge in ((2.0, True), (2.0, False)):
            done.clear()
            log.append("tool.decision", body())
            if urge:
                log.urge()
            assert done.wait(bound)


def test_a_checkpoint_follows_when_idle(tmp_path, monkeypatch):
    monkeypatch.setattr(committer_module, "CHECKPOINT_IDLE_SECONDS", 0.05)
    with open_log(tmp_path / "log") as log:
        log.append("tool.decision", body())
        deadline = time.monotonic() + 10
        while log.signed_size < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log.signed_size == 1
        assert check((tmp_path / "log" / "checkpoint").read_bytes()).split("\n")[1] == "1"


def test_checkpoints_every_1024_records_and_on_demand_are_kept(tmp_path):
    with open_log(tmp_path / "log") as log:
        for number in range(1100):
            log.append("tool.decision", body(number))
        log.flush()
        log.checkpoint()
        assert log.signed_size == 1100
        log.append("tool.decision", body())
        log.checkpoint()
    kept = {int(p.name) for p in (tmp_path / "log" / "checkpoints").iterdir()}
    assert {0, 1100, 1101} <= kept
    assert any(0 < size <= 1100 for size in kept)


def test_an_empty_log_is_whole(tmp_path):
    open_log(tmp_path / "log").close()
    report = verify(tmp_path / "log", ORIGIN, check)
    assert (report.ok, report.records, report.root) == (True, 0, support.mth([]))


def test_refused_records_leave_no_trace(tmp_path):
    with open_log(tmp_path / "log") as log:
        log.append("tool.decision", body(0))
        for bad in ({"seq": 1}, {"text": "x" * 20_000}):
            with pytest.raises(RecordError):
                log.append("tool.decision", bad)
        with pytest.raises(RecordError):
            log.append("Not A Kind", {})
        with pytest.raises(CanonicalError):
            log.append("tool.decision", {"x": 1.5})
        with pytest.raises(RecordError):
            log.append("tool.decision", {}, private={"x": ("", b"")})
        with pytest.raises(RecordError):
            log.append("tool.decision", {}, private={"x": ("a", b"x" * (1 << 20 | 1))})
        assert log.append("tool.decision", body(1)) == 1
    assert verify(tmp_path / "log", ORIGIN, check).ok


def test_a_closed_log_takes_nothing(tmp_path):
    log = open_log(tmp_path / "log")
    log.close()
    log.close()
    with pytest.raises(Closed):
        log.append("tool.decision", body())


def test_a_full_queue_refuses_and_keeps_what_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr(committer_module, "QUEUE_RECORDS", 10)
    release, entered = threading.Event(), threading.Event()
    log = open_log(tmp_path / "log")

    def hold(size, error):
        entered.set()
        release.wait(20)

    log.subscribe(hold)
    log.append("tool.decision", body())
    log.urge()
    assert entered.wait(20)
    for number in range(10):
        log.append("tool.decision", body(number))
    with pytest.raises(QueueFull):
        log.append("tool.decision", body())
    assert log.size == 11
    release.set()
    log.close()
    assert verify(tmp_path / "log", ORIGIN, check).records == 11


def test_the_clock_going_back_is_a_record_of_its_own(tmp_path):
    clock = FakeClock()
    with open_log(tmp_path / "log", clock=clock) as log:
        log.append("tool.decision", body())
        clock.now -= 3_600_000_000
        assert log.append("tool.decision", body()) == 2
        clock.now += 7_200_000_000
        assert log.append("tool.decision", body()) == 4
        clock.now += 5_000_000
        assert log.append("tool.decision", body()) == 5
    kinds = [e.record["kind"] for e in read(tmp_path / "log")]
    assert kinds == [
        "tool.decision",
        "clock.jump",
        "tool.decision",
        "clock.jump",
        "tool.decision",
        "tool.decision",
    ]
    jump = list(read(tmp_path / "log"))[1].record["clock"]
    assert jump["to_us"] < jump["from_us"]
    assert verify(tmp_path / "log", ORIGIN, check).ok
    with open_log(tmp_path / "log", clock=FakeClock(1_000_000)) as log:
        assert log.append("tool.decision", body()) == 7
    assert verify(tmp_path / "log", ORIGIN, check).ok


def test_the_log_of_another_key_is_refused(tmp_path):
    make_log(tmp_path / "log", 3)
    for signer in (LogKey(ORIGIN, b"\x09" * 32), LogKey("another", b"\x07" * 32)):
        with pytest.raises(Corrupt) as caught:
            open_log(tmp_path / "log", signer=signer)
        assert caught.value.code == "audit.wrong_key"


def test_a_subscriber_that_raises_poisons_instead_of_hanging(tmp_path, monkeypatch):
    raised = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_type))
    log = open_log(tmp_path / "log")

    def broken(size, error):
        if error is None:
            raise ZeroDivisionError

    log.subscribe(broken)
    log.append("tool.decision", body())
    with pytest.raises(Poisoned):
        log.checkpoint()
    log.close()
    with pytest.raises(Poisoned):
        log.append("tool.decision", body())
    assert raised == [ZeroDivisionError]
    assert isinstance(log.poisoned, Poisoned)


def test_flush_says_when_the_disk_hangs(tmp_path):
    release = threading.Event()
    log = open_log(tmp_path / "log")
    log.subscribe(lambda size, error: release.wait(20))
    log.append("tool.decision", body())
    log.flush()
    log.append("tool.decision", body())
    with pytest.raises(AuditError) as caught:
        log.flush(0.05)
    assert caught.value.code == "audit.timeout"
    release.set()
    log.close()


def test_without_cipher_only_the_commitment_is_kept(tmp_path):
    with open_log(tmp_path / "log") as log:
        log.append("tool.decision", body(), private={"action.args_c": ("alice", b"secret")})
    [entry] = read(tmp_path / "log")
    assert entry.record["action"]["args_c"].startswith("hmac-sha256:")
    assert b"secret" not in b"".join(
        p.read_bytes() for p in (tmp_path / "log").rglob("*") if p.is_file()
    )


def test_equal_values_have_different_commitments(tmp_path):
    with open_log(tmp_path / "log") as log:
        for _ in range(2):
            log.append("tool.decision", {}, private={"c": ("alice", b"yes")})
    one, two = read(tmp_path / "log")
    assert one.record["c"] != two.record["c"]


def test_leaves_are_canonical(tmp_path):
    make_log(tmp_path / "log", 3)
    for leaf in support.leaves_of(tmp_path / "log"):
        assert orjson.dumps(orjson.loads(leaf), option=orjson.OPT_SORT_KEYS) == leaf


def test_the_io_error_of_opening_has_a_code(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AuditError) as caught:
        Log.open(tmp_path / "file" / "log", KEY, FakeClock(), boot="b")
    assert caught.value.code == "audit.io"
