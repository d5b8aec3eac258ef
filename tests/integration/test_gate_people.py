"""What people say at the gate of a Hub, with real scans: curators, findings answered for, Guards.

Everything goes through `remit` as people use it, or through plain HTTP where it is attacked.
"""

import hashlib
import json
import time

import pytest

from remit.attest.bundle import parse_bundle
from remit.attest.dsse import statement_of, verify
from remit.attest.ecdsa import PublicKey
from tests.rig.exchange import log_in, remit
from tests.rig.fronts import Wire, hub_command
from tests.rig.gated import CLEAN, POISONED, put, settled, state
from tests.rig.hub_process import HubProcess
from tests.rig.hub_users import form
from tests.rig.registries import hub, person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PASSPHRASE = "the passphrase of tests"
ADMISSION, WITHDRAWALS = form("admission"), form("withdrawals")
MEDIUM = {"README.md": b"---\nlicense: our-own\n---\n# A calculator\n"}
VSA = "https://slsa.dev/verification_summary/v1"


class People:
    """A Hub with a gate, and accounts with a home each."""

    def __init__(self, registry, home):
        self.registry, self.home = registry, home
        self.accounts = {
            name: person(registry, name, role, pattern)
            for name, role, pattern in (
                ("ann", "curator", "**"), ("ben", "curator", "team/**"),
                ("carl", "writer", "**"), ("rita", "reader", "team/**"),
            )
        }  # fmt: skip
        self.homes = {}
        for name, account in self.accounts.items():
            self.homes[name] = home / name
            log_in(account, self.homes[name])
        (home / "passphrase").write_text(f"{PASSPHRASE}\n")

    def wire(self, name):
        return Wire.to(self.accounts[name])

    def run(self, name, *arguments):
        more = {"REMIT_PASSPHRASE_FILE": str(self.home / "passphrase")}
        return remit(*arguments, state=self.homes[name], **more)

    def ok(self, name, *arguments):
        done = self.run(name, *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def refused(self, name, *arguments):
        done = self.run(name, *arguments)
        assert done.returncode not in {0, 4}, done.stdout
        return done.stderr

    def ref(self, repository, tag="v1"):
        return f"{self.registry.host}/{repository}:{tag}"

    def about(self, name, repository):
        done = self.run(name, "hub", "admission", self.ref(repository), "-o", "json")
        found = json.loads(done.stdout)
        ADMISSION.validate(found)
        return found

    def push(self, repository, files, wanted, by="carl"):
        put(self.wire(by), repository, "v1", files)
        assert settled(self.wire("carl"), repository, "v1", wanted) == wanted

    def key(self, name):
        path = self.home / f"keys-{name}" / "key"
        if not path.exists():
            self.ok(name, "key", "signing", "new", str(path))
        return str(path)

    def trust(self):
        lines = hub_command(self.registry, "keys").stdout
        path = self.home / "trust.toml"
        path.write_text(f'format = "remit.trust/v1"\nname = "hub"\nserial = 1\n{lines}')
        return str(path)

    def verify(self, repository, name="ann", **more):
        policy = self.about(name, repository)["policy"]
        arguments = ["verify", self.ref(repository), "--trust", self.trust(), "--no-signature"]
        arguments += ["--policy-digest", more.get("policy", policy), "-o", "json"]
        done = self.run(name, *arguments)
        return json.loads(done.stdout)

    def code(self, repository, name="ann", **more):
        # As a curator, who gets what was refused, too: others are denied before they can ask.
        found = self.verify(repository, name, **more)
        return next((each["code"] for each in found["checks"] if not each["passed"]), "")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("people"), gate=True) as found:
        those = People(found, tmp_path_factory.mktemp("homes"))
        those.push("team/clean", CLEAN, "admitted")
        yield those


def test_evidence_of_what_is_admitted(people):
    found = people.verify("team/clean")
    assert found["verified"], found
    types = [each["predicateType"] for each in found["attestations"]]
    assert types.count(VSA) == 1
    assert "https://cyclonedx.org/bom" in types
    assert types.count("https://remit.example/scan/v1") > 5
    assert all(each["passed"] for each in found["attestations"]), found
    about = people.about("rita", "team/clean")
    assert about["state"] == "admitted"
    assert len(about["attestations"]) == len(types) - 1
    wire = people.wire("rita")
    base = "/api/v1/repositories/team/clean/artifacts/v1"
    [one] = [each for each in about["scanners"] if each["name"] == "pickles"]
    document = wire("GET", f"{base}/findings/pickles")
    assert one["document"] == "sha256:" + hashlib.sha256(document.body).hexdigest()
    assert json.loads(wire("GET", f"{base}/findings/bom").body)["bomFormat"] == "CycloneDX"
    assert wire("GET", f"{base}/findings/none").status == 404
    # For another policy it says nothing.
    assert people.code("team/clean", policy="sha256:" + "0" * 64) == "verify.vsa_policy"


