"""Every text of a message is seen, with its place."""

import base64
from typing import Any

import pytest

from remit.content.values import MAX_VISITS, is_text, message, walk
from remit.core.strictjson import Number


def texts(value: Any) -> dict[str, str]:
    return {f"{p.what}:{p.path}": p.text for p in walk(value).pieces}


def test_a_result_of_every_kind() -> None:
    result = {
        "content": [
            {"type": "text", "text": "sec"}, {"type": "text", "text": "ret"},
            {"type": "image", "data": base64.b64encode(b"\x89PNG\xff\x00").decode(), "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "a://b", "mimeType": "text/plain", "blob": base64.b64encode(b"inside").decode()}},
        ],
        "structuredContent": {"card/no": 4111111111111111, "n": 7, "t": True, "f": Number("1.50000")},
        "_meta": {"x": "meta"},
    }  # fmt: skip
    got = texts(result)
    assert got["joined:/content/0-1"] == "secret"
    assert got["blob:/content/3/resource/blob"] == "inside"
    assert got["number:/structuredContent/card~1no"] == "4111111111111111"
    assert got["number:/structuredContent/f"] == "1.50000"
    assert "number:/structuredContent/n" not in got
    assert got["key:/structuredContent/card~1no"] == "card/no"
    assert got["text:/_meta/x"] == "meta"
    assert walk(result).opaque == ("/content/2/data",)


def test_messages_errors_and_limits() -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32000, "message": "m", "data": {"d": ["deep"]}},
    }
    assert {p.text for p in message(body).pieces} >= {"m", "deep", "data", "d"}
    assert "2.0" not in {p.text for p in message(body).pieces}
    assert walk(["x"] * 10, max_pieces=3).complete is False
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert walk(deep).complete is False
    assert walk({"a": {"b": b"raw"}}).pieces[-1].text == "raw"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read(value: Any, what: str) -> list[str]:
    return [p.text for p in walk(value).pieces if p.what == what]


def test_blobs_and_types() -> None:
    assert is_text("application/vnd.x+json; charset=utf-8")
    assert not is_text("image/png")
    assert read({"blob": b64(b"caf\xe9"), "mimeType": "text/plain"}, "blob") == ["caf\xe9"]
    assert read({"blob": b64(b"a lie"), "mimeType": "image/png"}, "blob") == ["a lie"]
    assert read({"blob": b64(b"\xff\xfe"), "mimeType": "image/png"}, "blob") == []
    assert walk({"blob": "not base64", "mimeType": "text/plain"}).opaque == ("/blob",)


@pytest.mark.parametrize("text", ["words, not bytes", "!!", "c2VjcmV0", "ab=cd", "é"])
@pytest.mark.parametrize("media", ["image/png", "text/plain", ""])
def test_what_looks_like_bytes_is_read_as_it_stands_too(text: str, media: str) -> None:
    assert text in read({"blob": text, "mimeType": media}, "text")
    assert text in read({"data": text, "mimeType": media}, "text")


INSIDE = "a sentence of some words"


@pytest.mark.parametrize("data", [
    INSIDE.encode() + b"\0",
    b"\xff\xd8\xff\xe1" + INSIDE.encode() + b"\xff\x00",
    INSIDE.encode("utf-16"),
    INSIDE.encode("utf-16-le"),
    INSIDE.encode("utf-16-be"),
    b"MZ\x90\x00\xff" + INSIDE.encode("utf-16-le") + b"\xfe",
    "some others first, ".encode("utf-16-le") * 20 + INSIDE.encode(),
], ids=["nul", "picture", "utf-16", "le", "be", "program", "mixed"])  # fmt: skip
def test_bytes_that_are_not_all_text_hold_some(data: bytes) -> None:
    short = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for text in (b64(data), base64.encodebytes(data).decode(), short):
        (found,) = read({"blob": text, "mimeType": "image/png"}, "blob")
        assert INSIDE in found


def test_pictures_are_not_read_as_letters() -> None:
    data = b64(b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256)) * 100)
    picture = {"type": "image", "data": data, "mimeType": "image/png"}
    assert {p.text for p in walk(picture).pieces if p.path == "/data"} == {"data"}
    assert "_" + data in read({**picture, "data": "_" + data}, "text")


@pytest.mark.timeout(60)  # 100**9 of them
@pytest.mark.parametrize("inner", [[], {}, "", None, [[]]])
def test_a_value_that_says_nothing_ends(inner: Any) -> None:
    value: Any = [inner] * 100
    for _ in range(8):
        value = [value] * 100
    assert walk(value).complete is False
    assert walk([[]] * (MAX_VISITS // 2)).complete
    assert not walk([[]] * (MAX_VISITS + 1)).complete


def test_long_keys_do_not_multiply() -> None:
    """Each value below a key has a place that holds it; that so many are not made is said."""
    values = [0, 1, 2, "x"] * 5_000
    assert walk({"k": values}).complete
    seen = walk({"k" * 20_000: values})
    assert not seen.complete
    assert sum(len(piece.path) for piece in seen.pieces) < 20_000 * len(values) // 10


def names(value: Any) -> dict[str, tuple[str, ...]]:
    return {p.path: p.names for p in walk(value).pieces if p.names}


def test_names_that_neighbours_give() -> None:
    assert names([{"name": "PIN", "value": "x"}]) == {"/0/value": ("PIN",)}
    assert names({"pin": {"value": ["x"]}}) == {"/pin/value/0": ("pin",)}
    assert names({"pin": {"data": {"Value": 12345}}}) == {"/pin/data/Value": ("pin",)}
    assert names({"a": {"Key": "b", "Value": "x"}}) == {"/a/Value": ("a", "b")}
    assert names(["Cookie:", "x"]) == {"/1": ("Cookie",)}
    assert names(["run", "--pin", "x", "y"]) == {"/2": ("--pin",)}
    assert names({"a": "x", "b": ["two words", "x"], "c": ["a", "b", "c"]}) == {}
