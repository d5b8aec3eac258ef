"""What artifacts and strangers say to the console: anything, and pages come of it."""

import html

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.attest.statements import statement_payload
from remit.core.digest import sha256
from remit.core.errors import RemitError
from remit.hub.console.door import HOME, place_of
from remit.hub.console.evidence import _claimed, _says
from remit.hub.console.findings import files_of, groups
from remit.hub.console.history import _event
from remit.hub.console.materials import main_licences, materials
from remit.hub.console.pages import page
from remit.hub.console.views.artifacts import query_of
from remit.scan.base import SEVERITIES, Coverage, Finding, Report
from tests.unit.attest.signing import key

SIGNER = key()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["components", "metadata", "component", "licenses", "license", "expression", "hashes", "alg",
     "content", "type", "name", "version", "purl", "id", "scanner", "findings", "counts",
     "coverage", "verificationResult", "artifact", "actor", "decision", "reasons", "repository",
     "digest", "subject", "user", "peer", "time", "scan", "tag", "reason"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict))


@given(DOCUMENTS)
def test_a_bill_of_anything(bom):
    rows, total = materials(bom)
    assert total >= len(rows)
    assert all(isinstance(each.name, str) and isinstance(each.licences, str) for each in rows)
    assert isinstance(main_licences(bom), str)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_bundle(data):
    assert _claimed(data) == ("", {})


@given(DOCUMENTS, st.sampled_from(["https://cyclonedx.org/bom", "x:y"]))
def test_a_statement_of_anything(predicate, kind):
    payload = statement_payload("n", sha256(b"x"), kind, predicate)
    found, said = _claimed(dump_bundle(sign(payload, SIGNER), SIGNER.public))
    assert (found, said) == (kind, msgspec.json.decode(msgspec.json.encode(predicate)))
    for name in ("vsa", "scan", kind):
        assert len(_says(name, predicate)) < 200


@given(DOCUMENTS)
def test_a_record_of_anything(record):
    event = _event(record, "sha256:x", "r", 1)
    assert event is None or len(event.text) <= 500


@given(st.text(max_size=60))
def test_where_a_login_leads(text):
    place = place_of(text)
    assert place == HOME or (place == text and text.startswith("/ui/"))
    assert not any(each in place for each in "\\\r\n")
    assert place_of(place) == place


@given(
    st.dictionaries(st.sampled_from(["q", "kind", "state", "cursor", "x"]), st.text(max_size=30))
)
def test_a_form_of_anything(given_):
    try:
        query = query_of(given_, gated=True)
    except RemitError:
        return
    assert query.limit == 50
    assert len(query.words) <= 8


TEXTS = st.text(max_size=30)
REPORTS = st.lists(
    st.builds(
        Report,
        scanner=TEXTS,
        version=TEXTS,
        rules=st.just(sha256(b"")),
        findings=st.lists(
            st.builds(
                Finding, rule=TEXTS, title=TEXTS, severity=st.sampled_from(SEVERITIES),
                member=TEXTS, evidence=TEXTS, scanner=TEXTS,
            ),
            max_size=3,
        ).map(tuple),
        coverage=st.lists(
            st.builds(Coverage, member=TEXTS, status=st.sampled_from(["complete", "error"]), reason=TEXTS),
            max_size=3,
        ).map(tuple),
        failed=TEXTS,
    ),
    max_size=3,
)  # fmt: skip


@given(REPORTS)
def test_reports_of_anything(reports):
    assert sum(len(each.findings) for each in groups(reports)) <= 9
    rows, total = files_of(reports, "sha256:x")
    assert total == len(rows)


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_page_of_anything_is_text(message, hint):
    """Nothing of what is shown begins a tag, ends a value, or turns the reading around."""
    body = page(
        "login", look=None, csrf="c", to=HOME, name=message, why=message, provider=hint
    ).body.decode()
    plain = page("login", look=None, csrf="c", to="", name="", why="x", provider="y").body.decode()
    assert body.count("<") == plain.count("<") + (0 if message else -2) - (0 if hint else 4)
    assert not any(each in body for each in "\u202e\u2066\x1b\x07")
    assert html.unescape(body)
