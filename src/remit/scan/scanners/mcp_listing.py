"""MCP servers by what they say of themselves: tools, prompts, resources, instructions, bundles.

A model reads all of it: names, titles, descriptions, parameters with their names, defaults and
enums, annotations. So each string is read by itself, and all of a tool and of a listing as one
text. The class of a tool never comes from its annotations; where these contradict it, that is a
finding.

Not seen: a definition that reads harmlessly and is not (a rug pull before it turns). Only a pin
sees that it changed.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from remit.content.detectors import poisoning
from remit.content.values import Piece, walk
from remit.core.strictjson import StrictJsonError, parse
from remit.core.text import fold_name
from remit.scan.base import Artifact, Finding, Member, Result, Severity, register
from remit.scan.scanners import _launch, _learned, _listing_parts, _orders, _text
from remit.scan.scanners._learned import Budget, Judged
from remit.scan.scanners._listing_parts import Lists
from remit.scan.scanners._text import TextScanner

_FAMILY = "mcp"
_MARKS = re.compile(
    rb'"(?:inputSchema|input_schema|serverInfo|resourceTemplates|mcp_config|mcpb_version'
    rb'|dxt_version|tools|prompts|resources)"\s*:'
)
_NAMES = {"manifest.json", "tools.json", "tools.lock", "server.json", "prompts.json",
          "resources.json", "mcp-listing.json"}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_DESTROYS = re.compile(
    r"(?i)\A(?:delet|remov|drop|destroy|eras|wip|purg|truncat|kill|terminat|uninstall|overwrit|revok|format)"
)
_CHANGES = re.compile(
    r"(?i)\A(?:writ|creat|updat|insert|upload|send|post|modif|mov|renam|edit|patch|put|set|append|execut|"
    r"run|install|merg|transfer|pay|publish|deploy|restart|grant)"
)
_SHELL_NAME = re.compile(
    r"(?i)(?:\A|_|-|\.)(?:exec(?:ute)?|run|eval)(?:uate)?(?:_|-|\.)?(?:shell|command|cmd|bash|code|script|python|sql_raw)?(?:\Z|_|-|\.)"
    r"|\A(?:shell|bash|terminal|cmd|eval)\Z"
)
_SHELL_WORDS = re.compile(
    r"(?i)\b(?:any|arbitrary|given|raw)\b.{0,30}\b(?:shell|bash|system|terminal|python|javascript)?\s*(?:commands?|code|scripts?)\b"
    r"|\b(?:shell|bash|system|terminal) commands?\b"
)
_ASKS_GRAVE = re.compile(
    r"(?i)ssh|id_?rsa|id_?ed25519|private_?key|\.?env_?file|(?:contents?|dump)_?of|etc_?passwd|"
    r"system_?prompt|conversation|chat_?history|message_?history|chain_?of_?thought|"
    r"(?:all|full|entire|previous)_?(?:messages|context|history)|credential|environment_?var|cookie_?jar|keychain"
)
_REFERS = re.compile(r"(?i)(?:_|\b)(?:id|ids|name|url|type)\Z")
# Which credential, and who keeps it, is no secret; what stands before it may be one.
_CREDENTIAL = re.compile(r"(?i)credentials?_(?:arns?|provider(?:s|_config(?:uration)?s?)?)\Z")
_ASKS = re.compile(
    r"(?i)\A(?:.*_)?(?:api_?key|access_?token|auth_?token|secret|passw(?:or)?d|otp)\Z"
)
_ACTIVE = re.compile(
    r"(?i)<\s*(?:script|iframe|object|embed|svg)\b|javascript:|\bon(?:error|load|click)\s*="
)
_SCRIPTS = (
    ("cyrillic", re.compile("[\u0400-\u052f]")),
    ("greek", re.compile("[\u0370-\u03ff]")),
    ("wide", re.compile("[\uff01-\uff5e]")),
    ("mathematical", re.compile("[\U0001d400-\U0001d7ff]")),
    ("latin", re.compile("[A-Za-z]")),
)
_MANY_LINES = re.compile(r"\n(?:[ \t]*\n){39,}")
_LONG = 8 * 1024
_SCHEMA_PATH = re.compile(r"/properties/([^/]+)\Z")
_CONFUSED = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0455\u0458\u0501\u04bb\u0578\u03bf\u03b1\u03bd\u03b9\u03ba01-.",
    "aeopcxyisjdhnoavikol__",
)


@register
class McpListings(TextScanner):
    """Scanner ``mcp_listing``."""

    name = "mcp_listing"
    version = "1"

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """JSON with the keys of a listing; of an MCP server also what has the name of one."""
        named = _text.base(member) in _NAMES and artifact.kind == "mcp-server"
        if member.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return named and _text.base(member) in {"tools.json", "tools.lock", "manifest.json"}
        data = _text.read(member)
        if data is None:
            return named or _MARKS.search(member.head) is not None
        return named or _is_listing(data)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every listing."""
        budget = Budget()
        for member in claimed:
            data = _text.read(member)
            if data is None:
                yield _text.unread(member, "mcp", f"it is larger than {_text.MAX_TEXT} bytes")
                continue
            try:
                value = parse(data, fold_keys=False, max_bytes=_text.MAX_TEXT)
            except StrictJsonError as error:
                yield _text.unread(member, "mcp", error.message)
                continue
            yield from listing(value, member, artifact.settings.indexes, budget)
            yield _text.complete(member, "mcp", executes=True)
        if claimed:
            yield from budget.findings("listing", claimed[-1])


