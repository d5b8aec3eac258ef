"""Attacks on the console by raw requests: forged forms, planted visits, guesses, foreign frames."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.audit.log import read
from tests.rig.console import Raw, fields_of
from tests.rig.fronts import Wire
from tests.rig.gated import put
from tests.rig.registries import Registry, hub, person


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A Hub with a gate and no artifact."""
    with hub(tmp_path_factory.mktemp("attacked"), gate=True, options=["--workers", "0"]) as found:
        yield found


def records(registry: Registry, kind: str) -> list[dict]:
    """Records of the Hub's log."""
    (log,) = [each for each in (registry.state / "audit").iterdir() if each.is_dir()]
    return [entry.record for entry in read(log) if entry.record["kind"] == kind]


def logged_in(registry: Registry) -> Raw:
    """The administrator's browser."""
    raw = Raw(registry)
    assert raw.login().status == 303
    return raw


def test_every_answer_keeps_its_frame(registry: Registry) -> None:
    """No script of others, no frame, no cache, whatever is asked."""
    raw = logged_in(registry)
    for path in ("/", "/ui/login", "/ui/artifacts", "/ui/queue", "/ui/nothing", "/ui/static/htmx.js",
                 "/ui/artifacts/x@sha256:1", "/ui/openid", "/ui/queue/"):  # fmt: skip
        answer = raw.get(path)
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'", path
        assert policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["base-uri"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
    page = raw.get("/ui/queue").body.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=\"/ui/static/)", page)
    assert "http" not in re.sub(r"https?-equiv|http-equiv", "", page)


def test_cookies_are_no_scripts_business(registry: Registry) -> None:
    raw = Raw(registry)
    raw.login()
    (line,) = [each for each in raw.set_cookies if "session" in each]
    assert line.startswith("remit-hub-session=")
    assert {"Path=/", "HttpOnly", "SameSite=Strict"} <= set(line.split("; "))


def test_a_form_of_another_page_does_nothing(registry: Registry) -> None:
    raw = logged_in(registry)
    form = fields_of(raw.get("/ui/artifacts"))
    assert form["csrf"]
    for headers in ({"Origin": None}, {"Origin": "null"}, {"Origin": "http://evil.example"},
                    {"Origin": registry.url.replace("127.0.0.1", "localhost")}):  # fmt: skip
        assert raw.post("/ui/logout", form, **headers).status == 403
    for forged in ({}, {"csrf": ""}, {"csrf": "x" * 43}, {"csrf": Raw(registry).registry.password}):
        assert raw.post("/ui/logout", forged).status == 403
    # A guest's secret is good for logging in and nothing else.
    guest = fields_of(Raw(registry).get("/ui/login"))
    assert raw.post("/ui/logout", {"csrf": guest["csrf"]}).status == 403
    assert raw.post("/ui/logout", form, Content_Type="text/plain").status == 415
    assert raw.post("/ui/logout", b"csrf=1&csrf=2").status == 400
    assert raw.post("/ui/logout", b"a=" + b"x" * 70_000).status == 413
    assert raw.get("/ui/artifacts").status == 200, "and nobody was logged out"
    assert raw.get("/ui/logout").status == 404
    assert raw.post("/ui/logout", form).status == 303


def test_logging_in_needs_a_page_of_ours(registry: Registry) -> None:
    """Nobody is logged in as somebody else by a form on another page."""
    raw = Raw(registry)
    form = {"name": registry.user, "password": registry.password}
    assert raw.post("/ui/login", form).status == 403
    assert raw.post("/ui/login", {**form, "csrf": "x" * 43}).status == 403
    assert not any("session" in each for each in raw.cookies)


def test_a_visit_cannot_be_planted(registry: Registry) -> None:
    """Whoever logs in has a new secret; one that was there before is no visit."""
    planted = "p" * 43
    raw = Raw(registry)
    raw.cookies["remit-hub-session"] = planted
    raw.login()
    assert raw.cookies["remit-hub-session"] not in {planted, ""}
    thief = Raw(registry)
    thief.cookies["remit-hub-session"] = planted
    assert thief.get("/ui/artifacts").status == 303
    # Logging in again ends the visit before.
    first = raw.cookies["remit-hub-session"]
    guest = Raw(registry)
    guest.cookies["remit-hub-session"] = first
    form = fields_of(guest.get("/ui/login"))
    assert form == {}, "whoever is there is sent on"
    raw.post("/ui/logout", fields_of(raw.get("/ui/artifacts")))
    old = Raw(registry)
    old.cookies["remit-hub-session"] = first
    assert old.get("/ui/artifacts").status == 303


