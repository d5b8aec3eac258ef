"""The inbox against browsers that lie: forms, cookies, passkeys, links. One real Guard for all."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.attest.webauthn import Party
from tests.rig.authenticator import PRESENT, Passkey, b64url
from tests.rig.governed import REMIT
from tests.rig.inbox import Visitor, fields_of, options_of, text_of
from tests.rig.people import Treasury
from tests.rig.web import free_port
from tests.rig.wire import Wire


class World:
    """A Guard whose agent waits, and Ann, who is logged in."""

    def __init__(self, treasury: Treasury, wire: Wire) -> None:
        self.treasury = treasury
        self.base = treasury.guard.url
        self.wire = wire
        self._number = 0
        self.ann = self.somebody("ann")
        self.dan = self.somebody("dan")

    def somebody(self, user: str) -> Visitor:
        visitor = Visitor(self.base)
        assert visitor.enrol(self.treasury.invites(user)).status == 303
        return visitor

    def request(self, amount: int = 500) -> str:
        self._number += 1
        return self.treasury.waits(self.wire, self._number, amount, f"SOMEBODY-{self._number}")

    def state(self, request: str) -> str:
        return str(
            self.treasury.guard.ask({"op": "approval", "request": request})["approval"]["state"]
        )

    def again(self) -> bool:
        """Whether the last call goes through when it is made again."""
        number = self._number
        self.treasury.pays(self.wire, 1000 + number, 500, f"SOMEBODY-{number}")
        return not self.wire.response(1000 + number)["result"].get("isError")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        Treasury(
            tmp_path_factory.mktemp("inbox"), "--hold-timeout", "0.2", http="127.0.0.1:0"
        ) as treasury,
        treasury.agent() as wire,
    ):
        yield World(treasury, wire)


@pytest.fixture
def ann(world: World) -> Visitor:
    """Ann in a visit of her own."""
    again = Visitor(world.base, world.ann.passkey)
    assert again.login().status == 303
    return again


def test_a_passkey_in_software_approves(world: World, ann: Visitor) -> None:
    request = world.request()
    world.wire.response(world._number)
    done = ann.says(request, reason="checked", ticket="CHG-7")
    assert (done.status, done.headers["location"]) == (303, f"/approvals/{request}")
    assert world.state(request) == "approved"
    assert world.again()
    assert world.state(request) == "used"
    assert "checked" in text_of(ann.get(f"/{request}"))
    assert request in text_of(ann.get("/past"))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/json"}, 415),
    ],
)
def test_a_form_of_another_page(world: World, ann: Visitor, change: dict, status: int) -> None:
    request = world.request()
    fields = {**fields_of(ann.get(f"/{request}")), "word": "approve"}
    answer = ann.post(f"/{request}/decide", fields, **change)
    assert answer.status == status
    page = ann.decide(request)
    assert ann.post(f"/{request}/sign", ann.signed(page), **change).status == status
    assert world.state(request) == "pending"


def test_origins_of_the_same_machine(world: World, ann: Visitor) -> None:
    """Another port is another origin, and the number of this machine is no name of the pages."""
    request = world.request()
    fields = {**fields_of(ann.get(f"/{request}")), "word": "approve"}
    for origin in ("http://localhost:1", f"http://127.0.0.1:{ann.port}"):
        assert ann.post(f"/{request}/decide", fields, Origin=origin).status == 403


def test_a_form_without_its_secret(world: World, ann: Visitor) -> None:
    request = world.request()
    fields = {**fields_of(ann.get(f"/{request}")), "word": "approve"}
    guest = fields_of(Visitor(world.base).get("/login"))["csrf"]
    for csrf in ("", "x", "\u00e9", world.ann.cookies["remit-session"], guest):
        assert ann.post(f"/{request}/decide", {**fields, "csrf": csrf}).status == 403
    assert ann.post("/logout", {"csrf": guest}).status == 403
    assert ann.get().status == 200


def test_what_was_shown_is_what_is_signed(world: World, ann: Visitor) -> None:
    """Digests of another request, of nothing, or of a text that was not shown: nothing is signed."""
    request, other = world.request(), world.request()
    theirs = fields_of(ann.get(f"/{other}"))
    for changed in (
        {"digest": theirs["digest"]},
        {"displayed": theirs["displayed"]},
        {"digest": ""},
        {"displayed": ""},
    ):
        assert ann.decide(request, **changed).status == 409
    assert ann.decide(request, word="maybe").status == 400
    assert ann.decide(request, reason="x" * 2001).status == 400
    assert ann.decide(request, ticket="x" * 201).status == 400


def test_a_signature_is_of_one_request_and_once(world: World, ann: Visitor) -> None:
    request, other = world.request(), world.request()
    signed = ann.signed(ann.decide(request))
    # Asked for one, given for another: gone for both.
    assert ann.post(f"/{other}/sign", signed).status == 409
    assert ann.post(f"/{request}/sign", signed).status == 409
    signed = ann.signed(ann.decide(request))
    later = ann.signed(ann.decide(request, reason="later"))
    # The challenge is that of the page that came last.
    assert ann.post(f"/{request}/sign", {**signed, "csrf": later["csrf"]}).status == 400
    signed = ann.signed(ann.decide(request))
    assert ann.post(f"/{request}/sign", signed).status == 303
    assert ann.post(f"/{request}/sign", signed).status == 409
    assert ann.decide(request).status == 409
    assert world.state(other) == "pending"


def test_somebody_elses_passkey(world: World, ann: Visitor) -> None:
    """A page of Ann's that Dan's passkey signs, or one that nobody enrolled."""
    request = world.request()
    for passkey in (world.dan.passkey, Passkey(ann.party, b"never enrolled")):
        page = ann.decide(request)
        mine, ann.passkey = ann.passkey, passkey
        signed = ann.signed(page)
        ann.passkey = mine
        assert ann.post(f"/{request}/sign", signed).status in {400, 409}
    assert world.state(request) == "pending"


def test_a_passkey_that_verified_nobody(world: World, ann: Visitor) -> None:
    from base64 import b64decode, b64encode

    request = world.request()
    page = ann.decide(request)
    challenge = b64decode(options_of(page)["challenge"])
    one = ann.passkey.get(challenge, data=ann.passkey.data(PRESENT))
    fields = {
        **fields_of(page),
        "credential": b64encode(one.credential).decode(),
        "client": b64encode(one.client_data).decode(),
        "authenticator": b64encode(one.authenticator_data).decode(),
        "signature": b64encode(one.signature).decode(),
    }
    answer = ann.post(f"/{request}/sign", fields)
    assert answer.status == 400
    assert "did not verify who uses it" in text_of(answer)
    assert world.state(request) == "pending"


def test_without_script_nothing_is_signed(world: World, ann: Visitor) -> None:
    request = world.request()
    fields = fields_of(ann.decide(request))
    answer = ann.post(f"/{request}/sign", fields)
    assert answer.status == 400
    assert "JavaScript" in text_of(answer)


def test_who_may_not_decide_sees_nothing(world: World, ann: Visitor) -> None:
    request = world.request()
    dan = Visitor(world.base, world.dan.passkey)
    assert dan.login().status == 303
    assert request not in text_of(dan.get())
    assert request not in text_of(dan.get("/past"))
    unknown = dan.get("/APR-" + "0" * 26)
    answer = dan.get(f"/{request}")
    assert answer.status == unknown.status == 404
    assert "SOMEBODY" not in text_of(answer)
    fields = {**fields_of(ann.get(f"/{request}")), **fields_of(dan.get())}
    answer = dan.post(f"/{request}/decide", {**fields, "word": "approve"})
    assert answer.status == 404


def test_nobody_sees_anything_before_the_login(world: World) -> None:
    request = world.request()
    stranger = Visitor(world.base)
    for path in ("", "/past", f"/{request}"):
        answer = stranger.get(path)
        assert answer.status == 303
        assert answer.headers["location"].startswith("/approvals/login")
        assert not answer.body
    fields = fields_of(stranger.get("/login"))
    for path in (f"/{request}/decide", f"/{request}/sign", "/logout"):
        assert stranger.post(path, fields).status == 403


def test_a_visit_is_not_prepared_by_somebody_else(world: World) -> None:
    """Session fixation: whatever cookie was there before, the login makes another one."""
    evil = Visitor(world.base)
    page = evil.get("/login")
    victim = Visitor(world.base, world.ann.passkey)
    victim.cookies = {**evil.cookies, "remit-session": "A" * 43}
    assert victim.login().status == 303
    assert victim.cookies["remit-session"] not in {"A" * 43, *evil.cookies.values()}
    evil.cookies["remit-session"] = "A" * 43
    assert evil.get().status == 303
    assert evil.post("/login", evil.signed(page)).status == 403


def test_a_login_ends(world: World, ann: Visitor) -> None:
    kept = dict(ann.cookies)
    assert ann.post("/logout", fields_of(ann.get())).status == 303
    ann.cookies = kept
    assert ann.get().status == 303


def test_the_cookie_is_for_pages_of_ours_alone(ann: Visitor) -> None:
    visitor = Visitor(ann.origin, ann.passkey)
    visitor.login()
    (line,) = visitor.set_cookies
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(line.split("; "))


def test_a_login_challenge_counts_once(world: World) -> None:
    one = Visitor(world.base, world.ann.passkey)
    signed = one.signed(one.get("/login"))
    assert one.post("/login", signed).status == 303
    two = Visitor(world.base, world.ann.passkey)
    assert two.post("/login", {**signed, **fields_of(two.get("/login"))}).status in {400, 403}


def test_login_leads_nowhere_else(world: World) -> None:
    for to in ("https://evil.example", "//evil.example", "/mcp/rec", "/approvals/../x", "x"):
        one = Visitor(world.base, world.ann.passkey)
        page = one.get(f"/login?to={to}")
        assert "evil" not in text_of(page)
        answer = one.post("/login", {**one.signed(page), "to": to})
        assert answer.headers["location"] == "/approvals"


def test_headers_of_every_page(world: World, ann: Visitor) -> None:
    request = world.request()
    pages = ("", "/past", f"/{request}", "/login", "/enrol", "/nothing", "/static/inbox.js")
    for path in pages:
        headers = ann.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
    assert ann.decide(request).headers["cache-control"] == "no-store"


def test_other_names_of_the_listener(world: World, ann: Visitor) -> None:
    answer = ann.get("/past", Host=f"127.0.0.1:{ann.port}")
    assert (answer.status, answer.headers["location"]) == (303, f"{ann.origin}/approvals/past")
    assert ann.get(Host="evil.example").status == 421
    assert ann.post("/logout", {}, Host=f"127.0.0.1:{ann.port}").status == 421


def test_paths_and_methods_that_are_not_there(ann: Visitor) -> None:
    for path in (
        "/", "/", "/APR-1", "/static/../app.py", "/static/", "/static/inbox.css/",
        "/APR-" + "0" * 26 + "/decide",
    ):  # fmt: skip
        assert ann.get(path).status == 404
    assert ann.send("GET", "/approvalsx").status == 404
    for method in ("PUT", "DELETE", "HEAD", "OPTIONS"):
        assert ann.send(method, "/approvals").status == 404
    assert ann.get("?after=%ff").status == 400
    assert ann.get("?after=1&after=2").status == 400


def test_forms_that_are_none(ann: Visitor) -> None:
    csrf = fields_of(ann.get())["csrf"]
    for body in (
        b"\xff",
        b"x",
        b"csrf=%ff",
        f"csrf={csrf}&csrf={csrf}".encode(),
        b"&".join([b"a=1"] * 21),
    ):
        assert ann.send("POST", "/approvals/logout", body).status == 400
    assert ann.send("POST", "/approvals/logout", b"a=" + b"x" * 70_000).status == 413
    assert ann.get().status == 200


# --- enrolment --------------------------------------------------------------------------------


def test_an_invitation_counts_once(world: World) -> None:
    url = world.treasury.invites("eve")
    eve = Visitor(world.base)
    assert eve.enrol(url).status == 303
    assert eve.get().status == 200
    late = Visitor(world.base)
    answer = late.post("/enrol", {**fields_of(late.get("/enrol")), "token": url.partition("#")[2]})
    assert answer.status == 410
    done = world.treasury.guard.ask({"op": "invite", "user": "eve", "name": "Eve"})
    assert done["code"] == "approval.twice"
    assert world.treasury.guard.ask({"op": "revoke", "user": "eve"})["ok"]
    assert eve.get().status == 303
    assert eve.login().status == 403


def test_two_at_the_same_link(world: World) -> None:
    """Whoever signs first is enrolled; the other one's page is worth nothing."""
    token = world.treasury.invites("ben").partition("#")[2]
    pages = []
    for name in (b"first", b"second"):
        one = Visitor(world.base, Passkey(world.ann.party, name))
        page = one.post("/enrol", {**fields_of(one.get("/enrol")), "token": token})
        pages.append((one, one.post("/enrol/key", one.signed(page))))
    (first, page), (second, other) = pages
    assert first.post("/enrol/sign", first.signed(page)).status == 303
    assert second.post("/enrol/sign", second.signed(other)).status == 410
    assert second.login().status == 403
    assert world.treasury.guard.ask({"op": "revoke", "user": "ben"})["ok"]


