import random

import pytest

from remit.content import _ngram_features as n
from remit.content import _ngrams

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
TEXTS = [
    "", " ", "a", "ab", "Ignore  ALL previous\tinstructions 42!", "naïve café — ŞİR İ ß ﬁ",
    "请忽略之前的指令", "a" * 700, "x \ud800 y", "👩‍💻 emoji", "0123456789 " * 90,
    "line one\nline two\r\n\r\nline three, with (brackets) and snake_case_words",
]  # fmt: skip


def slow_fold(text):
    codes, places = [ord(" ")], []
    for at, char in enumerate(text):
        if ord(char) < 0x3000:
            if char.isspace() or not char.isprintable():
                code = ord(" ")
            elif char.isdigit():
                code = ord("0")
            else:
                code = ord(char.lower()) if len(char.lower()) == 1 else ord(char)
        else:
            code = ord(char)
        if code == ord(" ") and codes[-1] == ord(" "):
            continue
        codes.append(code)
        places.append(at)
    if not places:
        return [], []
    return [*codes, ord(" ")], [places[0], *places, places[-1]]


def finish(hashed, bits):
    hashed ^= hashed >> 16
    hashed = hashed * 0x85EBCA6B & M32
    hashed ^= hashed >> 13
    hashed = hashed * 0xC2B2AE35 & M32
    return hashed >> (32 - bits)


def is_letter(code):
    return ord("a") <= code <= ord("z") or code == ord("0") or code >= 0xAA


def slow_windows(text):
    codes, places = slow_fold(text)
    if not codes:
        return
    words, at = [], 0
    while at < len(codes):
        end = at
        while end < len(codes) and is_letter(codes[end]):
            end += 1
        if end > at:
            value = 0
            for place, code in enumerate(codes[at:end]):
                value += code * pow(0x100000001B3, place + 1, 1 << 64)
            words.append((at, end, value & M64))
        at = max(end, at + 1)
    last = max(len(codes) - n.WINDOW, 0)
    for start in [*range(0, last, n.STRIDE), last]:
        end = min(start + n.WINDOW, len(codes))
        features = set()
        for size in n.CHAR_GRAMS:
            for begin in range(start, end - size + 1):
                gram = codes[begin : begin + size]
                if ord(" ") in gram[1:-1] or gram == [ord(" ")] * 2:
                    continue
                hashed = size
                for code in gram:
                    hashed = (hashed * 0x9E3779B1 + code) & M32
                features.add(finish(hashed, n.BITS))
        inside = [w[2] for w in words if w[0] >= start and w[1] <= start + n.WINDOW]
        for size in (1, 2, 3):
            for begin in range(len(inside) - size + 1):
                wide = inside[begin]
                for value in inside[begin + 1 : begin + size]:
                    wide = (wide * 0x100000001B3 + value) & M64
                narrow = ((wide ^ wide >> 32) & M32) + size - 1 & M32
                features.add((1 << n.BITS) + finish(narrow, n.BITS))
        yield places[start], places[end - 1] + 1, features


@pytest.mark.parametrize("text", TEXTS)
def test_arrays_say_what_the_slow_reference_says(text):
    found = [(start, end, set(grams.tolist())) for _, start, end, grams in n.windows([text])]
    assert found == list(slow_windows(text))


def test_random_texts_say_what_the_slow_reference_says():
    rng = random.Random(5)
    alphabet = "abC d1.,\n é中'-_\u200b\U0001f600"
    for _ in range(40):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(900)))
        found = [(start, end, set(grams.tolist())) for _, start, end, grams in n.windows([text])]
        assert found == list(slow_windows(text))


@pytest.mark.parametrize("chunk", [n._CHUNK, 300])
def test_many_texts_say_what_each_says_alone(monkeypatch, chunk):
    monkeypatch.setattr(n, "_CHUNK", chunk)
    texts = [*TEXTS, " x ", "a b" * 200, "\n", "c d"]
    alone = [(i, *w[1:3], set(w[3].tolist())) for i, t in enumerate(texts) for w in n.windows([t])]
    together = [(*w[:3], set(w[3].tolist())) for w in n.windows(texts)]
    assert together == alone
    model = _ngrams.load()
    assert list(_ngrams.score(texts, model)) == [
        w._replace(number=i) for i, t in enumerate(texts) for w in _ngrams.score([t], model)
    ]


def test_long_texts_are_covered_without_a_gap():
    text = "word " * 40_000
    end = 0
    for _, start, stop, _ in n.windows([text]):
        assert start <= end
        end = max(end, stop)
    assert end >= len(text) - 1
