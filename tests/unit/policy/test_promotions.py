import msgspec
import pytest

from remit.core.decision import Effect
from remit.policy.bundle import load_bundle
from remit.policy.errors import BundleError
from remit.policy.policy import Policy
from remit.policy.promotions import Promotion, above, nothing_known
from remit.policy.shipped import ARTIFACT_DEFAULT, ARTIFACT_REVIEWED
from remit.policy.testing import run_tests

NOW = 1_800_000_000_000_000
ACTION = 'action == Remit::Action::"artifact.promote"'


def bundle(path, text, **files):
    (path / "artifact").mkdir(exist_ok=True)
    (path / "bundle.toml").write_text('name = "b"\nversion = "1"\nserial = 1\n')
    (path / "artifact" / "promote.cedar").write_text(text)
    for name, body in files.items():
        place = path / name.replace("__", "/")
        place.parent.mkdir(exist_ok=True)
        place.write_text(body)
    return Policy.compile(load_bundle(path))


def asked(**changes):
    known = {name: changes.pop(name) for name in tuple(changes) if name in nothing_known()}
    given = {
        "user": "ann", "artifact": "sha256:" + "a" * 64, "repository": "team/sub/model",
        "now_us": NOW, **changes,
    }  # fmt: skip
    return Promotion(input={**nothing_known(), **known}, **given)


def permit(clause, scope="principal", resource="resource"):
    return f'@id("p") permit ({scope}, {ACTION}, {resource}) {clause};\n'


def effect(policy, **changes):
    return policy.promote(asked(**changes)).decision.effect


def test_what_is_malformed_or_unknown_is_denied(tmp_path):
    policy = bundle(tmp_path, permit("when { context.input.unread == 0 }"))
    assert effect(policy) is Effect.ALLOW
    for wrong in ({"unread": 2**64}, {"unread": "0"}, {"unread": 0.5}, {"unread": None}):
        found = policy.promote(asked(**wrong)).decision
        assert found.effect is Effect.DENY
        assert found.error == "bad_argument"
    missing = {name: value for name, value in nothing_known().items() if name != "unread"}
    for given in (missing, {**nothing_known(), "more": 1}, {}):
        found = policy.promote(msgspec.structs.replace(asked(), input=given)).decision
        assert (found.effect, found.error) == (Effect.DENY, "bad_argument")


def test_a_policy_that_errs_denies(tmp_path):
    text = permit("when { context.input.unread + 9223372036854775807 > 0 }")
    assert effect(bundle(tmp_path, text)) is Effect.ALLOW
    found = bundle(tmp_path, text).promote(asked(unread=1)).decision
    assert (found.effect, found.error) == (Effect.DENY, "engine_error")


def test_nothing_permits(tmp_path):
    found = bundle(tmp_path, permit("when { context.input.complete }")).promote(asked()).decision
    assert found.effect is Effect.DENY
    assert found.detail == "no policy permits `artifact.promote`"


def test_an_expired_bundle_denies(tmp_path):
    policy = bundle(tmp_path, permit("when { context.input.unread == 0 }"))
    old = msgspec.structs.replace(policy.bundle, expires_us=NOW)
    assert effect(Policy.compile(old)) is Effect.DENY
    assert effect(Policy.compile(old), now_us=NOW - 1) is Effect.ALLOW


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("team/sub/model", True), ("team/sub", True), ("team", True), ("tea", False),
        ("team/sub/model/x", False), ("other", False),
    ],
)  # fmt: skip
def test_repositories_are_in_those_above(tmp_path, name, inside):
    policy = bundle(tmp_path, permit("", resource=f'resource in Remit::Repository::"{name}"'))
    assert (effect(policy) is Effect.ALLOW) is inside


def test_who_pushed_it(tmp_path):
    (tmp_path / "entities").mkdir()
    (tmp_path / "entities" / "people.toml").write_text('[users.ann]\nteams = ["builders"]\n')
    policy = bundle(tmp_path, permit("", scope='principal in Remit::Team::"builders"'))
    assert effect(policy) is Effect.ALLOW
    assert effect(policy, user="eve") is Effect.DENY


