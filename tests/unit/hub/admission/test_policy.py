import pytest

from remit.core.digest import sha256
from remit.hub.admission.policy import LIFETIME_US, REFUSED_BY, ArtifactPolicy
from remit.hub.admission.results import results_of
from remit.policy.errors import BundleError
from remit.scan.base import Coverage
from tests.unit.hub.admission.support import (
    DAY,
    NOW,
    decision,
    finding,
    report,
    scanned,
    suppression,
)

HEAD = 'name = "own"\nversion = "1"\nserial = 1\n'
ACTION = 'principal, action == Remit::Action::"artifact.promote", resource'


@pytest.fixture(scope="module")
def policy():
    return ArtifactPolicy.load()


def own(path, text, people=""):
    (path / "artifact").mkdir()
    (path / "bundle.toml").write_text(HEAD)
    (path / "artifact" / "a.cedar").write_text(text)
    if people:
        (path / "entities").mkdir()
        (path / "entities" / "people.toml").write_text(people)
    return ArtifactPolicy.load(path)


def test_what_nobody_answered_for_is_refused(policy):
    """First of all the ways in which nothing is known."""
    unread = Coverage(member="x", status="error", executes=True, reason="broken")
    for what in (
        scanned(reports=(), expected=("pickles",)),
        scanned(reports=(), expected=()),
        scanned(reports=(report(failed="it crashed"),)),
        scanned(expected=("pickles", "other")),
        scanned(reports=(report(), report(scanner="contents", failed="no bytes"))),
        scanned(reports=(report(coverage=(unread,)),)),
    ):
        found = policy.decide(what, (), (), NOW)
        assert found.word == "refuse"
        assert found.reasons
        assert found.rules
        admitted = policy.decide(what, (), (decision(what, policy),), NOW)
        assert admitted.word == "refuse"


def test_clean_is_admitted_for_a_while(policy):
    found = policy.decide(scanned(finding("low"), finding("info", rule="x.y")), (), (), NOW)
    assert (found.word, found.rules) == ("admit", ("promote-scanned",))
    assert found.expires_us == NOW + LIFETIME_US
    assert found.policy == policy.digest


@pytest.mark.parametrize("severity", ["critical", "high"])
def test_no_curator_admits_what_policy_forbids(policy, severity):
    what = scanned(finding(severity), finding("medium", rule="other.rule"))
    found = policy.decide(what, (), (decision(what, policy),), NOW)
    assert found.word == "refuse"
    assert "promote-grave" in found.rules
    assert any("model.pkl" in reason for reason in found.reasons)


def test_medium_is_left_to_curators(policy):
    what = scanned(finding())
    found = policy.decide(what, (), (), NOW)
    assert (found.word, found.approvers, found.quorum) == ("review", "curators", 1)
    given = policy.decide(what, (), (decision(what, policy),), NOW)
    assert (given.word, given.reasons) == ("admit", ("admitted by `ben`",))
    assert set(given.rules) == {"promote-scanned", "promote-medium"}


@pytest.mark.parametrize(
    "changes",
    [
        {"by": "ann"}, {"policy": sha256(b"other")}, {"results": sha256(b"other")},
        {"expires_us": NOW}, {"expires_us": NOW - 1}, {"made_us": NOW - 91 * DAY},
        {"policy": ""}, {"results": ""},
    ],
)  # fmt: skip
def test_what_does_not_count(policy, changes):
    what = scanned(finding())
    assert policy.decide(what, (), (decision(what, policy, **changes),), NOW).word == "review"


def test_an_admission_is_about_what_was_found(policy):
    what, more = scanned(finding()), scanned(finding(), finding("low", rule="new.rule"))
    said = decision(what, policy)
    assert policy.decide(more, (), (said,), NOW).word == "review"
    again = scanned(finding(), finished_us=NOW + 5, job="another")
    assert results_of(again) == results_of(what)
    assert policy.decide(again, (), (said,), NOW).word == "admit"


def test_an_admission_ends(policy):
    what = scanned(finding())
    found = policy.decide(what, (), (decision(what, policy, expires_us=NOW + DAY),), NOW)
    assert found.expires_us == NOW + DAY
    late = decision(what, policy, made_us=NOW - 89 * DAY)
    assert policy.decide(what, (), (late,), NOW).expires_us == NOW + DAY


def test_one_refusal_refuses(policy):
    what = scanned()
    said = decision(what, policy, word="refuse", reason="stolen", policy="", results="")
    found = policy.decide(what, (), (said,), NOW)
    assert (found.word, found.rules) == ("refuse", (REFUSED_BY,))
    assert found.reasons == ("the curator `ben` refused it: stolen",)
    other = decision(what, policy, id="2", by="eve")
    assert policy.decide(what, (), (said, other), NOW).word == "refuse"


