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


class Inner:
    def __init__(self, error=None):
        self.error, self.stopped, self.backlog = error, 0, 7
        self.sent = []
        self.on_pressure = None

    async def start(self):
        if self.error:
            raise self.error

    def send(self, message):
        self.sent.append(message)

    def hold(self, why, *, full):
        self.sent.append((why, full))

    async def stop(self):
        self.stopped += 1


def upstream(admitted, inner):
    async def admit():
        if isinstance(admitted, Exception):
            raise admitted
        return admitted

    return AdmittedUpstream(admit, lambda _: inner, lambda _: inner)


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
