"""Versions and pages of the MCP registry."""

from remit.hub.api.servers import Release, _behind, releases
from remit.hub.catalog.ports import Offer


def offer(name, version, pushed=0, digest="d"):
    return Offer(id=1, repository="r", digest=digest, name=name, version=version, pushed_us=pushed)


def test_the_latest_is_by_precedence_and_of_one_version_the_last_pushed_counts():
    found = list(
        releases(
            [
                offer("a/x", "1.2.0", 9, "new"),
                offer("a/x", "1.10.0", 5, "ten"),
                offer("a/x", "1.2.0", 1, "old"),
                offer("b/x", "dev", 2),
                offer("b/x", "nightly", 1),
            ]
        )
    )
    assert [(each.offer.version, each.offer.digest, each.latest) for each in found] == [
        ("1.10.0", "ten", True),
        ("1.2.0", "new", False),
        ("dev", "d", True),
        ("nightly", "d", False),
    ]


def test_a_page_goes_on_even_if_its_last_row_is_gone():
    every = [
        Release(offer=offer(name, version), latest=False)
        for name, version in (("a/x", "2.0.0"), ("a/x", "1.0.0"), ("c/x", "1.0.0"))
    ]

    def rest(name, version):
        return [(e.offer.name, e.offer.version) for e in _behind(every, (name, version))]

    assert rest("a/x", "2.0.0") == [("a/x", "1.0.0"), ("c/x", "1.0.0")]
    assert rest("a/x", "1.5.0") == [("a/x", "1.0.0"), ("c/x", "1.0.0")]
    assert rest("b/x", "9.0.0") == [("c/x", "1.0.0")]
    assert rest("a/x", "0.1.0") == [("c/x", "1.0.0")]
    assert rest("z/z", "1") == []
    assert _behind(every, None) == every
