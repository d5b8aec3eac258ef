"""Configuration of agents, MCP clients and editors: what starts unasked, and what is let through.

Read: the servers of any MCP client, hooks, permissions, tasks of editors, environment, agent cards,
and rules and memory files in plain text (``CLAUDE.md``, ``AGENTS.md``, ``.cursorrules`` …), which
count as orders to the model.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from remit.artifacts.errors import ArtifactError
from remit.artifacts.yamltree import load, plain
from remit.content.values import pointer as below
from remit.content.values import walk
from remit.core.strictjson import StrictJsonError, parse
from remit.scan.base import Artifact, Finding, Member, Result, register
from remit.scan.scanners import _launch, _orders, _text
from remit.scan.scanners._text import TextScanner

_FAMILY = "agentcfg"
_MARKS = re.compile(
    rb'"(?:mcpServers|hooks|permissions|alwaysAllow|autoApprove|enableAllProjectMcpServers'
    rb"|enabledMcpjsonServers|apiKeyHelper|statusLine|postCreateCommand|context_servers"
    rb'|chat\.tools\.autoApprove|skills|defaultInputModes)"\s*:'
)
_JSON_NAMES = re.compile(
    r"(?i)(?:\A|[/\\])(?:\.?mcp\.json|claude_desktop_config\.json|settings(?:\.local)?\.json|hooks\.json"
    r"|tasks\.json|launch\.json|devcontainer\.json|opencode\.json|agent(?:-card)?\.json|cline_mcp_settings\.json"
    r"|mcp_config\.json|\.claude\.json)\Z"
)
_YAML_NAMES = re.compile(
    r"(?i)(?:\A|[/\\])(?:agent|\.goose/config|mcp|librechat|continue)\.ya?ml\Z"
)
_TOML_NAMES = re.compile(r"(?i)(?:\A|[/\\])(?:\.codex/config|\.?codex|agents?)\.toml\Z")
_RULES = re.compile(
    r"(?i)(?:\A|[/\\])(?:CLAUDE(?:\.local)?\.md|AGENTS\.md|GEMINI\.md|MEMORY\.md|SOUL\.md|\.cursorrules|\.windsurfrules"
    r"|\.clinerules|copilot-instructions\.md|[^/\\]+\.mdc|\.aider\.conf\.yml|\.goosehints)\Z"
    r"|(?:\A|[/\\])\.(?:claude|cursor|github)[/\\](?:agents|commands|rules|instructions|output-styles)[/\\].+\.md\Z"
)
_OPEN_RULE = re.compile(
    r"(?i)\A(?:\*|Bash|Bash\(\s*(?:\*|:\*)?\s*\)|Write|Edit|WebFetch|mcp__\*|Bash\((?:sudo|rm|curl|sh|bash|python3?|node|eval)[ :]?\*?\))\Z"
)
_APPROVES = re.compile(
    r"(?i)\A(?:autoApprove|alwaysAllow|auto_approve|always_allow|autoAllow|trustAllTools|chat\.tools\.(?:global\.)?autoApprove"
    r"|enableAllProjectMcpServers|skipDangerousModePermissionPrompt|dangerouslySkipPermissions|yolo(?:Mode)?"
    r"|bypassPermissions|trust|autoRun|auto_run|approve_all)\Z"
)
_SANDBOX_OFF = re.compile(
    r"(?i)\A(?:sandbox|sandbox_mode|sandboxMode|approval_policy|approvalPolicy|defaultMode|permissionMode|approval_mode)\Z"
)
_OFF = re.compile(
    r"(?i)\A(?:false|off|none|never|disabled|danger-full-access|bypassPermissions|dontAsk|yolo|full-?auto)\Z"
)
_UNASKED = re.compile(
    r"(?i)\A(?:hooks|postCreateCommand|postStartCommand|postAttachCommand|onCreateCommand|updateContentCommand"
    r"|initializeCommand|apiKeyHelper|awsAuthRefresh|awsCredentialExport|otelHeadersHelper|statusLine|preinstall|postinstall)\Z"
)
_COMMAND_KEYS = ("command", "cmd", "run", "script", "program")
_URL_KEYS = ("url", "serverUrl", "httpUrl", "endpoint", "uri")
_ENVIRONMENTS = ("env", "environment", "containerEnv", "remoteEnv")
_TRUST_WORDS = {"trust"}


@register
class AgentConfigurations(TextScanner):
    """Scanner ``agent_config``."""

    name = "agent_config"
    version = "1"

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Documents with the keys or the name of a configuration, and files of rules."""
        path = member.path
        if _RULES.search(path) or _YAML_NAMES.search(path) or _TOML_NAMES.search(path):
            return True
        if _JSON_NAMES.search(path):
            return artifact.kind not in {"model", "dataset"} or _has_marks(member)
        return member.head.lstrip(b"\xef\xbb\xbf \t\r\n/")[:1] == b"{" and _has_marks(member)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every configuration."""
        for member in claimed:
            data = _text.read(member)
            text = None if data is None else _text.decoded(data)
            if data is None or text is None:
                reason = "it is too large" if data is None else "it is not UTF-8"
                yield _text.unread(member, "configuration", reason)
                continue
            if _RULES.search(member.path):
                yield from rules_file(text, member)
                yield _text.complete(member, "rules", executes=True)
                continue
            try:
                value = _value(data, member)
            except (ArtifactError, StrictJsonError, ValueError) as error:
                reason = error.message if hasattr(error, "message") else str(error)
                yield _text.unread(member, "configuration", reason[:300])
                continue
            yield from configuration(value, member, artifact.settings.indexes)
            yield _text.complete(member, "configuration", executes=True)


def _has_marks(member: Member) -> bool:
    data = _text.read(member, 1024 * 1024)
    return data is not None and _MARKS.search(data) is not None


def _value(data: bytes, member: Member) -> Any:
    if _YAML_NAMES.search(member.path):
        return plain(load(data, member.path))
    if _TOML_NAMES.search(member.path):
        import tomllib

        return tomllib.loads(data.decode("utf-8-sig"))
    return parse(_without_comments(data.removeprefix(b"\xef\xbb\xbf")), fold_keys=False)


# Each alternative matches once it has begun: work stays linear.
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*+(?:"|\n|\Z|\\)?|//[^\n]*|/\*', re.DOTALL)
_COMMA = re.compile(rb'"(?:[^"\\\n]|\\.)*+(?:"|\n|\Z|\\)?|,(?=[ \t\r\n]*[}\]])', re.DOTALL)


def _without_comments(data: bytes) -> bytes:
    """JSON out of what editors take for it: without comments and commas before a bracket."""
    if b"//" not in data and b"/*" not in data and not re.search(rb",\s*[}\]]", data):
        return data
    kept: list[bytes] = []
    at = 0
    while (match := _TOKEN.search(data, at)) is not None:
        kept.append(data[at : match.start()])
        at = match.end()
        if match[0].startswith(b'"'):
            kept.append(match[0])
        elif match[0] == b"/*":
            end = data.find(b"*/", at)
            if end < 0:
                raise ValueError("a comment has no end")
            at = end + 2
    kept.append(data[at:])
    return _COMMA.sub(lambda match: match[0] if match[0] != b"," else b"", b"".join(kept))


def rules_file(text: str, member: Member) -> Iterator[Finding]:
    """Orders in a file that is loaded into every session."""
    for each in _orders.orders(text, member, "skill", family=_FAMILY):
        # Such files are themselves what persists; that they name each other is usual.
        if not each.rule.endswith((".persistence", ".every_request")):
            yield each
    yield from _text.inspected(text, member, family=_FAMILY)


def configuration(value: Any, member: Member, indexes: Collection[str] = ()) -> Iterator[Finding]:
    """Everything wrong with a configuration.

    ``indexes`` are the hosts of package indexes that the operator vouches for.
    """
    once: set[tuple[str, str, str]] = set()
    for finding in _configuration(value, member, indexes):
        key = (finding.rule, finding.region.pointer, finding.evidence)
        if key not in once:
            once.add(key)
            yield finding


def _configuration(value: Any, member: Member, indexes: Collection[str]) -> Iterator[Finding]:
    yield from _Walk(member, indexes).look(value, "", "", 0)
    for piece in walk(value).pieces:
        if piece.what == "text" and len(piece.text) > 16:
            yield from _text.inspected(
                piece.text, member, family=_FAMILY, pointer=piece.path,
                kinds=frozenset({"injection", "invisible", "secret", "uninspected"}),
            )  # fmt: skip
    for place, name, said in _named_secrets(value, "", 0):
        yield from _text.inspected(
            f"{name}={said}", member, family=_FAMILY, pointer=place,
            kinds=frozenset({"secret"}),
        )  # fmt: skip


def _named_secrets(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if depth > 32:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str):
                yield below(pointer, key), str(key), each
            else:
                yield from _named_secrets(each, below(pointer, key), depth + 1)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from _named_secrets(each, below(pointer, at), depth + 1)


class _Walk:
    """Looks at every object of a configuration, wherever it stands."""

    def __init__(self, member: Member, indexes: Collection[str]) -> None:
        self.member = member
        self._indexes = indexes

    def look(self, value: Any, key: str, pointer: str, depth: int) -> Iterator[Finding]:
        if depth > 64:
            yield self._found("too_deep", "it is nested too deeply to be read", "high", "", pointer)
        elif isinstance(value, list):
            for at, each in enumerate(value):
                yield from self.look(each, key, below(pointer, at), depth + 1)
        elif isinstance(value, dict):
            yield from self._object(value, key, pointer)
            for name, each in value.items():
                yield from self.look(each, str(name), below(pointer, name), depth + 1)

    def _object(self, value: Mapping[str, Any], key: str, pointer: str) -> Iterator[Finding]:
        for name in _COMMAND_KEYS:
            command = value.get(name)
            if isinstance(command, list) and command:
                command, args = str(command[0]), [str(each) for each in command[1:]]
            elif isinstance(command, str):
                given = value.get("args")
                args = [str(each) for each in given] if isinstance(given, list) else []
            else:
                continue
            yield from _launch.launches(
                command, args, self.member, below(pointer, name), _FAMILY, indexes=self._indexes
            )
        for name in _URL_KEYS:
            if isinstance(value.get(name), str):
                yield from _launch.address(value[name], self.member, below(pointer, name), _FAMILY)
        for name in _ENVIRONMENTS:
            if isinstance(value.get(name), dict):
                yield from _launch.environment(
                    value[name],
                    self.member,
                    below(pointer, name),
                    _FAMILY,
                    indexes=self._indexes,
                )
        if key == "permissions" or "allow" in value:
            yield from self._allowed(value.get("allow"), below(pointer, "allow"))
        for name, each in value.items():
            yield from self._switch(str(name), each, below(pointer, str(name)))

    def _allowed(self, rules: Any, pointer: str) -> Iterator[Finding]:
        for at, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, str) and _OPEN_RULE.match(rule.strip()):
                anything = rule.strip().lower() in {"*", "bash", "bash(*)", "bash(:*)", "mcp__*"}
                yield self._found(
                    "open_permission", "a permission without bounds",
                    "high" if anything else "medium", rule, below(pointer, at),
                )  # fmt: skip

    def _switch(self, name: str, value: Any, pointer: str) -> Iterator[Finding]:
        if _APPROVES.match(name) and _means_all(value, name):
            listed = isinstance(value, list) and "*" not in value
            yield self._found(
                "auto_approve", "tools run without asking", "medium" if listed else "high",
                f"{name}: {value}", pointer,
            )  # fmt: skip
        if _SANDBOX_OFF.match(name):
            off = value is False or (isinstance(value, str) and _OFF.match(value) is not None)
            if off or (isinstance(value, dict) and value.get("enabled") is False):
                yield self._found(
                    "sandbox_off", "the sandbox or the questions are switched off", "high",
                    f"{name}: {value}", pointer,
                )  # fmt: skip
        if name == "runOn" and value == "folderOpen":
            yield self._found(
                "runs_unasked",
                "a task that starts when the folder is opened",
                "high",
                name,
                pointer,
            )
        if _UNASKED.match(name) and value:
            yield from self._unasked(value, pointer)
        if name.lower() in {
            "instructions",
            "systemprompt",
            "system_prompt",
            "prompt",
        } and isinstance(value, str):
            yield from _orders.orders(value, self.member, "prompt", family=_FAMILY, pointer=pointer)

    def _unasked(self, value: Any, pointer: str) -> Iterator[Finding]:
        """Commands that run without being asked for: they are code."""
        texts = [piece for piece in walk(value).pieces if piece.what == "text"]
        for piece in texts:
            place = pointer + piece.path
            yield from _orders.orders(
                piece.text, self.member, "skill", family=_FAMILY, pointer=place
            )
            if re.search(
                r"(?i)\b(?:curl|wget|nc|ncat|iwr|invoke-webrequest|ssh|scp)\b", piece.text
            ):
                yield self._found(
                    "hook_network", "what runs unasked talks to the network", "high",
                    piece.text, place,
                )  # fmt: skip
        if texts:
            shown = next((p.text for p in texts if p.key in _COMMAND_KEYS), texts[0].text)
            yield self._found(
                "runs_unasked", "a command that runs without being asked for", "medium", shown,
                pointer,
            )  # fmt: skip

    def _found(self, rule: str, title: str, severity: Any, shown: str, pointer: str) -> Finding:
        return _text.found(
            f"{_FAMILY}.{rule}", title, severity, self.member, shown=shown, pointer=pointer
        )


def _means_all(value: Any, name: str) -> bool:
    if isinstance(value, str):
        return value.lower() in {"*", "all", "always", "true"}
    if name in _TRUST_WORDS:
        return value is True
    return value is True or (isinstance(value, list) and bool(value))
