"""Whatever a registry says when it refuses, nothing is verified by it, and no terminal is written to."""

from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.held import held
from remit.artifacts.oci.errors import DeniedError

STATES = ("quarantined", "review", "refused", "withdrawn", "admitted", "")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {
        "state": st.sampled_from(STATES) | ANYTHING,
        "reason": st.text() | ANYTHING,
        "digest": st.just("sha256:" + "a" * 64) | st.text() | ANYTHING,
    }
)


@given(NEARLY | ANYTHING)
def test_what_is_said_is_a_check_that_fails_or_nothing(detail):
    found = held(DeniedError("no", detail=detail))
    if found is None:
        return
    check = found.check()
    assert not check.passed
    assert check.code in {f"verify.{each}" for each in STATES[:4]}
    assert check.sentence.isprintable()
    assert found.digest == "sha256:" + "a" * 64
