"""A first bundle for a server, written from the tools it offers.

Reads are permitted, writes are not, and what may destroy something asks a person first. Classes
are guessed from names and from the server's own annotations, which nobody verified: a person has
to read ``tools.toml``, and it says so. Whatever is not recognised counts as destructive.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from remit.core.event import ToolClass
from remit.facts import registry
from remit.policy.arguments import Validator
from remit.policy.errors import BadArgument
from remit.policy.pins import Lock, PinnedServer, PinnedTool, dump_lock
from remit.policy.samples import sample
from remit.policy.shapes import ShapeError, derive

WORKSPACE = "/workspace"
_READ = {
    "read", "get", "list", "ls", "describe", "search", "find", "show", "status", "log", "diff",
    "view", "info", "tree", "head", "tail", "count", "fetch", "stat", "query", "select", "lookup",
    "check", "inspect", "explain",
}  # fmt: skip
_WRITE = {
    "write", "create", "add", "append", "insert", "update", "set", "put", "post", "send",
    "commit", "edit", "save", "upload", "copy", "make", "mkdir", "checkout", "branch", "push",
    "publish", "upsert", "patch",
}  # fmt: skip
_DESTROY = {
    "delete", "drop", "remove", "rm", "destroy", "reset", "purge", "truncate", "wipe", "kill",
    "exec", "execute", "run", "shell", "eval", "move", "overwrite", "force", "revoke",
    "terminate", "clear",
}  # fmt: skip
_DIALECTS = ("sqlite", "postgres", "mysql", "duckdb", "snowflake", "bigquery", "clickhouse", "tsql")
_ARGUMENTS = {
    "sql": {"sql", "query", "statement"},
    "path": {"path", "paths", "file", "files", "filename", "file_path", "filepath", "directory",
             "dir", "repo_path", "source", "destination", "cwd"},
    "url": {"url", "urls", "uri", "link", "href"},
    "shell": {"command", "cmd", "script"},
}  # fmt: skip
_GOOD = {
    "sql": "SELECT 1",
    "path": f"{WORKSPACE}/a.txt",
    "url": "https://example.com/",
    "shell": "ls",
}
_GUARDS = {
    "sql": ("Only statements that read", "context.sql.read_only"),
    "path": ("Only paths inside the workspace", "context.path.inside_workspace"),
}
_SECRET = "https://app:Tr0ub4dor-3x@db.example/"  # noqa: S105 - made up, to be denied
_TOO_DEEP = 70
_BAD = {"sql": "DROP TABLE t", "path": "/etc/passwd"}


def starter(server: PinnedServer) -> dict[str, bytes]:
    """The files of a first bundle: path → contents."""
    classes = {
        tool.name: guess(tool) if _plain(tool.name) else ToolClass.DESTRUCTIVE
        for tool in server.tools
    }
    facts = {kind: _users(server, kind, classes) for kind in _ARGUMENTS if kind in registry.names()}
    facts = {kind: users for kind, users in facts.items() if users}
    files = {
        "bundle.toml": f"name = {_quoted(server.id)}\n"
        'version = "0.1.0"\nserial = 1\n'
        '# "observe" lets everything pass and records what "enforce" would have denied.\n'
        'mode = "enforce"\n',
        "tools.toml": _classes(server, classes) + _labels(server.id, facts.get("url", {})),
        "facts.toml": _facts(server, facts),
        f"tool/{server.id}.cedar": _policies(server, classes, facts),
        f"guardrail/{server.id}.cedar": _guardrail(server.id),
        f"tests/{server.id}.yaml": _tests(server, classes, facts),
    }
    out = {name: text.encode() for name, text in files.items() if text}
    out["tools.lock"] = dump_lock(Lock({server.id: server}))
    return out


def guess(tool: PinnedTool) -> ToolClass:
    """A first guess of a tool's class; destructive if nothing speaks for less."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", tool.name)
    words = set(re.split(r"[^a-z0-9]+", spaced.lower()))
    hints = tool.definition.get("annotations")
    hints = hints if isinstance(hints, dict) else {}
    if words & _DESTROY or (hints.get("destructiveHint") is True and not hints.get("readOnlyHint")):
        return ToolClass.DESTRUCTIVE
    if words & _WRITE:
        return ToolClass.READ if hints.get("readOnlyHint") is True else ToolClass.WRITE
    if words & _READ or hints.get("readOnlyHint") is True:
        return ToolClass.READ
    if hints.get("readOnlyHint") is False and hints.get("destructiveHint") is False:
        return ToolClass.WRITE
    return ToolClass.DESTRUCTIVE


