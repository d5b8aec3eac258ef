"""What Python code may do, by the names that it uses, and what is told of a file."""

import re
from collections.abc import Iterator

import msgspec

from remit.scan.base import Severity

SECRET_PATH = re.compile(
    r"(?i)(?<![\w])\.(?:ssh|aws|gnupg|kube)\b|\.netrc\b|\.npmrc\b|\.pypirc\b|\bid_(?:rsa|ed25519|ecdsa)\b"
    r"|\.git-credentials\b|/etc/shadow\b|(?:\A|/)\.env\b|wallet\.dat|\.docker/config|\.config/gcloud|Login Data|cookies\.sqlite"
    r"|\.(?:bash|zsh|python|psql|mysql|node_repl)_history\b|google-chrome/|/Cookies\b|key4\.db|logins\.json|/proc/(?:self|\d+)/environ"
)
PERSISTS = re.compile(
    r"(?i)\.bashrc\b|\.zshrc\b|\.bash_profile\b|\.profile\b|crontab|/etc/cron|authorized_keys|LaunchAgents"
    r"|\.claude/(?:settings|hooks|CLAUDE)|CLAUDE\.md|AGENTS\.md|MEMORY\.md|SOUL\.md|\.cursorrules|\.git/hooks|\.config/autostart|\bautostart\b|systemd/user"
    r"|CurrentVersion\\+Run\b|(?:user|site)customize\.py|\.pth\b(?=\Z)|Startup\\|Microsoft\.PowerShell_profile"
)
NETWORK = re.compile(
    r"\A(?:requests\.(?:get|post|put|patch|delete|request|head|Session)|httpx\.\w+|aiohttp\.\w+|urllib3\.\w+"
    r"|urllib\.request\.(?:urlopen|Request|urlretrieve|build_opener)|http\.client\.\w+|socket\.(?:socket|create_connection|gethostbyname|getaddrinfo)"
    r"|smtplib\.\w+|ftplib\.\w+|paramiko\.\w+|websockets?\.\w+|dns\.resolver\.\w+|telnetlib\.\w+|boto3\.client)\Z"
)
PROCESS = re.compile(
    r"\A(?:os\.(?:system|popen|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?|startfile)|subprocess\.\w+|pty\.spawn|commands\.getoutput|asyncio\.create_subprocess_\w+)\Z"
)
SPIES = re.compile(
    r"\A(?:pynput\.(?:keyboard|mouse)\.\w+|keyboard\.(?:on_press|hook|record|read_event)|pyperclip\.paste"
    r"|PIL\.ImageGrab\.\w+|ImageGrab\.\w+|mss\.mss|pyautogui\.screenshot|win32clipboard\.\w+|cv2\.VideoCapture"
    r"|sounddevice\.rec|pyaudio\.PyAudio)\Z"
)
EVALUATE = frozenset(
    {
        "exec",
        "eval",
        "compile",
        "builtins.exec",
        "builtins.eval",
        "builtins.compile",
        "runpy.run_path",
        "code.interact",
    }
)
DECODE = re.compile(
    r"\A(?:base64\.\w*decode\w*|binascii\.(?:unhexlify|a2b_\w+)|bytes\.fromhex|bytearray\.fromhex|zlib\.decompress|gzip\.decompress|lzma\.decompress|bz2\.decompress|codecs\.decode|marshal\.loads)\Z"
)
LOADS = re.compile(
    r"\A(?:pickle|cPickle|dill|cloudpickle|jsonpickle|shelve|marshal)\.(?:loads?|decode|open|Unpickler)\Z|\Ayaml\.(?:unsafe_load|full_load|load)\Z"
)
VENDORS = {
    "AWS_": ("amazonaws.com", "aws"), "GITHUB_": ("github",), "GH_": ("github",), "OPENAI_": ("openai",),
    "ANTHROPIC_": ("anthropic",), "GOOGLE_": ("google",), "AZURE_": ("azure", "microsoft", "windows.net"),
    "SLACK_": ("slack",), "STRIPE_": ("stripe",), "NPM_": ("npmjs",), "HF_": ("huggingface",),
}  # fmt: skip
SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|credential")
URL = re.compile(r"(?i)\bhttps?://[^\s'\"<>)]+")


class Issue(msgspec.Struct, frozen=True):
    """Something that code does.

    Attributes:
        rule, title, severity: as in a finding.
        line: from 1.
        shown: what is shown of it.
    """

    rule: str
    title: str
    severity: Severity
    line: int
    shown: str


class Facts(msgspec.Struct):
    """What one file of code does, to be joined with others.

    Attributes:
        issues: what is wrong by itself.
        takes: places where it takes what is secret: (line, what).
        sends: places where it talks to the network: (line, what).
        commands: constant strings that are run as commands: (line, text).
        vendors: names of variables of known vendors that it reads: (line, name).
        urls: addresses in it.
        at_import: calls of the network and of processes that importing it makes: (line, what).
    """

    issues: list[Issue] = []
    takes: list[tuple[int, str]] = []
    sends: list[tuple[int, str]] = []
    commands: list[tuple[int, str]] = []
    vendors: list[tuple[int, str]] = []
    urls: list[str] = []
    at_import: list[tuple[int, str]] = []


def foreign_vendors(facts: Facts) -> Iterator[tuple[int, str]]:
    """Credentials of known vendors where every address is of somebody else."""
    if not facts.sends or not facts.urls:
        return
    for line, name in facts.vendors:
        prefix = next(each for each in VENDORS if name.startswith(each))
        secret = re.search(r"(?i)key|token|secret|passw|cred", name)
        hosts = VENDORS[prefix]
        if secret and not any(any(host in url.lower() for host in hosts) for url in facts.urls):
            yield line, name