def test_what_is_left_to_curators(people):
    people.push("team/medium", MEDIUM, "review", by="ben")
    assert "medium" in people.wire("rita")("GET", "/v2/team/medium/manifests/v1").reason
    ref = people.ref("team/medium")
    decide = ("hub", "decide", ref, "admit", "--yes", "-m", "the licence is our own")
    assert "pushed it" in people.refused("ben", *decide)
    assert "may not curate" in people.refused("carl", *decide)
    assert "may not curate" in people.refused("rita", *decide)
    assert state(people.wire("carl"), "team/medium", "v1") == "review"
    assert people.about("carl", "team/medium")["summary"] is None
    people.ok("ann", *decide, "--key", people.key("ann"), "--expires", "30d")
    assert settled(people.wire("carl"), "team/medium", "v1", "admitted") == "admitted"
    about = people.about("rita", "team/medium")
    [said] = about["decisions"]
    assert (said["by"], said["decision"]) == ("ann", "admit")
    assert said["key"]
    assert people.code("team/medium") == ""
    base = "/api/v1/repositories/team/medium/artifacts/v1/decisions"
    kept = people.wire("rita")("GET", f"{base}/{said['id']}").json
    key = PublicKey.from_pem(people.ok("ann", "key", "signing", "export", people.key("ann")))
    payload = verify(parse_bundle(kept["bundle"].encode())[1], key)
    assert statement_of(payload).sha256 == kept["action"].removeprefix("sha256:")
    assert people.wire("rita")("GET", f"{base}/01JG0000000000000000000000").status == 404
    records = HubProcess(people.registry.state.parent).records()
    decided = [each for each in records if each["kind"] == "artifact.decide"]
    [record] = [each for each in decided if each["artifact"]["repository"] == "team/medium"]
    assert record["actor"]["user"] == "ann"
    assert record["decision"]["policy"] == about["policy"]


def test_what_policy_forbids_nobody_admits(people):
    people.push("team/poisoned", POISONED, "refused")
    ref = people.ref("team/poisoned")
    people.ok("ann", "hub", "decide", ref, "admit", "--yes", "-m", "I like it")
    time.sleep(2)
    assert state(people.wire("carl"), "team/poisoned", "v1") == "refused"
    assert people.code("team/poisoned") == "verify.vsa_failed"


def test_whoever_may_pull_is_told_why_it_is_not_verified(people):
    people.push("team/bad", POISONED, "refused")
    found = people.verify("team/bad", name="rita")
    assert not found["verified"]
    gate, *rest = found["checks"]
    assert (gate["rule"], gate["code"]) == ("gate", "verify.refused")
    assert "weights.pkl" in gate["sentence"]
    assert gate["hint"]
    # The evidence may be read by them, and says the same.
    assert [each["code"] for each in rest] == ["verify.vsa_failed"]
    assert len(found["attestations"]) > 5
    done = people.run(
        "rita", "verify", people.ref("team/bad"), "--trust", people.trust(), "--no-signature",
        "--require", "vsa",
    )  # fmt: skip
    assert done.returncode == 3
    [line] = [each for each in done.stdout.splitlines() if each.startswith("FAIL gate:")]
    assert line.startswith("FAIL gate: it was refused: ")
    assert "weights.pkl" in line
    people.push("team/left", MEDIUM, "review", by="carl")
    found = people.verify("team/left", name="rita")
    assert found["checks"][0]["code"] == "verify.review"
    # Who may not pull the repository is told nothing of it.
    people.push("other/bad", POISONED, "refused")
    done = people.run("rita", "verify", people.ref("other/bad"), "--trust", people.trust())
    assert done.returncode != 0
    assert "refused:" not in done.stderr + done.stdout


def test_a_curator_withdraws_and_guards_are_told(people):
    people.push("team/doubtful", {"README.md": b"# Doubtful\n"}, "admitted")
    wire = people.wire("rita")
    first = wire("GET", "/api/v1/withdrawals")
    same = wire("GET", "/api/v1/withdrawals", if_none_match=first.headers["etag"])
    assert (same.status, same.body) == (304, b"")
    ref = people.ref("team/doubtful")
    people.ok("ben", "hub", "decide", ref, "refuse", "--yes", "-m", "we do not know who made it")
    assert settled(people.wire("carl"), "team/doubtful", "v1", "withdrawn") == "withdrawn"
    answer = people.wire("rita")("GET", "/v2/team/doubtful/manifests/v1")
    assert "we do not know who made it" in answer.reason
    assert people.code("team/doubtful") == "verify.vsa_failed"
    told = wire("GET", "/api/v1/withdrawals", if_none_match=first.headers["etag"])
    [one] = [e for e in told.json["withdrawals"] if e["repository"] == "team/doubtful"]
    assert (one["state"], one["summary"] is not None) == ("withdrawn", True)
    WITHDRAWALS.validate(told.json)
    # Who asks from the future asked before a clock was set back, and may have missed something.
    later = wire("GET", f"/api/v1/withdrawals?since={int(time.time() * 1e6) + 10**9}").json
    assert one in later["withdrawals"]
    assert int(later["next"]) <= time.time() * 1e6
    assert (
        one
        not in wire("GET", f"/api/v1/withdrawals?since={int(time.time() * 1e6)}").json[
            "withdrawals"
        ]
    )
    shown = people.ok("rita", "hub", "withdrawals", "--hub", people.registry.host)
    assert "team/doubtful" in shown
    # Who may not see a repository is not told of it.
    people.push("other/secret", POISONED, "refused", by="carl")
    listed = wire("GET", "/api/v1/withdrawals").json["withdrawals"]
    assert "other/secret" not in {each["repository"] for each in listed}
    # Said otherwise by the same person, it is admitted again, with a newer summary.
    people.ok("ben", "hub", "decide", ref, "admit", "--yes", "-m", "it is from our own team")
    assert settled(people.wire("carl"), "team/doubtful", "v1", "admitted") == "admitted"
    assert people.code("team/doubtful") == ""


