"""What comes to the gate from elsewhere: reports, words of people, answers of Hubs."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.oci.errors import ProtocolError
from remit.artifacts.oci.review import _withdrawals
from remit.attest.predicates.fields import PredicateError
from remit.attest.predicates.suppression import SuppressionStatement
from remit.core.digest import sha256
from remit.hub.admission.answering import Answered, suppression_of
from remit.hub.admission.asking import Given, filed, request_of
from remit.hub.admission.evidence import document
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.registry.errors import RegistryError
from remit.policy.bundle import Directory
from remit.scan.base import SEVERITIES, Coverage, Finding, Report
from remit.scan.verdict import judge
from tests.unit.hub.admission.support import NOW, decision, finding, scanned

POLICY = ArtifactPolicy.load()
WHAT = scanned(finding(), job="01JG0000000000000000000000")
REQUEST = request_of(
    WHAT, POLICY.decide(WHAT, (), (), NOW), hub="h", changed_us=NOW - 1, until_us=0
)
TEXT = st.one_of(st.text(max_size=20), st.sampled_from(["a.b", "licence.declared", "m!/x", "\0"]))
FINDINGS = st.builds(
    Finding, rule=TEXT, title=TEXT, member=TEXT, evidence=TEXT, severity=st.sampled_from(SEVERITIES)
)
COVERAGES = st.builds(
    Coverage, member=TEXT, format=TEXT, executes=st.booleans(), reason=TEXT,
    status=st.sampled_from(["complete", "partial", "unsupported", "error"]),
)  # fmt: skip
REPORTS = st.builds(
    Report, scanner=st.sampled_from(["a", "b", "licences"]), version=TEXT,
    rules=st.just(sha256(b"")), failed=st.sampled_from(["", "", "", "it crashed"]),
    findings=st.lists(FINDINGS, max_size=4).map(tuple),
    coverage=st.lists(COVERAGES, max_size=4).map(tuple),
)  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)),
    lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(TEXT, each, max_size=3)),
    max_leaves=10,
)


@given(st.lists(REPORTS, max_size=4, unique_by=lambda each: each.scanner), st.booleans())
def test_the_default_policy_says_what_the_verdict_says(reports, admitting):
    expected = ("a", "licences")
    what = scanned(reports=tuple(reports), expected=expected)
    said = (decision(what, POLICY),) if admitting else ()
    found = POLICY.decide(what, (), said, NOW)
    verdict = judge(reports, expected)
    failed = any(each.failed for each in reports)
    if verdict.word == "blocked" or failed:
        assert found.word == "refuse"
    elif verdict.word == "review":
        assert found.word == ("admit" if admitting else "review")
    else:
        assert found.word == "admit"
    for each in reports:
        assert json.loads(document(each))["scanner"] == each.scanner


def body(kind, known):
    fields = {name: st.one_of(st.just(value), JSON) for name, value in known.items()}
    return st.fixed_dictionaries(fields).map(lambda each: (kind, each))


GIVEN = body(
    Given,
    {"word": "admit", "reason": "r", "action": REQUEST.action.digest, "until_us": 0,
     "bundle": "", "key": ""},
)  # fmt: skip
ANSWERED = body(
    Answered,
    {"fingerprint": "0" * 64, "rule": "a.b", "repositories": "a/*", "reason": "r",
     "signed_us": NOW, "expires_us": NOW + 10, "bundle": "", "key": ""},
)  # fmt: skip


@given(st.one_of(GIVEN, ANSWERED))
def test_words_are_taken_whole_or_refused(case):
    kind, value = case
    try:
        said = msgspec.convert(value, type=kind)
    except msgspec.ValidationError:
        return
    try:
        if isinstance(said, Given):
            found = filed(said, REQUEST, "ben", Directory(), NOW)
            assert (said.action, found.bundle) == (REQUEST.action.digest, b"")
        else:
            one = suppression_of(said, "ben", "h", Directory(), NOW, "1")
            assert one.expires_us > NOW
            assert one.key == ""
    except RegistryError:
        return


@given(st.one_of(st.binary(max_size=200), JSON.map(lambda each: json.dumps(each).encode())))
def test_answers_of_hubs(data):
    try:
        found = _withdrawals(data, "", "ask")
    except ProtocolError:
        return
    assert all(isinstance(each["digest"], str) for each in found.found)


@given(st.dictionaries(
    st.sampled_from(["audience", "by", "repositories", "rule", "reason", "signedAt", "expiresAt"]),
    st.one_of(JSON, st.sampled_from(["2026-01-02T03:04:05Z", "2027-01-02T03:04:05Z"])),
))  # fmt: skip
def test_suppression_statements(predicate):
    try:
        found = SuppressionStatement.read(predicate)
    except PredicateError:
        return
    assert found.signed_us < found.expires_us
