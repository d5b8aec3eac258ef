"""Secrets by the name they are given: ``password = …``, ``"api_key": "…"``, ``TOKEN=…``.

The name says what to expect. A password can be short, a token is long and random; behind ``key``
alone there are more things that are none, so that more is asked of the value.
"""

import functools
import re
import string
from collections.abc import Mapping
from typing import Any

from remit.content import _secret_checks as checks
from remit.content.patterns import Match

_KEYWORDS = (
    "pass", "pwd", "pw", "psw", "pssw", "pasw", "secret", "token", "key", "auth", "cred", "salt",
    "nonce", "api", "pin", "cookie", "session", "dsn", "license", "signature", "otp", "contrase",
    "senha", "jwt",
)  # fmt: skip
# From the keyword to where the value begins. There are no groups: RE2 is several times as quick
# without, and most names are none of a secret. The value is read where the match ends.
_IN_NAME = r"[A-Za-z0-9_.\x{f1}-]"
_LAST_WORD = r"(?: (?:key|token|secret|value|id|code|word|password|pw|phrase|is))?"
_NAME = rf"(?i)(?:{'|'.join(_KEYWORDS)}){_IN_NAME}{{0,32}}{_LAST_WORD}"
_AFTER_NAME = r"\\{0,3}[\"'\x60]{0,3}\]?\)?"
_ASSIGN = (
    r"(?:\s{0,8}(?::=|=>|->|!==?|={1,3}|:)\s{0,8}|>|[ \t]{1,3}\|[ \t]{1,3}"
    r"|[\"']?\s{0,3}[,:]?\s{0,3}[\"']?value[\"']?\s{0,3}[:=]\s{0,3}|\s{0,4},\s{0,4})"
)
# Names of what may be short: all else has at least eight characters. What makes it short may stand
# before the keyword, as far as `_MAX_BEFORE`.
_SHORT_NAME = (
    r"(?:pass|pwd|pw|psw|pssw|pasw|contrase|senha|pin|phrase)[A-Za-z0-9_.$\x{f1}-]{0,72}"
    + _LAST_WORD
    + rf"|(?:{'|'.join(_KEYWORDS)}){_IN_NAME}{{0,32}} ?phrase{_IN_NAME}{{0,32}}"
)


def _may_be_value(least: int) -> str:
    """RE2 syntax for the beginning of what `_VALUE` takes, if it has ``least`` characters.

    A number is no secret unless it is in quotation marks.
    """
    sign = r"\s\"'`,;<>(){}\[\]|"
    quoted = (
        rf"\"{{1,3}}(?:[^\"\n\\]{{{least}}}|[^\"\n\\]{{0,{least - 1}}}\\)"
        rf"|'{{1,3}}[^'\n]{{{least}}}|`[^`\n]{{{least}}}|[\"']{{1,3}}[^\s\"']{{8}}"
    )
    letter = r"A-Za-z\x{80}-\x{10ffff}"
    bare = rf"[^0-9{sign}][^{sign}]{{{least - 1}}}|[0-9][^{letter}{sign}]*[{letter}]"
    other = (
        r"[|>]|[A-Za-z_.]{1,40}[(\[]|(?:str|string|bytes)[\s\x{80}-\x{10ffff}]{0,2}="
        r"|[bru]{1,2}\\{0,3}[\"'`]"
    )
    return rf"(?:\\{{0,3}}(?:{quoted})|{bare}|{other})"


RULES: tuple[Mapping[str, Any], ...] = (
    {
        "id": "named-secret",
        "regex": _NAME + _AFTER_NAME + _ASSIGN,
        "begins": rf"{_NAME}{_AFTER_NAME}{_ASSIGN}{_may_be_value(8)}"
        rf"|(?:{_SHORT_NAME}){_AFTER_NAME}{_ASSIGN}{_may_be_value(4)}",
        "keywords": _KEYWORDS,
        "before": 0,
        "after": 80,
        "check": "named",
        "score": 750,
    },
    {
        "id": "named-secret",
        "regex": r"(?i)\b(?:define|set|setx|setenv|export|env)[ \t]{1,4}[A-Za-z0-9_.-]{0,40}?"
        rf"(?:{'|'.join(_KEYWORDS)})[A-Za-z0-9_.-]{{0,32}}[ \t]{{1,4}}",
        "keywords": ("define ", "set ", "setx ", "setenv ", "export ", "env "),
        "before": 2,
        "after": 120,
        "check": "named",
        "score": 750,
    },
)
_NAMED = re.compile(
    r"[A-Za-z0-9_.$\u00f1-]*(?: (?:key|token|secret|value|id|code|word|password|pw|phrase|is)\b)?",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?:[|>][+-]?[ \t]{0,4}\r?\n[ \t]{1,16})?"
    r"(?:(?:[A-Za-z_.]{1,40}[(\[][^()\n]{0,60}[)\]]\s{0,2}(?:or|\|\||\?\?)\s{0,2})?"
    r"(?:(?:str|string|String|bytes)\s{0,2}=\s{0,2})?(?:[A-Za-z_.]{1,40}\(\s{0,3})?"
    r"[bru]{0,2}"
    r"(?:\\{1,3}\"([^\"\n\\]{4,400})\\{1,3}\"|\"{1,3}((?:[^\"\n\\]|\\[^\n]){4,400})\""
    r"|'{1,3}([^'\n]{4,400})'|\\?[\"']{1,3}([^\s\"']{8,400})|`([^`\n]{4,400})`)"
    r"|([^\s\"'`,;<>(){}\[\]|]{4,400}))"
)
_BARE = 6

