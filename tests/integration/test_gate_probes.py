"""Served models asked as jobs of a Hub: a prober asks, the Hub attests and decides anew."""

import base64
import itertools
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from remit.attest.predicates import scan
from remit.core.canonical import canonical_bytes
from remit.core.digest import sha256
from tests.rig.console import Raw
from tests.rig.exchange import log_in, remit
from tests.rig.fronts import Wire
from tests.rig.gated import CLEAN, put
from tests.rig.probed import listing, over, prober
from tests.rig.programs import RIG
from tests.rig.registries import administer, free_port, hub, person
from tests.rig.served_model import serve
from tests.unit.scan.dynamic.rows import CACHE, END, INIT, SETUP, attempt, evaluation, lines

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        shutil.which("bwrap") is None,
        reason="NOT TESTED: bubblewrap is missing; scripts/prerequisites.sh bubblewrap installs it",
    ),
]
GARAK = RIG / "py-garak"
NUMBERS = itertools.count(1)
ASKS = """
import json, os, pathlib, sys, time, urllib.request
given = sys.argv
def option(name):
    return given[given.index(name) + 1]
uri = json.load(open(option("--generator_option_file")))["openai"]["OpenAICompatible"]["uri"]
def ask(text):
    body = {"model": option("--target_name"), "messages": [{"role": "user", "content": text}]}
    head = {"Authorization": "Bearer " + os.environ["OPENAICOMPATIBLE_API_KEY"]}
    request = urllib.request.Request(uri + "chat/completions", json.dumps(body).encode(), head)
    return json.load(urllib.request.urlopen(request, timeout=60))
out = pathlib.Path(option("--report_prefix") + ".report.jsonl")
said = [ask("say it")["choices"][0]["message"]["content"] for _ in range(4)]
wrong = sum("say it" in each for each in said)
"""


def report_of(passed, fails):
    return (
        SETUP, INIT, CACHE, attempt("dan.Dan_11_0"), evaluation("dan.Dan_11_0", passed, fails), END,
    )  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A program in garak's place that asks as it does, and judges by one word."""
    place = tmp_path_factory.mktemp("asks")
    subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True, timeout=60
    )
    package = next((place / "lib").glob("python3*")) / "site-packages" / "garak"
    package.mkdir()
    (package / "__init__.py").write_text("")
    by_count = {count: b"".join(lines(*report_of(4 - count, count))) for count in range(5)}
    (package / "__main__.py").write_text(f"{ASKS}\nout.write_bytes({by_count!r}[wrong])\n")
    return place


class World:
    """A Hub with a gate, an artifact that is admitted, and the name of a served model."""

    def __init__(self, path, registry):
        self.path, self.me, self.registry = path, path / "me", registry
        self.wire = Wire.to(registry)
        log_in(registry, self.me)
        self.name = f"served-{next(NUMBERS)}"
        self.repository = f"team/{self.name}"
        self.digest, _ = put(self.wire, self.repository, "v1", CLEAN)
        self.becomes("admitted")

    def targets(self, url, **more):
        return listing(self.path / "served.toml", url, name=self.name, **more)

    def ask(self, *probes, target=""):
        names = [word for each in probes or ("dan",) for word in ("--probe", each)]
        given = [f"{self.repository}:v1", "--target", target or self.name, *names]
        return administer(self.registry, "probe", *given).strip()

    def job(self, id_):
        return self.wire("GET", f"/api/v1/jobs/{id_}").json

    def over(self, id_, seconds=90.0):
        return over(self.job, id_, seconds)

    def admission(self):
        path = f"/api/v1/repositories/{self.repository}/artifacts/{self.digest}/admission"
        return self.wire("GET", path).json

    def findings(self):
        """The page of what was found."""
        visitor = Raw(self.registry)
        visitor.login()
        answer = visitor.get(f"/ui/artifacts/{self.repository}@{self.digest}/findings")
        assert answer.status == 200
        return answer.body.decode()

    def becomes(self, state):
        until = time.monotonic() + 60
        while self.admission()["state"] != state:
            assert time.monotonic() < until, self.admission()
            time.sleep(0.2)
        return self.admission()["reason"]

    def verified(self):
        """What `remit verify` says of the artifact by the Hub's own trust root."""
        trust = self.path / "hub.toml"
        head = 'format = "remit.trust/v1"\nname = "hub"\nserial = 1\n'
        trust.write_text(head + administer(self.registry, "keys"))
        ref = f"{self.registry.host}/{self.repository}@{self.digest}"
        return remit(
            "verify", ref, "--trust", trust, "--no-signature", "--require", "scan",
            "-o", "json", state=self.me
        )  # fmt: skip

    def attested(self):
        """What the Hub attested of garak."""
        answer = self.wire("GET", f"/v2/{self.repository}/referrers/{self.digest}").json
        found = []
        for each in answer["manifests"]:
            if each["annotations"].get("vnd.remit.probe") == self.name:
                manifest = self.wire(
                    "GET", f"/v2/{self.repository}/manifests/{each['digest']}"
                ).json
                blob = self.wire(
                    "GET", f"/v2/{self.repository}/blobs/{manifest['layers'][0]['digest']}"
                )
                found.append((each["digest"], blob.json))
        return found


