import pytest

from remit.attest.errors import AttestError
from remit.attest.patterns import is_pattern, matches
from remit.attest.predicates import provenance, signature
from remit.attest.trust import MAX_BYTES, Seen, TrustError, TrustRoot
from remit.attest.trust_signature import sign_trust, signed_trust
from tests.unit.artifacts.vouching import (
    BUILD,
    NOW,
    SIGN,
    STRANGER,
    bundle,
    revocation,
    toml,
    trust,
)
from tests.unit.attest.signing import key


def refused(text, code="trust.malformed"):
    with pytest.raises(TrustError) as error:
        TrustRoot.parse(text if isinstance(text, bytes) else text.encode())
    assert error.value.code == code
    assert "\n" not in error.value.message
    return error.value


def test_what_it_says():
    root = trust(
        signer="not_after = 2027-01-01T01:00:00+01:00", more=revocation(BUILD, "left the team")
    )
    assert (root.name, root.serial, len(root.keys)) == ("acme", 1, 4)
    signer = root.keys[0]
    assert signer.fingerprint == SIGN.public.fingerprint
    assert signature.TYPE in signer.predicates
    assert provenance.TYPE not in signer.predicates
    assert signer.not_after_us == 1798761600_000_000
    assert root.keys[3].revoked == "left the team"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        b"\xff",
        b" " * (MAX_BYTES + 1),
        toml().replace("remit.trust/v1", "remit.trust/v2"),
        toml().replace("serial = 1", "serial = 0"),
        toml().replace("serial = 1", "serial = true"),
        toml().replace("serial = 1", 'serial = "1"'),
        toml().replace("serial = 1", ""),
        toml(top="expire = 2027-01-01T00:00:00Z"),
        toml(top="expires = 2027-01-01"),
        toml(top="expires = 2027-01-01T00:00:00"),
        toml(top='expires = "soon"'),
        toml(signer="not_afer = 2027-01-01T00:00:00Z"),
        toml(signer="not_after = 2026-01-01T00:00:00Z\nnot_before = 2026-01-01T00:00:00Z"),
        toml(repositories=()),
        toml(repositories=("../x",)),
        toml(repositories=("",)),
        toml().replace('name = "signer"', 'name = "sig\\nner"'),
        toml().replace('name = "signer"', ""),
        toml().replace('roles = ["sign"]', 'roles = "sign"'),
        toml().replace('roles = ["sign"]', 'roles = ["root"]'),
        toml().replace('roles = ["sign"]', "roles = []"),
        toml().replace("BEGIN PUBLIC KEY", "BEGIN PRIVATE KEY"),
        toml(more='[[revoked]]\nkey = "sha256:12"\nreason = "x"'),
        toml(more=revocation(SIGN, "")),
        toml(more=revocation(SIGN) + "when = 1"),
        "keys = 1\n" + toml().split("[[keys]]")[0],
    ],
)  # fmt: skip
def test_what_is_malformed(text):
    refused(text)


def test_a_key_that_must_not_have_both_roles():
    for pair in ('["sign", "gate"]', '["sign", "scan"]', '["gate", "scan"]', '["build", "gate"]'):
        refused(toml().replace('["sign"]', pair), "trust.roles")
    assert TrustRoot.parse(toml().replace('["sign"]', '["sign", "build"]').encode())


def test_a_type_without_its_role():
    refused(toml(signer=f'predicates = ["{provenance.TYPE}"]'), "trust.roles")
    only = trust(signer='predicates = ["https://example.com/review/v1"]')
    assert only.keys[0].predicates == {"https://example.com/review/v1"}


def test_one_key_or_name_twice():
    refused(toml().replace('name = "gate"', 'name = "signer"'), "trust.duplicate")
    again = toml() + toml().split("[[keys]]")[1].replace('"signer"', '"again"').join(
        ["[[keys]]", ""]
    )
    refused(again, "trust.duplicate")


def test_only_p256():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    pem = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip
    refused(toml().replace(SIGN.public.pem, pem))


def test_expiry_and_serial():
    root = trust(serial=5, top="expires = 2026-06-02T00:00:00Z")
    seen = root.usable(NOW)
    assert seen == Seen(serial=5, digest=root.digest)
    assert root.usable(NOW, seen) == seen
    assert root.usable(NOW, Seen(serial=4, digest=seen.digest)) == seen
    for now, before, code in [
        (NOW + 24 * 3600 * 1_000_000, None, "trust.expired"),
        (NOW, Seen(serial=6, digest=seen.digest), "trust.rollback"),
        (NOW, Seen(serial=5, digest=trust().digest), "trust.serial"),
    ]:
        with pytest.raises(TrustError) as error:
            root.usable(now, before)
        assert error.value.code == code


def test_hints():
    root = trust()
    assert root.named("") == ()
    assert root.named("x") == ()
    assert [each.name for each in root.named(root.keys[1].hints[0])] == ["scanner"]


def test_a_signed_trust_root():
    keeper, data = key(99), toml().encode()
    made = sign_trust(data, keeper)
    assert signed_trust(data, made, keeper.public).name == "acme"
    changed = toml(serial=2).encode()
    others = [
        (changed, made, keeper.public),
        (data, made, STRANGER.public),
        (data, sign_trust(data, STRANGER), keeper.public),
        (data, bundle(keeper, signature.TYPE, {}, trust().digest), keeper.public),
        (data, b"{}", keeper.public),
    ]
    for each in others:
        with pytest.raises(AttestError) as error:
            signed_trust(*each)
        assert error.value.code == "trust.signature"


def test_patterns():
    assert all(
        map(
            is_pattern,
            ["**", "hub.example/team/*", "127.0.0.1:5000/a/b", "team/**", "[::1]:5000/a"],
        )
    )
    assert not any(map(is_pattern, ["", "a b", "a//b", "/a", "a/", "../a", "a\nb", "a" * 300]))
    assert matches("**", "a/b/c")
    assert matches("**", "")
    assert matches("a/*", "a/b")
    assert not matches("a/*", "a/b/c")
    assert not matches("a/*", "a")
    assert matches("a.b/c", "a.b/c")
    assert not matches("a.b/c", "axb/c")
    assert not matches("a/b", "a/b\n")


def test_keys_of_one_role_each():
    root = TrustRoot.of_roles("hub", {"scan": key(1).public, "gate": key(2).public})
    scan, gate = root.keys
    assert (scan.name, scan.roles, gate.roles) == ("scan", ("scan",), ("gate",))
    assert scan.predicates.isdisjoint(gate.predicates)
    assert scan.speaks_for("any/where")
    assert root.usable(NOW).serial == 1
