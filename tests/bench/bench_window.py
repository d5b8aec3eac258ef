"""What the stream window costs per piece, ordinary and hostile, and what detectors cost per text.

Prints one JSON object per line. A piece is four characters, or one where it is said; the aim is a p99 of 1 ms. `ratio` is
hostile to ordinary for texts of one size: the aim is 10 at most. Times are of the processor, so
that other programs count less.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from remit.content.base import Surroundings
from remit.content.detectors import canary, exfiltration, invisible, terms
from remit.content.views import read
from remit.content.window import Window

AROUND = Surroundings(
    channel="completion",
    canaries={"k": "cnry-7f3a-plum-91x"},
    terms={"p": tuple(f"project code{n} heron" for n in range(2000))},
)
PROSE = 'The plan for Monday is simple: we meet at 10, then look at https://a.example/x and "eat". '
STREAMS = {
    "prose": PROSE * 20,
    "code": "def f(x: int) -> str:\n    key = compute(x)\n    return f'{key}: {x}'\n\n" * 25,
    "openers": 'key = "a password: bearer token=' * 60,
    "digits": "4111 1111 1111 " * 120,
    "short words": "a b c d e f " * 150,
    "long runs": ("x" * 400 + " ") * 5,
    "zero width": "a\u200bb \u200b\u200bc " * 150,
}
TEXTS = {
    "links": "![x](https://e.example/?d=aaaa) ",
    "brackets": "](](](](",
    "schemes": "http:http:http:",
    "slashes": "////",
    "open quotes": "<img src='http://a ",
    "dots": "abcdefghijklm.n.o.p.q.",
    "tags": "\U000e0041\U000e0042",
    "bidi": "\u2067\u202e",
    "zero width": "\u200b\u200c",
}
# Scripts without spaces: every letter ends a run.
LETTERS = {
    "Japanese": "\u79c1\u305f\u3061\u306f\u660e\u65e5\u306e\u671d\u6771\u4eac\u99c5\u3067\u5f85\u3061\u5408\u308f\u305b\u3066\u304b\u3089\u65b0\u5e79\u7dda\u3067\u4eac\u90fd\u3078\u5411\u304b\u3044\u307e\u3059"
    * 25,
    "Japanese with figures and links": "\u8cbb\u7528\u306f\u7d0413,000\u5186\u3067\u3001\u8a73\u7d30\u306f https://example.jp/plan \u3092\u898b\u3066\u304f\u3060\u3055\u3044\u3002"
    * 20,
}
SIZE = 200_000
ROWS: list[dict[str, Any]] = []


def _emit(**row: Any) -> None:
    ROWS.append(row)
    print(json.dumps(row))


def _window(name: str, text: str, size: int = 4) -> None:
    times = []
    window = Window(AROUND)
    for at in range(0, len(text), size):
        piece = text[at : at + size]
        begin = time.process_time_ns()
        window.feed(piece)
        times.append((time.process_time_ns() - begin) / 1000)
    window.finish()
    times.sort()
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    _emit(name=f"window: {name}", p50_us=round(p50), p99_us=round(p99), ratio="")


def _cost(detector: Any, text: str) -> float:
    views = read(text)
    begin = time.process_time_ns()
    list(detector.find(views, AROUND))
    return (time.process_time_ns() - begin) / 1e6


def main(arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run and return the rows."""
    ROWS.clear()
    Window(AROUND).feed("warm up ")
    for name, text in STREAMS.items():
        _window(name, text)
    for name, text in LETTERS.items():
        _window(f"{name}, letter by letter", text, 1)
    size = SIZE // 10 if "--quick" in arguments else SIZE
    for module in (exfiltration, invisible, canary, terms):
        detector = module.DETECTOR
        ordinary = (PROSE * (size // len(PROSE) + 1))[:size]
        base = max(min(_cost(detector, ordinary) for _ in range(3)), size / 200_000)
        _emit(name=f"{detector.name}: prose", p50_us=round(base * 1000), p99_us="", ratio=1)
        for name, unit in TEXTS.items():
            cost = _cost(detector, (unit * (size // len(unit) + 1))[:size])
            _emit(
                name=f"{detector.name}: {name}",
                p50_us=round(cost * 1000),
                p99_us="",
                ratio=round(cost / base, 1),
            )
    return ROWS


if __name__ == "__main__":
    main(sys.argv[1:])
