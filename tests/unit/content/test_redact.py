"""Redaction keeps the shape, leaves nothing behind, and only the right vault turns it back."""

import base64
import itertools
import json
import re
from typing import Any

import pytest

from remit.content.base import ContentError, Finding, Surroundings
from remit.content.redact import Style, clean, everything, redact, spans
from remit.content.redact_json import UNREAD, redact_arguments, redact_value
from remit.content.summary import summarise
from remit.content.vault import SessionVault, detokenise
from remit.core.strictjson import Number

CANARY = "cnry-" + "7f3a-plum-91x"
AROUND = Surroundings(canaries={"k": CANARY})
MASK = Style()


def finding(start: int, end: int, label: str = "x", severity: Any = "high") -> Finding:
    return Finding(
        kind="secret",
        label=label,
        severity=severity,
        score_milli=900,
        start=start,
        end=end,
        rule="r",
        version="v/1",
    )


def cards(text: str, around: Surroundings) -> list[Finding]:
    """Sixteen digits, and whatever follows `pin: `."""
    return [finding(m.start(), m.end(), "CARD") for m in re.finditer(r"\d{16}", text)] + [
        finding(m.start(1), m.end(1), "pin") for m in re.finditer(r"pin: (\w+)", text)
    ]


def vault(seed: int = 0) -> SessionVault:
    count = itertools.count(seed * 1000)
    return SessionVault(lambda n: next(count).to_bytes(n, "big"))


def test_masks_overlaps_and_runs() -> None:
    text = "a SECRET b"
    assert redact(text, [finding(2, 8, "k")], MASK).text == "a [SECRET:k] b"
    both = [
        finding(2, 6, "inner", "low"),
        finding(4, 8, "outer", "critical"),
        finding(2, 3, "n", "low"),
    ]
    assert redact(text, both, MASK).text == "a [SECRET:outer] b"
    assert redact("x YWJjZGVmZ2g= y", [finding(6, 9)], MASK).text == "x [SECRET:x] y"
    assert spans("ab", [finding(1, 1), finding(0, 99)])[0][:2] == (0, 2)
    assert redact("é SECRET", [finding(2, 8, "a b/c")], MASK).text == "é [SECRET:a_b_c]"


def test_hashes_are_stable_for_a_key_only() -> None:
    one, two = Style(form="hash", key=b"1" * 16), Style(form="hash", key=b"2" * 16)
    first = redact("x SECRET", [finding(2, 8)], one).text
    assert first == redact("x SECRET", [finding(2, 8)], one).text
    assert first != redact("x SECRET", [finding(2, 8)], two).text
    assert not re.search(r"\d", first)


def test_styles_need_what_they_use() -> None:
    with pytest.raises(ContentError):
        Style(form="hash", key=b"short")
    with pytest.raises(ContentError):
        Style(form="token")


def test_tokens_come_back_in_their_session_only() -> None:
    kept = vault()
    style = Style(form="token", vault=kept)
    value = {"to": f"x {CANARY}", "again": CANARY, "n": [1]}
    out = redact_value(value, AROUND, style)
    assert CANARY not in json.dumps(out)
    token = out["again"]
    assert out["to"] == f"x {token}"
    assert detokenise(out, kept, lambda path, label: True) == value
    assert detokenise(out, vault(7), lambda path, label: True) == out
    assert detokenise(out, kept, lambda path, label: path == "/to")["again"] == token
    made_up = "<remit:k:" + "a" * 25 + "b>"
    assert detokenise(made_up, kept, lambda path, label: True) == made_up
    assert redact_value(out, AROUND, style) == out


def test_a_full_vault_masks() -> None:
    small = SessionVault(bytes, limit=0)
    assert redact("SECRET", [finding(0, 6)], Style(form="token", vault=small)).text == "[SECRET:x]"


def test_values_keep_their_shape() -> None:
    card = int("4111" + "1" * 12)
    value = {
        "card": card, "pin": "hunter", "n": 12, "t": True, "z": None, "f": Number("4111111111111111.0"),
        str(card): [str(card), {str(card) + "": 1}], "s": f"no {card} more",
    }  # fmt: skip
    out = redact_value(value, AROUND, MASK, inspector=cards)
    assert out["card"] == "[SECRET:CARD]"
    assert out["pin"] == "[SECRET:pin]"
    assert (out["n"], out["t"], out["z"]) == (12, True, None)
    assert out["s"] == "no [SECRET:CARD] more"
    assert out["[SECRET:CARD]"][0] == "[SECRET:CARD]"
    assert str(card) not in json.dumps(out)
    kept = vault()
    tokens = redact_value({"card": card}, AROUND, Style(form="token", vault=kept), inspector=cards)
    assert detokenise(tokens, kept, lambda p, k: True) == {"card": card}