def test_findings_that_somebody_answers_for(people):
    people.push("team/own", {"own.pkl": POISONED["weights.pkl"]}, "refused", by="carl")
    host = ("--hub", people.registry.host)
    grave = [
        each
        for each in people.about("ann", "team/own")["findings"]
        if each["severity"] in {"critical", "high", "medium"}
    ]
    assert grave
    made = []
    for name, pattern in (("ben", "other/*"), ("ann", "team/*")):
        for each in grave:
            done = people.ok(
                name, "hub", "suppress", "add", each["fingerprint"], "--rule", each["rule"],
                "--repository", pattern, "-m", "our own class", "--expires", "30d", *host,
                "--key", people.key(name),
            )  # fmt: skip
            made.append(done.strip())
        if name == "ben":
            time.sleep(1.5)
            assert state(people.wire("carl"), "team/own", "v1") == "refused"
    assert settled(people.wire("carl"), "team/own", "v1", "admitted") == "admitted"
    assert people.code("team/own") == ""
    assert people.about("ann", "team/own")["expiresAt"]
    shown = people.ok("ann", "hub", "suppress", "list", *host)
    assert all(each in shown for each in made)
    assert "made it" in people.refused("ben", "hub", "suppress", "revoke", made[-1], *host)
    assert "curates no" in people.refused("carl", "hub", "suppress", "revoke", made[-1], *host)
    people.ok("ann", "hub", "suppress", "revoke", made[-1], *host)
    assert settled(people.wire("carl"), "team/own", "v1", "withdrawn") == "withdrawn"
    assert people.code("team/own") == "verify.vsa_failed"


def test_a_suppression_does_not_reach_beyond_its_makers_role(people):
    people.push("area/own", {"area.pkl": POISONED["weights.pkl"]}, "refused", by="carl")
    for each in people.about("ann", "area/own")["findings"]:
        people.ok(
            "ben", "hub", "suppress", "add", each["fingerprint"], "--rule", each["rule"],
            "--repository", "**", "-m", "mine", "--expires", "1d", "--hub", people.registry.host,
        )  # fmt: skip
    time.sleep(1.5)
    assert state(people.wire("carl"), "area/own", "v1") == "refused"


def test_strangers_and_malformed_requests(people):
    base = "/api/v1/repositories/team/clean/artifacts/v1"
    nobody, carl, ann = Wire(people.registry.host), people.wire("carl"), people.wire("ann")
    paths = [f"{base}/{what}" for what in ("admission", "decision", "findings/pickles")]
    for path in (*paths, "/api/v1/suppressions", "/api/v1/withdrawals"):
        assert nobody("GET", path).status == 401, path
    assert nobody("POST", f"{base}/decision", b"{}").status == 401
    assert nobody("POST", "/api/v1/suppressions", b"{}").status == 401
    assert carl("POST", f"{base}/decision", b"{}").status == 403
    assert carl("POST", "/api/v1/suppressions", b"{}").status == 403
    assert carl("GET", "/api/v1/suppressions").status == 403
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"word":"admit"}',
        b'{"word":"maybe"}',
        b"\xff",
        b"{}" * 200_000,
    ):
        answer = ann("POST", f"{base}/decision", body)
        assert answer.status == 400, (body[:20], answer)
        assert answer.reason
    for until in ("x", "-1", "9" * 17, "9" * 40):
        assert ann("GET", f"{base}/decision?until_us={until}").status == 400
    assert ann("GET", "/api/v1/withdrawals?since=-1").status == 400
    assert ann("PUT", f"{base}/admission").status == 405
    assert ann("DELETE", "/api/v1/suppressions/01JG0000000000000000000000").status == 404
    assert ann("GET", "/api/v1/repositories/team/none/artifacts/v1/admission").status == 404