ASK = (
    permit("when { context.input.complete }")
    + f'@id("ask") @require("approval") MORE forbid (principal, {ACTION}, resource)\n'
    'when { context.input.counts.medium > 0 } unless { context.fulfilled.contains("ask") };\n'
)


def test_people_are_asked_only_if_it_helps(tmp_path):
    policy = bundle(tmp_path, ASK.replace("MORE", '@approvers("curators")'))
    counts = {**nothing_known()["counts"], "medium": 1}
    found = policy.promote(asked(complete=True, counts=counts)).decision
    assert (found.effect, found.rules) == (Effect.REQUIRE, ("ask",))
    assert found.obligations[0].parameters["approvers"] == "curators"
    assert effect(policy, complete=False, counts=counts) is Effect.DENY
    once = {"complete": True, "counts": counts}
    assert effect(policy, **once, fulfilled=frozenset({"ask"})) is Effect.ALLOW
    assert effect(policy, **once, fulfilled=frozenset({"other"})) is Effect.REQUIRE


@pytest.mark.parametrize(
    "more",
    [
        '@approvers("nobody")', "", '@approvers("curators") @quorum("0")',
        '@approvers("curators") @expires("10y")', '@approvers("curators") @expires("9999d")',
        '@approvers("curators") @uses("2")',
    ],
)  # fmt: skip
def test_what_nobody_can_approve_does_not_load(tmp_path, more):
    with pytest.raises(BundleError):
        bundle(tmp_path, ASK.replace("MORE", more))


@pytest.mark.parametrize("kind", ["confirmation", "redact", "wait"])
def test_other_obligations_do_not_load(tmp_path, kind):
    more = {"redact": '@findings("pii")', "wait": '@limit("l")'}.get(kind, "")
    text = ASK.replace("MORE", more).replace('"approval"', f'"{kind}"')
    with pytest.raises(BundleError):
        bundle(tmp_path, text)


def test_an_obligation_of_a_policy_for_every_action_is_no_way_out(tmp_path):
    text = permit("when { context.input.complete }") + (
        '@id("all") @require("confirmation") forbid (principal, action, resource)\n'
        'when { context.now > datetime("2020-01-01") }\n'
        'unless { context.fulfilled.contains("all") };\n'
    )
    assert effect(bundle(tmp_path, text), complete=True) is Effect.DENY


@pytest.mark.parametrize(("shipped", "count"), [(ARTIFACT_DEFAULT, 14), (ARTIFACT_REVIEWED, 9)])
def test_the_shipped_bundles_pass_their_own_tests(shipped, count):
    report = run_tests(Policy.compile(load_bundle(shipped)))
    assert report.passed
    assert not report.problems
    assert len(report.outcomes) == count


def test_what_is_reviewed_is_what_is_scanned_and_more():
    default, reviewed = (
        (each / "artifact" / "promote.cedar").read_bytes()
        for each in (ARTIFACT_DEFAULT, ARTIFACT_REVIEWED)
    )
    assert default == reviewed


def test_misspelt_members_do_not_compile(tmp_path):
    with pytest.raises(BundleError) as error:
        bundle(tmp_path, permit("when { context.input.unred == 0 }"))
    assert "unred" in str(error.value)


def test_a_test_that_misspells_fails(tmp_path):
    policy = bundle(
        tmp_path,
        permit("when { context.input.unread == 0 }"),
        **{
            "tests__t.yaml": "tests:\n"
            "  - {action: artifact.promote, artifact: {unred: 0}, expect: allow}\n"
            "  - {action: artifact.promote, artifact: {counts: {hihg: 0}}, expect: allow}\n"
            "  - {action: artifact.promote, tool: a/b, expect: allow}\n"
            "  - {action: artifact.promote, expect: allow}\n"
        },
    )
    assert [each.passed for each in run_tests(policy).outcomes] == [False, False, False, True]


def test_above():
    assert list(above("a/b/c")) == ["a/b", "a"]
    assert list(above("a")) == []
