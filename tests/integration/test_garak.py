"""The real garak asks served models: one that obeys whatever it is told, one that refuses, broken ones."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import msgspec
import pytest

from remit.attest.predicates.scan import Scan
from remit.core.digest import sha256
from remit.scan.dynamic.garak import Job, run
from remit.scan.verdict import judge
from tests.rig.governed import REMIT
from tests.rig.programs import RIG, clean_environment
from tests.rig.registries import free_port
from tests.rig.served_model import serve

ENVIRONMENT = RIG / "py-garak"
QUICK = ("dan.Dan_11_0", "goodside.WhoIsRiley")
PROBES = (
    "promptinject.HijackHateHumans", "encoding.InjectBase64", "web_injection.MarkdownImageExfil",
    "latentinjection.LatentWhois", "leakreplay.PotterCloze", *QUICK,
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("bwrap") is None,
        reason="NOT TESTED: bubblewrap is missing; scripts/prerequisites.sh bubblewrap installs it",
    ),
    pytest.mark.skipif(
        not ENVIRONMENT.exists(),
        reason="NOT TESTED: garak (1.2 GB) is missing; `make rig-garak` installs it",
    ),
]


def job(url, *probes, **more):
    values = {"seconds": 300.0, **more}
    return Job(url=url, model="qwen", probes=probes, environment=ENVIRONMENT, **values)


def word(report):
    return judge([report], ("garak",)).word


def test_a_model_that_obeys_is_found_out():
    with serve("obeys") as model:
        report = run(job(model.url, *PROBES, seconds=600.0), "k3y")
    assert report.failed == ""
    assert report.version == "0.17.1"
    assert model.keys == {"Bearer k3y"}
    assert {each["model"] for each in model.asked} == {"qwen"}
    grave = {each.rule for each in report.findings if each.severity == "high"}
    assert {
        "garak.promptinject.hijackhatehumans", "garak.encoding.injectbase64", "garak.dan.dan_11_0",
    } <= grave  # fmt: skip
    assert {each.member.partition("/")[0] for each in report.coverage} == set(PROBES)
    assert {each.status for each in report.coverage} == {"complete"}
    assert word(report) == "blocked"


def test_a_model_that_refuses_is_clean():
    with serve("refuses") as model:
        report = run(job(model.url, *PROBES, seconds=600.0))
    assert (report.failed, report.findings) == ("", ())
    assert {each.member.partition("/")[0] for each in report.coverage} == set(PROBES)
    assert len(model.asked) > 400
    assert word(report) == "clean"


def test_a_detector_that_cannot_be_loaded_asks_somebody():
    """Its main detector is a model of a hub, which is not reached."""
    with serve("refuses") as model:
        report = run(job(model.url, "latentinjection.LatentJailbreak", seconds=600.0))
    assert [each.rule for each in report.findings] == [
        "garak.unjudged.latentinjection.latentjailbreak"
    ]
    assert word(report) == "review"


@pytest.mark.parametrize("manner", ["fails", "empty", "gone", "hangs"])
def test_a_server_that_is_broken_is_never_clean(manner):
    with serve(manner) as model:
        report = run(job(model.url, *QUICK, seconds=45.0))
    assert model.asked
    assert word(report) == "blocked"
    assert manner == "empty" or report.failed


@pytest.mark.parametrize(
    ("probes", "why"),
    [
        (("dan.Nonesuch",), "Unknown run.spec"),
        (("nonesuch", *QUICK), "Unknown run.spec"),
        (("goodside", "divergence.RepeatedToken"), "`divergence.RepeatedToken`"),
    ],
)
def test_a_probe_that_is_not_there_or_cannot_be_run(probes, why):
    with serve("refuses") as model:
        report = run(job(model.url, *probes))
    assert why in report.failed


def test_nobody_serves():
    report = run(job(f"http://127.0.0.1:{free_port()}/v1/", *QUICK, seconds=60.0))
    assert report.failed


def test_an_answer_without_an_end():
    with serve("floods") as model:
        report = run(job(model.url, *QUICK, memory=2 << 30, seconds=45.0))
    assert model.asked
    assert report.failed
    assert word(report) == "blocked"


def test_memory_is_bounded():
    with serve("refuses") as model:
        report = run(job(model.url, *QUICK, memory=200 << 20))
    assert report.failed
    assert model.asked == []
    assert word(report) == "blocked"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_garak_that_is_killed_has_no_result(number):
    """In the middle of it, when its report has evaluations already."""
    with serve("refuses", pause=0.3) as model:
        found = []
        thread = threading.Thread(
            target=lambda: found.append(run(job(model.url, *QUICK, "goodside.Tag")))
        )
        thread.start()
        until = time.monotonic() + 120
        while len(model.asked) < 10 and time.monotonic() < until:
            time.sleep(0.05)
        killed = [os.kill(each, number) for each in garaks()]
        thread.join(200)
    assert killed
    assert found[0].failed
    assert found[0].findings == ()


def garaks():
    """Processes in the sandbox of our runs."""
    children = {}
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(each)
    todo, found = [os.getpid()], []
    while todo:
        for child in children.get(todo.pop(), ()):
            todo.append(int(child.name))
            with contextlib.suppress(OSError):
                words = (child / "cmdline").read_text().split("\0")
                if "/inside.py" in words and "bwrap" not in words[0]:
                    found.append(int(child.name))
    return found


def test_the_command_from_end_to_end(tmp_path):
    made, findings = tmp_path / "scan.json", tmp_path / "found.json"
    with serve("obeys") as model:
        command = [
            REMIT, "probe", model.url, "--model", "qwen", "--probe", "dan.Dan_11_0",
            "--probe", "goodside", "--key-variable", "THE_KEY", "--predicate", str(made),
            "--findings", str(findings), "-o", "json",
        ]  # fmt: skip
        env = {**clean_environment(tmp_path / "home"), "THE_KEY": "k3y"}
        env["REMIT_GARAK"] = str(ENVIRONMENT)
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"]["word"] == "blocked"
    predicate = Scan.read(json.loads(made.read_bytes()))
    assert (predicate.scanner, predicate.version) == ("garak", "0.17.1")
    assert predicate.counts["high"] >= 1
    assert predicate.findings_digest == sha256(findings.read_bytes())
    assert msgspec.json.decode(findings.read_bytes())["scanner"] == "garak"
