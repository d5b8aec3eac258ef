"""Who asks, and what they may do."""

import asyncio
import base64

import pytest

from remit.hub.registry.access import (
    ANONYMOUS,
    CATALOG,
    ROLES,
    Caller,
    Grant,
    Scope,
    authenticate,
    challenge,
    granted,
    parse_basic,
    parse_scopes,
    require,
    service,
)
from remit.hub.registry.errors import Denied, Unauthorized
from tests.unit.hub.support import asked

REALM = "http://hub/token"


def caller(*grants, scopes=None, name="ann"):
    found = tuple(Grant(pattern=pattern, role=role) for pattern, role in grants)
    return Caller(name=name, grants=found, scopes=scopes)


def scope(name, *actions):
    return Scope(type="repository", name=name, actions=actions)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_what_it_says_where_it_was_given(role):
    who = caller(("team/*", role))
    for action in ("list", "pull", "push", "delete", "curate", "admin", "audit"):
        assert who.role_allows("team/a", action) is (action in ROLES[role])
        assert not who.role_allows("team/a/b", action)
        assert not who.role_allows("other", action)


def test_a_role_that_nobody_knows_allows_nothing():
    assert not caller(("**", "emperor")).role_allows("a", "pull")


def test_several_roles_add_up():
    who = caller(("**", "reader"), ("team/**", "writer"))
    assert who.role_allows("team/a", "push")
    assert not who.role_allows("other", "push")


def test_a_token_narrows():
    request = asked()
    who = caller(("**", "admin"), scopes=(scope("a", "pull"),))
    require(who, request, REALM, "a", ("pull",))
    require(who, request, REALM, "a", ("list", "pull"))
    for repository, needs in (("a", ("push",)), ("b", ("pull",)), ("a", ("delete",))):
        with pytest.raises(Denied) as refused:
            require(who, request, REALM, repository, needs)
        assert dict(refused.value.headers)["www-authenticate"].startswith("Bearer ")


def test_a_token_gives_nothing_that_the_role_does_not():
    who = caller(("a", "reader"), scopes=(scope("a", "pull", "push"),))
    with pytest.raises(Denied):
        require(who, asked(), REALM, "a", ("push",))


def test_nobody_is_asked_who_they_are():
    who = caller(name=ANONYMOUS)
    with pytest.raises(Unauthorized) as refused:
        require(who, asked(headers=[("host", "hub")]), REALM, "a", ("push",))
    header = dict(refused.value.headers)["www-authenticate"]
    assert header == f'Bearer realm="{REALM}",service="hub",scope="repository:a:pull,push"'


def test_challenges():
    request = asked(headers=[("host", "hub:7450")])
    assert challenge(request, "") == 'Basic realm="Remit Hub", charset="UTF-8"'
    assert challenge(request, REALM) == f'Bearer realm="{REALM}",service="hub:7450"'
    assert challenge(request, REALM, "a", "delete").endswith('scope="repository:a:delete"')
    assert challenge(request, REALM, scope=CATALOG).endswith('scope="registry:catalog:*"')


@pytest.mark.parametrize("host", ['a"b', "a b", "", "a\x00", "x" * 300, "a,b", "a;b"])
def test_a_host_that_is_none_is_not_repeated(host):
    assert service(asked(headers=[("host", host)])) == "hub"


@pytest.mark.parametrize("text", ["a:b", "a:", "a:b:c", "robot$x:s", "ä:ü"])
def test_basic(text):
    found = parse_basic(base64.b64encode(text.encode()).decode())
    assert ":".join(found) == text


@pytest.mark.parametrize("value", ["", "!", "YQ", base64.b64encode(b"a").decode(), base64.b64encode(b":b").decode(), base64.b64encode(b"\xff:b").decode(), "YTpi\u00e4"])  # fmt: skip
def test_basic_that_cannot_be_read(value):
    with pytest.raises(Unauthorized):
        parse_basic(value)


def test_scopes():
    assert parse_scopes(["repository:a/b:pull,push"]) == (scope("a/b", "pull", "push"),)
    assert parse_scopes(["repository:a:pull repository:b:*"]) == (scope("a", "pull"), scope("b", "*"))  # fmt: skip
    assert parse_scopes(["registry:catalog:*"]) == (CATALOG,)
    assert parse_scopes(["repository:h:5000/a:pull"]) == (scope("h:5000/a", "pull"),)
    assert parse_scopes(["", "x", "repository:a", "repository::pull", "repository:a:PULL"]) == ()
    assert len(parse_scopes(["repository:a:pull"] * 100)) <= 32


def test_what_is_granted_of_what_was_asked():
    who = caller(("a", "reader"), ("b", "curator"))
    given = granted(who, (scope("a", "pull", "push"), scope("b", "*"), scope("c", "pull"), CATALOG))
    assert given == (scope("a", "pull"), scope("b", "pull", "push", "delete"), CATALOG)
    assert granted(who, (scope("a", "fly"), Scope(type="x", name="a", actions=("pull",)))) == ()


class Doors:
    async def basic(self, name, password, peer):
        if password != "right":
            raise Unauthorized("wrong")
        return Caller(name=name)

    async def bearer(self, token):
        if token != "good":
            raise Unauthorized("wrong")
        return Caller(name="tok", scopes=())

    async def anonymous(self):
        return Caller(name=ANONYMOUS)


@pytest.mark.parametrize(
    ("header", "name"),
    [(None, ANONYMOUS), ("Bearer good", "tok"), ("bearer  good ", "tok"),
     ("BASIC " + base64.b64encode(b"ann:right").decode(), "ann")],
)  # fmt: skip
def test_who_asks(header, name):
    headers = [] if header is None else [("Authorization", header)]
    assert asyncio.run(authenticate(asked(headers=headers), Doors(), REALM)).name == name


@pytest.mark.parametrize("header", ["", "Bearer bad", "Bearer", "Basic x", "Digest x", "good"])
def test_wrong_credentials_are_never_anonymous(header):
    with pytest.raises(Unauthorized) as refused:
        asyncio.run(authenticate(asked(headers=[("authorization", header)]), Doors(), REALM))
    assert refused.value.headers[0][0] == "www-authenticate"
