import gzip
import json
import os
import random
from pathlib import Path

import pytest

from remit.content import patterns
from remit.content.base import ContentError
from remit.content.detectors import pii, secrets
from remit.content.patterns import Match, Pattern, PatternSet
from remit.content.views import read

DATA = os.environ.get("REMIT_DATA")
WORDS = [
    "the",
    "token",
    "key",
    "is",
    "password:",
    "admin@corp.example",
    "4111",
    "1111",
    "1111",
    "1111",
    "+1",
    "212",
    "555",
    "0142",
    "secret=",
    "AKIA",
    "sk-proj-",
    "npi",
    "mrn",
    "12345678",
    "пароль:",
    "été",
    "https://a:b@c.d/",
    "Bearer",
    "eyJhbGci",
    "dob",
    "1980-01-02",
]


def both(patterns):
    pytest.importorskip("hyperscan")
    return PatternSet(patterns, engine="re2"), PatternSet(patterns, engine="hyperscan")


def word(id_, keyword, regex, **more):
    return Pattern(id=id_, regex=regex, keywords=(keyword,), **more)


def test_spans_are_code_points():
    found = PatternSet([word("a", "pass", r"pass=(\S+)")], engine="re2").scan("é\ud800 pass=höh é")
    assert found == [Match(0, 3, 11, 8, 11, ((8, 11),))]


def test_groups():
    text = "key=ab key='cd'"
    spans = [
        [(m.value_start, m.value_end) for m in PatternSet([p], engine="re2").scan(text)]
        for p in (
            word("first", "key", r"key=(?:'(\w+)'|(\w+))"),
            word("whole", "key", r"key=(?:'(\w+)'|(\w+))", group=0),
            word("second", "key", r"key=(?:'(\w+)'|(\w+))", group=2),
        )
    ]
    assert spans[0] == [(4, 6), (12, 14)]
    assert spans[1] == [(0, 6), (7, 15)]
    assert spans[2] == [(4, 6), (7, 15)]


def test_case_of_keywords():
    patterns = [word("any", "akia", r"(?i)akia\d"), word("exact", "AKIA", r"AKIA\d")]
    for engine in ("re2", "auto"):
        found = PatternSet(patterns, engine=engine).scan("akia1 AKIA2 AkIa3")
        assert [(m.pattern, m.start) for m in found] == [(0, 0), (0, 6), (0, 12), (1, 6)]


def test_a_keyword_inside_another():
    patterns = [word("a", "dapi", r"dapi\d"), word("b", "api", r"api\d"), word("c", "da", r"dap")]
    for engine in ("re2", "auto"):
        assert [m.pattern for m in PatternSet(patterns, engine=engine).scan("xdapi1")] == [0, 1, 2]


BOUND = [
    word(id_, keyword, regex, before=0, after=4)
    for id_, keyword, regex in (
        ("any", r"\bsin", r"(?i)sin[0-9]"),
        ("exact", r"\bSU", "SU[0-9]"),
        ("sign", r"\b_aba", "_aba[0-9]"),
        ("letters", r"\bné", "né[0-9]"),
        ("inside", "using", "using[0-9]"),
        ("longer", "sine", "sine[0-9]"),
    )
]


@pytest.mark.parametrize("engine", ["re2", "auto"])
def test_keywords_where_a_word_begins(engine):
    text = "sin1 usin2 _sin3 ésin4 -Sin5 SU6 xSU7 using8 _aba1 x_aba2 né1 ené2 usine3"
    found = PatternSet(BOUND, engine=engine).scan(text)
    assert " ".join(text[m.start : m.end] for m in found) == (
        "sin1 sin4 Sin5 SU6 _aba1 né1 using8 sine3"
    )


def test_keywords_where_a_word_begins_are_the_same_for_both_engines():
    one, other = both([Pattern(id=p.id, regex=".", keywords=p.keywords) for p in BOUND])
    chance = random.Random(8)
    some = ["sin", "SU", "_aba", "using", "sine", "né", "x", "é", " ", "_", "-", "S", "u"]
    for _ in range(2000):
        data = "".join(chance.choice(some) for _ in range(chance.randrange(12))).encode()
        found = [dict(p._finder.find(data, 3, 100)) for p in (one, other)]
        assert found[0] == found[1], data


def test_windows_see_what_is_around_them():
    pattern = word("a", "key", r"\bkey\d+\b", before=0, after=4)
    assert not PatternSet([pattern], engine="re2").scan("xkey12 key123456")
    assert len(PatternSet([pattern], engine="re2").scan("key12 key1234")) == 2


def test_patterns_without_keywords_see_the_whole_text():
    patterns = [
        Pattern(id="a", regex=r"\d{3}-\d{2}"),
        Pattern(id="b", regex="zzz"),
        Pattern(id="c", regex=r"x+"),
    ]
    found = PatternSet(patterns, engine="re2").scan("é 123-45 xx 678-90")
    assert [(m.pattern, m.start) for m in found] == [(0, 2), (0, 12), (2, 9)]