def test_a_newer_invitation_ends_the_older(world: World) -> None:
    old, new = (world.treasury.invites("ben").partition("#")[2] for _ in range(2))
    one = Visitor(world.base)
    fields = fields_of(one.get("/enrol"))
    assert one.post("/enrol", {**fields, "token": old}).status == 410
    assert one.post("/enrol", {**fields, "token": new}).status == 200
    assert new.encode() not in (world.treasury.guard.state / "approvals.db").read_bytes()


def test_an_enrolment_needs_the_key(world: World) -> None:
    """A registration of one key, signed with another: nobody is enrolled."""
    one = Visitor(world.base)
    fields = fields_of(one.get("/enrol"))
    token = world.treasury.invites("ben").partition("#")[2]
    page = one.post("/enrol/key", one.signed(one.post("/enrol", {**fields, "token": token})))
    one.passkey = Passkey(one.party, one.passkey.name)
    assert one.post("/enrol/sign", one.signed(page)).status == 400
    people = world.treasury.guard.ask({"op": "approvers"})["approvers"]
    assert not any(p["id"] == "ben" and not p["revoked_us"] for p in people)


@pytest.mark.parametrize(
    ("user", "name"), [("", "X"), ("a b", "X"), ("ok", ""), ("ok", "a\nb"), ("ok", "\u202eX")]
)
def test_who_cannot_be_invited(world: World, user: str, name: str) -> None:
    done = world.treasury.guard.ask({"op": "invite", "user": user, "name": name})
    assert done["code"] in {"approval.user", "approval.name"}


