"""How programs are started by configurations: what is fetched at every start, and what they may.

Whatever is fetched at the start is not what was scanned; the digest of an artifact says nothing
of it.
"""

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from remit.scan.base import Finding, Member
from remit.scan.scanners import _orders, _text

_FETCHES = {"npx": "npm", "bunx": "npm", "pnpx": "npm", "uvx": "pypi", "pipx": "pypi"}
_RUNS = {("npm", "exec"): "npm", ("pnpm", "dlx"): "npm", ("yarn", "dlx"): "npm",
         ("bun", "x"): "npm", ("uv", "tool"): "pypi", ("pipx", "run"): "pypi"}  # fmt: skip
_WITH_VALUE = {
    "--from", "--with", "--python", "-p", "--package", "-c", "--call", "--index-url", "--registry",
    "--index", "--default-index", "--extra-index-url", "-e", "--env", "-v", "--volume", "--name",
    "--mount", "-u", "--user", "-w", "--workdir", "--network", "--net", "--entrypoint", "--platform",
    "--pid", "--cap-add", "--device", "--env-file", "--security-opt", "--memory", "-m", "--cpus",
    "--publish", "--add-host", "--pull", "--label", "--hostname", "--ipc",
}  # fmt: skip
_EXACT_NPM = re.compile(r"@?[^@\s]+@\d+\.\d+\.\d+(?:[-+][\w.+-]+)?")
_EXACT_PYPI = re.compile(r"[\w.-]+(?:\[[\w,.-]+\])?(?:==|@)\d[\w.+!-]*")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
_LOADS = re.compile(
    r"(?i)\A(?:LD_PRELOAD|LD_LIBRARY_PATH|LD_AUDIT|DYLD_INSERT_LIBRARIES|DYLD_LIBRARY_PATH"
    r"|NODE_OPTIONS|PYTHONPATH|PYTHONSTARTUP|PYTHONHOME|PERL5OPT|PERL5LIB|RUBYOPT|JAVA_TOOL_OPTIONS"
    r"|BASH_ENV|ENV|PROMPT_COMMAND|GIT_SSH_COMMAND|GIT_EXTERNAL_DIFF|NODE_TLS_REJECT_UNAUTHORIZED"
    r"|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|PYTHONHTTPSVERIFY"
    r"|GIT_SSL_NO_VERIFY|HTTPS?_PROXY|ALL_PROXY|NPM_CONFIG_REGISTRY|PIP_INDEX_URL"
    r"|PIP_EXTRA_INDEX_URL|UV_INDEX_URL|UV_DEFAULT_INDEX)\Z"
)
_INDEX = re.compile(
    r"(?i)\A(?:NPM_CONFIG_REGISTRY|PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|UV_INDEX_URL|UV_DEFAULT_INDEX)\Z"
)
_BASE_URL = re.compile(
    r"(?i)\A(?:ANTHROPIC|OPENAI|AZURE_OPENAI|GEMINI|GOOGLE_GEMINI|MISTRAL|COHERE|OPENROUTER|GROQ|"
    r"DEEPSEEK)_(?:API_)?(?:BASE|BASE_URL|ENDPOINT|API_BASE)\Z"
)
_MODEL_HOSTS = (
    "anthropic.com", "openai.com", "openai.azure.com", "googleapis.com", "mistral.ai", "cohere.com",
    "cohere.ai", "openrouter.ai", "groq.com", "deepseek.com", "amazonaws.com",
)  # fmt: skip
_SHELLS = {"sh", "bash", "zsh", "dash", "ksh", "cmd", "powershell", "pwsh", "fish"}
_HOME = re.compile(
    r"\A(?:/|~/?|\$HOME/?|\$\{HOME\}/?|[A-Za-z]:[\\/]?|/(?:(?:home|Users)/[^/]+|root)/?)\Z"
)


def program(command: str) -> str:
    """Name of a program without its directory and ending, in lower case."""
    last = re.split(r"[/\\]", command.strip())[-1].lower()
    return re.sub(r"\.(?:exe|cmd|bat)\Z", "", last)


def local(host: str) -> bool:
    """Whether a host is this machine."""
    if host in {"localhost", ""} or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def launches(
    command: str,
    args: Sequence[str],
    member: Member,
    pointer: str,
    family: str,
    *,
    indexes: Collection[str] = (),
) -> Iterator[Finding]:
    """What is wrong with a program and its arguments.

    ``indexes`` are the hosts of package indexes that the operator vouches for.
    """
    words = [command, *args] if args else command.split()
    if not words:
        return
    line = " ".join(words)
    yield from _orders.orders(line, member, "skill", family=family, pointer=pointer)
    name = program(words[0])
    if name in {"env", "sudo", "nice", "nohup", "time"} and len(words) > 1:
        rest = [each for each in words[1:] if "=" not in each and not each.startswith("-")]
        name, words = (program(rest[0]), rest) if rest else (name, words)
    if name in _SHELLS:
        inner = next((each for each in words[1:] if not each.startswith(("-", "/"))), "")
        if inner and inner != line and " " in inner:
            yield from launches(inner, (), member, pointer, family, indexes=indexes)
    yield from _fetched(name, words[1:], member, pointer, family)
    yield from _indexes(words, member, pointer, family, indexes)
    if name in {"docker", "podman", "nerdctl"}:
        yield from _container(words[1:], member, pointer, family)
    if "filesystem" in line:
        for each in words[1:]:
            if _HOME.match(each):
                yield _text.found(
                    f"{family}.wide_root", "a file server over the whole home or machine", "high",
                    member, shown=line, pointer=pointer,
                )  # fmt: skip


