"""Proof files and Merkle proofs: no crash, no acceptance of what is not in the tree."""

from hypothesis import given
from hypothesis import strategies as st

from remit.attest.keys import LogKey
from remit.attest.notes import verify
from remit.audit import merkle, proof
from remit.audit.checkpoint import Checkpoint, seal
from remit.audit.errors import AuditError
from tests.unit.audit import support

KEY = LogKey("remit.example/guard/1", b"\x07" * 32)
LEAVES = [b'{"n":%d}' % number for number in range(11)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
HEAD = Checkpoint(KEY.name, 11, support.mth(HASHES))
GOOD = proof.Proof(4, tuple(support.path(4, HASHES)), seal(HEAD, KEY), LEAVES[4]).dump()


def check(note):
    return verify(note, KEY.verifier)


@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(
            st.tuples(st.integers(0, len(GOOD)), st.integers(0, 6), st.binary(max_size=6)),
            max_size=3,
        ),
    )
)
def test_proof_files(edits):
    data = edits if isinstance(edits, bytes) else GOOD
    for at, cut, new in edits if isinstance(edits, list) else ():
        data = data[:at] + new + data[at + cut :]
    try:
        parsed = proof.parse(data)
        assert proof.parse(parsed.dump()) == parsed
        leaf = proof.check(parsed, KEY.name, check)
    except AuditError:
        return
    assert leaf == LEAVES[parsed.index]


hashes = st.one_of(
    st.sampled_from([*HASHES, support.mth(HASHES), merkle.EMPTY]),
    st.binary(min_size=32, max_size=32),
)


@given(st.integers(-1, 20), st.integers(-1, 20), st.lists(hashes, max_size=6), hashes)
def test_inclusion(index, size, path, root):
    leaf = HASHES[index % 11]
    accepted = merkle.verify_inclusion(index, size, leaf, path, root)
    # Whoever knows no preimages cannot reach this root but with the proof of the RFC.
    if root == support.mth(HASHES) and size == 11:
        assert accepted == (0 <= index < 11 and path == support.path(index, HASHES))


@given(st.integers(-1, 12), st.lists(hashes, max_size=6), st.booleans())
def test_consistency(old, path, good):
    root = support.mth(HASHES[: max(old, 0)])
    if good and 0 <= old <= 11:
        path = support.proof(old, HASHES)
    accepted = merkle.verify_consistency(old, 11, path, root, support.mth(HASHES))
    assert accepted == (0 <= old <= 11 and path == support.proof(old, HASHES))
