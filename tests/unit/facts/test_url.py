from typing import Any

import pytest

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")
SPEC = FactSpec("u", "url", ("*",), ("q",), options_for("url", {}))


def fact(value: Any) -> Fact:
    return compute(SPEC, {"q": value}, ENV)


def test_everything_of_two_urls() -> None:
    found = fact(["https://User:pw@Example.COM:8443/a/b?q=1#f", "ftp://[2001:DB8::1]/"])
    assert found.attributes == {
        "ok": True,
        "present": True,
        "hosts": ["[2001:db8::1]", "example.com"],
        "schemes": ["ftp", "https"],
        "ports": ["21", "8443"],
        "paths": ["/", "/a/b"],
        "ip_classes": ["none", "reserved"],
        "has_ip": True,
        "userinfo": True,
        "query": True,
    }


@pytest.mark.parametrize(
    ("url", "host", "classes"),
    [
        ("http://example.com", "example.com", ["none"]),
        ("http://example.com.", "example.com", ["none"]),
        ("http://intranet/", "intranet", ["none"]),
        ("http://a_b.example", "a_b.example", ["none"]),
        ("http://bücher.example", "xn--bcher-kva.example", ["none"]),
        ("http://BÜCHER.example", "xn--bcher-kva.example", ["none"]),
        ("http://xn--bcher-kva.example", "xn--bcher-kva.example", ["none"]),
        ("http://例え.テスト", "xn--r8jz45g.xn--zckzah", ["none"]),
        ("http://localhost", "localhost", ["loopback"]),
        ("http://a.localhost.", "a.localhost", ["loopback"]),
        ("http://metadata.google.internal", "metadata.google.internal", ["metadata"]),
        ("http://8.8.8.8", "8.8.8.8", ["global"]),
        ("http://127.0.0.1", "127.0.0.1", ["loopback"]),
        ("http://127.1", "127.0.0.1", ["loopback"]),
        ("http://127.0.1", "127.0.0.1", ["loopback"]),
        ("http://2130706433", "127.0.0.1", ["loopback"]),
        ("http://0x7f.1", "127.0.0.1", ["loopback"]),
        ("http://0x7f000001", "127.0.0.1", ["loopback"]),
        ("http://0X7F.0.0.1", "127.0.0.1", ["loopback"]),
        ("http://127.0.0.1.", "127.0.0.1", ["loopback"]),
        ("http://0", "0.0.0.0", ["unspecified"]),
        ("http://0.1.2.3", "0.1.2.3", ["reserved"]),
        ("http://10.0.0.1", "10.0.0.1", ["private"]),
        ("http://172.16.0.1", "172.16.0.1", ["private"]),
        ("http://192.168.1.1", "192.168.1.1", ["private"]),
        ("http://3232235777", "192.168.1.1", ["private"]),
        ("http://100.64.0.1", "100.64.0.1", ["private"]),
        ("http://169.254.1.1", "169.254.1.1", ["link_local"]),
        ("http://169.254.169.254", "169.254.169.254", ["link_local", "metadata"]),
        ("http://2852039166", "169.254.169.254", ["link_local", "metadata"]),
        ("http://100.100.100.200", "100.100.100.200", ["metadata", "private"]),
        ("http://224.0.0.1", "224.0.0.1", ["multicast"]),
        ("http://255.255.255.255", "255.255.255.255", ["reserved"]),
        ("http://[::1]", "[::1]", ["loopback"]),
        ("http://[::]", "[::]", ["unspecified"]),
        ("http://[0:0::1]", "[::1]", ["loopback"]),
        ("http://[fe80::1]", "[fe80::1]", ["link_local"]),
        ("http://[fd00::1]", "[fd00::1]", ["private"]),
        ("http://[fd00:ec2::254]", "[fd00:ec2::254]", ["metadata", "private"]),
        ("http://[ff02::1]", "[ff02::1]", ["multicast"]),
        ("http://[2606:4700::1111]", "[2606:4700::1111]", ["global"]),
        ("http://[::ffff:127.0.0.1]", "[::ffff:7f00:1]", ["loopback"]),
        ("http://[::ffff:a9fe:a9fe]", "[::ffff:a9fe:a9fe]", ["link_local", "metadata"]),
        ("http://[::127.0.0.1]", "[::7f00:1]", ["loopback", "reserved"]),
        ("http://[64:ff9b::7f00:1]", "[64:ff9b::7f00:1]", ["global", "loopback"]),
        ("http://[2002:7f00:1::]", "[2002:7f00:1::]", ["global", "loopback"]),
    ],
)
def test_hosts(url: str, host: str, classes: list[str]) -> None:
    found = fact(url)
    assert found.problem == ""
    assert found.attributes["hosts"] == [host]
    assert found.attributes["ip_classes"] == classes
    assert found.attributes["has_ip"] is (host[0] == "[" or host.replace(".", "").isdigit())


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com", "/a", "http:example.com", "http:/example.com", "http:///example.com",
        "http://", "http:///", "http://:80", "http://@", "http://a@", "file:///etc/passwd", "data:text/html,x",
        "javascript:alert(1)", "mailto:a@b.c", "http:\\\\example.com", "http://a\\@b", "http://a\\.b", "http:/\\a",
        "http://a@b@c", "http://a b", " http://a", "http://a ", "http://a\n", "http://a\t.b", "http://a\x00",
        "ht\ntp://a", "http://a%2eb", "http://%61", "http://a%00b", "http://a:0", "http://a:65536", "http://a:8a",
        "http://a:-1", "http://a:80:80", "http://a:+80", "http://a:٨٠", "http://[::1", "http://::1", "http://[::1]x",
        "http://[::1%25eth0]", "http://[fe80::1%eth0]", "http://[v1.x]", "http://[127.0.0.1]", "http://[]",
        "http://1.2.3.4.5", "http://1.2.3.256", "http://256.1.1.1", "http://4294967296", "http://0x100000000",
        "http://1.2.3.0x", "http://09.1.1.1", "http://1..2", "http://a..b", "http://.a", "http://.", "http://-a.b",
        "http://a-.b", "http://ab--c.d", "http://xn--a.b", "http://xn--.b", "http://faß.de", "http://ς.gr",
        "http://a\u200cb.c", "http://a\u00adb.c", "http://ａ.com", "http://a。com", "http://a．com", "http://①.com",
        "http://\u212a.com", "http://ﬀ.com", "http://a<b", "http://a>b", "http://a|b", "http://a^b", "http://a`b",
        "http://a{b}", 'http://a"b', "http://a'b", "http://a,b", "http://a;b", "http://a&b", "http://a=b",
        "http://u[@a", 'http://u"@a', "http://é@a", "http://a/..", "http://a/../b", "http://a/./b",
        "http://a/%2e%2e/b", "http://a/%2E/b", "http://a/..%2fb", "http://a/%252e%252e/b", "http://a/..\\b",
        "http://a/%5c..%5cb", "http://a/b c", "http://a/\u202e", "http://" + "a" * 64, "http://" + "a." * 130 + "b",
        "1http://a", "ht_tp://a", "://a", "http://a/\ud800", "x" * 9000, "http://[::ffff:1.2.3.4.5]",
        "jar:http://a!/b", "view-source:http://a", "url:http://a", "http:http://a",
    ],
)  # fmt: skip
def test_what_two_readers_read_differently_fails(url: str) -> None:
    assert fact(url).attributes["ok"] is False


