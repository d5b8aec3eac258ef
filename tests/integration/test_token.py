"""A SoftHSM token in this process: what it signs, and how its failures are told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.attest.errors import AttestError, KeyPlaceError
from remit.attest.places import Place, place_of
from tests.rig.tokens import HAVE_TOKEN, MODULE, PIN, Token

pytestmark = pytest.mark.skipif(not HAVE_TOKEN, reason="softhsm2 is not installed")
SECRET = PIN.encode()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """A token that this process sees."""
    import pkcs11

    made = Token(tmp_path_factory.mktemp("token") / "token")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ |= made.env
    pkcs11.unload(str(MODULE))
    yield made
    pkcs11.unload(str(MODULE))
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def told(place: Place, secret: bytes = SECRET) -> str:
    """Why a key does not open."""
    with pytest.raises(KeyPlaceError) as error:
        place.open(secret)
    return str(error.value)


def test_it_signs(token: Token) -> None:
    place = place_of(token.uri("ann"))
    public = place.create(SECRET)
    assert place.public().fingerprint == public.fingerprint
    signer = place.open(SECRET)
    for message in (b"", b"x", b"x" * 100_000):
        assert public.verifies(signer.sign(message), message)
    with pytest.raises(KeyPlaceError, match="exists"):
        place.create(SECRET)


def test_what_cannot_be_opened(token: Token) -> None:
    place = place_of(token.uri("ben"))
    place.create(SECRET)
    for pin in (b"", b"999999", b"\xff\xfe", b"1" * 1000):
        assert told(place, pin) == "the token does not open with this PIN"
    assert "has no such key" in told(place_of(token.uri("nobody")))
    other = place_of(token.uri("ben").replace("remit%20token", "another"))
    assert "has not exactly one such token" in told(other)
    for module in ("/no/such.so", str(Path(__file__))):
        assert "does not work" in told(place_of(token.uri("ben").replace(str(MODULE), module)))


def test_two_keys_of_one_name(token: Token) -> None:
    uri = token.uri("twin")
    one, two = (place_of(uri.replace("?", f";id=%0{n}?")) for n in (1, 2))
    first, second = one.create(SECRET), two.create(SECRET)
    assert first.fingerprint != second.fingerprint
    assert "more than one such key" in told(place_of(uri))
    with pytest.raises(KeyPlaceError, match="more than one"):
        place_of(uri).public()
    for place, public in ((one, first), (two, second)):
        assert public.verifies(place.open(SECRET).sign(b"x"), b"x")


def test_a_public_key_that_is_not_of_the_private_one(token: Token) -> None:
    """Two keys whose public halves were swapped: the signature is checked before it is given out."""
    import pkcs11

    one, two = (place_of(token.uri(name)) for name in ("left", "right"))
    one.create(SECRET)
    two.create(SECRET)
    with (
        pkcs11.lib(str(MODULE))
        .get_token(token_label=token.label)
        .open(user_pin=PIN, rw=True) as session
    ):
        kind = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY}
        found = {
            name: next(iter(session.get_objects({**kind, pkcs11.Attribute.LABEL: name})))
            for name in ("left", "right")
        }
        found["left"].destroy()
        found["right"].copy({pkcs11.Attribute.LABEL: "left"})
    with pytest.raises(AttestError, match="another key than its public one"):
        one.open(SECRET).sign(b"x")


def test_a_key_on_another_curve(token: Token) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    with (
        pkcs11.lib(str(MODULE))
        .get_token(token_label=token.label)
        .open(user_pin=PIN, rw=True) as session
    ):
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp384r1")}
        session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(
            store=True, label="large", public_template={pkcs11.Attribute.PRIVATE: False}
        )
    assert "is no P-256 key" in told(place_of(token.uri("large")))


def test_the_private_key_stays_there(token: Token) -> None:
    import pkcs11

    place_of(token.uri("carl")).create(SECRET)
    with pkcs11.lib(str(MODULE)).get_token(token_label=token.label).open(user_pin=PIN) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="carl")
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
