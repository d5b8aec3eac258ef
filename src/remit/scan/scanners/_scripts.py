"""Scripts of shells and of JavaScript: what their text shows without running them.

Shell is parsed (tree-sitter); JavaScript and its kin are searched, and values followed by name
(``_jsflow``, ``_shflow``).

LIMIT: JavaScript that is put together from pieces is not followed.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from remit.scan.scanners import _jsflow, _shflow
from remit.scan.scanners._pyrules import PERSISTS, SECRET_PATH, Facts, Issue

_SHELLS = {
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "python",
    "python3",
    "perl",
    "ruby",
    "node",
    "source",
    ".",
}
_NETWORK = {
    "curl",
    "wget",
    "nc",
    "ncat",
    "netcat",
    "scp",
    "sftp",
    "ftp",
    "rsync",
    "ssh",
    "telnet",
    "dig",
    "nslookup",
    "http",
    "aria2c",
}
_MAX_NODES = 200_000
MAX_MATCHES = 100

_JS_SENDS = re.compile(
    r"\bfetch\s*\(|\baxios\b|\bhttps?\.(?:request|get)\s*\(|\bXMLHttpRequest\b|\bWebSocket\s*\(|\bsendBeacon\s*\(|\bnet\.(?:connect|createConnection)\b"
)
_JS_ENVIRONMENT = re.compile(
    r"JSON\.stringify\s*\(\s*process\.env\s*[,)]|Object\.(?:entries|keys|assign)\s*\([^)]{0,40}process\.env\s*\)|(?<!env: \{ )(?<!env: \{)(?<!env:\{)\.\.\.\s*process\.env\b|\bin\s+process\.env\b"
)
_JS_RULES: tuple[tuple[str, str, Any, re.Pattern[str]], ...] = (
    (
        "decoded_code", "it runs code that it decodes or fetches", "critical",
        re.compile(r"\b(?:eval|Function|exec(?:Sync)?|runInThisContext)\s*\(\s*(?:atob|Buffer\.from|decodeURIComponent|unescape|String\.fromCharCode|await\s+\(?\s*(?:await\s+)?fetch)"),
    ),
    ("evaluates", "it evaluates what it is given", "high",
     re.compile(r"(?<![\w.$])eval\s*\(\s*(?!['\"`])\w|\bnew\s+Function\s*\(\s*(?!['\"`)])\w")),
    ("shell_built", "a command line that is put together from what it is given", "high",
     re.compile(r"\bexec(?:Sync)?\s*\(\s*(?:`[^`]*\$\{|['\"][^'\"]*['\"]\s*\+)")),
)  # fmt: skip


def javascript(text: str) -> Facts:
    """What a script in JavaScript or TypeScript does."""
    facts = Facts()
    for rule, title, severity, pattern in _JS_RULES:
        match = pattern.search(text)
        if match is not None:
            facts.issues.append(Issue(rule, title, severity, _line(text, match), match[0][:200]))
    for match in itertools.islice(_JS_SENDS.finditer(text), MAX_MATCHES):
        facts.sends.append((_line(text, match), match[0]))
    for match in itertools.islice(_JS_ENVIRONMENT.finditer(text), MAX_MATCHES):
        facts.takes.append((_line(text, match), "the whole environment"))
    for rule, title, severity, line, shown in _jsflow.issues(text):
        facts.issues.append(Issue(rule, title, severity, line, shown))
    run = _jsflow.commands(text)
    for rule, title, severity, number, shown in _shflow.issues([each for _, each in run]):
        facts.issues.append(Issue(rule, title, severity, run[number - 1][0], shown))
    facts.commands += run
    writes = re.search(r"writeFile|appendFile", text) is not None
    for pattern in (SECRET_PATH, PERSISTS):
        for match in itertools.islice(pattern.finditer(text), MAX_MATCHES):
            quoted = _literal(text, match.start(), match.end())
            if quoted and pattern is SECRET_PATH:
                facts.takes.append((_line(text, match), quoted))
            elif quoted and writes:
                facts.issues.append(
                    Issue("persistence", "it changes what is loaded in every session", "high",
                          _line(text, match), quoted)
                )  # fmt: skip
    return facts


def _literal(text: str, start: int, end: int) -> str:
    """The string literal around a place, within its line; empty if there is none."""
    before, after = text[max(0, start - 200) : start], text[end : end + 200]
    for quote in "'\"`":
        at, to = before.rfind(quote), after.find(quote)
        if at >= 0 and to >= 0 and "\n" not in before[at:] + after[:to]:
            return before[at + 1 :] + text[start:end] + after[:to]
    return ""


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def shell(text: str) -> Facts | None:
    """What a shell script does; ``None`` if it is too large to be read."""
    import tree_sitter
    import tree_sitter_bash

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
    data = text.encode("utf-8", "replace")
    tree = parser.parse(data)
    facts = Facts()
    if tree.root_node.has_error:
        facts.issues.append(
            Issue("unclear_shell", "a script that could not be read as a whole", "medium", 1, "")
        )
    for number, node in enumerate(_nodes(tree.root_node)):
        if number > _MAX_NODES:
            return None
        if node.type == "command":
            _command(node, facts)
        elif node.type == "pipeline":
            _pipeline(node, facts)
        elif node.type == "file_redirect":
            target = _said(node)
            if PERSISTS.search(target) and ">" in target:
                _add(
                    facts, "persistence", "it changes what is loaded in every session", "high", node
                )
    lines = text.splitlines()
    for rule, title, severity, number, shown in _shflow.issues(lines):
        facts.issues.append(Issue(rule, title, severity, number, shown))
    facts.takes += _shflow.takes(lines)
    for number, line in enumerate(lines, 1):
        if SECRET_PATH.search(line) and not line.lstrip().startswith("#"):
            facts.takes.append((number, line.strip()[:200]))
    return facts


def _nodes(root: Any) -> Iterator[Any]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


def _said(node: Any) -> str:
    return str(node.text.decode("utf-8", "replace"))


def _name(command: Any) -> str:
    name = command.child_by_field_name("name")
    said = _said(name) if name is not None else ""
    return re.split(r"[/\\]", said)[-1] if said else ""


def _add(facts: Facts, rule: str, title: str, severity: Any, node: Any) -> None:
    facts.issues.append(Issue(rule, title, severity, node.start_point[0] + 1, _said(node)[:200]))


def _command(node: Any, facts: Facts) -> None:
    name, said = _name(node), _said(node)
    field = node.child_by_field_name("name")
    if name in {"sudo", "env", "nohup", "exec", "command", "xargs"}:
        words = said.split()
        name = next(
            (each for each in words[1:] if not each.startswith("-") and "=" not in each), name
        )
    if name in _NETWORK:
        facts.sends.append((node.start_point[0] + 1, said[:200]))
    if name in {"env", "printenv"} and len(said.split()) == 1:
        facts.takes.append((node.start_point[0] + 1, "the whole environment"))
    if name == "eval" and re.search(r"\$|`", said):
        grave = re.search(r"base64|xxd|curl|wget|rev\b|tr\b", said)
        _add(
            facts,
            "evaluates",
            "it evaluates what it puts together",
            "critical" if grave else "high",
            node,
        )
    if (
        field is not None
        and any(
            child.type in {"command_substitution", "simple_expansion", "expansion", "concatenation"}
            for child in field.children
        )
        and re.search(r"\$\(|`|\$\{?\w+\}?\$", _said(field))
    ):
        _add(facts, "assembled_name", "it runs a command whose name it puts together", "high", node)
    if re.search(
        r"\brm\s+(?:-\w+\s+)*-\w*[rf]\w*\s+(?:-\w+\s+)*(?:/|~|\$HOME)/?(?:\s|\*|\Z)", said
    ):
        _add(facts, "deletes_all", "it deletes the whole home or machine", "critical", node)


def _pipeline(node: Any, facts: Facts) -> None:
    parts = [
        each
        for each in node.children
        if each.type in {"command", "subshell", "redirected_statement"}
    ]
    if len(parts) < 2 or parts[-1].type != "command":
        return
    words = _said(parts[-1]).split()
    while words and (words[0] in {"sudo", "env"} or words[0].startswith("-") or "=" in words[0]):
        words = words[1:]
    last = re.split(r"[/\\]", words[0])[-1] if words else ""
    if last in _SHELLS and len(words) == 1:
        first = _name(parts[0])
        source = _said(node)
        if first in _NETWORK or re.search(r"base64|xxd|openssl|gunzip|\brev\b", source):
            _add(facts, "decoded_code", "it runs what it downloads or decodes", "critical", node)
        else:
            _add(facts, "piped_code", "it runs what it puts together", "medium", node)
