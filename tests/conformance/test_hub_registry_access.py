"""Who may do what: Basic and Bearer, scopes, roles, 401 and 403, and what is not told."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time

import pytest

from tests.rig.hubs import Client, basic, digest, fresh, manifest

DATA = b"a secret of a team"


def name():
    return "u" + secrets.token_hex(5)


@pytest.fixture
def full(admin, repo):
    """A repository with a blob and a tag: the digest of the manifest."""
    return admin.push(repo, "v1", DATA)


def every(client, repo, named):
    """One request of each kind: its status."""
    blob = f"/v2/{repo}/blobs/{digest(DATA)}"
    by_digest = f"/v2/{repo}/manifests/{named}"
    return {
        "list": client("GET", f"/v2/{repo}/tags/list").status,
        "referrers": client("GET", f"/v2/{repo}/referrers/{named}").status,
        "pull": client("GET", by_digest).status,
        "pull-blob": client("HEAD", blob).status,
        "push": client("POST", f"/v2/{repo}/blobs/uploads/", b"").status,
        "push-manifest": client.put_manifest(repo, "v2", b"{}").status,
        "delete": client("DELETE", f"/v2/{repo}/manifests/none").status,
        "delete-blob": client("DELETE", f"/v2/{repo}/blobs/{digest(b'none')}").status,
    }


OPEN = {"list": 200, "referrers": 200, "pull": 200, "pull-blob": 200, "push": 202,
        "push-manifest": 400, "delete": 404, "delete-blob": 404}  # fmt: skip
LOOK, READ = {"list", "referrers"}, {"pull", "pull-blob"}
WRITE, ERASE = {"push", "push-manifest"}, {"delete", "delete-blob"}
MAY = {
    "reader": LOOK | READ,
    "writer": LOOK | READ | WRITE,
    "curator": set(OPEN),
    "admin": set(OPEN),
    "auditor": LOOK,
}


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("with_token", [False, True])
def test_roles(stage, repo, full, role, with_token):
    client = stage.account(name(), {repo: role})
    if with_token:
        client = client.bearer(f"repository:{repo}:*")
    expected = {what: status if what in MAY[role] else 403 for what, status in OPEN.items()}
    if with_token and role == "auditor":
        # An auditor gets no action of the wire, and lists by name and password.
        expected = dict.fromkeys(OPEN, 403)
    assert every(client, repo, full) == expected


def test_nobody(stage, repo, full):
    assert set(every(stage.anonymous, repo, full).values()) == {401}


def test_another_repository(stage, repo, full):
    client = stage.account(name(), {f"{repo}/below": "admin", fresh(): "admin"})
    assert set(every(client, repo, full).values()) == {403}


def test_everybody_may_read_what_is_granted_to_everybody(stage, repo, full):
    from remit.hub.store import accounts as kept

    stage.change(lambda c: kept.grant(c, "anonymous", repo, "reader", 1))
    until = time.monotonic() + 10
    while stage.anonymous("GET", f"/v2/{repo}/manifests/v1").status != 200:
        assert time.monotonic() < until
        time.sleep(0.2)
    found = every(stage.anonymous, repo, full)
    assert {what for what, status in found.items() if status == 200} == LOOK | READ
    assert {found[what] for what in WRITE | ERASE} == {401}
    token = stage.anonymous.bearer(f"repository:{repo}:pull,push")
    assert token("GET", f"/v2/{repo}/manifests/v1").status == 200
    assert token("POST", f"/v2/{repo}/blobs/uploads/", b"").status == 401


@pytest.mark.parametrize("action", ["pull", "push", "delete"])
def test_a_token_is_good_for_its_scope(stage, repo, full, action):
    client = stage.account(name(), {repo: "curator"}).bearer(f"repository:{repo}:{action}")
    found = every(client, repo, full)
    allowed = {"pull": LOOK | READ, "push": WRITE, "delete": ERASE}[action]
    assert {what for what, status in found.items() if status != 403} == allowed


def test_a_scope_that_is_too_small_is_403_with_the_scope_that_is_needed(stage, repo, full):
    """With 401, clients send the token that they have again."""
    client = stage.account(name(), {repo: "curator"}).bearer(f"repository:{repo}:pull")
    for method, path, wanted in (
        ("POST", f"/v2/{repo}/blobs/uploads/", "pull,push"),
        ("DELETE", f"/v2/{repo}/manifests/v1", "delete"),
        ("GET", f"/v2/{fresh()}/manifests/v1", "pull"),
    ):
        got = client(method, path, b"")
        assert (got.status, got.code) == (403, "DENIED")
        there = path.split("/")[2]
        assert got.headers["www-authenticate"].endswith(f',scope="repository:{there}:{wanted}"')


def test_nobody_is_told_which_scope_is_needed(stage, repo):
    got = stage.anonymous("POST", f"/v2/{repo}/blobs/uploads/", b"")
    assert (got.status, got.code) == (401, "UNAUTHORIZED")
    host = stage.registry.host
    assert got.headers["www-authenticate"] == (
        f'Bearer realm="http://{host}/token",service="{host}",scope="repository:{repo}:pull,push"'
    )


def test_a_host_that_is_none_is_not_repeated(stage):
    for host in ('evil"quote', "a b", "x" * 300):
        got = Client(stage.registry.host)("GET", "/v2/", host=host)
        assert host not in got.headers.get("www-authenticate", "")


def test_what_is_refused_looks_the_same_whether_it_is_there_or_not(stage, repo, full):
    client = stage.account(name(), {})
    people = {"basic": client, "nobody": stage.anonymous}
    there, absent = (
        {what: answers(each, repository) for what, each in people.items()}
        for repository in (repo, fresh())
    )
    assert there == absent


def answers(client, repository):
    found = []
    for method, path in (
        ("GET", "tags/list"), ("GET", "manifests/v1"), ("HEAD", "manifests/v1"),
        ("GET", f"blobs/{digest(DATA)}"), ("HEAD", f"blobs/{digest(DATA)}"),
        ("GET", f"referrers/{digest(DATA)}"), ("POST", "blobs/uploads/"), ("DELETE", "manifests/v1"),
    ):  # fmt: skip
        got = client(method, f"/v2/{repository}/{path}", b"" if method == "POST" else None)
        headers = sorted((each, value) for each, value in got.headers.items() if each != "date")
        text = repr((got.status, headers, got.body)).replace(repository, "NAME")
        found.append(text.replace(f"{len(got.body)}", "N"))
    return found


# -- Basic ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"admin").decode(), "Basic =", "Digest x",
     "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "x", "Bearer", "Bearer ", "Negotiate abc",
     "Basic " + base64.b64encode(b":empty").decode(), "basic", "Basic " + "A" * 20_000],
)  # fmt: skip
def test_credentials_that_cannot_be_read(stage, header):
    got = Client(stage.registry.host, header)("GET", "/v2/")
    assert (got.status, got.code) == (401, "UNAUTHORIZED")
    assert got.headers["www-authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize(
    ("user", "password"),
    [("nobody", "x"), ("a\0b", "x"), ("admin", "wr\0ng"), ("u" * 5000, "x"), ("admin", "p" * 5000),
     ("admin", ""), ("'; DROP TABLE accounts; --", "x"), ("\u00e4\U0001f600", "x"), ("a\nb", "x")],
)  # fmt: skip
def test_wrong_names_and_passwords(stage, user, password):
    got = Client(stage.registry.host, basic(user, password))("GET", "/v2/")
    assert (got.status, got.code) == (401, "UNAUTHORIZED"), got


def test_wrong_credentials_are_never_anonymous(stage, repo, full):
    """Where anybody may read, somebody with a wrong password still may not."""
    from remit.hub.store import accounts as kept

    stage.change(lambda c: kept.grant(c, "anonymous", repo, "reader", 1))
    wrong = Client(stage.registry.host, basic(name(), "wrong"))
    assert wrong("GET", f"/v2/{repo}/manifests/v1").status == 401
    assert wrong("GET", f"/token?scope=repository:{repo}:pull").status == 401


def test_the_scheme_is_of_any_case(stage):
    kind, _, value = stage.admin.authorization.partition(" ")
    for each in (kind.lower(), kind.upper()):
        assert Client(stage.registry.host, f"{each} {value}")("GET", "/v2/").status == 200


def test_many_wrong_passwords(stage):
    """After a few, one waits; the right password of somebody else still works."""
    user = name()
    right = stage.account(user, {})
    wrong = Client(stage.registry.host, basic(user, "wrong"))
    seen = [wrong("GET", "/v2/").status for _ in range(7)]
    assert seen[:5] == [401] * 5
    assert seen[-1] == 429
    got = wrong("GET", "/v2/")
    assert (got.status, got.code) == (429, "TOOMANYREQUESTS")
    assert 1 <= int(got.headers["retry-after"]) <= 60
    # Also the right one is not looked at: else guessing goes on and only the answer is slow.
    assert right("GET", "/v2/").status == 429
    assert stage.admin("GET", "/v2/").status == 200
    time.sleep(int(got.headers["retry-after"]))
    assert right("GET", "/v2/").status == 200


def test_many_wrong_passwords_at_once(stage):
    """Guesses that come together are counted as those that come one after another."""
    user = name()
    stage.account(user, {})
    answers = []

    def guess(number):
        answers.append(
            Client(stage.registry.host, basic(user, f"wrong {number}"))("GET", "/v2/").status
        )

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(24)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert set(answers) <= {401, 429}
    assert answers.count(401) <= 8


# -- Bearer --------------------------------------------------------------------------------------


def test_a_token(stage, repo, full):
    client = stage.account(name(), {repo: "reader"})
    got = client("GET", f"/token?service=x&scope=repository:{repo}:pull,push&account=x&client_id=y")
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.headers["cache-control"] == "no-store"
    assert got.json["token"] == got.json["access_token"]
    assert 60 <= got.json["expires_in"] <= 3600
    assert claims(got.json["token"])["access"] == [
        {"type": "repository", "name": repo, "actions": ["pull"]}
    ]


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize(
    "scope",
    ["", "nonsense", "repository:x", "repository::pull", "registry:nothing:*", "repository:{}:",
     "repository:{}:fly", "repository:A:pull", "a:b:c:d:e", "repository(plugin):{}:fly", "%00", "x" * 5000],
)  # fmt: skip
def test_a_scope_that_asks_for_nothing(stage, repo, full, scope):
    client = stage.account(name(), {repo: "admin"})
    got = client("GET", f"/token?scope={scope.format(repo)}")
    assert got.status in {200, 400}
    if got.status == 200:
        assert claims(got.json["token"])["access"] == []


def test_many_scopes(stage, repo, full):
    client = stage.account(name(), {"**": "reader"})
    asked = [f"repository:{fresh()}:pull" for _ in range(100)]
    token = client.bearer(*asked, f"repository:{repo}:pull")
    assert len(claims(token.authorization.split()[1])["access"]) <= 32


def test_one_scope_parameter_may_hold_several(stage, repo, full):
    other = fresh()
    client = stage.account(name(), {repo: "reader", other: "reader"})
    token = client.bearer(f"repository:{repo}:pull%20repository:{other}:pull")
    assert token("GET", f"/v2/{repo}/manifests/v1").status == 200
    assert token("GET", f"/v2/{other}/manifests/v1").status == 404


def test_a_token_is_not_traded_for_a_wider_one(stage, repo, full):
    """Who finds a token for one thing has that thing, and no other."""
    client = stage.account(name(), {"**": "admin"})
    narrow = client.bearer(f"repository:{repo}:pull")
    got = narrow("GET", f"/token?scope=repository:{repo}:pull,push,delete")
    assert (got.status, got.code) == (401, "UNAUTHORIZED")


def forged(token, **changes):
    """A token whose claims were changed, with its old signature."""
    head, _, sign = token.split(".")
    body = coded(json.dumps({**claims(token), **changes}).encode())
    return f"{head}.{body}.{sign}"


def coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header, said, key):
    text = f"{coded(json.dumps(header).encode())}.{coded(json.dumps(said).encode())}"
    return f"{text}.{coded(hmac.digest(key, text.encode(), hashlib.sha256))}"


def test_forged_tokens(stage, repo, full):
    client = stage.account(name(), {repo: "reader"})
    good = client.bearer(f"repository:{repo}:pull").authorization.split()[1]
    said = claims(good)
    head, body, sign = good.split(".")
    admin = {**said, "sub": "admin"}
    none = coded(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    tokens = {
        "claims": forged(good, sub="admin"),
        "none": f"{none}.{body}.",
        "none with signature": f"{none}.{body}.{sign}",
        "None": f"{coded(json.dumps({'alg': 'None'}).encode())}.{body}.",
        "another key": signed({"alg": "HS256", "typ": "JWT"}, admin, b"k" * 32),
        "empty key": signed({"alg": "HS256", "typ": "JWT"}, admin, b""),
        "another algorithm": signed({"alg": "RS256", "typ": "JWT"}, admin, b"k" * 32),
        "key in the header": signed({"alg": "HS256", "jwk": {"kty": "oct", "k": coded(b"k" * 32)}}, admin, b"k" * 32),
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "cut": good[:-5],
        "more": good + "AAAA",
        "other padding": good + "=",
        "not json": f"{head}.{coded(b'{')}.{sign}",
        "nonsense": "abc",
        "long": "a" * 10_000,
    }  # fmt: skip
    assert Client(stage.registry.host, f"Bearer {good}")("GET", "/v2/").status == 200
    for what, token in tokens.items():
        got = Client(stage.registry.host, f"Bearer {token}")("GET", f"/v2/{repo}/manifests/v1")
        assert (got.status, got.code) == (401, "UNAUTHORIZED"), what
        assert got.headers["www-authenticate"].startswith("Bearer "), what


@pytest.mark.parametrize("seconds", [-1, -3600])
def test_an_expired_token(stage, repo, full, seconds):
    """Signed by the Hub's own key, which only its database has."""
    from remit.hub.store import accounts as kept

    key = stage.change(lambda c: kept.setting(c, "token_key", b""))
    now = int(time.time())
    access = [{"type": "repository", "name": repo, "actions": ["pull"]}]
    said = {"sub": "admin", "iat": now - 7200, "exp": now + 60, "access": access}
    header = {"alg": "HS256", "typ": "JWT"}
    path = f"/v2/{repo}/manifests/v1"
    good = signed(header, said, key)
    assert Client(stage.registry.host, f"Bearer {good}")("GET", path).status == 200
    old = signed(header, {**said, "exp": now + seconds}, key)
    assert Client(stage.registry.host, f"Bearer {old}")("GET", path).status == 401
    endless = signed(header, {key: value for key, value in said.items() if key != "exp"}, key)
    assert Client(stage.registry.host, f"Bearer {endless}")("GET", path).status == 401


