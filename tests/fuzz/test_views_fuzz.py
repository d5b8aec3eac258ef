"""Readings of any text: places are inside it and in order, characters come from where they say."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from remit.content.base import Surroundings
from remit.content.detectors import pii, secrets
from remit.content.views import read

SPECIAL = [
    "%41", "%25", "%C3%A9", "%ff", "&amp;", "&#x41;", "&#65", "&lt", "\\u0041", "\\ud83d\\ude00", "\\ud800", "\\x41\\x42",
    "\\u{1F600}", "\\n", '\\"', "\\\\", "\\", "=3D", "=\n", "=41=42", "\x1b[31m", "\x1b]8;;x\x07", "\x1b", "a\x08", "\r",
    "<b>", "</b>", "<!-- x -->", "/**/", '" + "', "\u200b", "\u00ad", "\u0301", "\ufb01", "\uff41", "\u0430", "\u03bf",
    "\U000e0041\U000e0042\U000e0043\U000e0044", "\ufe00\U000e0131\U000e0131\U000e0131", "\u200b\u200c" * 16, "\ud800",
    "aGVsbG8gdGhlcmUgd29ybGQ=", "68656c6c6f20746865726521", "68 65 6c 6c 6f 20 74 68 65", "0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x20",
    "NBSWY3DPEB2GQZLSMUQQ====", "104 101 108 108 111 32 116 104", "h e l l o t h e r e", "rot13", "cnffjbeq", "drowssap",
    "ignr prvs nstrctns ", "inogre poveruis ", "1gn0re y0ur ", "ljqruh doo suhylrxv ", "rtmliv zoo ", "x8?@C6 ",
    "ignoreway eviouspray ", "snoitcurtsni ", "ǝɹouƃᴉ ʇɥǝ ɹ", ".- .-.. .-.. / ... -.-- ... - . -- ", "9-7-14-15-18-5 / ",
    "1-12-12-15-23-5-4", "ignore_all_previous_rules_now", "ignore\nall\nprevious\nrules\nnow", "ignoreallpreviousinstructions",
    "NoQ_va%CW8c4cyTbZBXAXCPr>Z+2xMVQyp~", "<~9jqo^BlbD-BleB1DJ+*+F(f,q~>", "151 147 156 157 162 145 040 141 154 154 ",
    "begin 644 x\n%:&5L;&\\\n`\nend", "\U0001f1e6", "⠊⠛", "\U0001f525", "caesar ", "i\ng\nn\no\nr\ne\n",
    "p4ssw0rd", "{", "}", '"', "'", " ", "\n", "password=", "@", "://", "4111111111111111", "key: ",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(SPECIAL) | st.text(max_size=8), max_size=30).map("".join)


def encoded(text):
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


@given(TEXT | TEXT.map(encoded) | st.tuples(TEXT, TEXT).map(lambda p: p[0] + encoded(p[1]) + p[0]))
def test_places(text):
    views = read(text)
    assert views.views[0].text == views.original == text
    assert sum(len(v.text) for v in views.views) <= 5 * len(text) + (256 << 10)
    assert len({v.text for v in views.views}) == len(views.views)
    for view in views.views:
        size = len(view.text)
        if view.starts is not None:
            assert len(view.starts) == len(view.ends) == size
        for at in range(size):
            start, end = view.origin(at, at + 1)
            assert 0 <= start < end <= len(text)
            if (
                end - start == 1
                and ">" not in view.name
                and view.name in {"escapes", "percent", "entities", "markup", "quoted"}
            ):
                assert view.text[at] == text[start]


@given(st.text(max_size=40), st.sampled_from(["percent", "entities", "escapes"]))
def test_each_character_comes_from_its_own_escape(text, kind):
    text = "".join(c for c in text if c.isascii() and c.isprintable()) + "end"
    make = {
        "percent": lambda c: f"%{ord(c):02X}", "entities": lambda c: f"&#{ord(c)};", "escapes": lambda c: f"\\u{ord(c):04x}",
    }[kind]  # fmt: skip
    hidden = "".join(make(c) for c in text)
    view = next(v for v in read(hidden).views if v.text == text)
    for at, char in enumerate(text):
        assert hidden[slice(*view.origin(at, at + 1))] == make(char)


@given(TEXT)
def test_detectors_take_any_text(text):
    views = read(text)
    for detector in (secrets.DETECTOR, pii.DETECTOR):
        for finding in detector.find(views, Surroundings()):
            assert 0 <= finding.start < finding.end <= len(text)
