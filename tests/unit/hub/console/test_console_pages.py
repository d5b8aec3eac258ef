"""Pages escape everything, and nothing of them is somebody else's."""

import hashlib
from importlib.resources import files

import pytest

from remit.hub.console.pages import ASSETS, asset, many, page, short, size
from remit.hub.console.ports import Standing
from remit.hub.console.words import Look
from remit.hub.registry.access import Caller, Grant
from remit.web.errors import PageError
from remit.web.exchange import Asked, Cookies

HOSTILE = "<script>alert(1)</script>\u202e\x1b[1m"


def look(*grants):
    asked = Asked(method="GET", path="/", query={}, form={}, address="", by_person=True)
    caller = Caller(name="ann", grants=tuple(Grant(pattern=p, role=r) for p, r in grants))
    return Look(asked=asked, caller=caller, origin="http://h", cookies=Cookies("http://h"))


def test_everything_is_escaped():
    error = PageError(400, HOSTILE, hint=HOSTILE)
    body = page("error", status=400, error=error, look=None, csrf="").body.decode()
    assert "<script>alert" not in body
    assert "\u202e" not in body
    assert "\x1b" not in body
    assert "&lt;script&gt;" in body
    form = page(
        "login", look=None, csrf="c", to='"><b>', name=HOSTILE, why=HOSTILE, provider=HOSTILE
    ).body.decode()
    assert "<script>alert" not in form
    assert "<b>" not in form


def test_assets():
    for name in ASSETS:
        assert asset(name).body
    for name in ("", "../app.py", "htmx.LICENSE", "x.css", "console.css/"):
        with pytest.raises(PageError):
            asset(name)
    assert b"http" not in asset("console.css").body


def test_htmx_is_as_it_was_published():
    """The file of the package htmx.org 4.0.1, dist/htmx.min.js, with its licence."""
    assert hashlib.sha256(asset("htmx.js").body).hexdigest() == (
        "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
    )
    licence = files("remit.hub.console").joinpath("static", "htmx.LICENSE").read_text()
    assert "Zero-Clause BSD" in licence


def test_numbers_for_people():
    assert [size(n) for n in (0, 1023, 1024, 1536, 5 << 30)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB",
    ]  # fmt: skip
    assert (many(1, "layer"), many(0, "layer")) == ("1 layer", "0 layers")
    assert short("sha256:" + "a" * 64) == "sha256:" + "a" * 12


@pytest.mark.parametrize(
    ("role", "state", "readable"),
    [
        ("reader", "admitted", True), ("reader", "quarantined", False),
        ("reader", "review", False), ("reader", "refused", False), ("reader", "withdrawn", False),
        ("reader", "exempt", True), ("reader", "", True), ("reader", "strange", False),
        ("writer", "quarantined", False), ("curator", "refused", True), ("admin", "review", True),
        ("auditor", "admitted", False), ("auditor", "refused", False),
    ],
)  # fmt: skip
def test_who_may_read_what(role, state, readable):
    """The same as at the registry: what is admitted, and to curators the rest."""
    assert look(("team/*", role)).may_read("team/a", Standing(state=state)) is readable
    assert look(("team/*", role)).may_read("other/a", Standing(state=state)) is False


def test_nobody_is_nobody():
    nobody = look()
    nobody.caller = None
    with pytest.raises(PageError) as found:
        _ = nobody.me
    assert found.value.status == 401
    with pytest.raises(PageError):
        nobody.may("a", "list")