def _is_listing(data: bytes) -> bool:
    if _MARKS.search(data) is None:
        return False
    try:
        value = parse(data, fold_keys=False, max_bytes=_text.MAX_TEXT)
    except StrictJsonError:
        return b'"inputSchema"' in data or b'"mcp_config"' in data or b'"serverInfo"' in data
    return any(True for _ in _listing_parts.lists(value, "")) or _bundle(value) is not None


def _bundle(value: Any) -> Mapping[str, Any] | None:
    server = value.get("server") if isinstance(value, dict) else None
    if isinstance(server, dict) and ("mcp_config" in server or "entry_point" in server):
        return server
    return None


def listing(
    value: Any, member: Member, indexes: Collection[str], budget: Budget
) -> Iterator[Finding]:
    """Everything wrong with a listing or a bundle's manifest.

    ``indexes`` are the hosts of package indexes that the operator vouches for.
    """
    once: set[tuple[str, str]] = set()
    for finding in _listing(value, member, indexes, budget):
        key = (finding.rule, finding.region.pointer)
        if key not in once:
            once.add(key)
            yield finding


def _listing(
    value: Any, member: Member, indexes: Collection[str], budget: Budget
) -> Iterator[Finding]:
    lists = list(_listing_parts.lists(value, ""))
    walked = walk(value)
    if not walked.complete:
        yield _text.found("mcp.too_much", "more texts than are read", "high", member)
    judged = _judged(lists, walked.pieces, budget)
    yield from _tools(lists, judged, member)
    own = _listing_parts.own_names(walked.pieces)
    topics = dict(_listing_parts.topics(lists))
    known: set[str] = set()
    for piece in walked.pieces:
        if piece.what not in {"text", "key", "blob"}:
            continue
        topic = _listing_parts.topic(piece.path, topics)
        seen = judged.get(piece.path)
        found = _string(
            piece.text, own, topic, key=piece.what == "key", member=member, pointer=piece.path
        )
        for finding in _learned.weighed(found, seen):
            known.add(finding.rule)
            yield finding
        if seen is not None:
            yield from _learned.findings(seen, piece.text, member, pointer=piece.path)
    for finding in _learned.weighed(_joined(walked.pieces, member), _worst(judged)):
        if finding.rule not in known:
            yield finding
    server = _bundle(value)
    if server is not None:
        yield from _config(server, member, indexes)


def _judged(lists: Lists, pieces: Sequence[Piece], budget: Budget) -> dict[str, Judged]:
    """What the models say of each text, by pointer."""
    placed = list(_listing_parts.places(lists, pieces))
    seen = _learned.judgements([(piece.text, place) for piece, place in placed], "listing", budget)
    return {
        piece.path: one for (piece, _), one in zip(placed, seen, strict=True) if one is not None
    }


