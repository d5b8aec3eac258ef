"""What browsers ask and are answered, without a browser."""

import pytest

from remit.web.errors import PageError
from remit.web.exchange import Asked, Cookies, Reply, read_form, read_query, see

FORM = {"content-type": "application/x-www-form-urlencoded"}
HERE = Cookies("http://localhost:7448")
TLS = Cookies("https://guard.example")
TOKEN = "t" * 43


def test_a_form_is_read():
    found = read_form(FORM, b"a=1&b=%C3%A9+x&c=&d=x%0D%0Ay")
    assert found == {"a": "1", "b": "é x", "c": "", "d": "x\ny"}
    assert read_form({"content-type": FORM["content-type"] + "; charset=UTF-8"}, b"") == {}
    assert read_query(b"/approvals?after=APR-1") == {"after": "APR-1"}
    assert read_query(b"/approvals") == {}


@pytest.mark.parametrize(
    "body",
    [b"a=1&a=2", b"a", b"a=%ff", b"\xff=1", b"&&&", b"&".join(b"x%d=1" % i for i in range(21))],
)
def test_a_form_that_means_two_things_or_nothing(body):
    with pytest.raises(PageError) as found:
        read_form(FORM, body)
    assert found.value.status == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x"])
def test_other_bodies(kind):
    with pytest.raises(PageError) as found:
        read_form({"content-type": kind}, b"a=1")
    assert found.value.status == 415


def rules(line):
    """Name and value of a cookie, and the set of its attributes."""
    first, *more = line.split("; ")
    return first, set(more)


def test_cookies_say_how_they_are_protected():
    plain = {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert rules(HERE.session(TOKEN)) == (f"remit-session={TOKEN}", plain)
    assert rules(TLS.session(TOKEN)) == (f"__Host-remit-session={TOKEN}", {*plain, "Secure"})
    assert rules(TLS.session("")) == ("__Host-remit-session=", {*plain, "Secure", "Max-Age=0"})
    assert rules(TLS.guest(TOKEN)) == (f"__Host-remit-guest={TOKEN}", {*plain, "Secure"})
    # A provider's page brings this one back: it has to come along from there, and says nothing.
    away = {"Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600"}
    assert rules(TLS.away(TOKEN)) == (f"__Host-remit-away={TOKEN}", away)


def test_cookies_are_read():
    other = "g" * 43
    assert HERE.read(f"x=1; remit-session={TOKEN}; remit-guest={other}") == (TOKEN, other, "")
    assert TLS.read(f"__Host-remit-session={TOKEN}; remit-session={other}") == (TOKEN, "", "")
    assert HERE.read(f"remit-session={TOKEN}, remit-session={other}") == (TOKEN, "", "")
    for wrong in ("", "remit-session=", "remit-session=<x>", "remit-session=" + "x" * 101):
        assert HERE.read(wrong) == ("", "", "")


def test_every_answer_has_its_headers():
    for reply in (Reply(), see("/approvals", **{"set-cookie": "x"}), Reply(status=500)):
        assert reply.headers["x-frame-options"] == "DENY"
        assert "unsafe" not in reply.headers["content-security-policy"]
    assert see("/x").headers["location"] == "/x"


@pytest.mark.parametrize("text", ["", "%", "YQ", "YQ==\n", "é"])
def test_what_the_script_did_not_fill_in(text):
    asked = Asked(
        method="POST", path="", query={}, form={"client": text}, address="", by_person=True,
        token="", guest_token="",
    )  # fmt: skip
    for name in ("client", "signature"):
        with pytest.raises(PageError):
            asked.data(name)