def _users(
    server: PinnedServer, kind: str, classes: Mapping[str, ToolClass]
) -> dict[str, tuple[str, ...]]:
    """Tools with arguments that look like ``kind`` → those arguments."""
    found = {}
    for tool in server.tools:
        schema = tool.definition.get("inputSchema")
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(properties, dict):
            continue
        names = tuple(
            name
            for name, item in sorted(properties.items())
            if name.lower() in _ARGUMENTS[kind] and _is_text(item) and not name.startswith("$")
        )
        # `query` is SQL on a database and a search phrase anywhere else.
        if (
            kind == "sql"
            and set(names) == {"query"}
            and "sql" not in json.dumps(tool.definition).lower()
        ):
            continue
        if names and classes:
            found[tool.name] = names
    return found


def _is_text(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "array":
        return _is_text(schema.get("items"))
    return schema.get("type") == "string"


def _plain(name: str) -> bool:
    """Not a pattern: a tool called ``*`` must not classify its neighbours."""
    return not any(c in name for c in "*?[]")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(items: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, items)) + "]"


def _classes(server: PinnedServer, classes: Mapping[str, ToolClass]) -> str:
    dark = [f"{server.id}/{n}" for n, c in classes.items() if c is ToolClass.WRITE and _plain(n)]
    lines = [
        "# Guessed from names and annotations: please read. What is not listed is destructive.",
        "# dark: tools that no policy permits, on purpose.",
        f"dark = {_list(dark)}",
        "",
        "[tools]",
    ]
    lines += [
        f"{_quoted(f'{server.id}/{name}')} = {_quoted(kind.value)}"
        for name, kind in classes.items()
        if _plain(name)
    ]
    return "\n".join(lines) + "\n"


def _labels(server: str, fetching: Mapping[str, tuple[str, ...]]) -> str:
    """Labels of tools that take an address: it can carry data out, and strangers write the page."""
    lines = ["", "# What tools do with data; policies read it as context.flow."] if fetching else []
    for tool, arguments in fetching.items():
        if _plain(tool):
            lines += [
                f"[labels.{_quoted(f'{server}/{tool}')}]",
                'result = "untrusted"',
                'effect = "egress"',
                f"dest = {_list(arguments)}",
            ]
    return "\n".join(lines) + "\n" if lines else ""


def _facts(server: PinnedServer, facts: Mapping[str, Mapping[str, tuple[str, ...]]]) -> str:
    lines = ["# Which argument of which tool means what; policies read it as context.<name>."]
    for kind, users in facts.items():
        names = sorted({name for arguments in users.values() for name in arguments})
        lines += [
            "",
            "[[fact]]",
            f"name = {_quoted(kind)}",
            f"tools = {_list(f'{server.id}/{tool}' for tool in users)}",
            f"arguments = {_list(names)}",
        ]
        if kind == "sql":
            lines += ["# The dialect of the database; a wrong one reads statements wrongly."]
            lines += [f"dialect = {_quoted(_dialect(server))}"]
    return "\n".join(lines) + "\n" if facts else ""


def _dialect(server: PinnedServer) -> str:
    text = json.dumps([server.id, server.instructions, *(t.definition for t in server.tools)])
    return next((name for name in _DIALECTS if name in text.lower()), "postgres")


