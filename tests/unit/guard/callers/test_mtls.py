import datetime as dt

import pytest
from cryptography.x509 import RFC822Name
from cryptography.x509.oid import ExtendedKeyUsageOID

from remit.guard.callers.base import Unauthenticated
from remit.guard.callers.mtls import CertificateCallers
from remit.guard.callers.settings import MtlsTable
from tests.unit.attest.test_certificates import END, START, make, uri
from tests.unit.guard.callers.helpers import Clock

SPIFFE = "spiffe://example.com/agent/builder"
SETTINGS = MtlsTable(trust_domains=("example.com",), agents={"urn:agent:build": "build-agent"})


def ask(der, settings=SETTINGS, at=START + dt.timedelta(days=1)):
    clock = Clock()
    clock.wall_us = int(at.timestamp()) * 1_000_000
    return CertificateCallers(settings, clock).authenticate(der)


def refused(der, **more):
    with pytest.raises(Unauthenticated) as caught:
        ask(der, **more)
    return caught.value.code


def test_a_spiffe_id_is_the_agent_and_a_mail_address_the_user():
    found = ask(make(names=[uri(SPIFFE), RFC822Name("ada@example.com")]))
    assert (found.agent.id, found.user, found.how) == (SPIFFE, "ada@example.com", "mtls")
    assert len(found.credential) == 64


def test_other_uris_are_what_the_configuration_says():
    found = ask(make(names=[uri("urn:agent:build"), uri("https://else")]))
    assert (found.agent.id, found.user) == ("build-agent", "ada")


def test_a_workload_acts_for_itself():
    assert ask(make(names=[uri(SPIFFE)], common=())).user == SPIFFE


@pytest.mark.parametrize(
    "uris",
    [
        (),
        ("spiffe://evil.example/agent/builder",),
        ("spiffe://example.com.evil.example/a",),
        ("spiffe://EXAMPLE.com/a",),
        ("SPIFFE://example.com/a",),
        ("spiffe://user@example.com/a",),
        ("spiffe://example.com:1/a",),
        ("spiffe://example.com",),
        ("spiffe://example.com/",),
        ("spiffe://example.com/a?q",),
        ("spiffe://example.com/a#f",),
        ("https://example.com/a",),
        ("urn:agent:Build",),
        (SPIFFE, "spiffe://example.com/agent/other"),
        (SPIFFE, "urn:agent:build"),
        (SPIFFE, "https://else"),
        (SPIFFE, SPIFFE),
        ("urn:agent:build", "urn:agent:build"),
    ],
)
def test_an_agent_that_is_not_clear_is_refused(uris):
    assert refused(make(names=[uri(u) for u in uris])) == "mtls.agent"


def test_without_settings_nobody_is_known():
    assert refused(make(names=[uri(SPIFFE)]), settings=MtlsTable()) == "mtls.agent"


def test_one_user():
    two = [uri(SPIFFE), RFC822Name("a@b"), RFC822Name("c@d")]
    assert refused(make(names=two)) == "mtls.user"
    assert refused(make(names=[uri(SPIFFE)], common=("a", "b"))) == "mtls.user"
    assert refused(make(names=[uri(SPIFFE)], common=("a\u202eb",))) == "mtls.user"
    assert refused(make(names=[uri(SPIFFE)], common=("a\nb",))) == "mtls.user"


def test_a_connection_may_outlive_its_certificate():
    der = make(names=[uri(SPIFFE)])
    second = dt.timedelta(seconds=1)
    assert ask(der, at=START).user == "ada"
    assert ask(der, at=END).user == "ada"
    assert refused(der, at=START - second) == "mtls.time"
    assert refused(der, at=END + second) == "mtls.time"


def test_only_clients():
    assert refused(make(names=[uri(SPIFFE)], ca=True)) == "mtls.purpose"
    servers = [ExtendedKeyUsageOID.SERVER_AUTH]
    assert refused(make(names=[uri(SPIFFE)], usage=servers)) == "mtls.purpose"
    both = [*servers, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert ask(make(names=[uri(SPIFFE)], usage=both)).user == "ada"


def test_garbage():
    assert refused(b"garbage") == "mtls.malformed"
