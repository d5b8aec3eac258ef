"""Where secrets may go."""

import pytest

from remit.artifacts.oci.errors import DeniedError, ProtocolError
from remit.artifacts.oci.urls import Origin, endpoint, follow, is_loopback, repository_at


@pytest.mark.parametrize(
    "url",
    [
        "", "registry.example", "ftp://a/", "file:///etc/passwd", "https://", "https://a b/",
        "https://user:secret@a/", "https://a@b/", "https://a\\@b/", "https://a:99999/",
        "https://a:x/", "javascript:alert(1)", "https://\u00e4/", "https://a/\n", "https://[::1/",
        "https://a\t/",
    ],
)  # fmt: skip
def test_what_is_no_url_of_http_is_refused(url):
    with pytest.raises(ProtocolError):
        Origin.of(url)


def test_an_origin_is_scheme_host_and_port():
    assert Origin.of("https://Registry.Example/x") == Origin.of("https://registry.example:443")
    assert Origin.of("https://a") != Origin.of("http://a")
    assert Origin.of("https://a") != Origin.of("https://a:444")
    assert str(Origin.of("http://[::1]:5000/x")) == "http://[::1]:5000"
    assert str(Origin.of("https://a:443")) == "https://a"


@pytest.mark.parametrize(
    ("base", "location"),
    [
        ("https://a/", "http://a/x"),
        ("https://a/", "http://127.0.0.1/x"),
        ("http://127.0.0.1:5000/", "http://storage.example/x"),
        ("https://a/", "//user@b/x"),
        ("https://a/", "ftp://b/x"),
        ("https://a/", ""),
        ("https://a/", "https://b/ x"),
        ("https://a/", "/x\r\nHost: b"),
        ("https://a/", "https://[x/"),
    ],
)
def test_ways_that_are_not_followed(base, location):
    with pytest.raises((DeniedError, ProtocolError)):
        follow(base, location, plain_http=False)


def test_plain_http_is_followed_where_the_user_allowed_it_but_never_from_https():
    there = "http://storage.internal/x"
    assert follow("http://registry.internal/", there, plain_http=True) == there
    with pytest.raises(DeniedError):
        follow("https://registry.internal/", there, plain_http=True)


def test_ways_that_are_followed():
    assert follow("https://a/v2/", "/x?y=1#z", plain_http=False) == "https://a/x?y=1"
    assert follow("https://a/v2/x", "y", plain_http=False) == "https://a/v2/y"
    assert follow("https://a/", "https://s3.example/x", plain_http=False) == "https://s3.example/x"
    assert follow("http://[::1]:1/", "http://localhost:2/", plain_http=False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("registry.example", "https://registry.example"),
        ("registry.example:5000", "https://registry.example:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.8.8.8", "http://127.8.8.8"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("docker.io", "https://registry-1.docker.io"),
        ("localhost.example", "https://localhost.example"),
        ("127.0.0.1.example", "https://127.0.0.1.example"),
        ("10.0.0.1", "https://10.0.0.1"),
    ],
)
def test_endpoints(host, expected):
    assert str(endpoint(host)) == expected


def test_the_user_decides_about_http():
    assert endpoint("a.example", plain_http=True).scheme == "http"
    assert endpoint("localhost", plain_http=False).scheme == "https"


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost.", "2130706433", "127.1", "", "::ffff:1"])
def test_hosts_that_only_look_like_this_machine(host):
    assert not is_loopback(host)


def test_names_of_docker_hub():
    assert repository_at("docker.io", "alpine") == "library/alpine"
    assert repository_at("docker.io", "team/alpine") == "team/alpine"
    assert repository_at("registry.example", "alpine") == "alpine"
