"""The runner, with programs that write what garak writes, in the real sandbox."""

import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from remit.attest.predicates.scan import Scan
from remit.cli.probe import probe
from remit.core.digest import sha256
from remit.scan.base import ScanError
from remit.scan.dynamic.garak import Job, check, run
from tests.unit.scan.dynamic.rows import GOOD, INIT, SETUP, lines

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None,
    reason="NOT TESTED: bubblewrap is missing; scripts/prerequisites.sh bubblewrap installs it",
)
_MAIN = """
import json, os, pathlib, resource, socket, sys, urllib.request
given = sys.argv
def option(name):
    return given[given.index(name) + 1]
uri = json.load(open(option("--generator_option_file")))["openai"]["OpenAICompatible"]["uri"]
key = os.environ["OPENAICOMPATIBLE_API_KEY"]
seen = dict(argv=given, key=key, left=os.path.exists("told.json"), home=os.path.exists("/etc/passwd"),
            environ=sorted(os.environ), commands="".join(each.read_text() for each in pathlib.Path("/proc").glob("[0-9]*/cmdline")),
            routes=pathlib.Path("/proc/net/route").read_text().splitlines()[1:])
def reaches(host, port):
    try:
        return socket.create_connection((host, port), 2).close() is None
    except OSError:
        return False
port = int(uri.split(":")[2].split("/")[0])
seen["others"] = [
    each for each in ((host, n) for host in ("127.0.0.1", "127.0.0.2", "192.0.2.1", "localhost")
                      for n in (port, OTHER, 53, 80))
    if each[1] != port and reaches(*each)
]
seen["unix"] = [line.split()[7] for line in open("/proc/net/unix").read().splitlines()[1:]
                if len(line.split()) > 7]
seen["limits"] = [resource.getrlimit(each)[0] for each in (resource.RLIMIT_AS, resource.RLIMIT_CORE)]
request = urllib.request.Request(uri, data=json.dumps(seen).encode())
urllib.request.urlopen(request, timeout=5).read()
out = pathlib.Path(option("--report_prefix") + ".report.jsonl")
"""


@pytest.fixture
def environment(tmp_path):
    place = tmp_path / "garak"
    subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True, timeout=60
    )
    return place


@pytest.fixture
def model():
    """A server that keeps what it is asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/", asked
        server.shutdown()
        thread.join()


def program(environment, after, other=1):
    site = next((environment / "lib").glob("python3*")) / "site-packages"
    package = site / "garak"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(f"OTHER = {other}\n{_MAIN}{after}")


def writes(*rows):
    return f"out.write_bytes({b''.join(lines(*rows))!r})"


def job(environment, url, **more):
    return Job(url=url, model="qwen", probes=("dan",), environment=environment, seconds=20, **more)


def test_what_it_is_given_and_what_it_sees(environment, model, monkeypatch):
    monkeypatch.setenv("REMIT_SECRET", "x")
    url, asked = model
    with socket.create_server(("127.0.0.1", 0)) as other:
        program(environment, writes(*GOOD), other.getsockname()[1])
        report = run(job(environment, url, generations=2, memory=2 << 30), "k3y")
    assert (report.failed, report.version) == ("", "0.17.1")
    assert [each.severity for each in report.findings] == ["high"]
    seen = asked[0]
    assert (seen["key"], seen["left"], seen["home"]) == ("k3y", False, False)
    assert "k3y" not in seen["commands"]
    # Another server of this machine listens, and is not there, nor is anything else.
    assert (seen["routes"], seen["others"], seen["unix"]) == ([], [], [])
    assert seen["limits"] == [2 << 30, 0]
    assert "REMIT_SECRET" not in seen["environ"]
    given = seen["argv"]
    assert given[given.index("--spec") + 1] == "probes.dan"
    assert given[given.index("--generations") + 1] == "2"


@pytest.mark.parametrize(
    "after",
    [
        "",
        "sys.exit(0)",
        "sys.exit(1)",
        "os.abort()",
        writes(SETUP, INIT),
        "out.symlink_to('/etc/passwd')",
        "out.mkdir()",
        writes(*GOOD) + "; os.abort()",
        writes(*GOOD) + "; import time; time.sleep(60)",
    ],
    ids=["silent", "exit", "status", "crash", "cut", "link", "folder", "late", "hangs"],
)
def test_a_run_without_a_report_that_counts_has_failed(environment, model, after):
    program(environment, after)
    report = run(Job(**{**_values(job(environment, model[0])), "seconds": 4.0}))
    assert report.failed
    assert report.findings == ()


def _values(each):
    return {name: getattr(each, name) for name in each.__struct_fields__}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "file:///etc/passwd"}, "scan.target"),
        ({"url": "http://user:word@host/"}, "scan.target"),
        ({"probes": ()}, "scan.probe"),
        ({"probes": ("--config",)}, "scan.probe"),
        ({"probes": ("dan,probes.x",)}, "scan.probe"),
    ],
)
def test_a_job_that_is_none(environment, change, code):
    values = {**_values(job(environment, "http://127.0.0.1/v1/")), **change}
    with pytest.raises(ScanError) as caught:
        check(Job(**values))
    assert caught.value.code == code


def test_without_an_environment(tmp_path):
    with pytest.raises(ScanError) as caught:
        run(job(tmp_path, "http://127.0.0.1/v1/"))
    assert caught.value.code == "scan.not_installed"


def test_the_command_and_its_predicate(environment, model, tmp_path):
    program(environment, writes(*GOOD))
    made, found = tmp_path / "scan.json", tmp_path / "found.json"
    arguments = [
        model[0], "--model", "qwen", "--probe", "dan", "--environment", str(environment),
        "--predicate", str(made), "--findings", str(found), "-o", "json",
    ]  # fmt: skip
    result = CliRunner().invoke(probe, arguments)
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["verdict"]["word"] == "blocked"
    predicate = Scan.read(json.loads(made.read_bytes()))
    assert (predicate.scanner, predicate.coverage) == ("garak", "complete")
    assert predicate.counts["high"] == 1
    assert predicate.findings_digest == sha256(found.read_bytes())


def test_the_command_when_nothing_came_of_it(environment, model, tmp_path):
    program(environment, "")
    made = tmp_path / "scan.json"
    arguments = [
        model[0], "--model", "qwen", "--probe", "dan", "--environment", str(environment),
        "--predicate", str(made),
    ]  # fmt: skip
    result = CliRunner().invoke(probe, arguments)
    assert result.exit_code == 1
    assert "has no result" in result.stdout
    assert Scan.read(json.loads(made.read_bytes())).coverage == "error"
