"""Measure content inspection: time of small and large texts, and of hostile ones beside ordinary.

Columns: median, 99th percentile, least time, speed, cost as a multiple of one pass of RE2 over the
same text with a few words (the baseline), and as a multiple of mixed text of the same size. "read" is
the views alone, "secrets" and "pii" those detectors on views that were made, "patterns" views and
every detector of the pattern tier, "all" the model too, in the order in which `inspect` runs them.
A message is a decoded JSON result, every text of it looked at by `summarise` as on the corridor; its
multiple is of the same JSON inspected as one text.
Times are of the processor, so that other programs count less.
"""

import base64
import json
import pydoc_data.topics
import random
import statistics
import string
import sys
import time
from pathlib import Path

import re2

from remit.content.base import Surroundings
from remit.content.inspect import detectors, inspect
from remit.content.summary import summarise
from remit.content.views import read

WORDS = [
    "the",
    "agent",
    "reads",
    "a",
    "file",
    "and",
    "writes",
    "its",
    "report",
    "about",
    "this",
    "system",
    "while",
    "users",
    "discuss",
    "plans",
    "for",
    "tomorrow",
    "with",
    "numbers",
    "like",
    "2024",
    "or",
    "1,234",
    "results",
    "from",
    "https://example.com/path/to/page?x=1",
    "in",
    "a",
    "summary,",
    "that",
    "key",
    "project",
    "team",
    "has",
    "meetings",
    "(see",
    "notes)",
    '"and"',
    "other",
    "things",
    "they",
    "will",
    "do:",
]
AROUND = Surroundings(channel="tool_result")


