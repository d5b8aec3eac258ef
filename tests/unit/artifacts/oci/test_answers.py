"""What registries say, and what they may not do to a terminal or a loop."""

import pytest

from remit.artifacts.oci.answers import (
    failure,
    length,
    next_link,
    part,
    received,
    retry_after,
    warnings,
)
from remit.artifacts.oci.errors import (
    DeniedError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    UnauthorizedError,
    UnreachableError,
)
from remit.artifacts.oci.http import Headers

DENIED = b'{"errors":[{"code":"DENIED","message":"not scanned\\u001b[2J\\nyet","detail":{}}]}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RegistryError), (401, UnauthorizedError), (403, DeniedError), (404, NotFoundError),
        (429, UnreachableError), (500, UnreachableError), (503, UnreachableError),
        (307, ProtocolError),
    ],
)  # fmt: skip
def test_each_status_is_an_error_of_its_own(status, kind):
    error = failure("get x", "r.example", status, Headers(), b"")
    assert type(error) is kind
    assert error.status == status


def test_the_reason_of_the_registry_reaches_the_user_and_nothing_else_does():
    error = failure("get x", "r.example", 403, Headers(), DENIED)
    assert error.reasons == ("DENIED",)
    assert "DENIED: not scanned" in error.message
    assert "\x1b" not in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"{}", b'{"errors":{}}', b'{"errors":[1,null,[]]}', b"\xff\xfe",
        b'{"errors":[{"code":1,"message":[]}]}', b"[" * 5000, b'{"errors":[]}' * 2,
    ],
)  # fmt: skip
def test_a_body_that_is_no_error_is_left_out(body):
    error = failure("get x", "r.example", 403, Headers(), body)
    assert error.message == "cannot get x: `r.example` answers 403"


def test_a_thousand_errors_are_five():
    many = b'{"errors":[' + b",".join([b'{"code":"A","message":"b"}'] * 1000) + b"]}"
    assert failure("x", "r", 400, Headers(), many).message.count("A: b") == 5


def test_warnings():
    headers = Headers(
        [("Warning", '299 - "scan pending, \\"soon\\""'), ("warning", '110 - "stale"'),
         ("Warning", '299 - "one", 299 - "two\x1b"'), ("Warning", "299 - open")]
    )  # fmt: skip
    found = list(warnings(headers))
    assert found[:2] == ['scan pending, "soon"', "one"]
    assert "\x1b" not in found[2]
    assert len(found) == 3


def test_warnings_have_an_end():
    assert len(list(warnings(Headers([("Warning", '299 - "x"')] * 100000)))) < 500


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 0), ({"Retry-After": "7"}, 7), ({"Retry-After": "-7"}, 0), ({"Retry-After": "x"}, 0),
        ({"Retry-After": "99999999999"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0),
        (
            {
                "Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
            30,
        ),
        (
            {
                "Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2035 07:28:00 GMT",
            },
            0,
        ),
    ],
)  # fmt: skip
def test_when_to_come_again(fields, seconds):
    assert retry_after(Headers(fields.items())) == seconds


@pytest.mark.parametrize(
    ("field", "target"),
    [
        ("", ""), ('</v2/a?n=1>; rel="next"', "/v2/a?n=1"), ("<b>; rel=next", "b"),
        ('<c>; rel="prev next"', "c"), ('<d>; rel="prev"', ""), ('<e>; rel="prev", <f>; rel=next', "f"),
        ("<g>", ""), ('g; rel="next"', ""), ('<h>; rel="nextish"', ""), ("<" * 9000, ""),
    ],
)  # fmt: skip
def test_links(field, target):
    assert next_link(Headers([("Link", field)])) == target


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", 0), ("0-0", 0), ("0-9", 10), ("bytes=0-9", 10), ("0--1", 0)],
)
def test_how_much_a_registry_has(said, expected):
    assert received(Headers([("Range", said)])) == expected


@pytest.mark.parametrize(
    "said", ["1-2", "0-", "-5", "0-x", "bytes 0-9", "0-9999999999999999999", "0-1,2-3"]
)
def test_ranges_that_are_none(said):
    with pytest.raises(ProtocolError):
        received(Headers([("Range", said)]))


def test_parts():
    assert part(Headers([("Content-Range", "bytes 5-9/10")])) == (5, 10)
    assert part(Headers([("Content-Range", "bytes 5-9/*")])) == (5, None)
    for said in ("", "5-9/10", "bytes 9-5/10", "bytes */10", "bytes 5-9"):
        with pytest.raises(ProtocolError):
            part(Headers([("Content-Range", said)]))


@pytest.mark.parametrize(("said", "expected"), [("7", 7), ("", None), ("-7", None), ("7, 7", None)])
def test_lengths(said, expected):
    assert length(Headers([("Content-Length", said)])) == expected
