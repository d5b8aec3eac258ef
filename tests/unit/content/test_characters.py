import codecs
import string

import pytest

from remit.content._characters import ascii_table, exchanged, replaced
from remit.content.base import View


def view(text):
    return View("original", text)


@pytest.mark.parametrize("filling", ["", "plain text " * 40])
@pytest.mark.parametrize("more", [0, 40])
def test_replaced_is_translate(filling, more):
    table = {"\uff41": "a", "\u0301": "", "\ufb01": "fi", "\u212b": "\u00c5"}
    table |= {chr(0x3041 + i): chr(0x30A1 + i) for i in range(more)}
    text = f"{filling}\uff41e\u0301\ufb01 \u212b\u00c5\ud800\u3042{filling}"
    assert replaced(view(text), table) == text.translate(str.maketrans(table))


def test_what_is_put_in_is_not_replaced_again():
    assert (
        replaced(view("\u3041\u3042"), {"\u3041": "\u3042", "\u3042": "\u3041"}) == "\u3042\u3041"
    )


def test_exchanged():
    letters = string.ascii_letters
    table = ascii_table(letters, codecs.encode(letters, "rot13"))
    text = "Hello, \u017fe\u0301\U0001f600\ud800 world"
    assert exchanged(text, table) == codecs.encode(text, "rot13")


def test_the_bytes_of_a_view():
    odd = view("aé\ud800\U0001f600")
    assert odd.plain == b"a???"
    assert odd.utf8 == "aé?\U0001f600".encode()
    assert odd.others == "é\U0001f600"
    assert view("plain").plain is view("plain").utf8 or view("plain").plain == b"plain"
