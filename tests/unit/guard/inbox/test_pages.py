"""Pages escape everything, and comparisons end in good time."""

import subprocess
import sys

import pytest

from remit.approvals.request import Action, Request
from remit.guard.approvals.party import party_of
from remit.guard.inbox.compare import compared
from remit.guard.inbox.pages import ASSETS, asset, page
from remit.web.errors import PageError


def request(arguments):
    action = Action(
        agent="a", user="u", session="s", server="srv", name="srv/pay", arguments=arguments,
        policy_digest="sha256:0",
    )  # fmt: skip
    return Request(
        id="APR-1", guard="g", action=action, rule="r", approvers="t", requested_us=0,
        expires_us=1, nonce="0",
    )  # fmt: skip


def test_everything_is_escaped():
    error = PageError(400, "<script>alert(1)</script> & \"'", hint="<b>")
    body = page("error", status=400, error=error, approver=None, csrf="").body.decode()
    assert "<script>alert" not in body
    assert "<b>" not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body


def test_assets():
    for name in ASSETS:
        assert asset(name).body
    for name in ("", "../app.py", "inbox.css/", "x.css"):
        with pytest.raises(PageError):
            asset(name)
    assert b"http" not in asset("inbox.css").body
    assert b"eval" not in asset("inbox.js").body


def test_a_comparison():
    lines = compared(request('{"a":1,"b":2}'), request('{"a":1,"b":3}'))
    assert [(line.mark, line.text.strip()) for line in lines] == [
        (" ", "{"), (" ", '"a": 1,'), ("-", '"b": 3'), ("+", '"b": 2'), (" ", "}"),
    ]  # fmt: skip


def test_a_comparison_that_nobody_reads():
    many = "[" + ",".join(str(i) for i in range(3000)) + "]"
    assert compared(request(many), request("[]")) is None
    some = "[" + ",".join(str(i) for i in range(600)) + "]"
    assert compared(request(some), request("[]")) is None


@pytest.mark.parametrize(
    ("base", "party", "origin"),
    [
        ("http://127.0.0.1:7448", "localhost", "http://localhost:7448"),
        ("http://[::1]:7448", "localhost", "http://localhost:7448"),
        ("https://127.0.0.1:7448", "localhost", "https://localhost:7448"),
        ("https://Guard.Example", "guard.example", "https://guard.example"),
        ("https://guard.example:443", "guard.example", "https://guard.example"),
        ("https://guard.example:8443", "guard.example", "https://guard.example:8443"),
    ],
)
def test_where_passkeys_work(base, party, origin):
    found = party_of(base)
    assert found is not None
    assert (found.id, found.origin) == (party, origin)


@pytest.mark.parametrize(
    "base", ["http://guard.example", "https://192.0.2.7", "https://[2001:db8::1]:8443", ""]
)
def test_where_they_do_not(base):
    assert party_of(base) is None


def test_a_guard_imports_pages_when_somebody_asks():
    """Neither the daemon nor its listener loads the pages or Jinja."""
    code = (
        "import sys, remit.guard.daemon.compose, remit.guard.http.app, "
        "remit.guard.http.listener, remit.guard.daemon.rooms, remit.guard.callers.compose\n"
        "print([m for m in sys.modules if m.partition('.')[0] in {'jinja2', 'markupsafe'}"
        " or m.startswith('remit.guard.inbox') or m == 'webauthn'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
