import asyncio
import json

import pytest

from remit.guard.callers.base import Forbidden, Unauthenticated
from remit.guard.callers.settings import OAuthTable
from remit.guard.errors import GuardError
from tests.unit.guard.callers.helpers import (
    ISSUER,
    NOW_S,
    RESOURCE,
    Clock,
    Net,
    World,
    b64,
    claims,
    key,
    mint,
    mint_hmac,
    presented,
    public,
)


@pytest.fixture
def world():
    with World() as made:
        yield made


def refused(world, token, **changes):
    with pytest.raises(Unauthenticated) as caught:
        world.ask(token, **changes)
    shown = caught.value.diagnostics() + repr(caught.value)
    assert token not in shown
    assert caught.value.error == "invalid_token"
    return caught.value.code


def test_a_token_names_agent_and_user(world):
    found = world.ask(mint())
    assert (found.agent.id, found.user, found.on_behalf_of) == ("builder", "ada", "")
    assert (found.how, found.credential) == ("oauth", f"{ISSUER}#ada")


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
def test_every_accepted_signature(alg):
    with World(key(alg)) as world:
        assert world.ask(mint(alg=alg)).user == "ada"


def test_a_renewed_token_is_the_same_caller(world):
    later = mint(jti="2", iat=NOW_S, exp=NOW_S + 900, scope="mcp")
    assert world.ask(mint()).identity == world.ask(later).identity
    assert world.ask(mint(client_id="other")).identity != world.ask(mint()).identity


# Signatures


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_no_signature_is_no_token(world, alg):
    head = b64({"typ": "at+jwt", "alg": alg, "kid": "k1"})
    for end in ("", b64(b"x"), mint().rpartition(".")[2]):
        assert refused(world, f"{head}.{b64(claims())}.{end}") in {
            "oauth.algorithm",
            "oauth.malformed",
        }


def test_a_stripped_signature_is_refused(world):
    text = mint()
    for cut in (text.rpartition(".")[0], text.rpartition(".")[0] + ".", text[:-4], text + "AAAA"):
        assert refused(world, cut) in {"oauth.malformed", "oauth.signature"}


@pytest.mark.parametrize("form", ["pem", "der", "n", "jwk"])
def test_a_public_key_is_never_the_secret_of_an_hmac(form):
    rsa = key("RS256")
    secrets = {
        "pem": rsa.as_pem(private=False),
        "der": rsa.as_der(private=False),
        "n": str(rsa.as_dict(private=False)["n"]).encode(),
        "jwk": json.dumps(public(rsa)).encode(),
    }
    with World(rsa) as world:
        assert world.ask(mint(rsa, alg="RS256")).user == "ada"
        assert refused(world, mint_hmac(secrets[form])) == "oauth.algorithm"


def test_hmac_cannot_even_be_configured():
    for wrong in (("HS256",), ("none",), ("RS256", "HS512"), ()):
        with pytest.raises(GuardError, match="algorithms"):
            OAuthTable(issuer=ISSUER, algorithms=wrong).check()


def test_a_symmetric_key_of_the_issuer_is_not_used():
    secret = {"kty": "oct", "k": b64(b"0" * 32), "kid": "k1", "alg": "HS256"}
    with World(secret, key(kid="k2")) as world:
        assert refused(world, mint_hmac(b"0" * 32)) == "oauth.algorithm"


def test_an_algorithm_that_is_not_configured_is_refused():
    with World(key("RS256"), algorithms=("ES256",)) as world:
        assert refused(world, mint(alg="RS256")) == "oauth.algorithm"
        assert world.net.asked == []


def test_a_key_is_for_its_own_kind_of_signature():
    rsa = key("RS256")
    with World(public(rsa, alg="PS256")) as world:
        assert refused(world, mint(rsa, alg="RS256")) == "oauth.signature"
        assert world.ask(mint(rsa, alg="PS256")).user == "ada"