def _fetched(
    name: str, args: Sequence[str], member: Member, pointer: str, family: str
) -> Iterator[Finding]:
    kind = _FETCHES.get(name, "")
    if not kind and args:
        kind = _RUNS.get((name, args[0]), "")
        args = args[1:] if kind else args
    elif name == "pipx":
        args = args[1:] if args[:1] == ["run"] else args
    if not kind:
        return
    package = _package(args)
    if not package or package.startswith((".", "/", "${", "~")):
        return
    if package.startswith(("git+", "http:", "https:", "github:")):
        yield _text.found(
            f"{family}.foreign_source", "code of a place that is no registry, fetched at the start",
            "high", member, shown=package, pointer=pointer,
        )  # fmt: skip
        return
    exact = (_EXACT_NPM if kind == "npm" else _EXACT_PYPI).fullmatch(package)
    if exact is None:
        yield _text.found(
            f"{family}.unpinned", "code that is fetched at every start, of no exact version",
            "medium", member, shown=f"{name} {package}", pointer=pointer,
        )  # fmt: skip


def _package(args: Sequence[str]) -> str:
    skip = False
    for at, each in enumerate(args):
        if skip:
            skip = False
            continue
        if each.startswith("-"):
            flag, _, value = each.partition("=")
            if flag in {"--from", "--package", "-p"}:
                return value or (args[at + 1] if at + 1 < len(args) else "")
            skip = not value and flag in _WITH_VALUE
            continue
        if each in {"run", "exec", "dlx"} and at == 0:
            continue
        return each
    return ""


def _indexes(
    words: Sequence[str], member: Member, pointer: str, family: str, known: Collection[str]
) -> Iterator[Finding]:
    for at, each in enumerate(words):
        flag, _, value = each.partition("=")
        if flag in {"--index-url", "--extra-index-url", "--registry", "--index", "--default-index"}:
            url = value or (words[at + 1] if at + 1 < len(words) else "")
            if url and not vouched(url, known):
                yield _text.found(
                    f"{family}.foreign_source", "packages of an index that nobody vouches for",
                    "high", member, shown=url, pointer=pointer,
                )  # fmt: skip


def vouched(url: str, indexes: Collection[str]) -> bool:
    """Whether a package index is one of the operator's, and is reached with encryption."""
    return url.lower().startswith("https://") and urlsplit_host(url) in indexes


def urlsplit_host(url: str) -> str:
    """Host of a URL in lower case; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _container(args: Sequence[str], member: Member, pointer: str, family: str) -> Iterator[Finding]:
    line = " ".join(args)
    if re.search(
        r"--privileged|docker\.sock|containerd\.sock|--(?:pid|net|network|ipc|userns)[= ]host\b"
        r"|--cap-add[= ](?:ALL|SYS_ADMIN|SYS_PTRACE)|--security-opt[= ]\S*unconfined|--device[= ]/dev/",
        line,
    ):
        yield _text.found(
            f"{family}.privileged", "a container that is not confined", "high", member,
            shown=line, pointer=pointer,
        )  # fmt: skip
    for mount in re.finditer(r"(?:-v|--volume)[= ](\S{1,500}?):|\b(?:source|src)=([^,\s]+)", line):
        path = mount[1] or mount[2]
        if _HOME.match(path) or re.search(
            r"\.(?:ssh|aws|kube|gnupg|docker)\b|\A/(?:etc|var|root)\b", path
        ):
            yield _text.found(
                f"{family}.host_mount", "a container with the home or the system in it", "high",
                member, shown=mount[0], pointer=pointer,
            )  # fmt: skip
    if args[:1] not in (["run"], ["create"]):
        return
    image = _package(args[1:])
    if image and "${" not in image and not _DIGEST.search(image):
        tag = image.rpartition("/")[2].partition(":")[2]
        yield _text.found(
            f"{family}.unpinned",
            "an image that is fetched by a name, not by a digest",
            "low" if re.match(r"v?\d+\.\d+", tag) else "medium",
            member, shown=image, pointer=pointer,
        )  # fmt: skip


def environment(
    env: Mapping[str, Any],
    member: Member,
    pointer: str,
    family: str,
    *,
    indexes: Collection[str] = (),
) -> Iterator[Finding]:
    """Variables that change what code is loaded, or whom a program trusts.

    ``indexes`` are the hosts of package indexes that the operator vouches for.
    """
    for key, value in env.items():
        text = str(value)
        where = f"{pointer}/{key}"
        if _LOADS.match(str(key)) and not (_INDEX.match(str(key)) and vouched(text, indexes)):
            yield _text.found(
                f"{family}.loader_variable",
                "a variable that changes what code is loaded or whom it trusts",
                "high", member, shown=f"{key}={text}", pointer=where,
            )  # fmt: skip
        if _BASE_URL.match(str(key)) and not text.startswith("${"):
            host = urlsplit_host(text)
            known = any(host == each or host.endswith("." + each) for each in _MODEL_HOSTS)
            if not known and not local(host):
                yield _text.found(
                    f"{family}.model_redirected", "all prompts go to a host that nobody vouches for",
                    "critical", member, shown=f"{key}={text}", pointer=where,
                )  # fmt: skip


def address(url: str, member: Member, pointer: str, family: str) -> Iterator[Finding]:
    """A remote server that is reached without encryption."""
    if url.lower().startswith(("http://", "ws://")) and not local(urlsplit_host(url)):
        yield _text.found(
            f"{family}.plain_http", "a remote server that is reached without encryption", "medium",
            member, shown=url, pointer=pointer,
        )  # fmt: skip
