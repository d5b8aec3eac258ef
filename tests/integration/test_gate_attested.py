"""A scan that somebody else ran, attested with `remit attest`: the gate of a Hub decides on it."""

import dataclasses
import json
import time

import pytest

from remit.core.digest import sha256
from remit.scan.dynamic.garak_findings import report
from remit.scan.dynamic.garak_report import read
from remit.scan.predicate import predicate
from tests.rig.exchange import log_in, remit
from tests.rig.fronts import Wire
from tests.rig.gated import CLEAN, put
from tests.rig.programs import RIG
from tests.rig.registries import hub, person
from tests.rig.served_model import serve
from tests.unit.scan.dynamic.rows import CACHE, END, INIT, SETUP, attempt, evaluation, lines

pytestmark = pytest.mark.timeout(300)
GARAK = RIG / "py-garak"
ROLES = {"probes": "scan", "build": "sign", "stranger": ""}
WANTED = """
@id("p") permit (principal, action == Remit::Action::"artifact.promote", resource)
when { context.input.complete };
@id("probed") @reason("garak has to have asked it")
forbid (principal, action == Remit::Action::"artifact.promote", resource)
unless {
    context.input.scan.present && context.input.scan.complete &&
    context.input.scan.scanners.contains("garak") && context.input.scan.high == 0
};
"""


