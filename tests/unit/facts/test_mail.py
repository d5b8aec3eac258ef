from typing import Any

import pytest

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")
SPEC = FactSpec("m", "mail", ("*",), ("to", "cc"), options_for("mail", {}))


def fact(to: Any, cc: Any = None) -> Fact:
    return compute(SPEC, {"to": to, "cc": cc}, ENV)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@b.example", ["a@b.example"]),
        (" A.B+c@Sub.B-d.Example ", ["a.b+c@sub.b-d.example"]),
        ("Ann Lee <ann@b.example>", ["ann@b.example"]),
        ('"Ann Lee (x)" <ann@b.example>', ["ann@b.example"]),
        ("Änne Müller <ann@b.example>", ["ann@b.example"]),
        ("<ann@b.example>", ["ann@b.example"]),
        ("a@b.example, Bo <c@d.example>", ["a@b.example", "c@d.example"]),
        (
            ["a@b.example", "c@d.example, e@f.example"],
            ["a@b.example", "c@d.example", "e@f.example"],
        ),
        ("a@xn--bcher-kva.example", ["a@xn--bcher-kva.example"]),
        ("", []),
        ("  ", []),
        ([], []),
    ],
)
def test_addresses(value: Any, addresses: list[str]) -> None:
    found = fact(value)
    assert found.problem == ""
    assert found.attributes["addresses"] == addresses
    assert found.attributes["domains"] == sorted({a.partition("@")[2] for a in addresses})
    assert found.attributes["count"] == len(addresses)


def test_several_arguments_count_together() -> None:
    found = fact("a@b.example", ["a@b.example", "c@b.example"]).attributes
    assert found["count"] == 3
    assert found["domains"] == ["b.example"]


@pytest.mark.parametrize(
    "value",
    [
        "a", "a@", "@b.example", "a@b", "a@b@c.example", "a@@b.example", "a@b.example\r\nBcc: x@y.example",
        "a@b.example\nx@y.example", "a@b.example\rx", "a@b.example\tx", "a@b.example\x00", "a@b.example;c@d.example",
        "a@b.example c@d.example", "a@b.example,", ",a@b.example", "a@b.example,,c@d.example", "a @b.example",
        "a@ b.example", "a(c)@b.example", "a@b.example (c)", "(c) a@b.example", "a@(c)b.example",
        '"a b"@c.example', '"a@x.example"@b.example', '"a"@b.example', "a\\@b@c.example", "a@[1.2.3.4]", "a@1.2.3.4",
        "a@b.example>", "<a@b.example", "<<a@b.example>>", "x <a@b.example> y", "x <a@b.example>, y <",
        "c@d.example <a@b.example>", '"c@d.example" <a@b.example>', '"x, c@d.example" <a@b.example>',
        "Group: a@b.example;", "<@r.example:a@b.example>", "a%c@b.example", "b.example!a", "x!a@b.example",
        "=?utf-8?q?x?= <a@b.example>", "a@bücher.example", "ä@b.example", "a@b\u200b.example", "a@b．example",
        "a@b.example.", "a@.b.example", "a@b..example", "a@-b.example", "a@b-.example", ".a@b.example",
        "a.@b.example", "a..b@c.example", "a" * 65 + "@b.example", "a@" + "b." * 130 + "example", "mailto:a@b.example",
        "a@b.example?cc=x@y.example", "x\u202e <a@b.example>", "a@b_c.example", "\ud800@b.example", 1, True,
        {"address": "a@b.example"}, [["a@b.example"]], [1],
    ],
)  # fmt: skip
def test_what_mail_programs_read_differently_fails(value: Any) -> None:
    found = fact(value)
    assert found.attributes["ok"] is False
    assert found.attributes["domains"] == ["unknown"]


def test_too_many_fail() -> None:
    assert fact(["a@b.example"] * 1001).attributes["ok"] is False
    assert fact([",".join(["a@b.example"] * 900)] * 2).attributes["ok"] is False
