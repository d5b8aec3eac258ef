"""Small bundles and calls for the tests of the policy room."""

import json
from pathlib import Path

from remit.core.event import Agent, Event, Kind
from remit.core.strictjson import parse
from remit.facts.base import Fact
from remit.policy.bundle import load_bundle
from remit.policy.pins import pin
from remit.policy.policy import Policy, Signals

HEAD = 'name = "t"\nversion = "1"\nserial = 1\n'
PAY = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "count": {"type": "integer"},
        "to": {"type": "string"},
        "urgent": {"type": "boolean"},
        "when": {"type": "string", "format": "date-time"},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "memo": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "extra": {"type": "object", "properties": {"note": {"type": "string"}}},
    },
}
QUERY = {
    "type": "object",
    "properties": {"sql": {"type": "string"}},
    "required": ["sql"],
}
PERMIT = '@id("all") permit (principal, action in Remit::Action::"tool.call", resource);\n'


def tool(name, schema):
    return {"name": name, "inputSchema": schema}


def servers(**tools):
    return [pin(server, [tool(n, s) for n, s in found.items()]) for server, found in tools.items()]


BANK = servers(bank={"pay": PAY, "drop": {"type": "object"}, "see": {"type": "object"}})


def write(directory: Path, policies="", **files):
    """Write a bundle; ``files`` are ``facts``, ``tools``, ``head`` or paths with ``__`` for ``/``."""
    names = {"facts": "facts.toml", "tools": "tools.toml", "head": "bundle.toml"}
    contents = {"bundle.toml": HEAD, "tool/a.cedar": policies}
    for name, text in files.items():
        contents[names.get(name, name.replace("__", "/"))] = text
    for name, text in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return directory


def load(directory: Path, policies="", **files):
    return load_bundle(write(directory, policies, **files))


def compiled(directory: Path, policies, pins=BANK, **files):
    policy = Policy.compile(load(directory, policies, **files), pins)
    policy.memo_size = 0
    return policy


def call(action, arguments="{}", agent="a", user="u", **more):
    """A tool call; ``arguments`` is JSON text, parsed as at the border, or a ready value."""
    server, _, name = action.partition("/")
    value = parse(arguments.encode()) if isinstance(arguments, str) else arguments
    return Event(
        id="x",
        kind=Kind.TOOL_CALL,
        server=server,
        action=action,
        tool=name,
        agent=Agent(id=agent),
        user=user,
        session="s",
        input=value,
        **more,
    )


def other(kind, arguments=None, server="bank"):
    return Event(
        id="x",
        kind=Kind(kind),
        server=server,
        action=kind,
        agent=Agent(id="a"),
        user="u",
        session="s",
        input=arguments or {},
    )


def signals(**more):
    return Signals(now_us=1_767_225_600_000_000, **more)


def decide(policy, action, arguments="{}", **more):
    given = {k: more.pop(k) for k in ("facts", "session", "over_limit", "fulfilled") if k in more}
    return policy.decide(call(action, arguments, **more), signals(**given))


def fact(*, ok=True, **attributes):
    return Fact({"ok": ok, "present": True, **attributes}, "" if ok else "failed")


def codes(error):
    return {problem.code for problem in error.value.problems}


def text(value):
    return json.dumps(value)
