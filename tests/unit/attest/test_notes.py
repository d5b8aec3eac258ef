import base64

import pytest

from remit.attest.errors import NoteError
from remit.attest.keys import LogKey
from remit.attest.notes import key_id, make_vkey, parse, parse_vkey, sign, valid_name, verify

KEY = LogKey("remit.example/guard/1", b"\x07" * 32)
VKEY = "remit.example/guard/1+f8cbcb1d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
TEXT = "remit.example/guard/1\n3\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n"
NOTE = (
    TEXT
    + "\n— remit.example/guard/1 +MvLHTghhRjecKgRBAd4/PzBk3tVD9hjTD5szjUd+JcwVdun6wM/6NlIQSiYEHyve"
    "IScKc7GAju5B5t7WVzNqxx77wk=\n"
).encode()


def test_golden_vkey_and_note():
    assert KEY.vkey == VKEY
    assert sign(TEXT, KEY) == NOTE
    assert verify(NOTE, parse_vkey(VKEY)) == TEXT


def test_the_example_of_the_specification_parses():
    key = parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert key.name == "PeterNeumann"
    assert str(key) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_lines_of_unknown_keys_are_ignored():
    other = LogKey("remit.example/mirror", b"\x08" * 32)
    line = sign(TEXT, other).split(b"\n\n")[1]
    assert verify(NOTE + line, KEY.verifier) == TEXT
    same_name = LogKey(KEY.name, b"\x09" * 32)
    assert verify(NOTE + sign(TEXT, same_name).split(b"\n\n")[1], KEY.verifier) == TEXT


def test_sixteen_signatures_are_accepted():
    note = NOTE
    for number in range(15):
        other = LogKey(f"witness/{number}", bytes([number]) * 32)
        note += sign(TEXT, other).split(b"\n\n")[1]
    assert len(parse(note).signatures) == 16
    assert verify(note, KEY.verifier) == TEXT


def test_a_bad_signature_of_the_known_key_refuses_even_beside_a_good_one():
    blob = base64.b64encode(KEY.verifier.key_id + bytes(64)).decode()
    bad = f"— {KEY.name} {blob}\n".encode()
    for note in (NOTE + bad, NOTE.replace(b"\n\n", b"\n\n" + bad, 1)):
        with pytest.raises(NoteError, match="wrong"):
            verify(note, KEY.verifier)


@pytest.mark.parametrize("position", range(0, len(NOTE), 7))
def test_every_changed_byte_is_refused(position):
    changed = bytearray(NOTE)
    changed[position] ^= 1
    with pytest.raises(NoteError):
        verify(bytes(changed), KEY.verifier)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace(b"\n3\n", b"\n3\t\n"),
        NOTE.replace(b"\n3\n", b"\n3\r\n"),
        NOTE.replace(b"77wk=", b"77wl="),
        NOTE + b"\xff\n",
        NOTE * 1000,
        NOTE + b"".join("— a {}\n".format("AAAAAAAA").encode() for _ in range(80)),
    ],
)
def test_malformed_notes_are_refused(note):
    with pytest.raises(NoteError):
        verify(note, KEY.verifier)


def test_a_note_of_another_key_is_refused():
    other = LogKey(KEY.name, b"\x09" * 32)
    with pytest.raises(NoteError, match="not signed"):
        verify(sign(TEXT, other), KEY.verifier)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        VKEY.replace("f8cbcb1d", "f8cbcb1e"),
        VKEY.replace("f8cbcb1d", "F8CBCB1D"),
        VKEY.replace("guard/1", "guard/2"),
        VKEY[:-1],
        VKEY + "AAAA",
        "a b+" + VKEY.split("+", 1)[1],
        f"x+{key_id('x', bytes(32), 2).hex()}+" + base64.b64encode(b"\x02" + bytes(32)).decode(),
    ],
)
def test_malformed_verifier_keys_are_refused(vkey):
    with pytest.raises(NoteError):
        parse_vkey(vkey)


def test_names():
    assert valid_name("remit.example/guard/1")
    for name in ("", "a b", "a+b", "a\nb", "a\u2003b", "a\x7fb"):
        assert not valid_name(name)
    with pytest.raises(NoteError):
        make_vkey("a b", bytes(32))
    with pytest.raises(NoteError):
        make_vkey("a", bytes(31))


@pytest.mark.parametrize("text", ["no end", "tab\there\n", "bell\x07\n"])
def test_text_that_notes_cannot_carry_is_not_signed(text):
    with pytest.raises(NoteError):
        sign(text, KEY)