def _worst(judged: Mapping[str, Judged]) -> Judged | None:
    return max(judged.values(), key=lambda each: each.logit, default=None)


def _tools(lists: Lists, judged: Mapping[str, Judged], member: Member) -> Iterator[Finding]:
    worst = _worst_below(judged, {pointer for _, pointer, _ in lists})
    for kind, pointer, items in lists:
        names: dict[str, str] = {}
        for at, item in enumerate(items):
            place = f"{pointer}/{at}"
            if isinstance(item, dict):
                if kind == "tools":
                    for finding in _tool(item, member, place):
                        at_it = finding.region.pointer
                        seen = worst.get(place) if at_it == place else judged.get(at_it)
                        yield from _learned.weighed([finding], seen)
                yield from _name(item.get("name"), names, member, place)


def _worst_below(judged: Mapping[str, Judged], lists: Collection[str]) -> dict[str, Judged]:
    """Of each definition in these lists, by its pointer, the judgement that counts."""
    found: dict[str, Judged] = {}
    for path, seen in judged.items():
        parts = path.split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in lists:
                item = "/".join(parts[: end + 1])
                found[item] = max(seen, found.get(item, seen), key=lambda each: each.logit)
    return found


def _joined(pieces: Sequence[Piece], member: Member) -> Iterator[Finding]:
    """An order may be cut into pieces, one in each text."""
    joined = "\n".join(each.text for each in pieces if each.what == "text")
    yield from _orders.orders(joined, member, "tool", family=_FAMILY, own=None)
    for finding in _text.inspected(joined, member, family=_FAMILY):
        # Names and words in a row are no sentences: only what a rule confirms counts here.
        if finding.severity != "medium":
            yield finding


def _string(
    text: str, own: Collection[str], topic: str, *, key: bool, member: Member, pointer: str
) -> Iterator[Finding]:
    if len(text) > 2:
        names = None if key else own
        yield from _orders.orders(text, member, "tool", family=_FAMILY, pointer=pointer, own=names,
                                 topic=topic)  # fmt: skip
        yield from _text.inspected(text, member, family=_FAMILY, pointer=pointer)
    if "\x1b" in text or "\x9b" in text:
        yield _text.found(
            "mcp.terminal", "escape sequences of a terminal", "high", member,
            shown=text, pointer=pointer,
        )  # fmt: skip
    active = _ACTIVE.search(text)
    if active is not None and not _text.mentioned(text, *active.span()):
        yield _text.found(
            "mcp.active_content", "active content for whoever shows this text", "high", member,
            shown=_text.around(text, *active.span()), pointer=pointer,
        )  # fmt: skip
    if _MANY_LINES.search(text):
        yield _text.found("mcp.blank_lines", "text behind many blank lines", "low", member,
                          pointer=pointer)  # fmt: skip
    if len(text) > _LONG:
        yield _text.found("mcp.long_text", "a very long text", "low", member, pointer=pointer)
    parameter = _SCHEMA_PATH.search(pointer) if key else None
    if parameter is not None:
        yield from _parameter(text, member, pointer)
    if pointer.endswith(("/$ref", "/$dynamicRef")) and not key and not text.startswith("#"):
        yield _text.found(
            "mcp.remote_reference", "a schema that is completed from elsewhere", "high", member,
            shown=text, pointer=pointer,
        )  # fmt: skip


def _parameter(name: str, member: Member, pointer: str) -> Iterator[Finding]:
    severity: Severity | None = None
    if _ASKS_GRAVE.search(_CREDENTIAL.sub("", name)) and not _REFERS.search(name):
        severity = "high"
    elif _ASKS.match(name):
        severity = "low"
    if severity:
        yield _text.found(
            "mcp.asks_for_secret", "a parameter that asks for credentials or the conversation",
            severity, member, shown=name, pointer=pointer, confidence=800,
        )  # fmt: skip


