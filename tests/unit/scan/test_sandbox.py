"""The real sandbox: what a scanner in it can and cannot do, and what is made of its answers."""

import json
import shutil
import sys
import time

import msgspec
import pytest

from remit.scan import sandbox
from remit.scan.base import ScanError, Settings
from remit.scan.sandbox import Bounds, scan
from remit.scan.verdict import judge
from remit.scan.worker import Request

needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None,
    reason="NOT TESTED: bubblewrap is missing; scripts/prerequisites.sh bubblewrap installs it",
)
REQUEST = Request(root="", scratch="", scanners=("pickles",), digest="")


@pytest.fixture
def artifact(tmp_path):
    root = tmp_path / "artifact"
    root.mkdir()
    (root / "m.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    return root


def run(artifact, code, seconds=20.0, memory=1_500_000_000):
    bounds = Bounds(seconds=seconds, memory=memory)
    return scan(artifact, REQUEST, bounds, [sys.executable, "-I", "-c", code])


def blocked(reports):
    verdict = judge(reports, ("archives", "pickles"))
    return verdict.word == "blocked" and set(verdict.failed) == {"archives", "pickles"}


def answer(artifact, code):
    """What a program in the sandbox prints, by way of the reason of a malformed report."""
    out = artifact.parent / "scratch"
    out.mkdir(exist_ok=True)
    arguments = sandbox.command(artifact, out, [sys.executable, "-I", "-c", code])
    output, why = sandbox.run(arguments, 20)
    assert not why
    return json.loads(output)


@needs_bwrap
def test_the_worker_finds_what_is_there(artifact):
    reports = scan(artifact, REQUEST, Bounds())
    assert [each.scanner for each in reports] == ["archives", "pickles"]
    assert {each.rule for each in reports[1].findings} == {"pickle.import", "pickle.call"}
    assert judge(reports, ("archives", "pickles")).word == "blocked"


@needs_bwrap
def test_there_is_no_network_no_environment_and_no_other_process(artifact, monkeypatch):
    monkeypatch.setenv("REMIT_SECRET", "x")
    found = answer(
        artifact,
        "import os, json, socket\n"
        "try: socket.create_connection(('127.0.0.1', 22), 1); net = 'open'\n"
        "except OSError as e: net = type(e).__name__\n"
        "links = os.listdir('/sys/class/net') if os.path.exists('/sys/class/net') else []\n"
        "pids = [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "print(json.dumps([net, links, dict(os.environ), len(pids)]))",
    )
    assert found[0] != "open"
    assert found[1] == []
    assert "REMIT_SECRET" not in found[2]
    assert found[2]["OPENBLAS_NUM_THREADS"] == "1"
    assert found[3] <= 3


@needs_bwrap
def test_the_artifact_and_the_system_are_read_only(artifact):
    found = answer(
        artifact,
        "import json\n"
        "def w(p):\n"
        "    try: open(p, 'w').write('x'); return 'written'\n"
        "    except OSError as e: return e.errno\n"
        "print(json.dumps([w('/artifact/x'), w('/artifact/m.pkl'), w('/usr/x'), w('/scratch/x')]))",
    )
    assert found[:3] == [30, 30, 30]
    assert found[3] == "written"
    assert [each.name for each in artifact.iterdir()] == ["m.pkl"]


@needs_bwrap
def test_homes_and_other_files_are_not_there(artifact):
    paths = ["/home", "/etc/passwd", "/var", str(artifact.parent)]
    code = f"import json, os\nprint(json.dumps([os.path.exists(p) for p in {paths}]))"
    assert answer(artifact, code) == [False] * 4


@needs_bwrap
@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        "raise SystemExit(3)",
        "pass",
        "print('all is well')",
        "print('[]')",
        "print('{}')",
        """print('[{"scanner": "somebody", "version": "1", "rules": "sha256:0"}]')""",
        "import sys; sys.stdout.buffer.write(b'\\xff' * 100)",
        "1 / 0",
    ],
    ids=["crash", "status", "silent", "words", "empty", "object", "other", "bytes", "exception"],
)
def test_a_scanner_without_a_report_is_never_clean(artifact, code):
    assert blocked(run(artifact, code))


@needs_bwrap
def test_a_scanner_that_hangs_is_ended_with_all_that_it_started(artifact):
    started = time.monotonic()
    code = "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(600)"
    reports = run(artifact, code, seconds=1.0)
    assert time.monotonic() - started < 10
    assert blocked(reports)
    assert "longer than" in reports[0].failed


@needs_bwrap
def test_a_scanner_that_eats_memory_fails(artifact):
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2); x = bytes(1 << 30)"
    assert blocked(run(artifact, code))


@needs_bwrap
def test_the_worker_has_the_limits_that_were_asked_for(artifact):
    reports = scan(artifact, REQUEST, Bounds(memory=1_000_000))
    assert blocked(reports)


@needs_bwrap
def test_a_report_without_end_is_cut(artifact, monkeypatch):
    monkeypatch.setattr(sandbox, "MAX_REPORT", 1 << 20)
    reports = run(artifact, "while True: print('x' * 100000)")
    assert blocked(reports)
    assert "larger than" in reports[0].failed


@needs_bwrap
def test_half_a_report_is_a_failure_of_the_missing_one(artifact):
    code = """print('[{"scanner": "archives", "version": "1", "rules": "sha256:0"}]')"""
    verdict = judge(run(artifact, code), ("archives", "pickles"))
    assert (verdict.word, verdict.failed) == ("blocked", ("pickles",))


def test_without_a_sandbox_nothing_is_scanned(artifact, monkeypatch):
    monkeypatch.setenv("PATH", str(artifact))
    with pytest.raises(ScanError) as caught:
        scan(artifact, REQUEST, Bounds())
    assert caught.value.code == "scan.no_sandbox"
    assert "bubblewrap" in caught.value.hint
    assert [each.name for each in artifact.iterdir()] == ["m.pkl"]


@needs_bwrap
def test_advisories_reach_the_sandbox_and_are_read_only(artifact, tmp_path):
    (artifact / "requirements.txt").write_text("evil==1\n")
    folder = tmp_path / "advisories"
    folder.mkdir()
    package = {"ecosystem": "PyPI", "name": "evil"}
    advisory = {
        "id": "MAL-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": package}],
    }
    (folder / "a.json").write_text(json.dumps(advisory))
    settings = Settings(advisories=str(folder), today="2026-01-02")
    request = Request(root="", scratch="", scanners=("dependencies",), digest="", settings=settings)
    with_one = scan(artifact, request, Bounds())[1]
    assert "dependencies.malicious" in {each.rule for each in with_one.findings}
    assert with_one.coverage[0].status == "complete"
    found = sandbox.command(artifact, tmp_path, ["true"], str(folder))
    assert found[found.index(sandbox.ADVISORIES) - 2] == "--ro-bind"
    without = scan(artifact, msgspec.structs.replace(request, settings=Settings()), Bounds())[1]
    assert {each.rule for each in without.findings} == {"dependencies.no_advisories"}
    assert with_one.rules != without.rules
    # The day comes from this machine if nobody says it: then this database is old, or will be.
    late = msgspec.structs.replace(request, settings=Settings(advisories=str(folder)))
    assert "old" in str(scan(artifact, late, Bounds())[1].coverage)


def test_a_database_that_is_not_there_is_an_error_before_anything_is_scanned(artifact):
    request = msgspec.structs.replace(REQUEST, settings=Settings(advisories="/nowhere"))
    with pytest.raises(ScanError, match="advisories"):
        scan(artifact, request, Bounds())
