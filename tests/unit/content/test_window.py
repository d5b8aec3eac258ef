"""The stream window: not one byte of what is planted gets through, and nothing else is lost."""

import base64
import itertools
import random

import pytest

from remit.content.base import ALL_CHANNELS, Finding, Surroundings, Views
from remit.content.hold import hold, run
from remit.content.inspect import detectors, inspect
from remit.content.redact import Style, everything, spans
from remit.content.window import CONTEXT, MAX_HELD, ArgumentsWindow, Window

CANARY = "cnry-" + "7f3a" + "-plum-orchid-91"
AROUND = Surroundings(
    channel="completion", canaries={"k": CANARY}, terms={"plans": ("project blue heron", "Kestrel")}
)
_B64 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def noise(length: int, seed: int, alphabet: str = _B64) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=length))


def secrets() -> dict[str, tuple[str, str]]:
    """Name -> (text around it with `@@`, the planted value); invented, and put together here."""
    pem = "\n".join(
        [
            "-----BEGIN RSA " + "PRIVATE KEY-----",
            "MIIE" + noise(60, 6),
            *[noise(64, 7 + i) for i in range(12)],
            "-----END RSA " + "PRIVATE KEY-----",
        ]
    )
    return {
        "canary": ("It says @@ here, and goes on.", CANARY),
        "canary set apart": ("It says @@ here.", " ".join(CANARY)),
        "canary in base64": ("Look: @@ and so on", base64.b64encode(f"the word is {CANARY} ok".encode()).decode()),
        "term": ("We call it @@ for now.", "Project  Blue Heron"),
        "aws": ("the id is @@, use it", "AKIA" + noise(16, 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
        "slack": ("token: @@\nnext", "xoxb-" + "123456789012-123456789013-" + noise(24, 3)),
        "stripe": ('{"k": "@@", "n": 1}', "sk_live_" + noise(24, 4)),
        "pem": ("Key:\n@@\nthanks", pem),
        "bearer": ("Authorization: Bearer @@\nAccept: x", noise(40, 5)),
        "url": ("db at postgres://app:@@@db.internal.example:5432/x now", noise(18, 6)),
        "spaced key": ("API_KEY = '@@'\nB = 2", noise(36, 8)),
    }  # fmt: skip


TEXTS = secrets()


def stream(pieces: list[str | bytes], index: int = 0, window: Window | None = None) -> list[str]:
    window = window or Window(AROUND)
    return [*(window.feed(p, index) for p in pieces), window.finish(index)]


def parts_of(secret: str) -> set[str]:
    size = min(5, len(secret))
    return {secret[i : i + size] for i in range(len(secret) - size + 1)}


def check(text: str, secret: str, pieces: list[str | bytes]) -> None:
    got = stream(pieces)
    delivered = "".join(got)
    rest = text.replace(secret, "\0")
    for part in parts_of(secret):
        assert part not in delivered or part in rest, (part, delivered)


def found(text: str, secret: str) -> bool:
    at = text.index(secret)
    cuts = spans(text, [f for f in inspect(text, AROUND) if everything(f)])
    return any(a <= at and b >= at + len(secret) for a, b, _ in cuts)


CASES = [
    pytest.param(before + template.replace("@@", secret) + after, secret, id=name)
    for name, (template, secret) in TEXTS.items()
    for before, after in (("Hello there, this is it. ", " That was all of it."),)
]


@pytest.mark.parametrize(("text", "secret"), CASES)
class TestLeaks:
    def test_the_whole_text_is_caught(self, text: str, secret: str) -> None:
        assert found(text, secret)

    def test_every_split_in_two(self, text: str, secret: str) -> None:
        for at in range(len(text) + 1):
            check(text, secret, [text[:at], text[at:]])

    def test_one_character_at_a_time(self, text: str, secret: str) -> None:
        check(text, secret, list(text))

    def test_one_byte_at_a_time(self, text: str, secret: str) -> None:
        data = text.encode()
        check(text, secret, [data[i : i + 1] for i in range(len(data))])

    def test_five_hundred_random_splits(self, text: str, secret: str) -> None:
        rng = random.Random(len(text))
        for _ in range(500):
            cuts = sorted(rng.sample(range(1, len(text)), rng.randint(1, 9)))
            ends = [0, *cuts, len(text)]
            check(text, secret, [text[a:b] for a, b in itertools.pairwise(ends)])

    def test_two_choices_that_interleave(self, text: str, secret: str) -> None:
        window = Window(AROUND)
        out: dict[int, list[str]] = {0: [], 1: []}
        for c in text:
            for index in (0, 1):
                out[index].append(window.feed(c, index))
        for index in (0, 1):
            delivered = "".join(out[index]) + window.finish(index)
            assert not (parts_of(secret) - parts_of(text.replace(secret, "\0"))) & parts_of(
                delivered
            )

    def test_block_delivers_nothing_from_there_on(self, text: str, secret: str) -> None:
        window = Window(AROUND, action="block")
        delivered = "".join(stream(list(text), window=window))
        assert window.blocked() is not None
        assert text.startswith(delivered)
        assert len(delivered) <= text.index(secret)
        assert window.feed("more ") == window.finish() == ""


BENIGN = [
    "Plain words, nothing in them. " * 30,
    "It's 5 o'clock: time for \"tea\" and 12 biscuits.\n\n- one\n- two: 2\n" * 8,
    "def f(x: int) -> str:\n    return f\"{x}: 'quoted'\"\n\nkey = None\n" * 8,
    "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059\u3002" * 200,
    "Caf\u00e9 \U0001f469\u200d\U0001f4bb na\u00efve \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f3f4\U000e0067\U000e0062\U000e007f? no. " * 5,
    "",
    " ",
    "x",
    "| a | b |\n|---|---|\n| 1 | 2 |\n" * 40,
    "The secret of good bread is time; the key is patience, and the password is not needed. " * 6,
]  # fmt: skip


@pytest.mark.parametrize("text", BENIGN)
def test_benign_text_comes_out_whole_and_unchanged(text: str) -> None:
    silent = Window(AROUND, wanted=lambda f: f.kind in {"canary", "term"})
    got = stream(list(text), window=silent)
    assert "".join(got) == text
    data = text.encode()
    pieces: list[str | bytes] = [data[i : i + 3] for i in range(0, len(data), 3)]
    assert "".join(stream(pieces, window=Window(AROUND, wanted=lambda f: False))) == text


def test_the_first_words_come_one_run_late_at_most() -> None:
    window = Window(AROUND, using=[d for d in detectors() if hasattr(d, "hold")])
    out = ""
    for n, c in enumerate("Dear all, the meeting is moved to the large room upstairs. "):
        out += window.feed(c)
        assert n - len(out) < 20
    assert out


def test_a_run_past_the_cap_blocks_for_good() -> None:
    window = Window(AROUND, using=[d for d in detectors() if hasattr(d, "hold")])
    assert window.feed("ok ") == "ok "
    assert "".join(window.feed("a" * 1000) for _ in range(20)) == ""
    blocked = window.blocked()
    assert blocked is not None
    assert blocked.kind == "uninspected"
    assert window.feed(" and then ") == window.finish() == ""
    assert MAX_HELD == 16 << 10
    assert window.blocked(1) is None
    assert window.feed("other choice ", 1) == "other choice "


def test_code_points_and_surrogates_that_are_split() -> None:
    text = "na\u00efve \U0001f600 ok"
    data = text.encode()
    assert "".join(stream([data[i : i + 1] for i in range(len(data))])) == text
    assert "".join(stream(["a \ud83d", "\ude00 b"])) == "a \U0001f600 b"
    assert "".join(stream([b"a \xe2\x82"])) == "a \ufffd"


def test_a_detector_that_fails_blocks() -> None:
    class Broken:
        name = "broken"
        version = "broken/1"
        tier = "pattern"
        channels = ALL_CHANNELS

        def find(self, text: Views, around: Surroundings) -> list[Finding]:
            raise RuntimeError

    window = Window(AROUND, using=[Broken()])  # type: ignore[list-item]
    assert "".join(stream(list("some words here " * 9), window=window)) == ""
    assert window.blocked() is not None


def test_a_detector_says_what_it_holds() -> None:
    class Whole:
        name = "whole"
        version = "whole/1"
        tier = "pattern"
        channels = ALL_CHANNELS

        def find(self, text: Views, around: Surroundings) -> list[Finding]:
            return []

        def hold(self, text: str, around: Surroundings) -> int:
            return 0

    window = Window(AROUND, using=[Whole()])  # type: ignore[list-item]
    assert window.feed("a b c d ") == ""
    assert window.finish() == "a b c d "


def test_a_word_of_context_counts_after_it_was_released() -> None:
    class After:
        """Digits that follow `pin` within a few words."""

        name = "after"
        version = "after/1"
        tier = "pattern"
        channels = ALL_CHANNELS

        def find(self, text: Views, around: Surroundings) -> list[Finding]:
            import re

            return [
                Finding(kind="pii", label="PIN", severity="high", score_milli=900, start=m.start(1), end=m.end(1), rule="r", version="v")
                for m in re.finditer(r"pin (?:\w+ ){0,40}(\d{4})", text.original)
            ]  # fmt: skip

        def hold(self, text: str, around: Surroundings) -> int:
            return run(text)

    text = "my pin " + "word " * 30 + "4711 bye"
    out = "".join(stream(list(text), window=Window(AROUND, using=[After()])))  # type: ignore[list-item]
    assert out == text.replace("4711", "[PII:PIN]")
    assert CONTEXT >= 256


def test_hold_of_what_is_open() -> None:
    for text, at in [
        ("some words ", 11),
        ("some words Authorization: ", 11),
        ("some words Authorization: Basic ", 11),
        ("some words key = ", 11),
        ('some words "name": "open string with ', 11),
        ("x -----BEGIN KEY----- abc def", 2),
        ("x 4111 1111 ", 2),
    ]:
        assert hold(text, AROUND, [object()]) <= at, text  # type: ignore[list-item]


class TestArguments:
    def test_fragments_are_held_and_read_decoded(self) -> None:
        window = ArgumentsWindow(AROUND)
        hidden = CANARY.replace("n", "\\u006e")
        text = '{"url": "https://a.example/", "body": {"' + hidden + '": ["x ' + hidden + '"]}}'
        assert "".join(window.feed(c) for c in text) == ""
        got = window.finish()
        assert "cnry" not in got
        assert "\\u006e" not in got
        assert got.count("[CANARY:k]") == 2

    def test_clean_arguments_are_unchanged(self) -> None:
        window = ArgumentsWindow(AROUND)
        text = '{"a":  1.50, "b": [true, null]}'
        window.feed(text)
        assert window.finish() == text

    def test_block_and_what_is_not_json(self) -> None:
        window = ArgumentsWindow(AROUND, action="block")
        window.feed('{"a": "' + CANARY + '"}')
        assert window.finish() == ""
        assert window.blocked is not None
        half = ArgumentsWindow(AROUND)
        half.feed('{"a": "b')
        assert half.finish() == ""
        assert half.blocked is not None

    def test_the_cap(self) -> None:
        window = ArgumentsWindow(AROUND)
        for _ in range(20):
            window.feed('"' + "a" * (64 << 10))
        assert window.blocked is not None
        assert window.finish() == ""
        assert ArgumentsWindow(AROUND).finish() == ""


def test_hashes_in_a_stream_are_those_of_the_text() -> None:
    style = Style(form="hash", key=b"k" * 16)
    window = Window(AROUND, style)
    out = "".join(stream(list(f"a {CANARY} b {CANARY} c"), window=window))
    marks = {w for w in out.split() if w.startswith("[CANARY:k:")}
    assert len(marks) == 1
    assert len(window.findings) == 2


def test_work_per_piece_does_not_grow_with_what_was_held() -> None:
    """Pieces without a break are only kept: nothing is inspected for them."""
    calls = 0

    class Counting:
        name = "counting"
        version = "counting/1"
        tier = "pattern"
        channels = ALL_CHANNELS

        def find(self, text: Views, around: Surroundings) -> list[Finding]:
            nonlocal calls
            calls += 1
            return []

    window = Window(AROUND, using=[Counting()])  # type: ignore[list-item]
    for _ in range(10_000):
        window.feed("a")
    assert calls == 0
    window.finish()
    assert calls == 1