def test_a_bad_pattern_is_named():
    with pytest.raises(ContentError) as error:
        PatternSet([word("a", "a", r"a(?=b)")], engine="re2").scan("ab")
    assert error.value.code == "content.bad_pattern"


def test_hyperscan_that_is_asked_for_must_be_there(monkeypatch):
    import remit.content.patterns as module

    monkeypatch.setattr(module, "hyperscan", lambda _: None)
    assert PatternSet([word("a", "a", "a")]).engine == "re2"
    with pytest.raises(ContentError) as error:
        PatternSet([word("a", "a", "a")], engine="hyperscan")
    assert error.value.code == "content.no_engine"


def test_too_many_matches_are_no_result():
    with pytest.raises(ContentError) as error:
        PatternSet([Pattern(id="a", regex="a")], engine="re2").scan("a" * 100_000)
    assert error.value.code == "content.too_dense"


@pytest.mark.parametrize("engine", ["re2", "auto"])
def test_a_keyword_that_is_everywhere_means_the_whole_text(engine):
    text = "key " * 50_000 + "key=1"
    patterns = PatternSet([word("a", "key", r"key=\d"), word("b", "none", "none")], engine=engine)
    assert [m.start for m in patterns.scan(text)] == [len(text) - 5]
    searched = _counted(patterns)
    patterns.scan(text)
    assert len(searched) < 10


def _counted(patterns):
    searched = []
    run = patterns._run

    def counted(index, data, windows, found):
        searched.extend(windows)
        run(index, data, windows, found)

    patterns._run = counted
    return searched


def corpus():
    chance = random.Random(3)
    for _ in range(300):
        yield " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 60)))
    for piece in ("key ", "password=x1y2z3 ", "@", "eyJ", "AKIA ", "+1 "):
        yield piece * 3000


@pytest.mark.parametrize("rules", [secrets.rules, None], ids=["secrets", "pii"])
def test_both_engines_find_the_same(rules):
    patterns = (secrets if rules else pii).pattern_set("re2").patterns
    one, other = both(patterns)
    for text in corpus():
        assert _outcome(one, text) == _outcome(other, text), text[:200]


@pytest.mark.skipif(not DATA, reason="REMIT_DATA does not name a directory of labelled texts")
@pytest.mark.parametrize("name", ["secrets", "pii"])
def test_both_engines_find_the_same_in_the_data(name):
    detector = {"secrets": secrets, "pii": pii}[name]
    one, other = both(detector.pattern_set("re2").patterns)
    for kind in ("secrets", "pii"):
        with gzip.open(Path(DATA) / f"{kind}.dev.jsonl.gz", "rt") as lines:
            for line in lines:
                for view in read(json.loads(line)["text"]).views:
                    assert _outcome(one, view.text) == _outcome(other, view.text)


def _outcome(patterns, text):
    try:
        return patterns.scan(text)
    except ContentError as error:
        return error.code


def test_every_rule_compiles_and_its_keywords_are_bytes_of_it():
    for module in (secrets, pii):
        for pattern in module.pattern_set("re2").patterns:
            PatternSet([pattern], engine="re2").scan(" ".join(pattern.keywords) or "x")
            assert all(k == k.lower() or any(c.isupper() for c in k) for k in pattern.keywords)


CHUNK = patterns._CHUNK
SIMPLE = (Pattern(id="a", regex="aa+b"), Pattern(id="c", regex="[cd]{9}"))


@pytest.mark.parametrize("at", range(CHUNK - 40, CHUNK + 10, 7))
def test_what_lies_across_two_chunks_is_found_once(at):
    some = PatternSet([Pattern(id="figures", regex=r"\b[0-9]{20,40}\b"), *SIMPLE])
    text = " " * at + "1" * 30 + " " * CHUNK + "2" * 25 + " é"
    found = [(m.start, m.end) for m in some.scan(text) if m.pattern == 0]
    assert found == [(at, at + 30), (at + 30 + CHUNK, at + 55 + CHUNK)]


@pytest.mark.parametrize("row", ["12345 ", "1234567890", "é12345 ", "12 345 6"])
@pytest.mark.parametrize("lead", [0, 3, CHUNK - 100, CHUNK - 513, CHUNK + 511])
def test_rows_of_matches_are_cut_as_in_one_piece(row, lead, monkeypatch):
    some = PatternSet([Pattern(id="figures", regex=r"[0-9]{2}(?: ?[0-9]{3}){1,3}"), *SIMPLE])
    text = "x" * lead + row * (CHUNK // 12) + "y" * CHUNK + row * 9
    in_chunks = some.scan(text)
    monkeypatch.setattr(patterns, "_CHUNK", len(text) * 4)
    assert in_chunks == some.scan(text)
    assert in_chunks