def test_the_last_word_of_each_counts(policy):
    what = scanned(finding())
    no = decision(what, policy, word="refuse", made_us=NOW - 20)
    yes = decision(what, policy, id="2", made_us=NOW - 10)
    assert policy.decide(what, (), (yes, no), NOW).word == "admit"
    assert policy.decide(scanned(), (), (no,), NOW).word == "refuse"
    over = decision(what, policy, word="refuse", expires_us=NOW)
    assert policy.decide(scanned(), (), (over,), NOW).word == "admit"


ASK = (
    f'@id("p") permit ({ACTION}) when {{ context.input.complete }};\n'
    f'@id("two") @require("approval") @approvers("board") @quorum("2") @expires("2h")\n'
    f"forbid ({ACTION}) when {{ context.input.counts.medium > 0 }}\n"
    'unless { context.fulfilled.contains("two") };\n'
)
BOARD = "".join(f'[users.{name}]\nteams = ["board"]\n' for name in ("ben", "eve", "ann"))


def test_quorum_of_different_people_of_the_team(tmp_path):
    policy = own(tmp_path, ASK, BOARD)
    what = scanned(finding())

    def word(*people):
        said = [decision(what, policy, id=str(i), by=by) for i, by in enumerate(people)]
        return policy.decide(what, (), said, NOW).word

    assert policy.decide(what, (), (), NOW).quorum == 2
    assert word("ben") == word("ben", "ben") == word("ben", "ann") == word("ben", "dan") == "review"
    assert word("ben", "eve") == "admit"


def test_a_suppressed_finding_is_not_there(policy):
    bad = finding("critical")
    what = scanned(bad)
    found = policy.decide(what, (suppression(bad),), (), NOW)
    assert (found.word, found.expires_us) == ("admit", NOW + DAY)


@pytest.mark.parametrize(
    "changes",
    [
        {"pattern": "other/*"}, {"pattern": "team"}, {"expires_us": NOW}, {"revoked_us": NOW - 1},
        {"by": "ann"}, {"fingerprint": "0" * 64}, {"made_us": NOW + 1},
    ],
)  # fmt: skip
def test_suppressions_that_do_not_count(policy, changes):
    bad = finding("critical")
    assert policy.decide(scanned(bad), (suppression(bad, **changes),), (), NOW).word == "refuse"


def test_a_suppression_does_not_cover_a_failure(policy):
    bad = finding("critical")
    what = scanned(reports=(report(bad), report(scanner="other", failed="it crashed")))
    assert policy.decide(what, (suppression(bad),), (), NOW).word == "refuse"


def test_policies_read_licences_signers_and_needs(tmp_path):
    text = (
        f'@id("p") permit ({ACTION}) when {{ context.input.dependencies_admitted }};\n'
        f'@id("no-agpl") forbid ({ACTION})'
        ' when { context.input.licences.contains("AGPL-3.0-only") };\n'
    )
    policy = own(tmp_path, text)
    agpl = finding("info", rule="licence.declared", evidence="AGPL-3.0-only")
    said = report(agpl, scanner="licences")
    assert policy.decide(scanned(), (), (), NOW).word == "admit"
    assert policy.decide(scanned(needs_admitted=False), (), (), NOW).word == "refuse"
    found = policy.decide(scanned(reports=(said,), expected=("licences",)), (), (), NOW)
    assert found.rules == ("no-agpl",)
    # Not what another scanner calls so.
    forged = report(agpl, scanner="other")
    what = scanned(reports=(forged,), expected=("other",))
    assert policy.decide(what, (), (), NOW).word == "admit"


def test_a_bundle_with_errors_does_not_load(tmp_path):
    with pytest.raises(BundleError):
        own(tmp_path, f'@id("p") permit ({ACTION}) when {{ context.input.nothing }};')
    with pytest.raises(BundleError):
        ArtifactPolicy.load(tmp_path / "absent")


def test_a_huge_number_of_findings_is_decided(policy):
    many = [finding("low", rule=f"r.{n}", member=f"m{n}") for n in range(5000)]
    assert policy.decide(scanned(*many), (), (), NOW).word == "admit"


def test_explain(policy):
    found = policy.explain(scanned(finding("high")), NOW)
    assert [match.id for match in found.matches] == ["promote-grave"]
    assert found.matches[0].file == "artifact/promote.cedar"