def test_keys_that_become_equal_stay_apart() -> None:
    out = redact_value({"1" * 16: 1, "2" * 16: 2}, AROUND, MASK, inspector=cards)
    assert out == {"[SECRET:CARD]": 1, "[SECRET:CARD]#2": 2}


def test_adjacent_blocks_and_blobs() -> None:
    blocks = [
        {"type": "text", "text": f"a {CANARY[:7]}"},
        {"type": "text", "text": f"{CANARY[7:]} b"},
    ]
    out = redact_value({"content": blocks}, AROUND, MASK)["content"]
    assert [b["text"] for b in out] == ["a [CANARY:k]", " b"]
    blob = base64.b64encode(f"x {CANARY}".encode()).decode()
    out = redact_value({"blob": blob, "mimeType": "text/plain"}, AROUND, MASK)
    assert base64.b64decode(out["blob"]) == b"x [CANARY:k]"
    picture = {
        "type": "image",
        "data": base64.b64encode(b"\xff\xd8\x00").decode(),
        "mimeType": "image/jpeg",
    }
    assert redact_value(picture, AROUND, MASK) == picture


PASSWORD = "Tr0ub4dor&3x!"


@pytest.mark.parametrize("value", [
    [{"name": "DB_PASSWORD", "value": PASSWORD}],
    {"password": {"value": PASSWORD}},
    ["Authorization", f"Bearer {PASSWORD}{PASSWORD}"],
    ["mysql", "--password", PASSWORD],
    {"password": "\n" * 500 + PASSWORD + " " * 500},
    {"password": {"data": PASSWORD, "mimeType": "image/png"}},
])  # fmt: skip
def test_values_that_are_named_beside_them(value: Any) -> None:
    only = {s.path for s in summarise(value, AROUND).seen}
    for chosen in (only, None):
        out = redact_value(value, AROUND, MASK, only=chosen)
        assert PASSWORD not in json.dumps(out)
        assert summarise(out, AROUND).kinds == frozenset()


@pytest.mark.parametrize("data", [
    f"x {CANARY}\n".encode(), f"x {CANARY}\0 \xff".encode("latin-1"),
    b"\xff\x00" + f"before {CANARY} after".encode() + b"\x00\xfe",
    f"x {CANARY}".encode("utf-16"), f"x {CANARY}".encode("utf-16-be"),
    b"\x89PNG\xff" + f"before {CANARY} after".encode("utf-16-le") + b"\xff",
])  # fmt: skip
@pytest.mark.parametrize("length", [0, 6000])
def test_bytes_are_cleaned_where_they_are_text(data: bytes, length: int) -> None:
    data += b"\xfe\xff" * length
    for text in (base64.b64encode(data).decode(), base64.encodebytes(data).decode()):
        value = {"blob": text, "mimeType": "image/png"}
        assert summarise(value, AROUND).kinds == {"canary"}
        out = redact_value(value, AROUND, MASK)
        assert summarise(out, AROUND).kinds == frozenset()


def test_what_only_looks_like_bytes_is_cleaned_as_text() -> None:
    for text in (CANARY, f"x {CANARY}!"):
        out = redact_value({"data": text, "mimeType": "image/png"}, AROUND, MASK)
        assert "[CANARY:k]" in out["data"]


def test_depth_and_what_cannot_be_inspected() -> None:
    deep: Any = CANARY
    for _ in range(80):
        deep = [deep]
    assert CANARY not in json.dumps(redact_value(deep, AROUND, MASK))
    assert UNREAD in json.dumps(redact_value(deep, AROUND, MASK))

    def fails(text: str, around: Surroundings) -> list[Finding]:
        return [
            Finding(
                kind="uninspected",
                label="failed",
                severity="high",
                score_milli=1000,
                start=0,
                end=len(text),
                rule="r",
                version="v",
            )
        ]

    assert clean("abc", AROUND, MASK, inspector=fails).text == "[UNINSPECTED:text]"


def test_what_keeps_coming_is_masked_whole() -> None:
    def always(text: str, around: Surroundings) -> list[Finding]:
        return (
            [finding(0, len(text)), finding(len(text) - 1, len(text) + 0)]
            if len(text) % 2 or True
            else []
        )

    out = clean(
        "abc def", AROUND, MASK, inspector=lambda t, a: [finding(0, 1)] if t[0].isalpha() else []
    )
    assert out.clean
    assert clean("abc", AROUND, MASK, inspector=always).clean


def test_a_mark_that_somebody_wrote_is_text() -> None:
    text = f"[CANARY:{CANARY}]"
    out = clean(text, AROUND, MASK)
    assert CANARY not in out.text
    assert out.clean
    assert everything(finding(0, 1))


def test_arguments_as_text() -> None:
    assert redact_arguments("{", AROUND, MASK) is None
    assert redact_arguments('{"a":  1}', AROUND, MASK) == '{"a":  1}'
    assert redact_arguments(json.dumps({"a": CANARY}), AROUND, MASK) == '{"a": "[CANARY:k]"}'