_PASSWORD = re.compile(
    r"(?i)pass(?!ed|es|ing|age|enger|ive|port|word_?(?:hash|length|policy|field|reset|min|max|age|rules?|strength|expir\w*|change\w*|required|hint))|pwd|(?:^|[^a-z])pw(?:d|$|[^a-z])|_?pw$|psw|pssw|pasw|contrase|senha|(?:^|[_.-])pin(?:code)?$"
)
_TOKEN = re.compile(
    r"(?i)secret|token|auth(?!or|enticated|entication_?(?:type|method))|cred|api_?-?key|access_?-?key|private_?-?key|signing_?-?key|encryption_?-?key|master_?-?key|account_?-?key|license_?-?key|activation[ _-]?key|client_?-?key|service_?-?key|app_?-?key|secret[ _-]?key|shared_?-?key|admin_?-?key|deploy_?-?key|session_?-?key|subscription_?-?key|webhook_?-?key|ssh_?-?key|salt|nonce|otp|jwt|cookie|dsn|signature|api(?:$|[_-])"
)
_NOT_A_NAME = re.compile(
    r"(?i)(?:public|pub|cache|primary|foreign|sort|partition|object|bucket|row|idempotency|dedup\w*|routing|map|hot|shortcut|translation|i18n|lookup|index|group|range|hash|shard|config|setting|issue|project|ticket|jira|query|column|field|dict|json|xml|storage|event|message|metric|tag|label|registry|redis|entity|record|host|known|publishable|site|anon|client_?id|key)_?-?key(?:s|_?name|_?path|_?id)?$"
    r"|key(?:word|board|s?_?id|_?name|_?type|_?size|_?length|_?path|_?file|_?usage|note|stone|frame|pair_?name|_?prefix|_?code|_?vault|_?ring|_?arn|_?alias|_?version|_?hash|_?fingerprint|_?algorithm|chain|_?count|down|up|press|spec|space|hole)"
    r"|monkey|turkey|donkey|hockey|jockey|whiskey"
    r"|(?:next|page|prev\w*|continuation|cursor|sync|pagination|start|end|eos|bos|pad|unk|mask|stop|special|max|min|num|total|input|output|prompt|completion|cached|reasoning|context)_?-?tokens?"
    r"|tokens?_?-?(?:count|type|id|ids|limit|usage|iz|url|uri|endpoint|name|expir\w*|file|path|budget|length|num|address|symbol|ttl|class|index|used|per|s)|tokens$|tokeni"
    r"|author|authenticated|authority|authz?_?(?:type|method|url|uri|mode|provider|domain|endpoint|server|scheme|status)|authentication|auth_?user|auth_?date|authorize"
    r"|secrets?_?-?manager|secret_?-?(?:name|path|arn|ref\w*|id_?ref|version|type|store|manager|key_?ref|url|uri|file|s)\b|secretary"
    r"|password_?-?(?:file|path|env|cmd|command|hash|url|hint|field|input|policy|reset|length|store|manager|prompt|label|type|min|max|ref)|passport|bypass|compass|encompass|passage|passenger|passing|passed|pass_?(?:rate|count|through|thru)|passive"
    r"|cred\w*_?-?(?:file|path|name|type|id|url|helper|provider|store|arn|process|s?_?ref)|credit|accred|incred|sacred"
    r"|api_?-?(?:version|url|uri|base|endpoint|host|group|type|name|path|server|root|gateway|id|docs?|call\w*|response|request|error|status|method|mode|limit)|apiversion|rapid|capit|napi_|therap|apis$|api$"
    r"|pin(?:g|k|e|t|board|ned|point|s|ia|ia|nacle)|opin|spin|shipping|mapping|typing|keeping|happin"
    r"|ses{1,2}ion_?-?(?:name|type|timeout|id_?type|count|length|state|start|end|duration|url|title|storage|factory|maker)|sessions|obsession|possession"
    r"|(?:sha\d*|md5|checksum|digest|integrity|etag|fingerprint|commit|revision|thumbprint|trace|span|request|correlation|build|image|job|run|task|thread|event|message)_?-?(?:id|hash|sum|key)?$"
    r"|salt(?:ed|y|_?length|_?rounds|_?stack|_?lake)|basalt|assault|exalt|cookie_?(?:name|path|domain|policy|consent|jar|banner|max|secure|http|same)|cookies|licen[sc]e_?(?:type|name|url|file|plate|text|id)|signature_?(?:type|version|algorithm|method|help|block)"
)  # fmt: skip
_STRICT = re.compile(r"(?i)session|sid$|cookie|dsn|license|signature|nonce|salt|otp")
_SEALED = re.compile(
    r"Ag[A-D][A-Za-z0-9+/]{100,}|AQICAH[A-Za-z0-9+/]{40,}|ENC\[|vault:v\d:|CiQA[A-Za-z0-9+/]{40,}"
)
_SPACE = re.compile(r"\s")