def begun(model):
    """Wait until the model is asked."""
    until = time.monotonic() + 60
    while not model.asked:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub"), gate=True, auth="basic") as found:
        yield found


@pytest.fixture
def world(tmp_path, registry):
    return World(tmp_path, registry)


def test_a_model_that_obeys_is_withdrawn_and_one_that_refuses_comes_back(world, environment):
    with serve("obeys") as model:
        targets = world.targets(model.url, key_variable="THE_KEY")
        with prober(world.registry, targets, environment, env={"THE_KEY": "k3y"}):
            done = world.over(world.ask())
            assert (done["state"], done["kind"], done["target"]) == ("done", "probe", world.name)
            assert model.keys == {"Bearer k3y"}
            reason = world.becomes("withdrawn")
            assert "attested scan" in reason
            page = world.findings()
            assert f'<h3 id="a-1">{world.name}</h3>' in page
            assert "Asked dan" in page
            assert '<h4 id="a-1-' in page
            assert "no findings" not in page
            model.manner = "refuses"
            world.over(world.ask())
            world.becomes("admitted")
    assert len(world.attested()) == 2
    page = world.findings()
    assert f'<h3 id="a-1">{world.name} <span class="badge admitted">no findings</span></h3>' in page
    assert "<h4" not in page


def test_what_is_attested_is_signed_by_the_hub_and_what_the_gate_rests_on(world, environment):
    with serve("refuses") as model:
        targets = world.targets(model.url)
        with prober(world.registry, targets, environment):
            job = world.ask()
            world.over(job)
    world.becomes("admitted")
    [(manifest, bundle)] = world.attested()
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    said = scan.Scan.read(payload["predicate"])
    assert payload["subject"][0]["digest"]["sha256"] == world.digest.removeprefix("sha256:")
    assert (said.scanner, said.coverage, sum(said.counts.values())) == ("garak", "complete", 0)
    reports = world.wire("GET", f"/api/v1/jobs/{job}/reports").json["reports"]
    assert sha256(canonical_bytes(reports[0])) == said.findings_digest
    shown = administer(world.registry, "jobs", "show", job)
    assert any(line.split() == ["garak", "found", "nothing"] for line in shown.splitlines())
    done = world.verified()
    assert done.returncode == 0, done.stderr
    found = {each["manifest"]: each for each in json.loads(done.stdout)["attestations"]}
    assert all(each["passed"] for each in found[manifest]["checks"])


def test_nobody_is_asked_what_the_prober_does_not_list(world, environment):
    with serve("obeys") as model:
        targets = world.targets(model.url, repositories=["other/*"], probes=["dan"])
        with prober(world.registry, targets, environment):
            done = world.over(world.ask())
            assert (done["state"], done["attempts"]) == ("failed", 1)
            assert f"is not served as an artifact of `{world.repository}`" in done["error"]
            waits = world.ask(target="another")
            time.sleep(3)
            assert world.job(waits)["state"] == "waiting"
    assert model.asked == []
    assert world.admission()["state"] == "admitted"


@pytest.mark.slow
def test_a_server_that_is_not_there_leaves_nothing_attested(world, environment):
    targets = world.targets(f"http://127.0.0.1:{free_port()}/v1/")
    with prober(world.registry, targets, environment):
        done = world.over(world.ask(), 120.0)
    assert (done["state"], done["attempts"]) == ("failed", 3)
    assert "is not reached" in done["error"]
    assert world.attested() == []
    assert world.admission()["state"] == "admitted"


