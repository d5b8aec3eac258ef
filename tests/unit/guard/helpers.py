"""A whole Guard without processes: a real log, real policy, and two lists in place of the pipes."""

import asyncio
import json
import os
import time

from remit.attest.keys import LogKey
from remit.audit.log import Log
from remit.audit.read import read
from remit.core.event import Agent, Event, Kind, ToolClass
from remit.facts.base import Environment
from remit.facts.usage import Usage
from remit.guard.config import ServerConfig
from remit.guard.governed import GovernedServer
from remit.guard.judge import Answer, Guard
from remit.guard.ledger import Ledger
from remit.guard.mcp.catalog import Catalog
from remit.guard.mcp.framing import Line
from remit.guard.mcp.messages import encode
from remit.guard.mcp.session import Limits, Parties, Session
from remit.guard.memory import SessionMemory
from remit.guard.store.pins import PinStore
from remit.policy.bundle import load_bundle
from remit.policy.pins import pin
from remit.policy.policy import Policy

KEY = LogKey("remit.example/guard/1", b"\x07" * 32)
START_US = 1_800_000_000_000_000
AGENT = Agent(id="claude-code", executable="/opt/claude")
SERVER = "srv"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
PREFIX = "io.modelcontextprotocol/"


def tool(name, **properties):
    return {
        "name": name,
        "description": f"The tool {name}",
        "inputSchema": {
            "type": "object",
            "properties": {key: {"type": kind} for key, kind in properties.items()},
        },
    }


TOOLS = [
    tool("get", key="string"),
    tool("put", key="string"),
    tool("pay", amount="integer", to="string"),
    tool("few", key="string"),
    tool("never", key="string"),
]

POLICIES = """
@id("protocol-all")
permit (principal, action in [
    Remit::Action::"mcp.connect", Remit::Action::"mcp.list", Remit::Action::"mcp.elicit",
    Remit::Action::"mcp.roots", Remit::Action::"mcp.log", Remit::Action::"mcp.subscribe",
    Remit::Action::"mcp.task", Remit::Action::"mcp.complete"
  ], resource);
@id("results")
permit (principal, action == Remit::Action::"tool.result", resource);
@id("reads")
permit (principal, action in [Remit::Action::"resource.read", Remit::Action::"mcp.prompt"], resource);
@id("tools")
permit (principal, action in [
    Remit::Action::"srv/get", Remit::Action::"srv/put", Remit::Action::"srv/pay",
    Remit::Action::"srv/few"
  ], resource);
@id("ask-first")
@require("confirmation")
@reason("Payments above 10 need a person")
forbid (principal, action == Remit::Action::"srv/pay", resource)
when { context.input has amount && context.input.amount > 10 }
unless { context.fulfilled.contains("ask-first") };
@id("used-up")
@reason("Two are enough")
forbid (principal, action == Remit::Action::"srv/few", resource)
when { context.over_limit.contains("two") };
"""

TOOLS_TOML = """[tools]
"srv/get" = "read"
"srv/put" = "write"
"srv/pay" = "destructive"
"srv/few" = "write"
"""
FACTS_TOML = """[[limit]]
name = "two"
max = 2
window = "1h"
per = ["agent"]
tools = ["srv/few"]
"""
HEAD = 'name = "t"\nversion = "1"\nserial = 1\n'


class TestClock:
    """Wall time that the test moves; monotonic time is the machine's."""

    __test__ = False

    def __init__(self):
        self.now = START_US

    def now_us(self):
        return self.now

    def monotonic_ns(self):
        return time.monotonic_ns()


def write_bundle(directory, policies=POLICIES, *, facts=FACTS_TOML, tools=TOOLS_TOML, head=HEAD):
    for name, text in (
        ("bundle.toml", head),
        ("facts.toml", facts),
        ("tools.toml", tools),
        ("tool/a.cedar", policies),
    ):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def bundle_of(directory, policies=POLICIES, **more):
    return load_bundle(write_bundle(directory / "bundle", policies, **more))


def open_log(directory, clock=None, **more):
    return Log.open(directory / "log", KEY, clock or TestClock(), boot="b", reserve_bytes=0, **more)


def log_records(directory):
    return [entry.record for entry in read(directory / "log", 0)]


