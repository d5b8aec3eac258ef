import pytest

from remit.scan.base import ScanError
from remit.scan.dynamic.endpoint import endpoint


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "http://", "http:///v1/", "ftp://host/", "file:///etc/passwd", "http://u@host/",
        "http://u:p@host/", "http://@host/", "http://host:0x/", "http://host:99999/", "http://-h/",
        "http://host/?q=1", "http://host/#f", "http://ho st/", "http://host/\nX", "http://h\u00f6st/",
        "http://a..b/", "http://host\\@other/", "http://[::1/", "http://" + "a" * 64 + "/",
        "http://host,other/",
    ],
)  # fmt: skip
def test_what_is_no_endpoint(url):
    with pytest.raises(ScanError) as caught:
        endpoint(url)
    assert caught.value.code == "scan.target"


@pytest.mark.parametrize(
    ("url", "host", "port", "uri", "listen"),
    [
        ("http://127.0.0.1:8080/v1", "127.0.0.1", 8080, "http://127.0.0.1:8080/v1/", "127.0.0.1"),
        ("http://127.0.0.2/", "127.0.0.2", 80, "http://127.0.0.2/", "127.0.0.2"),
        ("http://[::1]:80/v1/", "::1", 80, "http://[::1]:80/v1/", "::1"),
        ("https://llm.example/v1/", "llm.example", 443, "https://llm.example/v1/", "127.0.0.1"),
        ("https://LLM.example:8/", "llm.example", 8, "https://LLM.example:8/", "127.0.0.1"),
        ("http://localhost:1/v1/", "localhost", 1, "http://localhost:1/v1/", "127.0.0.1"),
        # An address of another machine cannot be had in the sandbox.
        ("http://192.0.2.7/v1/", "192.0.2.7", 80, "http://127.0.0.1:80/v1/", "127.0.0.1"),
        ("http://[2001:db8::7]:9/", "2001:db8::7", 9, "http://127.0.0.1:9/", "127.0.0.1"),
    ],
)
def test_endpoints(url, host, port, uri, listen):
    found = endpoint(url)
    assert (found.host, found.port, found.uri, found.listen) == (host, port, uri, listen)


def test_a_name_leads_out_by_a_line_of_hosts():
    assert endpoint("https://llm.example/v1/").hosts.splitlines()[1:] == ["127.0.0.1 llm.example"]


def test_a_certificate_needs_a_name():
    with pytest.raises(ScanError) as caught:
        endpoint("https://192.0.2.7/v1/")
    assert "name the server" in caught.value.hint