def test_a_passkey_of_another_site(world: World) -> None:
    one = Visitor(world.base, Passkey(Party(id="evil.example", origin="https://evil.example")))
    fields = fields_of(one.get("/enrol"))
    token = world.treasury.invites("ben").partition("#")[2]
    page = one.post("/enrol", {**fields, "token": token})
    assert one.post("/enrol/key", one.signed(page)).status == 400


def test_too_many_attempts(tmp_path: Path) -> None:
    """With a Guard of its own, for it locks everybody out of it for a minute."""
    with Treasury(tmp_path, http="127.0.0.1:0") as treasury:
        ann, mia = (Visitor(treasury.guard.url) for _ in range(2))
        assert ann.enrol(treasury.invites("ann")).status == 303
        statuses = [mia.login().status for _ in range(12)]
        assert statuses[0] == 403
        assert statuses[-1] == 429
        assert Visitor(ann.origin, ann.passkey).login().status == 429
        token = treasury.invites("ben").partition("#")[2]
        page = mia.get("/enrol")
        assert mia.post("/enrol", {**fields_of(page), "token": token}).status == 429
        # Who is there already goes on.
        assert ann.get().status == 200
        refused = treasury.records("approver.refused")
    assert {r["code"] for r in refused} == {"inbox.stranger"}
    assert len(refused) == 10