def test_a_changed_payload_or_header_is_refused(world):
    head, body, signature = mint().split(".")
    other = b64(claims(sub="root"))
    assert refused(world, f"{head}.{other}.{signature}") == "oauth.signature"
    head = b64({"typ": "at+jwt", "alg": "ES256", "kid": "k1", "x": 1})
    assert refused(world, f"{head}.{body}.{signature}") == "oauth.signature"


def test_the_key_in_the_header_is_not_believed(world):
    own = key(which=9)
    for name, value in (
        ("jwk", public(own)),
        ("jku", "https://evil.example/jwks"),
        ("x5c", ["AA"]),
    ):
        assert refused(world, mint(own, header={name: value})) == "oauth.signature"
    assert all("evil" not in url for url in world.net.asked)


def test_the_key_of_another_issuer_is_refused(world):
    stranger = key(kid="of-another", which=1)
    assert refused(world, mint(stranger)) == "oauth.signature"
    assert refused(world, mint(stranger, iss="https://other.example")) == "oauth.issuer"
    # The same id, another key.
    assert refused(world, mint(key(which=2))) == "oauth.signature"


# The form


@pytest.mark.parametrize(
    "extension", [{"crit": ["exp"]}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"b64": True},
                  {"zip": "DEF"}, {"enc": "A256GCM"}]
)  # fmt: skip
def test_extensions_are_refused(world, extension):
    assert refused(world, mint(header=extension)) == "oauth.extension"


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(claims())[:-1].encode() + b',"sub":"root"}',
        json.dumps(claims())[:-1].encode() + b',"aud":"x"}',
        json.dumps(claims(act=None))[:-1].encode() + b',"act":{"sub":"a","sub":"b"}}',
        json.dumps(claims()).encode() + b" {}",
        b"\xef\xbb\xbf" + json.dumps(claims()).encode(),
        json.dumps(claims()).encode("utf-16"),
        json.dumps(claims()).encode().replace(b'"ada"', b'"\xff"'),
        json.dumps(claims()).encode().replace(b'"ada"', b'"\\ud800"'),
        json.dumps(claims()).encode().replace(b"1800000600", b"NaN"),
        json.dumps(claims()).encode().replace(b"1800000600", b"1e999"),
        b"[" * 50 + b"]" * 50,
        b"[]",
        b'"a"',
        b"null",
        b"",
        b"x",
    ],
)
def test_signed_json_that_is_not_strict_is_refused(world, payload):
    token = mint(payload=payload) if payload else mint().replace(b64(claims()), "")
    assert refused(world, token).split(".")[0] in {"json", "oauth"}


@pytest.mark.parametrize(
    "header",
    [
        b'{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"k1"}',
        b'{"typ":"at+jwt","alg":"ES256","kid":"k2","kid":"k1"}',
        b'{"typ":"at+jwt","alg":"ES256","Alg":"none","kid":"k1"}',
        b'{"typ":"at+jwt","alg":["ES256"],"kid":"k1"}',
        b'{"typ":"at+jwt","alg":"ES256","kid":1}',
        b'{"typ":"at+jwt","alg":"ES256","kid":""}',
        b'{"typ":1,"alg":"ES256","kid":"k1"}',
        b'{"typ":"at+jwt","kid":"k1"}',
        b"[]",
        b"{",
        b'{"typ":"at+jwt","alg":"ES256","kid":"' + b"k" * 300 + b'"}',
    ],
)
def test_headers_that_are_not_clear_are_refused(world, header):
    assert refused(world, mint(header=header)).split(".")[0] in {"json", "oauth"}
    assert world.net.asked == []


def test_a_token_has_one_spelling(world):
    head, body, signature = mint().split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 64 bytes in 86 characters: the last character has four spare bits.
    spare = signature[:-1] + last[last.index(signature[-1]) + 1]
    for other in (
        f"{head}.{body}.{spare}",
        f"{head}.{body}.{signature}==",
        f"{head}.{body}.{signature}.",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{head}.{body}.{signature}\n",
        f"{head}.{body}.{signature[:-2]}+/",
    ):
        assert refused(world, other) == "oauth.malformed"


