"""Commands of shells that mean something together.

A file that is fetched and then run, a credential that a program gives out, the home in an archive,
a place that is loaded at every start.
"""

import re
from collections.abc import Iterator, Sequence

from remit.scan.base import Severity
from remit.scan.scanners._pyrules import PERSISTS

_OUTPUT = re.compile(
    r"(?:\s-o\s*|\s--output[= ]|\s-O\s+(?!http)|\s--output-document[= ]|>\s*)[\"']?([^\s\"';|&>]+)"
)
_URL_FILE = re.compile(r"https?://[^\s\"']*/([^\s/\"'?#]+)")
_FETCH = re.compile(
    r"(?:\A|[\s;&|(])(?:curl|wget|aria2c|fetch|iwr|invoke-webrequest)\s", re.IGNORECASE
)
_RUNNER = re.compile(
    r"(?:\A|[;&|(]|\bsudo\s|\bnohup\s)\s*(?:(?:ba|z|da|k)?sh|source|\.|python[\d.]*|node|perl|ruby|php|exec|installer -pkg|dpkg -i|msiexec)\s+(?:-\S+\s+)*[\"']?([^\s\"';|&]+)"
)
_CHECKS = re.compile(
    r"\b(?:sha(?:256|512|1)sum|shasum|gpg\s+--verify|cosign\s+verify|minisign|openssl\s+dgst)\b"
)
_ARCHIVES = re.compile(
    r"\b(?:tar|zip|7z|rsync|scp)\b[^\n;|]*(?:\"?\$\{?HOME\}?\"?|(?<!\S)~)(?:/?\"?(?:\s|\Z)|/(?:Documents|Desktop|\.config)\b)"
)
_STARTS: tuple[tuple[re.Pattern[str], Severity], ...] = (
    (re.compile(r"\bcrontab\s+-(?:\s|\Z)|\|\s*crontab\b"), "high"),
    (re.compile(r"\bschtasks(?:\.exe)?\b.{0,80}/create", re.IGNORECASE), "high"),
    (re.compile(r"\breg(?:\.exe)?\s+add\b.{0,120}\\Run\b", re.IGNORECASE), "high"),
    (re.compile(r"\bgit\s+config\b.{0,60}\b(?:core\.(?:hooksPath|fsmonitor|sshCommand)|alias\.\w+\s+['\"]?!)"), "high"),
    (re.compile(r"\bsystemctl\s+--user\s+enable\b|\blaunchctl\s+(?:load|bootstrap|submit)\b"), "high"),
    (re.compile(r"\bsystemctl\s+enable\b"), "low"),
)  # fmt: skip
_PLACES = re.compile(
    r"\A\s*(?:sudo\s+)?(?:cp|mv|install|ln|tee|rsync)\b[^\n]*\s[\"']?(\S+?)[\"']?\s*\Z"
)
_GIVES = (
    (re.compile(r"\bgh\s+auth\s+token\b"), "github"),
    (re.compile(r"\baws\s+configure\s+(?:get|export-credentials)\b|\baws\s+sts\s+get-session-token\b"), "amazonaws"),
    (re.compile(r"\bgcloud\s+auth\s+print-(?:access|identity)-token\b"), "google"),
    (re.compile(r"\baz\s+account\s+get-access-token\b"), "azure"),
    (re.compile(r"\bsecurity\s+find-(?:generic|internet)-password\b|\bsecret-tool\s+lookup\b"), "\0"),
    (re.compile(r"\bgit\s+credential\s+fill\b|\bdocker-credential-\w+\s+get\b"), "\0"),
    (re.compile(r"\bkubectl\s+get\s+secrets?\b.{0,80}-o\b"), "\0"),
    (re.compile(r"/proc/(?:self|\d+|\*|\$\w+)/environ\b"), "\0"),
)  # fmt: skip
_HOST = re.compile(r"(?i)https?://([\w.-]+)")
_ASSIGNED = re.compile(r"\A\s*(?:export\s+|local\s+)?([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|[^\s;]*)")

MAX_LINE = 4_000
"""Characters of a line that are read: searches stay linear. LIMIT: what stands behind is not seen."""

Said = tuple[str, str, Severity, int, str]
"""Rule, title, severity, line and what is shown."""


def issues(lines: Sequence[str]) -> Iterator[Said]:
    """What commands do one after the other."""
    files: dict[str, int] = {}
    values: dict[str, str] = {}
    checked = any(_CHECKS.search(each) for each in lines)
    for number, raw in enumerate(lines, 1):
        if raw.lstrip().startswith("#"):
            continue
        assigned = _ASSIGNED.match(raw)
        line = _expanded(raw, values)
        if assigned is not None:
            values[assigned[1]] = _expanded(assigned[2].strip("\"'"), values)
        ran = _ran(line, files)
        if ran:
            yield (
                "fetched_program", "it runs a file that it fetched before",
                "medium" if checked else "high", number, line.strip()[:200],
            )  # fmt: skip
        if _FETCH.search(line):
            files |= dict.fromkeys(_fetched(line), number)
        for pattern, severity in _STARTS:
            if pattern.search(line):
                yield "persistence", _LASTS, severity, number, line.strip()[:200]
        parts = re.split(r"&&|\|\||[;|&]", re.sub(r"\d?>>?\s*\S+", "", line))
        placed = (_PLACES.match(part) for part in parts)
        target = " ".join(each[1] for each in placed if each)
        for each in re.findall(r">>?\s*[\"']?([^\s\"';|&]+)", line):
            target += f" {each}"
        if target and PERSISTS.search(target):
            yield "persistence", _LASTS, "high", number, line.strip()[:200]


_LASTS = "it changes what is loaded in every session"


def takes(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where credentials or the whole home are taken, unless they go to whom they belong."""
    hosts = [each.lower() for line in lines for each in _HOST.findall(line)]
    for number, whole in enumerate(lines, 1):
        line = whole[:MAX_LINE]
        if line.lstrip().startswith("#"):
            continue
        if _ARCHIVES.search(line):
            yield number, line.strip()[:200]
        for pattern, vendor in _GIVES:
            own = hosts and all(vendor in each for each in hosts)
            if pattern.search(line) and not own:
                yield number, line.strip()[:200]


def sends(line: str) -> bool:
    """Whether a command talks to the network."""
    return re.search(r"(?:\A|[\s;&|(])(?:curl|wget|nc|ncat|scp|rsync|sftp)\s", line) is not None


def _expanded(text: str, values: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2], found[0])

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)[:MAX_LINE]


def _fetched(line: str) -> Iterator[str]:
    named = False
    for match in _OUTPUT.finditer(line):
        if match[1] not in {"-", "/dev/null"}:
            named = True
            yield _bare(match[1])
    kept = re.search(r"(?:\A|\s)wget\b|\s-\w*O\b|\s--remote-name\b", line)
    if not named and kept is not None:
        for match in _URL_FILE.finditer(line):
            yield _bare(match[1])


def _ran(line: str, files: dict[str, int]) -> bool:
    names = [_bare(match[1]) for match in _RUNNER.finditer(line)]
    for part in re.split(r"&&|\|\||[;|&]", line):
        words = part.replace("sudo ", "").replace("nohup ", "").replace('"', "").split()
        if words and ("/" in words[0] or words[0].startswith("$")):
            names.append(_bare(words[0]))
    return any(name in files for name in names if name)


def _bare(path: str) -> str:
    return path.strip("\"'").removeprefix("./")
