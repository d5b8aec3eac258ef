import shutil

import pytest

from remit.audit import checkpoint as checkpoints
from remit.audit import proof
from remit.audit.errors import AuditError
from remit.audit.log import read
from remit.audit.proof import Proof, ProofError, Prover
from remit.audit.verify import checkpoint_note, read_checkpoint
from tests.unit.audit import support
from tests.unit.audit.support import KEY, ORIGIN, check, copy, leaf_hash, leaves_of, make_log

COUNT = 600


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return make_log(tmp_path_factory.mktemp("proof") / "log", COUNT)


def prover(directory):
    note = checkpoint_note(directory)
    return Prover(directory, note, read_checkpoint(note, ORIGIN, check))


def test_proofs_of_every_kind_of_place(log):
    entries = list(read(log))
    hashes = [leaf_hash(entry.leaf) for entry in entries]
    maker = prover(log)
    for seq in (0, 1, 255, 256, 511, 512, 598, 599):
        made = maker.prove(seq, entries[seq].leaf)
        assert list(made.path) == support.path(seq, hashes)
        data = made.dump()
        assert data.startswith(b"c2sp.org/tlog-proof@v1\nextra ")
        assert proof.parse(data) == made
        assert proof.check(proof.parse(data), ORIGIN, check) == entries[seq].leaf


def test_the_golden_tree_as_a_file():
    leaves = [b"a", b"b", b"c"]
    hashes = [leaf_hash(leaf) for leaf in leaves]
    head = checkpoints.Checkpoint(ORIGIN, 3, support.mth(hashes))
    made = Proof(1, tuple(support.path(1, hashes)), checkpoints.seal(head, KEY))
    assert made.dump().decode() == (
        "c2sp.org/tlog-proof@v1\nindex 1\n"
        "Aippeebat6pa5MPl5F9+l3ESp+Y1k4INvsHsc4ok+Tw=\n"
        "WX/LMSgtNGVMIA00GPylcFxkjr8ybsc9jd7xGEH4dtg=\n"
        "\n"
        "remit.example/guard/1\n3\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n"
        "\n— remit.example/guard/1 +MvLHTghhRjecKgRBAd4/PzBk3tVD9hjTD5szjUd+JcwVdun6wM/6NlIQSiYEHyve"
        "IScKc7GAju5B5t7WVzNqxx77wk=\n"
    )
    assert proof.check(made, ORIGIN, check, leaf=b"b") == b"b"
    with pytest.raises(ProofError, match="does not come with its record"):
        proof.check(made, ORIGIN, check)
    with pytest.raises(ProofError, match="not in the tree"):
        proof.check(made, ORIGIN, check, leaf=b"a")


def test_every_changed_byte_of_a_proof_is_refused(log):
    data = prover(log).prove(3, leaves_of(log)[3]).dump()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(AuditError):
            proof.check(proof.parse(bytes(changed)), ORIGIN, check)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"c2sp.org/tlog-proof@v2\nindex 0\n\nx",
        b"c2sp.org/tlog-proof@v1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\n!!\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n"
        + b"NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n" * 65
        + b"\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\xff\n\nx",
        b"x" * (proof.MAX_BYTES + 1),
    ],
)
def test_malformed_proofs_are_refused(data):
    with pytest.raises(ProofError):
        proof.parse(data)


def test_a_record_above_the_checkpoint_cannot_be_proved_yet(log):
    with pytest.raises(ProofError, match="not covered"):
        prover(log).prove(COUNT, b"x")


def test_poisoned_or_missing_tiles_do_not_matter(log, tmp_path):
    leaf = leaves_of(log)[5]
    poisoned = copy(log, tmp_path / "poisoned")
    (poisoned / "tile" / "0" / "000").write_bytes(bytes(8192))
    missing = copy(log, tmp_path / "missing")
    shutil.rmtree(missing / "tile")
    for directory in (poisoned, missing):
        assert prover(directory).prove(5, leaf) == prover(log).prove(5, leaf)


def test_a_changed_record_is_not_proved(log, tmp_path):
    changed = copy(log, tmp_path / "changed")
    leaves = leaves_of(log)
    leaves[5] = leaves[5].replace(b"alice", b"mallo")
    support.write_leaves(changed, leaves)
    with pytest.raises(ProofError, match="cannot be proved"):
        prover(changed).prove(5, leaves[5])
    assert prover(changed).prove(6, leaves[6])


def test_a_proof_of_another_log_is_refused(log):
    made = prover(log).prove(3, leaves_of(log)[3])
    with pytest.raises(AuditError):
        proof.check(made, "remit.example/other", check)