@pytest.mark.parametrize(
    ("url", "klass"),
    [
        ("http://017700000001", "loopback"),
        ("http://0177.0.0.1", "loopback"),
        ("http://010.0.0.1", "global"),
    ],
)
def test_leading_zeros_fail_with_what_was_seen(url: str, klass: str) -> None:
    found = fact(url).attributes
    assert found["ok"] is False
    assert klass in found["ip_classes"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("http://a", ["80"]),
        ("https://a:/", ["443"]),
        ("http://a:0080", ["80"]),
        ("foo://a", []),
        ("wss://a:1", ["1"]),
    ],
)
def test_ports(url: str, ports: list[str]) -> None:
    assert fact(url).attributes["ports"] == ports


def test_private_and_metadata_lists_cover_each_other() -> None:
    """Every metadata address is known as one in its odd spellings too."""
    import ipaddress

    from remit.facts.url import _METADATA

    for text in _METADATA:
        address = ipaddress.ip_address(text)
        spelled = (
            [f"http://[{address}]"]
            if address.version == 6
            else [
                f"http://{int(address)}",
                f"http://{int(address):#x}",
                f"http://[::ffff:{address}]",
            ]
        )
        for url in spelled:
            assert "metadata" in fact(url).attributes["ip_classes"]  # type: ignore[operator]