def ordinary(size, seed=1):
    """English-like text with some figures, URLs and punctuation."""
    chance = random.Random(seed)
    words = (chance.choice(WORDS) for _ in range(size // 3))
    lines, line = [], []
    for word in words:
        line.append(word)
        if len(line) > 12:
            lines.append(" ".join(line))
            line = []
    return "\n".join(lines)[:size]


def prose(size, seed=1):
    """The same without a link and without figures."""
    plain = [word for word in WORDS if word.strip('",()').isalpha()]
    chance = random.Random(seed)
    lines = (" ".join(chance.choices(plain, k=13)) for _ in range(size // 40))
    return "\n".join(lines)[:size]


def logged(size, seed=1):
    """Lines of a log with a number behind most names."""
    chance = random.Random(seed)
    return "\n".join(_request(chance) for _ in range(size // 60 + 1))[:size]


def structured(size, seed=1):
    """A JSON document of rows, as tools return them, with the words keywords look for."""
    chance = random.Random(seed)
    rows = []
    while sum(map(len, rows)) < size:
        rows.append(
            f'{{"id": {chance.randrange(10**6)}, "name": "item {chance.randrange(100)}", '
            f'"token_count": {chance.randrange(9999)}, "created": "2026-01-{chance.randrange(1, 28):02d}T10:00:00Z", '
            f'"text": "a line\\nand \\"another\\" one about the key points", "key": "abc-{chance.randrange(100)}"}}'
        )
    return ("[" + ",\n".join(rows) + "]")[:size]


def mixed(size, seed=1):
    """Source, documentation, logs, JSON and mail in turn, as they come with Python or are made."""
    chance = random.Random(seed)
    sources = [
        p.read_text("utf-8") for p in sorted(Path(json.__file__).parents[1].glob("[a-f]*.py"))
    ]
    pages = list(pydoc_data.topics.topics.values())
    made, length = [], 0
    while length < size:
        kind = chance.randrange(5)
        if kind == 0:
            text = chance.choice(sources)
            at = chance.randrange(max(1, len(text) - 4000))
            part = text[at : at + 4000]
        elif kind == 1:
            part = chance.choice(pages)[:4000]
        elif kind == 2:
            part = _log(chance)
        elif kind == 3:
            part = structured(2000, chance.random())
        else:
            part = _mail(chance)
        made.append(part)
        length += len(part) + 1
    return "\n".join(made)[:size]


def message(items, seed=1):
    """A result of a tool that lists things, each with a name, a title and a few words."""
    chance = random.Random(seed)
    return {
        "items": [
            {
                "number": chance.randrange(10**5),
                "title": " ".join(chance.choices(WORDS, k=8)),
                "state": chance.choice(("open", "closed")),
                "labels": [chance.choice(("bug", "question"))],
                "user": {"login": f"user{chance.randrange(99)}", "id": chance.randrange(10**6)},
                "body": " ".join(chance.choices(WORDS, k=14)),
            }
            for _ in range(items)
        ]
    }


def _request(chance):
    return (
        f"2026-01-{chance.randrange(1, 29):02d}T10:{chance.randrange(60):02d}:07Z INFO "
        f"worker-{chance.randrange(9)} path=/api/v1/items/{chance.randrange(9999)} "
        f"status={chance.choice((200, 204, 404))} ms={chance.randrange(900)}"
    )


def _log(chance):
    return "\n".join(
        f"2026-01-{chance.randrange(1, 28):02d}T10:{chance.randrange(60):02d}:07.123Z INFO "
        f"[worker-{chance.randrange(16)}] com.example.orders.OrderService - "
        f"{' '.join(chance.choices(WORDS, k=8))} id={chance.getrandbits(48):012x}"
        for _ in range(20)
    )


def _mail(chance):
    name = chance.choice(WORDS).strip('",:()')
    lines = "\n".join(" ".join(chance.choices(WORDS, k=12)) for _ in range(10))
    return (
        f"From: {name} <{name}@example.org>\nTo: team@example.com\nSubject: {name}\n"
        f"Message-ID: <{chance.getrandbits(64):x}@mail.example.org>\n\nHi,\n\n{lines}\n\n"
        f"> {lines[:60]}\n-- \n{name}\u2019s team\n"
    )


def hostile(size):
    """Texts that would cost much where work is not bounded, by name."""
    chance = random.Random(2)
    text = ordinary(size // 3)
    nested = text.encode()
    for _ in range(4):
        nested = base64.b64encode(nested)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    some = {
        "[": "[",
        "![](": "![](",
        "<a href=": "<a href=",
        "%41": "%41",
        "key=": "key=",
        "//": "//",
        "values": 'ref="a"//',
        "<a//": "<a//",
        "long names": "abcdefghijkl.",
        "<!--": "<!--",
        "<a ": "<a ",
        "<b>x": "<b>x</b>y",
        "{": "{",
        "-----BEGIN": "-----BEGIN RSA PRIVATE KEY-----\n",
        "password=": "password=",
        "token: ": "token: abc ",
        "://": "http://a:",
        "@": "a@b.",
        "combining marks": "a\u0301\u0302\u0336\u0340",
        "zero width": "a\u200b",
        "joiners": "\u200b\u200c",
        "tags": "\U000e0041",
        "selectors": "\ufe01\U000e0131",
        "look-alikes": "\u0430b\u03bf",
        "ligatures": "\ufb01\u2026",
        "%25%25": "%25%25",
        "%2525": "%2525252525",
        "percent utf-8": "a%C3%A9",
        "backslashes": "\\\\",
        "\\u0041": "\\u0041",
        "\\u4f60": "\\u4f60\\ud83d\\ude00",
        "&amp;": "&amp;",
        "&amp;amp;": "&amp;amp;lt;",
        "=3D": "=3D",
        "escape": "\x1b[31m",
        "escape open": "\x1b]8;;",
        "backspace": "a\x08",
        "digits": "4111 1111 1111 1111 ",
        "numbers": "123-45-6789 ",
        "dots": "1.2.3.4 ",
        "colons": "a:b:c:",
        "spread": "i g n o r e ",
        "hex": "69676e6f7265 ",
        "hex spaced": "69 67 6e ",
        "a": "a",
        "A": "A",
        "eyJ": "eyJ",
        "surrogates": "\ud800",
        "quotes": "\"' + \"' + ",
        "MRN": "MRN ",
        "+": "+1 ",
        "spaces": " ",
        "new lines": "\n",
    }
    made = {name: (piece * (size // len(piece) + 1))[:size] for name, piece in some.items()}
    made["nested base64"] = nested.decode()[:size]
    made["wrapped base64"] = base64.encodebytes(ordinary(size).encode()).decode()[:size]
    made["base64 words"] = " ".join(
        base64.b64encode(f"hello there {chance.randrange(10**6):06d}".encode()).decode()
        for _ in range(size // 28)
    )[:size]
    made["decimal codes"] = " ".join(str(ord(c)) for c in text)[:size]
    made["octal codes"] = " ".join(f"{ord(c):03o}" for c in text)[:size]
    made["binary codes"] = " ".join(f"{ord(c):08b}" for c in text)[:size]
    made["random base64"] = "".join(chance.choice(letters) for _ in range(size))
    made["hashes"] = " ".join(f"{chance.getrandbits(160):040x}" for _ in range(size // 41))
    made["random letters"] = "".join(chance.choices(letters[:52], k=size))
    made["random words"] = "".join(chance.choices(letters[26:52] + "     ", k=size))
    made["random printable"] = "".join(chance.choices(string.printable[:95], k=size))
    made["all keywords"] = _keywords(size)
    return made


def _keywords(size):
    from remit.content.detectors import secrets

    words = sorted({k.removeprefix(r"\b") for r in secrets.rules() for k in r.keywords})
    once = " ".join(words)
    return (once * (size // len(once) + 1))[:size]


def _times(call, rounds):
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return times


_WORDS = re2.compile("password|token|https?://|ignore|BEGIN [A-Z]+ KEY|secret|@example")


def _baseline(text):
    """Seconds of one pass of RE2."""
    data = text.encode("utf-8", "replace")
    return min(_times(lambda: _WORDS.findall(data), 5))


def _row(name, size, times, base=None, one_pass=None):
    median = statistics.median(times)
    row = {
        "text": name,
        "p50_ms": round(median * 1e3, 3),
        "p99_ms": round(sorted(times)[int(len(times) * 0.99) - 1] * 1e3, 3)
        if len(times) >= 50
        else "",
        "min_ms": round(min(times) * 1e3, 3),
        "mb_per_s": round(size / median / 1e6, 1),
    }
    if one_pass is not None:
        row["times_re2"] = round(min(times) / one_pass, 1)
    if base is not None:
        row["times_mixed"] = round(median / base, 1)
    return row


def main(arguments):
    """Rows for every text."""
    quick = "--quick" in arguments
    rows = []
    patterns = tuple(d for d in detectors() if d.tier == "pattern")
    inspect(ordinary(4096), AROUND, using=patterns)
    for make in (mixed, ordinary, prose, logged, structured):
        for size, rounds in ((1024, 300), (16 << 10, 100), (1 << 20, 3 if quick else 9)):
            text = make(size)
            one_pass = _baseline(text)
            name = f"{make.__name__} {size >> 10} KB"
            rows.append(_row(f"{name}, read", size, _times(lambda t=text: read(t), rounds)))
            views = read(text)
            for detector in patterns:
                if size in (1024, 1 << 20):
                    times = _times(lambda d=detector, v=views: list(d.find(v, AROUND)), rounds)
                    rows.append(_row(f"{name}, {detector.name}", size, times))
            times = _times(lambda t=text: inspect(t, AROUND, using=patterns), rounds)
            rows.append(_row(f"{name}, patterns", size, times, one_pass=one_pass))
            times = _times(lambda t=text: inspect(t, AROUND), max(rounds // 10, 3))
            rows.append(_row(f"{name}, all", size, times, one_pass=one_pass))
    for items, rounds in ((1, 100), (10, 50), (100, 20)):
        value = message(items)
        text = json.dumps(value)
        base = statistics.median(_times(lambda t=text: inspect(t, AROUND), rounds))
        times = _times(lambda v=value: summarise(v, AROUND), rounds)
        rows.append(_row(f"message of {items}", len(text), times, base))
    size = 1 << 18 if quick else 1 << 20
    usual = mixed(size)
    base = statistics.median(_times(lambda: inspect(usual, AROUND, using=patterns), 5))
    for name, text in hostile(size).items():
        times = _times(lambda t=text: inspect(t, AROUND, using=patterns), 1 if quick else 3)
        rows.append(_row(f"hostile {name!r}", size, times, base))
    return rows


if __name__ == "__main__":
    from tests.bench.__main__ import table

    sys.stdout.write(table(main(sys.argv[1:])) + "\n")