def test_oversized_tokens_are_refused_before_anything_else(world):
    assert refused(world, mint(filler="x" * 13_000)) == "oauth.size"
    assert world.ask(mint(filler="x" * 8_000)).user == "ada"
    assert refused(world, mint().replace(".", "." + "A" * 20_000, 1)) == "oauth.size"


@pytest.mark.parametrize(
    ("typ", "plain", "good"),
    [
        ("at+jwt", False, True),
        ("AT+JWT", False, True),
        ("application/at+jwt", False, True),
        ("JWT", False, False),
        (None, False, False),
        ("JWT", True, True),
        (None, True, True),
        ("logout+jwt", True, False),
        ("dpop+jwt", True, False),
        ("id_token", True, False),
        ("", True, True),
    ],
)
def test_only_access_tokens(typ, plain, good):
    with World(allow_plain_jwt=plain) as world:
        token = mint(header={"typ": typ})
        if good:
            assert world.ask(token).user == "ada"
        else:
            assert refused(world, token) == "oauth.type"


@pytest.mark.parametrize("mark", ["nonce", "at_hash", "c_hash", "s_hash", "events"])
def test_an_id_token_is_not_an_access_token(mark):
    with World(allow_plain_jwt=True, audience="builder") as world:
        token = mint(header={"typ": "JWT"}, aud="builder", **{mark: "x"})
        assert refused(world, token) == "oauth.type"


# Claims


@pytest.mark.parametrize(
    "iss", [ISSUER + "/", ISSUER.upper(), "https://login.example.com", None, "", [ISSUER], 1]
)
def test_the_issuer_is_exact(world, iss):
    assert refused(world, mint(iss=iss)) == "oauth.issuer"
    assert world.net.asked == []


@pytest.mark.parametrize(
    "aud",
    [
        None,
        "",
        [],
        "https://guard.example.com:8443/mcp/mail",
        "https://guard.example.com:8443",
        RESOURCE + "/",
        RESOURCE + "#x",
        RESOURCE.replace("guard", "Guard"),
        [RESOURCE + "x", "y"],
        {"a": RESOURCE},
        [[RESOURCE]],
        1,
    ],
)
def test_a_token_for_another_resource_is_refused(world, aud):
    assert refused(world, mint(aud=aud)) == "oauth.audience"


def test_one_of_several_audiences_will_do(world):
    assert world.ask(mint(aud=["x", RESOURCE])).user == "ada"


def test_a_token_for_one_server_is_not_one_for_another(world):
    token = mint()
    assert world.ask(token).user == "ada"
    other = {"resource": RESOURCE.replace("git", "mail"), "server": "mail"}
    assert refused(world, token, **other) == "oauth.audience"


def test_a_configured_audience_is_accepted_for_every_server():
    with World(audience="api://guard") as world:
        assert world.ask(mint(aud="api://guard")).user == "ada"
        assert world.ask(mint()).user == "ada"
        assert refused(world, mint(aud="api://guard2")) == "oauth.audience"
        assert refused(world, mint(aud="")) == "oauth.audience"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW_S - 30}, "oauth.expired"),
        ({"exp": NOW_S - 29}, ""),
        ({"exp": NOW_S - 29.5}, ""),
        ({"exp": 0}, "oauth.expired"),
        ({"exp": -1}, "oauth.expired"),
        ({"exp": None}, "oauth.time"),
        ({"exp": "1900000000"}, "oauth.time"),
        ({"exp": True}, "oauth.time"),
        ({"exp": [NOW_S]}, "oauth.time"),
        ({"exp": 10**300}, ""),
        ({"exp": 1e308}, ""),
        ({"exp": -1e308}, "oauth.expired"),
        ({"nbf": NOW_S + 30.5}, "oauth.not_yet"),
        ({"nbf": NOW_S + 31}, "oauth.not_yet"),
        ({"nbf": NOW_S + 30}, ""),
        ({"nbf": "0"}, "oauth.time"),
        ({"iat": NOW_S + 31}, "oauth.not_yet"),
        ({"iat": NOW_S + 30}, ""),
        ({"iat": None}, ""),
        ({"iat": {}}, "oauth.time"),
    ],
)
def test_times(world, changes, code):
    token = mint(**changes)
    if code:
        assert refused(world, token) == code
    else:
        assert world.ask(token).user == "ada"