def _policies(
    server: PinnedServer,
    classes: Mapping[str, ToolClass],
    facts: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> str:
    at = f"resource == Remit::Server::{_quoted(server.id)}"
    name = server.id
    session = ", ".join(
        f'Remit::Action::"{action}"' for action in ("mcp.connect", "mcp.list", "tool.result")
    )
    parts = [
        f"""// Connecting, listing what there is, and reading answers.
@id("{name}-session")
permit (principal, action in [{session}], {at});""",
        f"""@id("{name}-reads")
permit (principal, action in Remit::Action::"tool.read", {at});""",
        f"""// Writing is not permitted. To permit it, add a policy such as
//   permit (principal, action == Remit::Action::"{name}/…", {at});""",
    ]
    if ToolClass.DESTRUCTIVE in classes.values():
        asks = f"{name}-destructive-asks"
        parts += [
            f"""@id("{name}-destructive")
permit (principal, action in Remit::Action::"tool.destructive", {at});""",
            f"""@id("{asks}")
@require("confirmation")
@reason("This tool may destroy data")
forbid (principal, action in Remit::Action::"tool.destructive", {at})
unless {{ context.fulfilled.contains("{asks}") }};""",
        ]
    for kind, (reason, condition) in _GUARDS.items():
        tools = [tool for tool in facts.get(kind, {}) if _guarded(kind, classes[tool])]
        if tools:
            group = "tool.read" if kind == "sql" else "tool.call"
            parts.append(
                f"""@id("{name}-{kind}")
@reason("{reason}")
forbid (principal, action in Remit::Action::"{group}", {at})
when {{ context has {kind} && context.{kind}.present }}
unless {{ {condition} }};"""
            )
    return "\n\n".join(parts) + "\n"


def _guardrail(name: str) -> str:
    at = f"resource == Remit::Server::{_quoted(name)}"
    return f"""// What is in the arguments of a call, and in its result.
@id("{name}-inspected")
@reason("Nobody can say what is in this")
forbid (principal, action in [
    Remit::Action::"tool.call", Remit::Action::"tool.result"
  ], {at})
unless {{ context.content.inspected }};

@id("{name}-secrets")
@reason("Keys and passwords do not go into tools")
forbid (principal, action in Remit::Action::"tool.call", {at})
when {{ context.content.findings.contains("secret") }};

// To take personal data out of what comes back, before the agent sees it:
//   @id("{name}-personal-data")
//   @require("redact") @findings("pii phi") @with("mask")
//   forbid (principal, action == Remit::Action::"tool.result", {at})
//   when {{ context.content.findings.containsAny(["pii", "phi"]) }}
//   unless {{ context.fulfilled.contains("{name}-personal-data") }};
"""


def _guarded(kind: str, tool_class: ToolClass) -> bool:
    return kind != "sql" or tool_class is ToolClass.READ


def _tests(
    server: PinnedServer,
    classes: Mapping[str, ToolClass],
    facts: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> str:
    name = server.id
    lines = [
        f"defaults: {{agent: someone, user: ann, workspace: {WORKSPACE}}}",
        "tests:",
        _case("connect", {"action": "mcp.connect", "server": name}, "allow"),
        _case("list", {"action": "mcp.list", "server": name, "args": {"what": "tools"}}, "allow"),
        _case(
            "result",
            {"action": "tool.result", "server": name, "args": {"tool": "x", "error": False}},
            "allow",
        ),
    ]
    deep = "[" * _TOO_DEEP + "]" * _TOO_DEEP
    nested = {"action": "tool.result", "server": name, "args": {"tool": "x", "error": False}}
    nested["result"] = json.loads(deep)
    lines.append(_case("a result too deep to read", nested, {"deny": [f"{name}-inspected"]}))
    asks = f"{name}-destructive-asks"
    secret = False
    for tool in server.tools:
        texts = {a: kind for kind, users in facts.items() for a in users.get(tool.name, ())}
        call = {"tool": f"{name}/{tool.name}"}
        good = _fitting(tool, {argument: _GOOD[kind] for argument, kind in texts.items()})
        if good is None:
            continue
        call_good = {**call, "args": good}
        kind = classes[tool.name]
        place = _free_text(tool, {a for a, fact in texts.items() if fact in _GUARDS})
        if place and not secret and kind is ToolClass.READ:
            secret = True
            leak = {**call, "args": {**good, place: _SECRET}}
            lines.append(_case(f"{tool.name} with a password", leak, {"deny": [f"{name}-secrets"]}))
        if kind is ToolClass.READ:
            lines.append(_case(f"{tool.name} reads", call_good, "allow"))
        elif kind is ToolClass.WRITE:
            lines.append(_case(f"{tool.name} writes", call_good, {"deny": []}))
        else:
            after = {"after": {"fulfil": [asks], "expect": "allow"}}
            lines.append(_case(f"{tool.name} asks", {**call_good, **after}, {"require": [asks]}))
        for argument, fact in texts.items():
            if fact in _BAD and _guarded(fact, kind) and kind is not ToolClass.DESTRUCTIVE:
                good = {a: _GOOD[other] for a, other in texts.items()}
                bad = _fitting(tool, {**good, argument: _BAD[fact]})
                if bad is not None:
                    lines.append(
                        _case(
                            f"{tool.name} with a bad {argument}",
                            {**call, "args": bad},
                            {"deny": [f"{name}-{fact}"]},
                        )
                    )
    return "\n".join(lines) + "\n"


def _free_text(tool: PinnedTool, taken: Iterable[str]) -> str:
    """An argument that takes any text and is no fact; empty if there is none."""
    schema = tool.definition.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, item in sorted(properties.items()) if isinstance(properties, dict) else ():
        if (
            name not in set(taken)
            and isinstance(item, dict)
            and item.get("type") == "string"
            and _fitting(tool, {name: _SECRET}) is not None
        ):
            return str(name)
    return ""


def _fitting(tool: PinnedTool, texts: Mapping[str, str]) -> dict[str, Any] | None:
    """Arguments that the tool's schema takes, or ``None`` if we cannot make up any."""
    schema = tool.definition.get("inputSchema")
    try:
        derive("x", schema)
        arguments = sample(schema, texts)
        Validator(schema if isinstance(schema, dict) else {}).check(arguments)
    except (ShapeError, BadArgument):
        return None
    return arguments if isinstance(arguments, dict) else None


def _case(name: str, call: Mapping[str, Any], expect: Any) -> str:
    """One line of YAML: JSON is YAML."""
    return "  - " + json.dumps({"name": name, **call, "expect": expect}, ensure_ascii=False)