def test_where_a_login_leads_is_ours(registry: Registry) -> None:
    for to in ("https://evil.example/", "//evil.example", "/\\evil.example", "/ui/../v2/", "/v2/",
               "javascript:alert(1)", "/ui/login", "/ui/\r\nx: y"):  # fmt: skip
        raw = Raw(registry)
        form = fields_of(raw.get("/ui/login"))
        secret = {"name": registry.user, "password": registry.password}
        answer = raw.post("/ui/login", {**form, **secret, "to": to})
        assert answer.status == 303
        assert answer.headers["location"] == "/ui/artifacts", to


def test_hosts_and_hostile_paths(registry: Registry) -> None:
    raw = logged_in(registry)
    assert raw.get("/ui/artifacts", Host="").status == 400
    assert raw.get("/ui/artifacts", Host="a/b").status == 400
    for path in ("/ui/artifacts/../../etc/passwd@sha256:0", "/ui/static/..%2fpages.py",
                 "/ui/static/../pages.py", "/ui/artifacts/%00@x", "/ui/artifacts/a@%3Cscript%3E",
                 "/ui/artifacts/" + "a" * 3000 + "@sha256:" + "0" * 64):  # fmt: skip
        answer = raw.get(path)
        assert answer.status == 404, path
        assert b"<script>" not in answer.body
    assert raw.get("/ui/artifacts?q=" + "x" * 300).status == 400
    assert raw.get("/ui/artifacts?q=1&q=2").status == 400
    assert raw.get("/ui/artifacts?state=exempt").status == 400


@pytest.mark.slow
def test_what_is_held_back_is_not_told_page_by_page(registry: Registry) -> None:
    """Who may not read the manifest learns none of what is written in it; curators look."""
    wire = Wire.to(registry)
    mark, title = "do-as-this-annotation-says", "name-of-a-held-back-file.txt"
    digest, _ = put(wire, "team/held", "v1", {title: b"text"}, annotations={"note": mark})
    page = f"/ui/artifacts/team/held@{digest}"
    roles = {"reader": False, "writer": False, "auditor": False, "curator": True}
    for role, sees in roles.items():
        raw = Raw(person(registry, f"held-{role}", role, "team/**"))
        assert raw.login().status == 303
        answer = raw.get(page)
        assert answer.status == 200
        assert (mark.encode() in answer.body, title.encode() in answer.body) == (sees, sees), role
        for tab in ("files", "findings", "evidence", "materials", "changes", "graph", "history"):
            body = raw.get(f"{page}/{tab}").body
            assert mark.encode() not in body
            assert sees or title.encode() not in body, (role, tab)
        assert raw.get(f"{page}/materials.json").status == 404


@pytest.mark.slow
def test_an_account_that_is_gone_is_out(registry: Registry) -> None:
    """A visit lasts no longer than the account, and no longer than its password."""
    import time

    from tests.rig.hub_users import administer

    ann = person(registry, "ann", "reader", "**")
    raw = Raw(ann)
    assert raw.login().status == 303
    assert raw.get("/ui/account").status == 200
    administer(registry, "account", "password", "ann", stdin="another password of ann\n")
    time.sleep(2.5)
    assert raw.get("/ui/account").status == 303
    assert raw.login(password="another password of ann").status == 303
    administer(registry, "revoke", "ann", "**")
    time.sleep(2.5)
    assert b"You have no role" in raw.get("/ui/account").body
    administer(registry, "account", "remove", "ann")
    time.sleep(2.5)
    assert raw.get("/ui/account").status == 303


def test_robots_have_no_pages(registry: Registry, tmp_path: Path) -> None:
    from tests.rig.registries import administer

    said = administer(registry, "robot", "add", "ci")
    secret = re.search(r"rht_[A-Za-z0-9_-]+", said)
    assert secret is not None
    answer = Raw(registry).login("robot$ci", secret[0])
    assert answer.status == 403
    assert b"has no pages" in answer.body


def test_guessing_is_slow(tmp_path: Path) -> None:
    """After a few guesses nobody is let in from there, not even with the password."""
    with hub(tmp_path, gate=True, options=["--workers", "0"]) as registry:
        raw = Raw(registry)
        form = fields_of(raw.get("/ui/login"))
        seen = []
        for number in range(14):
            guess = {**form, "name": registry.user, "password": f"guess {number}"}
            seen.append(raw.post("/ui/login", guess).status)
        assert seen[:5] == [401] * 5
        assert 429 in seen
        right = {**form, "name": registry.user, "password": registry.password}
        assert raw.post("/ui/login", right).status == 429
        refused = records(registry, "console.refuse")
        assert len(refused) >= 5
        assert refused[0]["actor"] == {"user": "admin", "peer": "127.0.0.1"}
        assert registry.password not in str(refused)
        assert not records(registry, "console.login")