def test_a_token_expires_while_it_is_in_use(world):
    token = mint()
    world.ask(token)
    world.clock.pass_s(631)
    assert refused(world, token) == "oauth.expired"


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"scope": "mcp tools"}, True),
        ({"scope": "tools x mcp"}, True),
        ({"scope": "mcp"}, False),
        ({"scope": "mcptools"}, False),
        ({"scope": "MCP TOOLS"}, False),
        ({"scope": None}, False),
        ({"scope": 1}, False),
        ({"scope": None, "scp": ["mcp", "tools"]}, True),
        ({"scope": None, "scp": "mcp tools"}, True),
        ({"scope": "", "scp": ["mcp", "tools"]}, False),
    ],
)
def test_required_scopes(changes, good):
    with World(required_scopes=("mcp", "tools")) as world:
        if good:
            assert world.ask(mint(**changes)).user == "ada"
            return
        with pytest.raises(Forbidden) as caught:
            world.ask(mint(**changes))
        assert (caught.value.error, caught.value.scope) == ("insufficient_scope", "mcp tools")


def test_scopes_are_looked_at_last(world):
    """Who has no valid token does not learn which scopes there are."""
    with World(required_scopes=("never",)) as strict:
        assert refused(strict, mint(key(which=3))) == "oauth.signature"
        assert refused(strict, mint(exp=1)) == "oauth.expired"


def test_a_token_bound_to_a_certificate_needs_that_certificate(world):
    import hashlib

    der = b"certificate"
    bound = mint(cnf={"x5t#S256": b64(hashlib.sha256(der).digest())})
    assert world.ask(bound, certificate=der).user == "ada"
    assert refused(world, bound) == "oauth.binding"
    assert refused(world, bound, certificate=b"another") == "oauth.binding"
    also = mint(cnf={"x5t#S256": b64(hashlib.sha256(der).digest()), "jkt": "x"})
    assert refused(world, also, certificate=der) == "oauth.binding"
    nothing = mint(cnf={"x5t#S256": b64(hashlib.sha256(b"").digest())})
    assert refused(world, nothing) == "oauth.binding"


@pytest.mark.parametrize(
    "cnf", [{"jkt": "x"}, {}, [], "x", {"x5t#S256": 1}, {"x5t#S256": "é"}, 0, False]
)
def test_other_bindings_are_not_ignored(world, cnf):
    assert refused(world, mint(cnf=cnf), certificate=b"c") == "oauth.binding"


# Who it names


def test_the_agent_is_the_client(world):
    assert world.ask(mint(client_id=None, azp="party")).agent.id == "party"
    assert world.ask(mint(azp="builder")).agent.id == "builder"
    assert refused(world, mint(azp="other")) == "oauth.claim"
    assert refused(world, mint(client_id=None)) == "oauth.claim"


def test_claims_can_be_chosen():
    with World(agent_claim="app", user_claim="email") as world:
        found = world.ask(mint(app="a1", email="ada@example.com"))
        assert (found.agent.id, found.user) == ("a1", "ada@example.com")
        assert found.credential == f"{ISSUER}#ada"
        assert refused(world, mint(app="a1")) == "oauth.claim"
        assert refused(world, mint(email="x")) == "oauth.claim"


@pytest.mark.parametrize("name", ["sub", "client_id"])
@pytest.mark.parametrize(
    "value",
    ["", " a", "a\n", "a\x00", "\u202ea", "\u200b", 1, ["a"], {"a": 1}, True, "x" * 257, None],
)
def test_names_that_cannot_be_shown_are_refused(world, name, value):
    assert refused(world, mint(**{name: value})) == "oauth.claim"