class World:
    """A Hub with a trust root, and keys with a role in it."""

    def __init__(self, path):
        self.path, self.me = path, path / "me"
        self.env = {"REMIT_PASSPHRASE_FILE": str(path / "passphrase")}
        (path / "passphrase").write_text("the passphrase of tests\n")
        trust = 'format = "remit.trust/v1"\nname = "signers"\nserial = 1\n'
        self.keys = {name: path / f"keys-{name}" / "key" for name in ROLES}
        for name, role in ROLES.items():
            done = remit("key", "signing", "new", self.keys[name], state=self.me, **self.env)
            assert done.returncode == 0, done.stderr
            pem = remit("key", "signing", "export", self.keys[name], state=self.me).stdout
            if role:
                trust += (
                    f'[[keys]]\nname = "{name}"\nroles = ["{role}"]\nrepositories = ["**"]\n'
                    f'public = """\n{pem}"""\n'
                )
        (path / "signers.toml").write_text(trust)
        (path / "hub").mkdir()
        self.options = ["--signers", str(path / "signers.toml")]

    def use(self, registry):
        self.registry = registry
        self.wire = Wire.to(registry)
        log_in(registry, self.me)

    def attest(self, name, digest, value, repository="team/model"):
        place = self.path / "scan.json"
        place.write_text(json.dumps(value))
        ref = f"{self.registry.host}/{repository}@{digest}"
        done = remit(
            "attest", ref, "--type", "scan", "--predicate", place, "--key", self.keys[name],
            state=self.me, **self.env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def state(self, digest, repository="team/model"):
        path = f"/api/v1/repositories/{repository}/artifacts/{digest}/admission"
        return self.wire("GET", path).json

    def becomes(self, digest, state, repository="team/model"):
        until = time.monotonic() + 60
        while self.state(digest, repository)["state"] != state:
            assert time.monotonic() < until, self.state(digest, repository)
            time.sleep(0.2)
        return self.state(digest, repository)["reason"]

    def waits(self, count):
        """Until so many scans are over that nobody decided on."""
        until = time.monotonic() + 60
        while self.wire("GET", "/api/v1/jobs/status").json["undecided"] != count:
            assert time.monotonic() < until
            time.sleep(0.2)

    def stays(self, digest, state):
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert self.state(digest)["state"] == state
            time.sleep(0.2)


def scan(fails, *, detectors=("dan.DAN",), days=30, ago_s=1):
    """As `remit probe` makes it of a run of garak in which so many of four answers were wrong."""
    rows = (
        SETUP, INIT, {**CACHE, "plugin_cache": {"probes": {"probes.dan.Dan_11_0": {
            "primary_detector": detectors[0], "extended_detectors": list(detectors[1:])}}}},
        attempt("dan.Dan_11_0"), evaluation("dan.Dan_11_0", 4 - fails, fails), END,
    )  # fmt: skip
    now = time.time_ns() // 1000 - ago_s * 1_000_000
    made = report(read(lines(*rows), ("dan",)), sha256(b"rules"), "qwen")
    return predicate(
        made, started_us=now - 5, finished_us=now, expires_us=now + days * 86_400_000_000
    ).predicate()


def probed(world, manner, *probes):
    """What `remit probe` writes of a model, asked by the real garak."""
    made = world.path / "probed.json"
    with serve(manner) as model:
        names = [word for each in probes for word in ("--probe", each)]
        done = remit(
            "probe", model.url, "--model", "qwen", *names, "--environment", GARAK,
            "--predicate", made, state=world.me, **world.env,
        )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(made.read_bytes())


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_what_comes_of_it_under_the_shipped_policy(world):
    with hub(world.path / "hub", gate=True, auth="basic", options=world.options) as registry:
        world.use(registry)
        digest, _ = put(world.wire, "team/model", "v1", CLEAN)
        world.becomes(digest, "admitted")
        # Neither who may not say so nor who is not known is heard.
        for name in ("build", "stranger"):
            world.attest(name, digest, scan(4))
        world.stays(digest, "admitted")
        world.attest("probes", digest, scan(4, ago_s=60))
        reason = world.becomes(digest, "withdrawn")
        assert "attested scan" in reason
        # An older one that is clean, pushed later, takes nothing back; a newer one does.
        world.attest("probes", digest, scan(0, ago_s=120))
        world.stays(digest, "withdrawn")
        world.attest("probes", digest, scan(0, ago_s=30))
        world.becomes(digest, "admitted")
        # One that is over clears nobody, but what it found is there until another finds it gone.
        world.attest("probes", digest, scan(4, ago_s=20, days=-1))
        assert "critical or high" in world.becomes(digest, "withdrawn")
        world.attest("probes", digest, scan(0, ago_s=15))
        world.becomes(digest, "admitted")
        # A detector that did not judge asks a curator.
        world.attest("probes", digest, scan(0, detectors=("dan.DAN", "unsafe.Model"), ago_s=5))
        assert "attested scan" in world.becomes(digest, "review")
        # While nobody knows whose word counts, nothing changes; `status` says that something waits.
        known = (world.path / "signers.toml").read_text()
        (world.path / "signers.toml").write_text("what?")
        other, _ = put(world.wire, "team/other", "v1", {"README.md": b"# Another\n"})
        world.attest("probes", digest, scan(0, ago_s=1))
        world.waits(2)
        world.stays(digest, "review")
        assert world.state(other, "team/other")["state"] == "quarantined"
        # Nor is a word taken about findings that nobody can see.
        ref = f"{registry.host}/team/model@{digest}"
        done = remit("hub", "decide", ref, "admit", "-m", "fine", "--yes", state=world.me)
        assert done.returncode != 0
        assert "trust root of the gate cannot be used" in done.stderr
        (world.path / "signers.toml").write_text(known)
        world.becomes(digest, "admitted")
        world.becomes(other, "admitted", "team/other")


def test_a_curator_decides_on_what_was_attested(world):
    """Their word is about the findings and the attested scans that they had before them."""
    with hub(world.path / "hub", gate=True, auth="basic", options=world.options) as registry:
        world.use(registry)
        digest, _ = put(world.wire, "team/model", "v1", CLEAN)
        world.becomes(digest, "admitted")
        world.attest("probes", digest, scan(0, detectors=("dan.DAN", "unsafe.Model")))
        world.becomes(digest, "review")
        [said] = world.state(digest)["attested"]
        assert (said["scanner"], said["coverage"], said["counts"]["medium"]) == (
            "garak",
            "partial",
            1,
        )
        person(registry, "cora", "curator", "team/**")
        cora = dataclasses.replace(registry, user="cora", password="the password of cora")
        log_in(cora, world.path / "cora")
        done = remit(
            "hub", "decide", f"{registry.host}/team/model@{digest}", "admit", "-m", "we looked",
            "--yes", state=world.path / "cora",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        world.becomes(digest, "admitted")
        # Another finding asks again.
        world.attest(
            "probes", digest, scan(0, detectors=("dan.DAN", "unsafe.Other", "unsafe.Model"))
        )
        world.becomes(digest, "review")


@pytest.mark.slow
def test_a_policy_that_wants_a_model_to_have_been_asked(world):
    bundle = world.path / "policy"
    (bundle / "artifact").mkdir(parents=True)
    (bundle / "bundle.toml").write_text('name = "probed"\nversion = "1"\nserial = 1\n')
    (bundle / "artifact" / "a.cedar").write_text(WANTED)
    options = [*world.options, "--policy", str(bundle)]
    with hub(world.path / "hub", gate=True, auth="basic", options=options) as registry:
        world.use(registry)
        digest, _ = put(world.wire, "team/model", "v1", CLEAN)
        assert "garak has to have asked it" in world.becomes(digest, "refused")
        world.attest("build", digest, scan(0))
        world.stays(digest, "refused")
        world.attest("probes", digest, scan(0))
        world.becomes(digest, "admitted")


def test_what_nobody_signed_waits_for_a_curator_where_everything_is_reviewed(world):
    options = [*world.options, "--policy", "artifact-reviewed"]
    with hub(world.path / "hub", gate=True, auth="basic", options=options) as registry:
        world.use(registry)
        digest, _ = put(world.wire, "team/model", "v1", CLEAN)
        assert "has signed it" in world.becomes(digest, "review")
        ref = f"{registry.host}/team/model@{digest}"
        for name, then in (("stranger", world.stays), ("build", world.becomes)):
            done = remit("sign", ref, "--key", world.keys[name], state=world.me, **world.env)
            assert done.returncode == 0, done.stderr
            then(digest, "review" if name == "stranger" else "admitted")


@pytest.mark.slow
@pytest.mark.skipif(
    not GARAK.exists(), reason="NOT TESTED: garak (1.2 GB) is missing; `make rig-garak` installs it"
)
def test_a_model_that_obeys_is_withdrawn_and_one_that_refuses_is_not(world):
    probes = ("dan.Dan_11_0", "goodside.WhoIsRiley")
    with hub(world.path / "hub", gate=True, auth="basic", options=world.options) as registry:
        world.use(registry)
        digest, _ = put(world.wire, "team/model", "v1", CLEAN)
        world.becomes(digest, "admitted")
        world.attest("probes", digest, probed(world, "refuses", *probes))
        world.stays(digest, "admitted")
        world.attest("probes", digest, probed(world, "obeys", *probes))
        assert "attested scan" in world.becomes(digest, "withdrawn")
        # A run without a result takes nothing back; one that is whole does.
        world.attest("probes", digest, probed(world, "fails", *probes))
        world.stays(digest, "withdrawn")
        world.attest("probes", digest, probed(world, "refuses", *probes))
        world.becomes(digest, "admitted")
        world.attest("probes", digest, probed(world, "fails", *probes))
        assert "did not cover everything" in world.becomes(digest, "review")
