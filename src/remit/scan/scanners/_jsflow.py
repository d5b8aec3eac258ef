"""Where values of a script in JavaScript go, by its text: statements, names, and what they are made of.

LIMIT: no tree. Names mean the same in the whole file, and what is put together from pieces is not
followed.
"""

import re
from collections.abc import Iterator

from remit.scan.base import Severity
from remit.scan.scanners._pyrules import PERSISTS, SECRET_PATH

ROUNDS = 4
MAX_STATEMENTS = 20_000
_STATEMENT = re.compile(r"[^;\n{}]+")
_ASSIGNS = re.compile(
    r"(?:\b(?:const|let|var)\s+)?(?:\{\s*([\w,\s:]{1,200})\}|([A-Za-z_$][\w$]*))\s*(?:\+)?=(?![=>])\s*([^\n]{1,2000})"
)
_ARROW = re.compile(r"\.then\s*\(\s*(?:async\s*)?\(?\s*([A-Za-z_$][\w$]*)\s*\)?\s*=>")
_SOURCES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("environment", re.compile(r"\bprocess\.env\b(?!\s*[.\[]|\s*\?\.)|\bDeno\.env\.toObject\b")),
    ("home", re.compile(r"\bhomedir\s*\(|\bprocess\.env\.(?:HOME|USERPROFILE)\b")),
    ("secret", SECRET_PATH),
    ("lasting", PERSISTS),
    ("fetched", re.compile(r"\b(?:fetch|axios(?:\.get)?|got|needle|https?\.get|download\w*)\s*\(")),
    ("decoded", re.compile(r"\batob\s*\(|Buffer\.from\s*\([^)]{0,400}['\"](?:base64|hex)['\"]|String\.fromCharCode")),
)  # fmt: skip
_SENDS = re.compile(
    r"\bfetch\s*\(|\baxios\b|\bgot\b|https?['\"]?\)?\.(?:request|get)\s*\(|\.(?:write|send|end|sendBeacon)\s*\("
    r"|\bdns\w*\.\w+\s*\("
)
_READS = re.compile(r"\b(?:readFile|readFileSync|createReadStream|readdir|readdirSync)\b")
_RUNS = re.compile(
    r"\b(?:eval|Function|exec(?:File)?(?:Sync)?|spawn(?:Sync)?|run(?:InThisContext|InNewContext|InContext)|compileFunction)\s*\("
)
_WRITES = re.compile(
    r"\b(?:writeFile|appendFile|copyFile|symlink|createWriteStream|rename)(?:Sync)?\s*\("
)
_NETWORK = re.compile(
    r"\bfetch\s*\(|\baxios\b|['\"]https?['\"]|\bWebSocket\b|\bgot\b|node:https?|['\"]dns"
)
_COMMAND = re.compile(r"\bexec(?:Sync)?\s*\(\s*(['\"`])((?:(?!\1)[^\n]){1,2000})\1")

Said = tuple[str, str, Severity, int, str]
"""Rule, title, severity, line and what is shown."""


def issues(text: str) -> Iterator[Said]:
    """What flows where it should not."""
    flat = _joined(text)
    marks = _marks(flat)
    networked = _NETWORK.search(text) is not None
    for number, line in enumerate(flat.split("\n"), 1):
        if number > MAX_STATEMENTS:
            return
        code = _uncommented(line)
        if not code.strip():
            continue
        found = _of(code, marks)
        shown = code.strip()[:200]
        if _SENDS.search(code) and networked:
            if "environment" in _of(_without_children(code), marks):
                yield (
                    "environment_sent",
                    "it sends the environment over the network",
                    "critical",
                    number,
                    shown,
                )
            if "secret" in found and ("read" in found or "home" in found):
                yield (
                    "home_sent",
                    "it sends files of the home over the network",
                    "critical",
                    number,
                    shown,
                )
        if _RUNS.search(code) and _run_of(code, marks) & {"fetched", "decoded"}:
            yield (
                "decoded_code",
                "it runs code that it decodes or fetches",
                "critical",
                number,
                shown,
            )
        if _WRITES.search(code) and "lasting" in found:
            yield "persistence", "it changes what is loaded in every session", "high", number, shown


def commands(text: str) -> list[tuple[int, str]]:
    """Constant command lines that are run: (line, text)."""
    return [
        (text.count("\n", 0, match.start()) + 1, match[2]) for match in _COMMAND.finditer(text)
    ][:1_000]


def _marks(text: str) -> dict[str, set[str]]:
    marks: dict[str, set[str]] = {}
    lines = [_uncommented(each) for each in text.split("\n")[:MAX_STATEMENTS]]
    for _ in range(ROUNDS):
        for line in lines:
            for statement in re.split(r";", line):
                for match in _ASSIGNS.finditer(statement):
                    found = _of(_without_children(match[3]), marks)
                    for name in re.findall(r"[A-Za-z_$][\w$]*", match[1] or match[2]):
                        if found:
                            marks.setdefault(name, set()).update(found)
            if "then" in line and (found := _of(line, marks) & {"fetched"}):
                for match in _ARROW.finditer(line):
                    marks.setdefault(match[1], set()).update(found)
    return marks


def _of(code: str, marks: dict[str, set[str]]) -> set[str]:
    found = {name for name, pattern in _SOURCES if pattern.search(code)}
    for name in set(re.findall(r"(?<![.\w$])[A-Za-z_$][\w$]*", code)):
        found |= marks.get(name, set())
    if _READS.search(code):
        found.add("read")
    return found


def _run_of(code: str, marks: dict[str, set[str]]) -> set[str]:
    """What is run: from the call on."""
    match = _RUNS.search(code)
    return _of(code[match.end() :], marks) if match else set()


def _without_children(code: str) -> str:
    """Without the environment that a child process is given, and looking up names in it."""
    return re.sub(r"\benv\s*:\s*(?:\{\s*\.\.\.\s*)?process\.env\b|\bin\s+process\.env\b", "", code)


def _joined(text: str) -> str:
    """Calls that go over several lines as one, with the number of lines kept."""
    out: list[str] = []
    waiting: list[str] = []
    depth = 0
    for line in text.split("\n")[:MAX_STATEMENTS]:
        waiting.append(line)
        depth += line.count("(") - line.count(")")
        if depth <= 0 or len(waiting) > 40:
            out.append(" ".join(waiting)[:20_000])
            out.extend("" for _ in waiting[1:])
            waiting, depth = [], 0
    return "\n".join([*out, *waiting])


def _uncommented(line: str) -> str:
    return "" if line.lstrip().startswith(("//", "*", "/*")) else line