def test_the_chain_of_actors(world):
    token = mint(act={"sub": "b", "act": {"sub": "c", "iss": "https://i"}})
    assert world.ask(token).on_behalf_of == "b https://i#c"
    assert world.ask(token).identity != world.ask(mint()).identity


@pytest.mark.parametrize(
    "act",
    ["b", [], {}, {"sub": "a b"}, {"sub": ""}, {"sub": 1}, {"sub": "a", "act": "b"}, 0, False],
)
def test_a_chain_that_cannot_be_read_is_refused(world, act):
    assert refused(world, mint(act=act)) == "oauth.claim"


def test_a_chain_has_an_end(world):
    act = None
    for _ in range(9):
        act = {"sub": "a", **({"act": act} if act else {})}
    assert refused(world, mint(act=act)) == "oauth.claim"
    assert world.ask(mint(act=act["act"])).on_behalf_of == " ".join("a" * 8)


def test_metadata(world):
    assert world.oauth.metadata(RESOURCE) == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    }
    with World(required_scopes=("mcp",)) as scoped:
        assert scoped.oauth.metadata(RESOURCE)["scopes_supported"] == ["mcp"]


# The settings


@pytest.mark.parametrize(
    "issuer",
    ["http://login.example.com", "login.example.com", "ftp://x", "", "https://", "https://a b",
     "https://u@h", "https://h#f", "https://h?q", "https://h\n", "https://h:x", "http://127.0.0.1.evil.example",
     "http://localhost.evil.example", "http://10.0.0.1", "https://\u202eh"],
)  # fmt: skip
def test_issuers_that_are_not_reached_safely_are_refused(issuer):
    with pytest.raises(GuardError):
        OAuthTable(issuer=issuer).check()


@pytest.mark.parametrize(
    "issuer", ["http://localhost:1", "http://127.0.0.1:9/x", "http://[::1]:8", ISSUER]
)
def test_issuers_that_will_do(issuer):
    OAuthTable(issuer=issuer).check()


def test_keys_may_be_chosen_by_a_query():
    OAuthTable(issuer=ISSUER, jwks_uri="https://h/keys?p=policy").check()


def test_keys_of_an_https_issuer_are_not_fetched_in_the_clear():
    with pytest.raises(GuardError, match="jwks_uri"):
        OAuthTable(issuer=ISSUER, jwks_uri="http://127.0.0.1/jwks").check()
    OAuthTable(issuer="http://127.0.0.1", jwks_uri="http://127.0.0.1/jwks").check()


def test_unknown_settings_are_refused():
    import msgspec

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"issuer": ISSUER, "issuers": []}, OAuthTable)
    for wrong in (
        {"skew_s": 301},
        {"skew_s": -1},
        {"max_stale_s": -1},
        {"user_claim": ""},
        {"required_scopes": ["a b"]},
        {"required_scopes": ['"']},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"issuer": ISSUER, **wrong}, OAuthTable)


def test_a_missing_key_id_needs_one_usable_key():
    with World(key(kid=None)) as world:
        assert world.ask(mint(key(kid=None))).user == "ada"
    with World(key(kid="a", which=4), key(kid="b", which=5)) as world:
        token = mint(key(kid="a", which=4), header={"kid": None})
        assert refused(world, token) == "oauth.signature"


def test_many_at_once_ask_the_issuer_once():
    from remit.guard.callers.oauth import OAuthCallers

    async def main():
        net = Net(key())
        net.slow = asyncio.Event()
        oauth = OAuthCallers(OAuthTable(issuer=ISSUER), net, Clock())
        token = mint()
        asking = [asyncio.create_task(oauth.authenticate(token, presented())) for _ in range(50)]
        await asyncio.sleep(0)
        asking[0].cancel()  # who began it hangs up
        await asyncio.sleep(0)
        net.slow.set()
        done = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert all(found.user == "ada" for found in done[1:])
        assert net.looks == 1

    asyncio.run(main())
