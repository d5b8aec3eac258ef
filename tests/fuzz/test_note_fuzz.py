"""Notes, verifier keys and checkpoints: no input crashes, and none but the signed one is accepted."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from remit.attest.errors import AttestError, NoteError
from remit.attest.keys import LogKey
from remit.attest.notes import parse, parse_vkey, sign, verify
from remit.audit.checkpoint import Checkpoint, CheckpointError, own, seal
from remit.audit.checkpoint import parse as parse_checkpoint

KEY = LogKey("remit.example/guard/1", b"\x07" * 32)
HEAD = Checkpoint(KEY.name, 3, b"\x2a" * 32)
NOTE = seal(HEAD, KEY)
PIECES = [
    b"\n",
    b"\n\n",
    "— ".encode(),
    b" ",
    b"=",
    b"+",
    KEY.name.encode(),
    b"3",
    b"AAAA",
    NOTE,
    b"\xff",
    b"\x00",
]


def mutated():
    """The good note with a few edits."""
    edit = st.tuples(st.integers(0, len(NOTE)), st.integers(0, 8), st.binary(max_size=8))

    def apply(edits):
        data = NOTE
        for at, cut, new in edits:
            data = data[:at] + new + data[at + cut :]
        return data

    return st.lists(edit, min_size=1, max_size=3).map(apply)


notes = st.one_of(
    st.binary(max_size=300), mutated(), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
)


@given(notes)
def test_notes(note):
    try:
        parse(note)
        text = verify(note, KEY.verifier)
    except NoteError:
        return
    # Further signature lines may follow, but the text is the one that was signed.
    assert text == HEAD.text()


@given(notes)
def test_own_checkpoints(note):
    try:
        head = own(note, KEY)
    except CheckpointError:
        return
    assert (note, head) == (NOTE, HEAD)


@given(st.one_of(st.text(max_size=80), st.text(alphabet="+=/AZaz09.\n ", max_size=80)))
def test_vkeys_and_checkpoint_texts(text):
    with contextlib.suppress(AttestError):
        assert str(parse_vkey(text)) == text.strip("\n")
    with contextlib.suppress(CheckpointError):
        parse_checkpoint(text)


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=60))
def test_what_can_be_signed_verifies(text):
    try:
        note = sign(text + "\n", KEY)
    except NoteError:
        return
    assert verify(note, KEY.verifier) == text + "\n"
