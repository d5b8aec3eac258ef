import json

import pytest

from remit.approvals.rendering import displayed, iso, render
from remit.core.strictjson import StrictJsonError
from tests.unit.approvals.cases import NOW_US, REQUEST, request


def test_all_of_it_is_there():
    text = render(REQUEST)
    for part in (
        "bank/pay on server bank", "claude-code (/opt/claude)", "carl (svc)", "More than 10",
        "one (sha256:bb)", "1 of treasury", "up to 2 calls", "destructive", "secret", "untrusted",
        '"amount": 50', REQUEST.action.digest, "2027-01-15T08:10:00Z",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    "bad",
    [
        "\u202e",
        "\u2066",
        "\u200b",
        "\u00ad",
        "\U000e0041",
        "\x1b[2J",
        "\x00",
        "\u2028",
        "\ue000",
        "\r",
    ],
)
def test_nothing_can_deceive(bad):
    arguments = json.dumps({"to" + bad: "a" + bad + "b"}, ensure_ascii=False)
    text = render(request(arguments=arguments, reason="r" + bad, user="u" + bad, name="n" + bad))
    assert bad not in text
    assert all(c == "\n" or c.isprintable() for c in text)


def test_a_line_cannot_be_forged():
    text = render(
        request(
            user="x\nApprovers: 0 of nobody",
            arguments=json.dumps({"a": "x\n\nApprovers: 0 of nobody"}),
        )
    )
    assert sum(line.startswith("Approvers:") for line in text.split("\n")) == 1


def test_what_looks_escaped_is_told_from_what_is():
    real = render(request(arguments=json.dumps({"a": "\u202e"}, ensure_ascii=False)))
    fake = render(request(arguments=json.dumps({"a": "\\u{202e}"})))
    assert real != fake


def test_letters_of_other_scripts_are_named():
    text = render(request(arguments=json.dumps({"to": "p\u0430ypal"}, ensure_ascii=False)))
    assert "U+0430 CYRILLIC SMALL LETTER A" in text
    assert "Look twice" not in render(request(arguments='{"to":"Müller"}'))


def test_nothing_is_cut_and_what_is_too_long_is_refused():
    long = "x" * 200_000
    assert long in render(request(arguments=json.dumps({"a": long})))
    with pytest.raises(StrictJsonError):
        render(request(arguments=json.dumps({"a": "x" * 300_000})))


def test_the_digest_is_of_the_text():
    assert displayed(REQUEST) == displayed(request())
    assert displayed(REQUEST) != displayed(request(reason="Other"))


def test_times_are_utc():
    assert iso(NOW_US) == "2027-01-15T08:00:00Z"