def event(name="get", arguments=None, *, kind=Kind.TOOL_CALL, tool_class=ToolClass.READ, **more):
    is_tool = kind is Kind.TOOL_CALL
    return Event(
        **{
            "id": "01" + "A" * 24,
            "kind": kind,
            "server": SERVER,
            "action": f"{SERVER}/{name}" if is_tool else str(kind),
            "agent": AGENT,
            "user": "alice",
            "session": "01" + "S" * 24,
            "input": arguments or {},
            "tool": name if is_tool else "",
            "tool_class": tool_class if is_tool else None,
            "inbound": kind is Kind.TOOL_RESULT,
            **more,
        }
    )


class Person:
    """Fulfils obligations as the test says and counts how often it was asked."""

    def __init__(self, answer=Answer.GIVEN, before=None):
        self.answer = answer
        self.asked = 0
        self.before = before

    async def fulfil(self, event, obligation):
        self.asked += 1
        await asyncio.sleep(0)
        if self.before is not None:
            self.before()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Corridor:
    """A Guard over a compiled bundle and a log on disk; use inside a running loop."""

    def __init__(self, directory, policies=POLICIES, *, tools=TOOLS, labels="", log=None, **bundle):
        self.directory = directory
        self.clock = TestClock()
        self.bundle = bundle_of(directory, policies, tools=TOOLS_TOML + labels, **bundle)
        self.usage = Usage(self.bundle.limits)
        self.log = log or open_log(directory, self.clock)
        self.ledger = Ledger(self.log, guard_id="g", surface="exec")
        self.workspace = directory / "workspace"
        self.workspace.mkdir(exist_ok=True)
        self.guard = Guard(
            ledger=self.ledger,
            usage=self.usage,
            clock=self.clock,
            environment=Environment(
                workspace=str(self.workspace),
                realpath=os.path.realpath,
                cwd=str(self.workspace),
                matchers=self.bundle.matchers,
            ),
        )
        self.guard.policy = Policy.compile(self.bundle, [pin(SERVER, tools)])
        self.session = SessionMemory()

    async def judge(self, an_event, person=None, **more):
        return await self.guard.judge(an_event, self.session, person or Person(), **more)

    def records(self):
        """What is on disk once everything accepted was written."""
        self.ledger._settle()
        self.log.flush()
        return log_records(self.directory)

    def close(self):
        self.log.close()