def test_the_evidence_is_verified_again_when_it_is_used(world: World, ann: Visitor) -> None:
    """What was changed in the store since it was signed lets no call through."""
    import sqlite3

    request = world.request()
    world.wire.response(world._number)
    assert ann.says(request, reason="first").status == 303
    with sqlite3.connect(world.treasury.guard.state / "approvals.db") as db:
        (evidence,) = db.execute(
            "SELECT bundle FROM decisions WHERE request = ?", (request,)
        ).fetchone()
        changed = evidence.replace(b'"signature":"MEU', b'"signature":"MEQ')
        changed = changed if changed != evidence else evidence.replace(b'"ME', b'"MF')
        db.execute("UPDATE decisions SET bundle = ? WHERE request = ?", (changed, request))
    db.close()
    assert world.state(request) == "approved"
    assert not world.again()
    assert world.state(request) == "approved"


def test_a_passkey_that_is_revoked_counts_no_more(world: World) -> None:
    eve = world.somebody("eve")
    request = world.request()
    world.wire.response(world._number)
    assert eve.says(request).status == 303
    assert world.treasury.guard.ask({"op": "revoke", "user": "eve"})["ok"]
    assert eve.get().status == 303
    assert not world.again()


def test_an_agent_invites_nobody(world: World) -> None:
    line = [str(world.treasury._helper), "-c", '"$@"; exit $?', "x", REMIT, "approvals", "invite"]
    done = subprocess.run(
        [*line, "mia", "--name", "Mia", "--socket", str(world.treasury.guard.socket)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "an agent cannot" in done.stderr


def test_the_evidence_convinces_others(world: World, ann: Visitor) -> None:
    """What is stored is enough for another implementation of WebAuthn, without Guard."""
    import base64
    import hashlib
    import sqlite3

    import webauthn

    request = world.request()
    assert ann.says(request, "deny", reason="no", ticket="T-9").status == 303
    with sqlite3.connect(world.treasury.guard.state / "approvals.db") as db:
        (text,) = db.execute(
            "SELECT bundle FROM decisions WHERE request = ?", (request,)
        ).fetchone()
    db.close()
    stored = json.loads(text)
    part = {name: base64.b64decode(v) for name, v in stored.items() if name != "mediaType"}
    assert stored["mediaType"] == "application/vnd.remit.webauthn.approval.v1+json"
    said = json.loads(part["statement"])
    found = webauthn.verify_authentication_response(
        credential={
            "id": b64url(part["credentialId"]),
            "rawId": b64url(part["credentialId"]),
            "type": "public-key",
            "response": {
                "clientDataJSON": b64url(part["clientDataJSON"]),
                "authenticatorData": b64url(part["authenticatorData"]),
                "signature": b64url(part["signature"]),
            },
        },
        expected_challenge=hashlib.sha256(
            said["predicateType"].encode() + b"\0" + part["statement"]
        ).digest(),
        expected_rp_id="localhost",
        expected_origin=ann.origin,
        credential_public_key=ann.passkey.cose,
        credential_current_sign_count=0,
        require_user_verification=True,
    )
    assert found.user_verified
    assert checked_alone(text.decode(), ann) == part["statement"]
    predicate = said["predicate"]
    assert (predicate["decision"], predicate["reason"], predicate["ticket"]) == (
        "deny",
        "no",
        "T-9",
    )
    assert predicate["approver"] == {"id": "ann", "name": "Ann Lee"}
    kept = world.treasury.guard.ask({"op": "approval", "request": request})["approval"]
    assert predicate["displayed"]["sha256"] == hashlib.sha256(kept["shown"].encode()).hexdigest()


def checked_alone(evidence: str, reader: Visitor) -> bytes:
    """What the verifier of spec/ says was signed, by the key that it is told to trust."""
    assert reader.passkey is not None
    file = Path(__file__).parents[2] / "spec" / "verify_passkey.py"
    spec = importlib.util.spec_from_file_location("verify_passkey", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return bytes(module.signed(evidence, reader.passkey.der, reader.origin))


def test_the_evidence_of_a_passkey_is_exported(world: World, ann: Visitor, tmp_path: Path) -> None:
    """`remit approvals show --bundle` gives it with the enrolment and the proofs of the log."""
    request = world.request()
    world.wire.response(world._number)
    assert ann.says(request, reason="read").status == 303
    assert world.again()
    file = tmp_path / "evidence.json"
    command = [REMIT, "approvals", "show", request, "--bundle", str(file), "--socket"]
    done = subprocess.run(
        [*command, str(world.treasury.guard.socket)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    (approval,) = found["approvals"]
    for name, kind in (("decision", "approval"), ("enrolment", "enrolment")):
        said = json.loads(checked_alone(approval[name], ann))
        assert said["predicateType"] == f"https://remit.example/{kind}/v1"
    assert len(found["uses"]) == 1
    log = next(world.treasury.guard.state.rglob("log.vkey")).parent
    mark = hashlib.sha256(ann.passkey.der).hexdigest()
    program = Path(__file__).parents[2] / "spec" / "verify_approval.py"
    trusted = ["--vkey", (log / "log.vkey").read_text().strip(), "--approver", f"ann=sha256:{mark}"]

    def verified(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", str(program), str(file), *trusted, *more],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    good = verified("--origin", ann.origin)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "approve by 'ann', 'Ann Lee'" in good.stdout
    assert "used exactly once" in good.stdout
    assert "--origin" in verified().stdout
    assert verified("--origin", "https://evil.example").returncode == 3
    text = file.read_text()
    decision = approval["decision"]
    for at in range(40, len(decision), 97):
        changed = decision[:at] + ("A" if decision[at] != "A" else "B") + decision[at + 1 :]
        file.write_text(text.replace(json.dumps(decision)[1:-1], json.dumps(changed)[1:-1]))
        assert verified("--origin", ann.origin).returncode == 3, at


def test_several_calls_where_policy_allows_them(world: World, ann: Visitor) -> None:
    request = world.request(77)
    assert 'name="uses"' in text_of(ann.get(f"/{request}"))
    assert ann.decide(request, uses="4").status == 400
    assert ann.decide(request, uses="x").status == 400
    assert ann.decide(request, uses="").status == 400
    page = ann.decide(request, uses="2")
    assert "up to 2 times" in text_of(page)
    assert ann.post(f"/{request}/sign", ann.signed(page)).status == 303
    assert world.state(request) == "approved"
    one = world.request(500)
    assert ann.decide(one, uses="2").status == 400


def test_the_log_tells_of_nobody_who_is_not_enrolled(world: World) -> None:
    """A passkey that another user has is refused before anything is recorded."""
    before = len(world.treasury.records("approver.enrol"))
    ben = Visitor(world.base, Passkey(world.ann.party, world.ann.passkey.name))
    answer = ben.enrol(world.treasury.invites("ben"))
    assert answer.status == 409
    assert "enrolled already" in text_of(answer)
    assert len(world.treasury.records("approver.enrol")) == before


def test_what_is_approved_can_be_stopped(world: World, ann: Visitor) -> None:
    request = world.request()
    world.wire.response(world._number)
    assert ann.says(request).status == 303
    page = text_of(ann.get(f"/{request}"))
    assert 'value="deny"' in page
    assert 'value="approve"' not in page
    assert ann.decide(request, "approve").status == 409
    assert ann.says(request, "deny", reason="I was wrong").status == 303
    assert world.state(request) == "denied"
    assert not world.again()
    assert 'name="word"' not in text_of(ann.get(f"/{request}"))


def test_what_outlives_guard(tmp_path: Path) -> None:
    """Enrolments, invitations and requests survive kill -9; visits do not."""
    with Treasury(tmp_path, http=f"127.0.0.1:{free_port()}") as treasury:
        ann = Visitor(treasury.guard.url)
        assert ann.enrol(treasury.invites("ann")).status == 303
        invitation = treasury.invites("ben")
        with treasury.agent() as wire:
            request = treasury.waits(wire, 1, 500, "ALICE")
            page = ann.decide(request)
            treasury.guard.process.kill()
            treasury.guard.process.wait(10)
        treasury.guard.start()
        assert ann.post(f"/{request}/sign", ann.signed(page)).status == 403
        assert ann.get().status == 303
        assert ann.login().status == 303
        assert request in text_of(ann.get())
        assert ann.says(request, "deny").status == 303
        assert Visitor(treasury.guard.url).enrol(invitation).status == 303
