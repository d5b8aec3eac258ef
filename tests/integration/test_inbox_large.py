"""The inbox with ten thousand open requests."""

import os
import statistics
import time
from pathlib import Path

import msgspec

from remit.approvals.request import Request
from remit.attest.cipher import SubjectCipher
from remit.core.ids import ulid
from remit.guard.store.approvals import ApprovalStore
from tests.rig.inbox import Visitor, text_of
from tests.rig.people import Treasury

MANY = 10_000
# A page shows fifty requests at most; what is done for each open one takes thousands of times one.
TIMES = 100


def fill(state: Path, like: Request, agents: int) -> None:
    """Add open requests to a Guard's store, for `agents` different agents."""
    cipher = SubjectCipher(state / "keys" / "subjects", entropy=os.urandom)
    store = ApprovalStore(state / "approvals.db", cipher)
    store._db.execute("PRAGMA synchronous = OFF")
    for number in range(MANY):
        agent = "helper" if agents == 1 else f"helper-{number % agents}"
        action = msgspec.structs.replace(
            like.action, agent=agent, arguments=f'{{"amount":500,"to":"SECRET-{number}"}}'
        )
        name = ulid(like.requested_us // 1 + number * 1000, number.to_bytes(10, "big"))
        store.add(msgspec.structs.replace(like, id=f"APR-{name}", action=action))
    store.close()


def answered(visitor: Visitor, path: str) -> float:
    """Seconds that a page takes, the middle one of some."""
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        assert visitor.get(path).status == 200
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def test_ten_thousand_open_requests(tmp_path: Path) -> None:
    """Lists come in parts, none of which takes as long as all, and none decrypts an argument."""
    with Treasury(tmp_path, http="127.0.0.1:0") as treasury, treasury.agent() as wire:
        ann, dan = (Visitor(treasury.guard.url) for _ in range(2))
        for visitor, user in ((ann, "ann"), (dan, "dan")):
            assert visitor.enrol(treasury.invites(user)).status == 303
        first = treasury.waits(wire, 1, 500, "ALICE")
        alone = answered(ann, "")
        kept = treasury.guard.ask({"op": "approval", "request": first})["approval"]["request"]
        fill(treasury.guard.state, msgspec.convert(kept, Request), agents=500)
        page = text_of(ann.get())
        assert f"{MANY + 1} open" in page
        assert page.count("<li>") == 50
        assert first in page
        assert "SECRET" not in page
        more = page.partition("?after=")[2].partition('"')[0]
        second = text_of(ann.get(f"?after={more}"))
        assert second.count("<li>") == 50
        assert first not in second
        assert "Nothing waits for you" in text_of(dan.get())
        pages = ((ann, ""), (ann, f"?after={more}"), (ann, f"/{first}"), (ann, "/past"),
                 (dan, ""))  # fmt: skip
        took = [answered(visitor, path) for visitor, path in pages]
        assert max(took) < TIMES * alone, (took, alone)
        assert ann.says(first).status == 303
        assert not wire.response(1)["result"].get("isError")
