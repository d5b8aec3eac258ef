import pytest

from remit.policy import grants
from remit.policy.errors import BundleError
from remit.policy.grants import Grant
from remit.policy.overlay import overlay
from remit.policy.policy import Policy
from tests.unit.policy.support import BANK, PERMIT, compiled, load

ASK = (
    '@id("ask") @require("approval") @approvers("team") {more}\n'
    'forbid (principal, action == Remit::Action::"bank/pay", resource)\n'
    'when {{ context.input has to }} unless {{ context.fulfilled.contains("ask") }};\n'
)
WHO = (
    '@id("who") permit (principal in Remit::Team::"team", '
    'action == Remit::Action::"approval.grant", resource) {more};\n'
)
PEOPLE = (
    '[users.ann]\nteams = ["team"]\n[users.ben]\nteams = ["team"]\n[users.dan]\nteams = ["x"]\n'
)


def policy(tmp_path, ask="", who="", **files):
    text = PERMIT + ASK.format(more=ask) + WHO.format(more=who)
    return compiled(tmp_path, text, **{"entities__people.toml": PEOPLE, **files})


def may(a_policy, user, **changes):
    given = {
        "user": user, "rule": "ask", "approvers": "team", "action": "bank/pay", "agent": "bot",
        "server": "bank", "requester": "carl", "now_us": 1_800_000_000_000_000, **changes,
    }  # fmt: skip
    return a_policy.may_approve(Grant(**given)).allowed


def test_team_and_cedar_must_both_agree(tmp_path):
    found = policy(tmp_path, who='unless { principal == Remit::User::"ben" }')
    assert may(found, "ann")
    assert not may(found, "ben")
    assert not may(found, "dan")
    assert not may(found, "nobody")
    assert not may(found, "ann", approvers="x")


def test_the_requester_never(tmp_path):
    assert not may(policy(tmp_path), "ann", requester="ann")


@pytest.mark.parametrize(
    ("clause", "changes"),
    [
        ('when { resource.policy == "ask" }', {"rule": "other"}),
        ('when { resource.action == "bank/pay" }', {"action": "bank/other"}),
        ('when { resource.agent == Remit::Agent::"bot" }', {"agent": "other"}),
        ('when { resource.server == Remit::Server::"bank" }', {"server": "other"}),
        ('when { resource.requester == Remit::User::"carl" }', {"requester": "dora"}),
        ('when { context.now < datetime("2027-02-01") }', {"now_us": 1_900_000_000_000_000}),
    ],
)
def test_what_a_rule_can_look_at(tmp_path, clause, changes):
    found = policy(tmp_path, who=clause)
    assert may(found, "ann")
    assert not may(found, "ann", **changes)


def test_names_that_could_be_forged_are_names(tmp_path):
    found = policy(tmp_path)
    assert not may(found, 'ann"', requester='x", "type": "')
    assert may(found, "ann", agent='a"} \\', server="\n", action='"')


@pytest.mark.parametrize(
    "more",
    [
        '@quorum("0")', '@quorum("3")', '@quorum("x")', '@quorum("1.5")', '@quorum("²")',
        '@expires("0m")', '@expires("25h")', '@expires("5")', '@expires("-1m")', '@uses("0")',
        '@uses("100")', '@limit("x")', '@with("mask")',
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_do_not_load(tmp_path, more):
    with pytest.raises(BundleError):
        policy(tmp_path, ask=more)


def test_an_approval_that_nobody_could_give_does_not_load(tmp_path):
    for people, who in ((PEOPLE.replace('"team"', '"tean"'), WHO), (PEOPLE, "")):
        text = PERMIT + ASK.format(more="") + who.format(more="")
        with pytest.raises(BundleError):
            compiled(tmp_path / str(len(who)), text, **{"entities__people.toml": people})


def test_numbers_and_spans():
    assert [grants.seconds(t) for t in ("90s", "15m", "2h", "1d", "", "１m")] == [
        90, 900, 7200, None, None, None,
    ]  # fmt: skip
    assert [grants.number(t, 16) for t in ("1", "16", "17", "", "01x", "٣")] == [
        1, 16, None, None, None, None,
    ]  # fmt: skip


def test_keys_of_users_are_fingerprints(tmp_path):
    good = "sha256:" + "a" * 64
    found = policy(tmp_path, **{"entities__k.toml": f'[users.eve]\nkeys = ["{good}"]\n'})
    assert found.bundle.entities.keys == {"eve": (good,)}
    with pytest.raises(BundleError):
        policy(tmp_path / "b", **{"entities__k.toml": '[users.eve]\nkeys = ["abc"]\n'})
    with pytest.raises(BundleError):
        policy(tmp_path / "c", **{"entities__k.toml": f'[agents.eve]\nkeys = ["{good}"]\n'})


def test_an_overlay_says_nothing_of_who_may_approve(tmp_path):
    base = policy(tmp_path / "base").bundle
    for name, extra, files in (
        ("a", WHO.format(more="").replace('"who"', '"who2"'), {}),
        ("b", '@id("wide") permit (principal, action, resource) when { context.input has x };', {}),
        ("c", "", {"entities__m.toml": '[users.eve]\nteams = ["team"]\n'}),
    ):
        with pytest.raises(BundleError):
            overlay(base, load(tmp_path / name, extra, **files))
    stricter = (
        '@id("not-ann") forbid (principal == Remit::User::"ann", '
        'action == Remit::Action::"approval.grant", resource);'
    )
    merged = Policy.compile(overlay(base, load(tmp_path / "d", stricter)), BANK)
    assert not may(merged, "ann")
    assert may(merged, "ben")
