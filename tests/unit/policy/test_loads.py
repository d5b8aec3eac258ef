import msgspec
import pytest

from remit.core.decision import Effect
from remit.policy.loads import UNKNOWN, Load, Scans, Summary, above
from remit.policy.policy import Policy
from remit.policy.testing import run_tests
from tests.unit.policy.support import PERMIT, load

GOOD = Load(
    agent="bot",
    user="ann",
    server="files",
    kind="mcp-server",
    repository="hub.example/team/files",
    tag="1.0",
    digest="sha256:" + "ab" * 32,
    signed_by=("ci",),
    attested=("https://slsa.dev/verification_summary/v1",),
    vsa=Summary(present=True, result="PASSED", age_s=60, policy_digest="sha256:x", levels=("L2",)),
    scan=Scans(
        present=True, complete=True, critical=0, high=1, medium=0, low=0, info=0, scanners=("code",)
    ),
    now_us=1_800_000_000_000_000,
)


def decide(tmp_path, text, asked=GOOD, **files):
    bundle = load(tmp_path, PERMIT + text, **files)
    return Policy.compile(bundle).may_load(asked)


def permit(condition, resource="resource"):
    when = f"when {{ {condition} }}" if condition else ""
    return f'@id("l") permit (principal, action == Remit::Action::"artifact.load", {resource}) {when};\n'


def test_no_policy_no_load(tmp_path):
    found = decide(tmp_path, "")
    assert found.effect is Effect.DENY
    assert "no policy permits" in found.detail


@pytest.mark.parametrize(
    ("condition", "changes"),
    [
        ('context.input.kind == "mcp-server"', {"kind": "model"}),
        ('context.input.signed_by.contains("ci")', {"signed_by": ()}),
        ('context.input.server == "files"', {"server": "x"}),
        ('context.input.tag == "1.0"', {"tag": ""}),
        ("context.input.vsa.present", {"vsa": Summary()}),
        ("context.input.vsa.age_s < 3600", {"vsa": Summary()}),
        ('context.input.vsa.levels.contains("L2")', {"vsa": Summary(present=True)}),
        ("context.input.scan.critical < 1", {"scan": Scans()}),
        ("context.input.scan.critical == 0", {"scan": Scans()}),
        ("context.input.scan.complete", {"scan": Scans()}),
        ('context.user == Remit::User::"ann"', {"user": "ben"}),
        ('context.now < datetime("2027-02-01")', {"now_us": 1_900_000_000_000_000}),
    ],
)
def test_conditions(tmp_path, condition, changes):
    assert decide(tmp_path, permit(condition)).effect is Effect.ALLOW
    changed = msgspec.structs.replace(GOOD, **changes)
    assert decide(tmp_path, permit(condition), changed).effect is Effect.DENY


@pytest.mark.parametrize(
    ("repository", "allowed"),
    [
        ("hub.example/team/files", True),
        ("hub.example/team/other", True),
        ("hub.example/team", True),
        ("hub.example/teamwork/files", False),
        ("hub.example.evil/team/files", False),
    ],
)
def test_repositories(tmp_path, repository, allowed):
    text = permit("", 'resource in Remit::Repository::"hub.example/team"')
    found = decide(tmp_path, text, msgspec.structs.replace(GOOD, repository=repository))
    assert (found.effect is Effect.ALLOW) is allowed


def test_a_forbid_wins_and_says_why(tmp_path):
    text = permit("context.input.vsa.present") + (
        '@id("old") @reason("The gate must look again") forbid (principal, '
        'action == Remit::Action::"artifact.load", resource) when { context.input.vsa.age_s > 30 };'
    )
    found = decide(tmp_path, text)
    assert found.effect is Effect.DENY
    assert found.rules == ("old",)
    assert found.reasons == ("The gate must look again",)


def test_a_team(tmp_path):
    text = (
        '@id("l") permit (principal in Remit::Team::"trusted", '
        'action == Remit::Action::"artifact.load", resource);'
    )
    people = {"entities__agents.toml": '[agents.bot]\nteams = ["trusted"]\n'}
    assert decide(tmp_path, text, **people).effect is Effect.ALLOW
    other = msgspec.structs.replace(GOOD, agent="other")
    assert decide(tmp_path, text, other, **people).effect is Effect.DENY


def test_an_error_denies(tmp_path):
    text = permit("context.input.vsa.present") + (
        '@id("err") forbid (principal, action == Remit::Action::"artifact.load", resource) '
        "when { context.input.vsa.age_s + 9223372036854775807 > 0 };"
    )
    found = decide(tmp_path, text)
    assert (found.effect, found.error) == (Effect.DENY, "engine_error")


def test_a_bundle_that_is_over_denies(tmp_path):
    bundle = load(tmp_path, PERMIT + permit("context.input.vsa.present"))
    over = msgspec.structs.replace(bundle, expires_us=GOOD.now_us)
    assert Policy.compile(over).may_load(GOOD).error == "bundle_expired"


def test_what_nobody_attested_is_no_harmless_value():
    assert Summary().age_s == UNKNOWN
    assert Scans().critical == Scans().info == UNKNOWN


def test_every_path_above():
    assert list(above("a.example/b/c")) == ["a.example/b/c", "a.example/b", "a.example"]
    assert list(above("")) == []


TESTS = """
tests:
  - {name: vouched, load: {kind: mcp-server, signed_by: [ci], vsa: {present: true, age_s: 60}}, expect: allow}
  - {name: stale, load: {kind: mcp-server, signed_by: [ci], vsa: {present: true, age_s: 6000}}, expect: deny}
  - {name: nobody, load: {kind: mcp-server}, expect: deny}
"""


def test_tests_of_a_bundle(tmp_path):
    text = permit('context.input.signed_by.contains("ci") && context.input.vsa.age_s < 3600')
    bundle = load(tmp_path, PERMIT + text, **{"tests__load.yaml": TESTS})
    report = run_tests(Policy.compile(bundle))
    assert [(each.name, each.passed) for each in report.outcomes] == [
        ("vouched", True), ("stale", True), ("nobody", True),
    ]  # fmt: skip
    assert "l" not in {problem.policy for problem in report.problems}


@pytest.mark.parametrize(
    "wrong", ["{knd: x}", "{vsa: {fresh: true}}", "{vsa: 1}", "[]", "{kind: [1]}"]
)
def test_tests_that_are_misspelt(tmp_path, wrong):
    text = f"tests:\n  - {{name: x, load: {wrong}, expect: deny}}\n"
    bundle = load(tmp_path, PERMIT, **{"tests__load.yaml": text})
    (found,) = run_tests(Policy.compile(bundle)).outcomes
    assert not found.passed
    assert "load" in found.message
