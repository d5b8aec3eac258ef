"""Texts where no reader expects any: code, markup, links, packed bytes in metadata of weights."""

import re
from collections.abc import Iterator

from remit.scan.base import Severity, evidence

_RULES: tuple[tuple[str, Severity, str, "re.Pattern[str]"], ...] = (
    (
        "code",
        "high",
        "there is code in a text",
        re.compile(
            r"\b(?:__import__|exec|eval|compile)\s*\(|\bos\.(?:system|popen|exec\w*)\b"
            r"|\bimport\s+(?:os|sys|subprocess|socket|base64|ctypes|pickle|requests)\b"
            r"|\bsubprocess\.\w+|\bb64decode\s*\(|\b(?:curl|wget)\s[^|\n]*\|\s*(?:ba|z)?sh\b"
            r"|\bpowershell(?:\.exe)?\s+-"
        ),
    ),
    (
        "markup",
        "high",
        "there is active markup in a text",
        re.compile(r"(?i)<\s*(?:script|iframe|object|embed|svg)\b|\bjavascript:|\bon(?:error|load)\s*="),
    ),
    (
        "packed",
        "medium",
        "there are packed bytes in a text",
        re.compile(r"(?:\\x[0-9a-fA-F]{2}){8}|\b(?:TVqQ|f0VMR|UEsDB|gAS[UVWJ])[A-Za-z0-9+/]{16}"),
    ),
)  # fmt: skip
_URL = re.compile(r"(?i)\bhttps?://([a-z0-9.-]{1,253})[^\s\"'<>]{0,200}")
_HOSTS = frozenset(
    [
        "huggingface.co",
        "hf.co",
        "github.com",
        "arxiv.org",
        "doi.org",
        "opensource.org",
        "creativecommons.org",
        "apache.org",
        "www.apache.org",
        "gnu.org",
        "www.gnu.org",
        "spdx.org",
        "wikipedia.org",
        "civitai.com",
        "modelscope.cn",
        "choosealicense.com",
        "llama.meta.com",
        "ai.meta.com",
        "ai.google.dev",
        "mistral.ai",
        "qwenlm.github.io",
        "openai.com",
        "pytorch.org",
        "unsloth.ai",
        "docs.unsloth.ai",
        "stability.ai",
    ]
)


def suspicious(text: str) -> Iterator[tuple[str, Severity, str, str]]:
    """(rule, severity, title, evidence) of what is in a text."""
    for rule, severity, title, pattern in _RULES:
        match = pattern.search(text)
        if match:
            yield rule, severity, title, evidence(match[0][:200])
    for match in _URL.finditer(text):
        host = match[1].lower().rstrip(".").removeprefix("www.")
        if host not in _HOSTS and not host.endswith((".huggingface.co", ".github.io")):
            yield "url", "medium", "a link leads to a place that is not known", evidence(match[0])