def test_a_token_does_not_outlive_the_role_or_the_account(stage, repo, full):
    from remit.hub.store import accounts as kept

    user = name()
    client = stage.account(user, {repo: "reader"})
    token = client.bearer(f"repository:{repo}:pull")
    path = f"/v2/{repo}/manifests/v1"
    assert token("GET", path).status == 200
    stage.change(lambda c: kept.revoke(c, user, repo))
    waits(token, path, 403)
    stage.change(lambda c: kept.remove(c, user))
    waits(token, path, 401)
    waits(client, path, 401)


def waits(client, path, status):
    until = time.monotonic() + 10
    while client("GET", path).status != status:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_robot(stage, repo, full):
    robot = stage.account("robot$" + name(), {repo: "reader"}, kind="robot")
    assert robot("GET", f"/v2/{repo}/manifests/v1").status == 200
    assert robot.bearer(f"repository:{repo}:pull")("GET", f"/v2/{repo}/manifests/v1").status == 200


def test_an_account_that_has_ended(stage, repo, full):
    from sqlalchemy import update

    from remit.hub.store.tables import accounts

    user = name()
    client = stage.account(user, {repo: "reader"})
    ended = update(accounts).where(accounts.c.name == user).values(expires_us=5)
    stage.change(lambda c: c.execute(ended).rowcount)
    assert client("GET", f"/v2/{repo}/manifests/v1").status == 401


def test_an_upload_is_of_who_may_push(stage, admin, repo):
    """Its address alone is not enough, even for one who may read the repository."""
    location = admin.start(repo)
    reader = stage.account(name(), {repo: "reader"})
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert reader(method, f"{location}?digest={digest(b'')}", b"x").status == 403
    assert stage.anonymous("PATCH", location, b"x").status == 401
    assert admin("GET", location).range == "0-0"


def test_a_refusal_is_read_by_who_is_still_sending(stage, repo):
    """The connection is not closed under a body that nobody wants."""
    body = secrets.token_bytes(8 * 1024 * 1024)
    for client, status in ((stage.anonymous, 401), (stage.account(name(), {}), 403)):
        got = client("POST", f"/v2/{repo}/blobs/uploads/?digest={digest(body)}", body)
        assert got.status == status
    assert client.put_manifest(repo, "v1", manifest({})).status == 403
