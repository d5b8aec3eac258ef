"""Every text of a message is seen, with its place."""

import base64
from typing import Any

from remit.content.values import decode_blob, is_text, message, walk
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


def test_blobs_and_types() -> None:
    assert is_text("application/vnd.x+json; charset=utf-8")
    assert not is_text("image/png")
    assert decode_blob("!!", "text/plain") is None
    assert decode_blob(base64.b64encode(b"caf\xe9").decode(), "text/plain") == "caf\xe9"
    assert decode_blob(base64.b64encode(b"a lie").decode(), "image/png") == "a lie"
    assert decode_blob(base64.b64encode(b"\xff\xfe").decode(), "image/png") is None
    assert walk({"blob": "not base64", "mimeType": "text/plain"}).opaque == ("/blob",)