def _name(name: Any, known: dict[str, str], member: Member, pointer: str) -> Iterator[Finding]:
    if not isinstance(name, str):
        return
    if _NAME.fullmatch(name) is None:
        scripts = [script for script, pattern in _SCRIPTS if pattern.search(name)]
        mixed = len(scripts) > 1 or scripts[:1] in (["wide"], ["mathematical"])
        yield _text.found(
            "mcp.name_mixed" if mixed else "mcp.name_unusual",
            "a name in letters of several scripts" if mixed else "a name with unusual characters",
            "high" if mixed else "low", member, shown=name, pointer=f"{pointer}/name",
        )  # fmt: skip
    shape = re.sub(r"_+", "_", fold_name(name.replace("I", "l")).translate(_CONFUSED))
    other = known.setdefault(shape, name)
    if other != name or (other == name and f"{shape}\0" in known):
        yield _text.found(
            "mcp.name_confusable", "two names that look alike", "high", member,
            shown=f"{other} / {name}", pointer=f"{pointer}/name",
        )  # fmt: skip
    known.setdefault(f"{shape}\0", "")


def _tool(tool: Mapping[str, Any], member: Member, pointer: str) -> Iterator[Finding]:
    joined = "\n".join(p.text for p in walk(dict(tool)).pieces if p.what == "text")
    for seen in poisoning.describe(tool):
        rule, _, below = seen.rule.partition(" at ")
        text = _at(tool, below) if below else joined
        yield from _poisoned(seen, rule, text, member, pointer + below)
    name, description = str(tool.get("name") or ""), str(tool.get("description") or "")
    verbs = [*_listing_parts.WORDS.split(name), description.partition(" ")[0]]
    destroys = any(_DESTROYS.match(verb) for verb in verbs)
    changes = destroys or any(_CHANGES.match(verb) for verb in verbs)
    hints = tool.get("annotations")
    if isinstance(hints, dict):
        lies = (hints.get("readOnlyHint") is True and changes) or (
            hints.get("destructiveHint") is False and destroys
        )
        if lies:
            yield _text.found(
                "mcp.annotation_lies", "annotations that contradict what the tool does", "medium",
                member, shown=f"{name}: {description}", pointer=f"{pointer}/annotations",
                confidence=800,
            )  # fmt: skip
    if _SHELL_NAME.search(name) or _SHELL_WORDS.search(description):
        shell = bool(_SHELL_WORDS.search(description)) or re.search(
            r"(?i)shell|bash|command|cmd|eval|terminal", name
        )
        if shell:
            yield _text.found(
                "mcp.runs_anything", "it runs whatever it is given", "medium", member,
                shown=f"{name}: {description}", pointer=pointer, confidence=700,
            )  # fmt: skip


def _poisoned(seen: Any, rule: str, text: str, member: Member, pointer: str) -> Iterator[Finding]:
    if rule == "comment":
        return  # what a comment says is judged by the rules of orders
    finding = _text.converted(seen, text, member, family=_FAMILY, pointer=pointer)
    yield finding


def _at(value: Any, pointer: str) -> str:
    """The text at a pointer, or the key that ends it."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return name
    return value if isinstance(value, str) else pointer.rpartition("/")[2]


def _config(
    server: Mapping[str, Any], member: Member, indexes: Collection[str]
) -> Iterator[Finding]:
    """How a bundle starts its server."""
    config = server.get("mcp_config")
    variants: list[tuple[str, Any]] = [("/server/mcp_config", config)]
    overrides = config.get("platform_overrides") if isinstance(config, dict) else None
    if isinstance(overrides, dict):
        below = "/server/mcp_config/platform_overrides"
        variants += [(f"{below}/{key}", each) for key, each in overrides.items()]
    for pointer, each in variants:
        if not isinstance(each, dict):
            continue
        args = (
            [str(a) for a in each.get("args") or []] if isinstance(each.get("args"), list) else []
        )
        command = str(each.get("command") or "")
        yield from _launch.launches(command, args, member, pointer, _FAMILY, indexes=indexes)
        if isinstance(each.get("env"), dict):
            place = f"{pointer}/env"
            yield from _launch.environment(each["env"], member, place, _FAMILY, indexes=indexes)
    if server.get("type") == "uv":
        yield _text.found(
            "mcp.fetches_code", "dependencies are fetched when it is started", "medium", member,
            pointer="/server/type",
        )  # fmt: skip
