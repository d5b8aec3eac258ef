import asyncio
import json

import pytest

from remit.core.decision import Decision
from remit.core.errors import RemitError
from remit.guard.admission.upstream import AdmittedUpstream, Understudy
from remit.guard.errors import GuardError
from remit.guard.mcp.messages import Notification, Request
from remit.guard.mcp.upstream import BarredError
from remit.policy.pins import pin

PINNED = pin("x", [{"name": "echo", "inputSchema": {"type": "object"}}], "Be kind")
MODERN = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}


def answers(pinned, *messages):
    """What an understudy says."""
    seen = []

    async def work():
        understudy = Understudy(pinned, lambda line: seen.append(json.loads(line.data)), "no")
        await understudy.start()
        for message in messages:
            understudy.send(message)
        await asyncio.sleep(0)
        await understudy.stop()

    asyncio.run(work())
    return seen


def test_who_it_is_and_its_pinned_tools():
    opened, listed, pong = answers(
        PINNED,
        Request(1, "initialize", {"protocolVersion": "2025-11-25"}),
        Request(2, "tools/list", {}),
        Request(3, "ping", {}),
    )
    assert opened["result"]["protocolVersion"] == "2025-11-25"
    assert opened["result"]["instructions"] == "Be kind"
    assert [each["name"] for each in listed["result"]["tools"]] == ["echo"]
    assert pong["result"] == {}


def test_the_modern_era():
    discovered, listed = answers(
        PINNED, Request(1, "server/discover", MODERN), Request(2, "tools/list", MODERN)
    )
    assert discovered["result"]["resultType"] == listed["result"]["resultType"] == "complete"


def test_nothing_else():
    called, listed = answers(
        None,
        Request(1, "tools/call", {"name": "echo"}),
        Request(2, "tools/list", {}),
        Notification("notifications/initialized", {}),
    )
    assert called["error"]["message"] == listed["error"]["message"] == "no"


class Stage:
    closed = 0

    def close(self):
        self.closed += 1


class Admitted:
    def __init__(self):
        self.stage = Stage()
        self.left = 0

    def leave(self):
        self.left += 1


class Inner:
    def __init__(self, error=None, gate=None):
        self.error, self.stopped, self.backlog = error, 0, 7
        self.sent = []
        self.on_pressure = self.counts = None
        self.gate = gate
        self.at_once = False

    async def start(self):
        if self.gate is not None:
            await self.gate.wait()
        if self.error:
            raise self.error

    def send(self, message):
        self.sent.append(message)

    def hold(self, why, *, full):
        self.sent.append((why, full))

    async def stop(self, *, at_once=False):
        self.stopped += 1
        self.at_once |= at_once


def upstream(admitted, inner, understudy=None, recalls=None, entering=None):
    async def admit():
        if isinstance(admitted, Exception):
            raise admitted
        return admitted

    def begin(_found, counts):
        inner.counts = counts
        return inner

    def enter(found, recall):
        if entering is not None:
            raise entering
        if recalls is not None:
            recalls.append(recall)
        return found.leave

    return AdmittedUpstream(admit, begin, lambda _: understudy or inner, enter)


NO = Decision(error="artifact_denied", detail="it was withdrawn")


def test_what_is_withdrawn_is_killed_and_answered_for():
    found, inner, understudy, recalls, barred = Admitted(), Inner(), Inner(), [], []

    async def work():
        made = upstream(found, inner, understudy, recalls)
        pressed = []
        made.on_pressure, made.on_barred = pressed.append, barred.append
        await made.start()
        made.send("before")
        assert inner.counts()
        recalls[0](NO)
        # At once, and before its process has ended: nothing of it counts, nothing reaches it.
        assert not inner.counts()
        assert barred == [NO]
        assert pressed == [False]
        made.send("after")
        await made.stop()

    asyncio.run(work())
    assert inner.sent == ["before"]
    assert inner.at_once
    assert understudy.sent == ["after"]
    assert found.stage.closed == 1
    assert found.left


def test_what_is_withdrawn_while_it_starts_never_gets_a_line():
    found, understudy, recalls, barred = Admitted(), Inner(), [], []

    async def work():
        inner = Inner(gate=asyncio.Event())
        made = upstream(found, inner, understudy, recalls)
        made.on_barred = barred.append
        starting = asyncio.ensure_future(made.start())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        recalls[0](NO)
        made.send("early")
        inner.gate.set()
        with pytest.raises(BarredError) as caught:
            await starting
        assert (caught.value.decision, caught.value.code) == (NO, "artifact.withdrawn")
        await made.stop()
        return inner

    inner = asyncio.run(work())
    assert (inner.sent, inner.at_once, barred) == ([], True, [])
    assert understudy.sent == ["early"]
    assert found.stage.closed == 1


def test_what_was_withdrawn_between_look_and_start_is_not_started():
    found, inner, understudy = Admitted(), Inner(), Inner()
    error = BarredError("no", code="artifact.withdrawn", decision=NO)

    async def work():
        made = upstream(found, inner, understudy, entering=error)
        with pytest.raises(BarredError):
            await made.start()
        made.send("x")

    asyncio.run(work())
    assert inner.counts is None
    assert understudy.sent == ["x"]
    assert found.stage.closed == 1


def test_the_copy_lives_as_long_as_its_server():
    found, inner = Admitted(), Inner()

    async def work():
        made = upstream(found, inner)
        made.on_pressure = print
        assert made.backlog == 0
        made.send("early")
        await made.start()
        assert inner.on_pressure is print
        made.on_pressure = repr
        assert made.on_pressure is inner.on_pressure is repr
        made.send("x")
        made.hold("y", full=True)
        assert made.backlog == 7
        assert not found.stage.closed
        await made.stop()
        await made.stop()

    asyncio.run(work())
    assert inner.sent == ["x", ("y", True)]
    assert found.stage.closed == 1


def test_the_copy_goes_when_the_server_does_not_start():
    found = Admitted()
    with pytest.raises(RemitError):
        asyncio.run(upstream(found, Inner(GuardError("no"))).start())
    assert found.stage.closed == 1


def test_what_is_barred_is_answered_for():
    inner = Inner()

    async def work():
        made = upstream(BarredError("no", code="x", decision=Decision()), inner)
        with pytest.raises(BarredError):
            await made.start()
        made.send("x")
        await made.stop()

    asyncio.run(work())
    assert inner.sent == ["x"]
