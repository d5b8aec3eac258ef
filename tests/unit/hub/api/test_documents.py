"""Whether all of an artifact was scanned: only if nothing at all speaks against it."""

import msgspec
import pytest

from remit.hub.api.documents import needs_json, time_of
from remit.hub.catalog.ports import Edge, Item, Reach
from tests.rig.hub_users import form

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
PASSED = {A: "passed", B: "passed", C: "passed"}


def item(digest, graph=""):
    return Item(
        id=1, repository="team/x", digest=digest, media_type="m", artifact_type="t", kind="agent",
        name="n", version="1", title="t", graph=graph, subject="", size=1, total=2,
        pushed_by="ann", pushed_us=0, tags=("v1",),
    )  # fmt: skip


def edge(subject, digest, name="n"):
    return Edge(subject=subject, role="model", name=name, digest=digest, reference="h.example/x:1")


WHOLE = Reach(
    edges=(edge(A, B), edge(B, C)),
    items={A: (item(A, "complete"),), B: (item(B),), C: (item(C), item(C))},
)


def asked(reach, states=PASSED):
    found = needs_json(A, reach, states)
    form("dependencies").validate(msgspec.json.decode(msgspec.json.encode(found)))
    return found


def test_everything_is_here_known_and_passed():
    assert asked(WHOLE)["scanned"] is True


@pytest.mark.parametrize(
    ("reach", "states", "reason"),
    [
        (WHOLE, {A: "passed", B: "passed"}, f"`{C}` is unscanned"),
        (WHOLE, PASSED | {B: "failed"}, f"`{B}` is failed"),
        (WHOLE, PASSED | {A: "expired"}, f"`{A}` is expired"),
        (msgspec.structs.replace(WHOLE, whole=False), PASSED, "too large"),
        (msgspec.structs.replace(WHOLE, items={}), PASSED, "is not here"),
        (msgspec.structs.replace(WHOLE, edges=(edge(A, ""),)), PASSED, "has no digest"),
        (
            msgspec.structs.replace(WHOLE, items={**WHOLE.items, B: (item(B, "unreadable"),)}),
            PASSED,
            "cannot be read",
        ),
        (
            msgspec.structs.replace(WHOLE, items={**WHOLE.items, B: (item(B, "newer"),)}),
            PASSED,
            "cannot be read",
        ),
        (Reach(), PASSED, "is not here"),
    ],
)
def test_one_reason_is_enough(reach, states, reason):
    if reason == "cannot be read" and reach.items[B][0].graph == "newer":
        found = needs_json(A, reach, states)
    else:
        found = asked(reach, states)
    assert found["scanned"] is False
    assert any(reason in each for each in found["reasons"])


def test_times():
    assert time_of(1_700_000_000_123_456) == "2023-11-14T22:13:20.123456Z"
    assert time_of(0) == "1970-01-01T00:00:00.000000Z"
