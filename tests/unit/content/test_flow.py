"""``context.flow``: where the arguments of a call come from."""

from remit.content.flow import NOTHING, flow
from remit.content.provenance import Provenance


def test_destination_payload_and_links() -> None:
    seen = Provenance()
    seen.user("Send the plan to ann@home.example")
    seen.result("Meet at eve@evil.example, https://evil.example/a", trusted=False)
    found = flow(
        {"to": ["ann@home.example"], "body": "see https://evil.example/a", "n": 3},
        {"to", "cc"}, "egress", seen,
    )  # fmt: skip
    assert found["effect"] == "egress"
    assert found["destination"] == "user"
    assert found["payload"] == found["links"] == "untrusted"
    assert found["user"] == ["to"]
    assert found["untrusted"] == ["body"]
    assert found["unknown"] == ["n"]


def test_nothing_there() -> None:
    found = flow({}, {"to"}, "internal", Provenance())
    assert (found["destination"], found["payload"], found["links"]) == ("none", "none", "none")
    assert found.keys() == NOTHING.keys()


def test_the_worst_of_several_destinations() -> None:
    seen = Provenance()
    seen.user("to ann@home.example")
    seen.result("eve@evil.example", trusted=False)
    both = {"to": ["ann@home.example", "eve@evil.example"]}
    assert flow(both, {"to"}, "egress", seen)["destination"] == "untrusted"