def secret(text: str, match: Match) -> tuple[int, int] | None:
    """The span of the value if it is a secret by its name and its look."""
    named = match.start
    end = match.end
    begin = named
    low = max(named - _MAX_BEFORE, 0)
    while begin > low and text[begin - 1] in _IN_NAMES:
        begin -= 1
    kind, listed = _told(text[begin:end], named - begin)
    if not kind:
        return None
    found = _VALUE.match(text, end)
    if found is None or found.lastindex is None:
        return None
    bare = found.lastindex == _BARE
    start, end = found.span(found.lastindex)
    value = found[found.lastindex]
    if bare:
        value = value.rstrip(".,;:?*_")
        end = start + len(value)
    if len(value) < 4 or (listed and (bare or text[end + 1 : end + 3].strip()[:1] == ":")):
        return None  # too short, or the next key of a list
    if _SEALED.match(value) or (not bare and _SPACE.search(value) and kind != "phrase"):
        return None
    good = _CHECKS[kind](value)
    if good and bare and kind == "password" and value.isalpha():
        good = not checks.wordlike(value)
    return (start, end) if good and not _in_arn(text, named) else None


@functools.lru_cache(maxsize=8192)
def _told(matched: str, at: int) -> tuple[str, bool]:
    """What :func:`_kind` says of the name in a match that begins ``at``, and whether a comma follows."""
    body = matched[at:].rstrip()
    if body[-1:].isalnum() or body[-1:] == "_":
        return _kind(body.split()[-1]), False
    named = _NAMED.match(matched, at)
    assert named is not None  # it matches nothing, too
    return _kind(matched[: named.end()].removesuffix(" is")), "," in matched[named.end() :]


def _in_arn(text: str, at: int) -> bool:
    low = max(at - _ARN_REACH, 0)
    return text.rfind("arn:", low, at) >= 0 and _ARN.search(text, low, at) is not None


_ARN = re.compile(r"arn:[\w:/-]*$")
_ARN_REACH = 80
_MAX_BEFORE = 40
_IN_NAMES = frozenset(string.ascii_letters + string.digits + "_.$-")


def _kind(name: str) -> str:
    """What a value of this name would be: ``password``, ``phrase``, ``token``, ``short`` or a key."""
    if _NOT_A_NAME.search(name):
        return ""
    if "phrase" in name.lower():
        return "phrase"
    if _PASSWORD.search(name):
        return "password"
    if _TOKEN.search(name):
        return "strict" if _STRICT.search(name) else "token"
    return "key" if "key" in name.lower() else ""


def _keylike(value: str) -> bool:
    """Random enough to be a secret behind the word ``key`` alone."""
    return (
        len(value) >= 16
        and any(c.isdigit() for c in value)
        and checks.entropy(value) >= 2.8
        and not re.fullmatch(r"[a-z0-9]+(?:[-_/.:][a-z]+)+[-_/.:]?\d*", value)
        and not re.fullmatch(r"[\w.-]*(?:/[\w.-]+)+\.\w{2,5}", value)
        and checks.token(value)
    )


def _phrase(value: str) -> bool:
    return checks.password(value) or 3 <= value.count(" ") <= 12


_CHECKS = {
    "key": _keylike,
    "password": checks.password,
    "phrase": _phrase,
    "strict": lambda value: len(value) >= 12 and checks.token(value),
    "token": checks.token,
}