class Talk(Corridor):
    """A session between a client and a server that the test plays.

    ``up`` is what reached the server, ``down`` what reached the client, both parsed. The server
    answers Guard's own ``tools/list`` by itself unless ``manual``.
    """

    def __init__(self, directory, policies=POLICIES, *, manual=False, limits=None, **more):
        terminal = more.pop("terminal", None)
        pinned = more.pop("pinned", None)
        super().__init__(directory, policies, **more)
        self.tools = list(more.get("tools", TOOLS))
        self.manual = manual
        self.up = []
        self.down = []
        self.store = PinStore(self.bundle.lock, directory / "tools.lock")
        if pinned is not None:
            self.store.save(pin(SERVER, pinned))
        self.governed = GovernedServer(
            ServerConfig(id=SERVER, command=("x",), cwd=self.workspace, workspace=self.workspace),
            self.bundle,
            self.usage,
            self.ledger,
            self.clock,
            directory / "tools.lock",
        )
        self.governed.guard.policy = Policy.compile(self.bundle, [])
        self.guard = self.governed.guard
        self.catalog = Catalog(SERVER, self.governed, self.ledger)
        self.mcp = Session(
            Parties(
                guard=self.guard,
                ledger=self.ledger,
                clock=self.clock,
                catalog=self.catalog,
                user="alice",
                terminal=terminal,
            ),
            AGENT,
            limits or Limits(call_s=5, own_s=5, confirm_s=5),
            to_client=lambda message: self._to_client(encode(message)),
            to_server=lambda message: self._to_server(encode(message)),
        )

    def _to_client(self, data):
        assert data.endswith(b"\n")
        assert data.count(b"\n") == 1
        assert b"\r" not in data
        self.down.append(json.loads(data))

    def _to_server(self, data):
        assert data.endswith(b"\n")
        assert data.count(b"\n") == 1
        assert b"\r" not in data
        message = json.loads(data)
        own = str(message.get("id", "")).startswith("remit-")
        if own and not self.manual and message["method"] == "tools/list":
            asyncio.get_running_loop().call_soon(
                lambda: self.server({"id": message["id"], "result": {"tools": self.tools}})
            )
        else:
            self.up.append(message)

    # --- the two ends ---------------------------------------------------------------------

    def client(self, message):
        """The client sends a message (``jsonrpc`` is added) or raw bytes."""
        self.mcp.from_client(Line(_bytes(message)))

    def server(self, message):
        """The server sends one."""
        self.mcp.from_server(Line(_bytes(message)))

    def ask(self, number, method, params=None, *, modern=False, capabilities=None):
        params = dict(params or {})
        if modern:
            params["_meta"] = {
                **meta(capabilities),
                **params.get("_meta", {}),
            }
        self.client({"id": number, "method": method, "params": params})

    def call(self, number, name, *, modern=False, capabilities=None, more=None, **arguments):
        params = {"name": name, "arguments": arguments, **(more or {})}
        self.ask(number, "tools/call", params, modern=modern, capabilities=capabilities)

    async def until(self, condition, timeout_s=5.0):
        """Let the loop run until ``condition()`` holds and give what it gave."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, (self.up, self.down)
            await asyncio.sleep(0.001)
        return found

    async def answer(self, number, timeout_s=5.0):
        """The one answer to the client's request ``number``."""
        return await self.until(lambda: next(iter(self.answers(number)), None), timeout_s)

    def answers(self, number):
        return [
            m
            for m in self.down
            if "method" not in m and m["id"] == number and type(m["id"]) is type(number)
        ]

    async def arrives(self, method, timeout_s=5.0):
        """The next message of ``method`` at the server."""
        found = await self.until(
            lambda: next((m for m in self.up if m.get("method") == method), None), timeout_s
        )
        self.up.remove(found)
        return found

    async def shown(self, method, timeout_s=5.0):
        """The next message of ``method`` at the client."""
        found = await self.until(
            lambda: next((m for m in self.down if m.get("method") == method), None), timeout_s
        )
        self.down.remove(found)
        return found

    async def settle(self):
        """Let everything that can go on without the other side go on."""
        for _ in range(3):
            await asyncio.sleep(0.005)

    async def open(self, *, modern=False, capabilities=None):
        """Open the session in one era."""
        if modern:
            self.ask("open", "server/discover", modern=True, capabilities=capabilities)
            request = await self.arrives("server/discover")
            self.server(
                {
                    "id": request["id"],
                    "result": {"resultType": "complete", "capabilities": {"tools": {}}},
                }
            )
        else:
            self.ask(
                "open",
                "initialize",
                {
                    "protocolVersion": LEGACY,
                    "capabilities": capabilities or {},
                    "clientInfo": {"name": "c", "version": "1"},
                },
            )
            request = await self.arrives("initialize")
            self.server(
                {
                    "id": request["id"],
                    "result": {"protocolVersion": LEGACY, "capabilities": {"tools": {}}},
                }
            )
        answer = await self.answer("open")
        assert "result" in answer, answer
        self.down.remove(answer)
        return answer["result"]

    def codes(self):
        """Codes of the refusals in the log."""
        return [r["code"] for r in self.records() if r["kind"] == "mcp.refused"]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        await self.mcp.close(0)
        await asyncio.sleep(0)
        self.close()


def meta(capabilities=None):
    return {
        f"{PREFIX}protocolVersion": MODERN,
        f"{PREFIX}clientCapabilities": capabilities or {},
        f"{PREFIX}clientInfo": {"name": "c", "version": "1"},
    }


def text_result(text="ok", **more):
    return {"content": [{"type": "text", "text": text}], **more}


def said(answer):
    """Text of a tool result or of an error."""
    if "error" in answer:
        return answer["error"]["message"]
    return answer["result"]["content"][0]["text"]


def denied(answer):
    return "error" in answer or answer["result"].get("isError") is True


def _bytes(message):
    if isinstance(message, bytes):
        return message
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


def go(coroutine):
    """Run a test's coroutine in a loop of its own."""
    return asyncio.run(asyncio.wait_for(coroutine, 30))
