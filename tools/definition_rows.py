"""Rows that the models of definitions are trained on: what there is, its texts, who wrote it.

``{"id", "author", "label": "malicious"|"benign", "technique", "lang"}`` with ``listing`` or ``text``, and
``bad``: JSON pointers of the malicious texts, or the malicious substrings.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from remit.content.values import walk
from remit.scan.scanners import _listing_parts
from remit.scan.scanners._definition_model import Name
from remit.scan.scanners._definition_units import Place
from remit.scan.scanners.prompts import about

HERE = Path(__file__).parent / "definitions"
LONGEST = 2_500
"""Characters of a prompt that is harmless or whose malicious part is not known; some are books."""
_TWIN = re.compile(r"(?<=\d)-?[a-z]*\Z")


class Text(NamedTuple):
    """A text of a row, where it stands, and the spans of it that are malicious."""

    place: Place
    text: str
    bad: Sequence[tuple[int, int]]


def ours(name: Name) -> list[Path]:
    """Files of our own rows."""
    return sorted(HERE.glob(f"{name}*.jsonl.gz"))


def load(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Rows of files, each text once."""
    seen = set()
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                key = json.dumps(row.get("listing", row.get("text")), sort_keys=True)
                if key not in seen:
                    seen.add(key)
                    yield row


def texts(row: Mapping[str, Any]) -> Iterator[Text]:
    """Texts of a row that are judged; where nobody said which part is malicious, all of it is."""
    attack = row["label"] == "malicious"
    if "listing" in row:
        lists = list(_listing_parts.lists(row["listing"], ""))
        for piece, place in _listing_parts.places(lists, walk(row["listing"]).pieces):
            bad = attack and piece.path in row.get("bad", [piece.path])
            yield Text(place, piece.text, [(0, len(piece.text))] if bad else [])
        return
    text = row["text"] if row.get("bad") else row["text"][:LONGEST]
    starts = [(text.find(each), len(each)) for each in row.get("bad", []) if each in text]
    spans = [(at, at + size) for at, size in starts] or ([(0, len(text))] if attack else [])
    yield Text(Place("prompt", about(text)), text, spans)


def within(start: int, end: int, text: Text) -> bool:
    """Whether a span of a text touches what is malicious in it."""
    return any(start < to and at < end for at, to in text.bad)


def pair(row: Mapping[str, Any]) -> str:
    """An attack and its harmless twin have one."""
    return _TWIN.sub("", str(row["id"]))
