"""Where an upstream is, and what must not be sent there."""

import asyncio

import pytest

from remit.hub.errors import HubError
from remit.hub.front import UpstreamOptions, connected, parse_upstream


@pytest.mark.parametrize(
    ("url", "origin", "prefix"),
    [
        ("https://harbor.example", "https://harbor.example", ""),
        ("https://harbor.example/", "https://harbor.example", ""),
        ("https://harbor.example:8443/team/x/", "https://harbor.example:8443", "team/x/"),
        ("https://harbor.example/v2/", "https://harbor.example", ""),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000", ""),
        ("https://[::1]:5000/a", "https://[::1]:5000", "a/"),
        ("https://docker.io/library", "https://registry-1.docker.io", "library/"),
    ],
)
def test_an_address_of_a_registry(url, origin, prefix):
    found = parse_upstream(url)
    assert (str(found[0]), found[1]) == (origin, prefix)


@pytest.mark.parametrize(
    "url",
    [
        "", "harbor.example", "ftp://harbor.example", "https://", "https://u:p@harbor.example",
        "https://harbor.example/UPPER", "https://harbor.example/a//b", "https://harbor.example?x=1",
        "https://harbor.example/../x", "https://[::1", "https://h:99999", "https://a b",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_registry(url):
    with pytest.raises(HubError):
        parse_upstream(url)


def _connect(**options):
    async def run():
        async with connected(UpstreamOptions(**options)) as upstream:
            return upstream

    return asyncio.run(run())


def test_no_password_in_the_clear():
    with pytest.raises(HubError, match="in the clear"):
        _connect(url="http://harbor.example", user="robot", password="p" * 12)
    _connect(url="http://harbor.example", user="robot", password="p" * 12, plain_http=True)
    _connect(url="http://127.0.0.1:5000", user="robot", password="p" * 12)
    _connect(url="http://harbor.example")


def test_a_name_needs_a_password():
    with pytest.raises(HubError, match="no password of `robot`"):
        _connect(url="https://harbor.example", user="robot")


def test_options_never_show_the_password():
    options = UpstreamOptions(url="https://a.example", user="u", password="very-secret")
    assert "very-secret" not in f"{options!r} {options}"


def test_registries_that_take_no_pieces_are_known():
    assert _connect(url="https://europe-docker.pkg.dev/project").whole
    assert _connect(url="https://ghcr.io/owner").whole
    assert not _connect(url="https://harbor.example").whole
    assert _connect(url="https://harbor.example", whole=True).whole