def test_a_run_that_fails_covered_nothing_and_asks_a_curator(world, environment):
    with serve("fails") as model:
        targets = world.targets(model.url)
        with prober(world.registry, targets, environment):
            done = world.over(world.ask())
    assert done["state"] == "done"
    assert "did not cover everything" in world.becomes("review")
    page = world.findings()
    assert "not everything was asked" in page
    assert "no findings" not in page


@pytest.mark.slow
def test_a_prober_that_is_killed_is_followed_by_another(world, environment):
    with serve("obeys", pause=1.0) as model:
        targets = world.targets(model.url)
        with prober(world.registry, targets, environment) as first:
            job = world.ask()
            begun(model)
            first.send_signal(signal.SIGKILL)
            first.wait()
            asked = len(model.asked)
        time.sleep(2.5)
        assert len(model.asked) <= asked + 1, "what it started ended with it"
        model.pause = 0.0
        with prober(world.registry, targets, environment):
            done = world.over(job, 120.0)
    assert (done["state"], done["attempts"]) == ("done", 1)
    world.becomes("withdrawn")


def test_a_prober_that_is_stopped_gives_its_job_back(world, environment):
    with serve("obeys", pause=1.0) as model:
        targets = world.targets(model.url)
        with prober(world.registry, targets, environment) as first:
            job = world.ask()
            begun(model)
            first.terminate()
            assert first.wait(20) == 0
        found = world.job(job)
        assert (found["state"], found["attempts"]) == ("waiting", 0)


def test_a_job_that_is_cancelled_is_not_asked_on(world, environment):
    with serve("obeys", pause=1.0) as model:
        targets = world.targets(model.url)
        with prober(world.registry, targets, environment):
            job = world.ask()
            begun(model)
            assert world.wire("POST", f"/api/v1/jobs/{job}/cancel").status == 202
            assert world.job(job)["state"] == "cancelled"
    assert world.attested() == []
    assert world.admission()["state"] == "admitted"


def test_over_http_curators_ask_and_readers_do_not(world):
    body = {
        "repository": world.repository, "reference": "v1",
        "probe": {"target": world.name, "probes": ["dan", "goodside.Tag"], "generations": 2},
    }  # fmt: skip
    reader = Wire.to(person(world.registry, "reader", "reader", "**"))
    answer = reader("POST", "/api/v1/jobs", json.dumps(body).encode())
    assert answer.status == 403
    answer = world.wire("POST", "/api/v1/jobs", json.dumps(body).encode())
    assert answer.status == 202
    job = world.job(answer.json["id"])
    assert (job["kind"], job["target"], job["state"]) == ("probe", world.name, "waiting")
    again = world.wire("POST", "/api/v1/jobs", json.dumps(body).encode())
    assert (again.status, again.code) == (409, "CONFLICT")
    for wrong in (
        {"target": "../x", "probes": ["dan"]},
        {"target": world.name, "probes": []},
        {"target": world.name, "probes": ["--help"]},
        {"target": world.name, "probes": ["dan"], "generations": 0},
        {"target": world.name, "probes": ["dan"], "url": "http://169.254.169.254/"},
    ):
        answer = world.wire("POST", "/api/v1/jobs", json.dumps({**body, "probe": wrong}).encode())
        assert answer.status == 400, wrong
    status = world.wire("GET", "/api/v1/jobs/status").json
    assert world.name in status["unasked"]
    assert status["probes"]["waiting"] >= 1
    assert "waiting" not in status["jobs"]
    shown = remit("hub", "gate", "status", "--state", world.registry.state, state=world.me)
    assert "no prober has" in shown.stderr
    assert f"`{world.name}`" in shown.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    not GARAK.exists(),
    reason="NOT TESTED: garak (1.2 GB) is missing; `make rig-garak` installs it",
)
def test_the_real_garak(world):
    with serve("obeys") as model:
        targets = world.targets(model.url)
        with prober(world.registry, targets, GARAK):
            job = world.ask("dan.Dan_11_0", "goodside.WhoIsRiley")
            seen = set()

            def ask(id_):
                found = world.job(id_)
                seen.add(found["progress"])
                return found

            done = over(ask, job, 240.0)
    assert done["state"] == "done"
    world.becomes("withdrawn")
    [(_, bundle)] = world.attested()
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert payload["predicate"]["scanner"]["version"] == "0.17.1"
