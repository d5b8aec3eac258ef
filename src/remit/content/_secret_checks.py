"""Whether a value is a secret, or only stands where one could stand.

Examples, variables, references to a vault, hashes, versions and words are not secrets.
"""

import base64
import itertools
import math
import re
import zlib
from collections.abc import Callable, Mapping

# -log2 of the chance of the second letter (a column) after the first one (a row) in English and in
# code, 0 to 9, counted over the words of the Python standard library.
_COST = (
    "95449859597343959343678769", "38673989439388479558399939", "39683993594479299573599989",
    "37851899399598489556599969", "58446479899353856333977469", "39874499299587279365499979",
    "59782954499554589435489998", "39991999399778399675699989", "66555459999442369533969796",
    "49871999698999279959397989", "49871859399595779747594999", "48952389399498479945499959",
    "25971999499658339957599999", "39433639597796379943669979", "75548569796542649254465899",
    "29873997598499349363599959", "79989999999596999658099999", "39662859497754389444678959",
    "69691975497788559842598969", "39673792399789479355498959", "65673669599343749243999999",
    "29891999399988679999999999", "39963993299695399359997999", "58283799499769839872999859",
    "77685859499455529633985999", "39991797399768589787999979",
)  # fmt: skip
_LETTERS = re.compile(r"[A-Za-z]+")
_MAX_WORD_COST = 5.15

_PLACEHOLDER = re.compile(
    r"(?i)^(?:x{3,}|\*{3,}|\.{3,}|-{3,}|_{3,}|#{3,}|•{3,})"
    r"|x{6,}|\*{3,}|\.{4,}|•{3,}|…"
    r"|(?:^|[^a-z])(?:your|my[_-]?(?:secret|token|key|password)|insert|change[_-]?(?:me|it|this)|replace(?:[_-]?(?:me|with))?"
    r"|placeholder|redacted|masked|removed|hidden|sanitized|censored|dummy|fake|todo|fixme|tbd|not[_-]?set|unset"
    r"|undefined|example|sample|foo(?:bar)?|lorem|goes[_-]?here|some[_-]?(?:secret|token|key|password|value)|the[_-]?(?:secret|token|key|password))(?:[^a-z]|$)"
    r"|example$|^example|_here$|<[^<>]{1,60}>"
    r"|^(?:0123456789|1234567890|abcdefgh|deadbeef)|0123456789abcdef|abcdefghijklmnop|1234567890123456"
)
_REFERENCE = re.compile(
    r"(?i)^[\"'\x60(\[]{0,2}(?:"
    r"\{\$|\$\{|\$\(|\$[A-Za-z_]|\{\{|\{%|%\(|%[A-Za-z_]+%|<|@@|#\{|\[\[|@[A-Z_]+@|\$\$"
    r"|(?:vault|op|ref\+\w+|sm|awssm|ssm|gcpsm|gsm|akv|keyvault|secret(?:s|manager|ref)?|env|file|arn|aws-?sm|doppler|bws|lastpass|keychain|pass|sops|conjur|infisical|k8s|kms|keyring)[:+](?:/|aws|secret|[a-z])"
    r"|projects/[\w-]+/secrets/|@microsoft\.keyvault|!(?:vault|sub|ref|env|reference|secret|getatt)\b|enc\[|\{cipher\}|\$ansible_vault|pkcs7,|enc\("
    r"|(?:https?|s3|gs|ftp|file|ssh|git|mailto|data|urn|az|oci|docker)://?|\.{0,2}/[\w.-]+(?:/|$)|~/|[a-z]:\\"
    r"|(?:process|os|sys|config|settings|secrets?|env|environ|self|this|ctx|args|opts|options|params|props|req|request|res|response|data|vars?|local|module|each|context|state|user|input|event|body|form|session|app|current_app|client|inputs|steps|github|values|conf|cfg|credentials?|creds|auth|account|db|row|item|obj|result|payload|kwargs|argv|st|np|token|password)[.\[](?:[A-Za-z_]|[\"'])"
    r"|(?:get|read|fetch|load|generate|create|make|input|prompt|require|new|await|lambda|function|func|def|return|import|from|null|nil|none|true|false|string|str|int|number|bool(?:ean)?|object|any|void|bytes|optional|required|undefined|unknown|var|let|const|char|byte|list|dict|array|map|type)\b[\w.]{0,60}(?:[\s(\[<|?;,!:.]|$)"
    r"|[A-Za-z_][\w.]{0,80}\([^\n]{0,200}|[A-Za-z_]\w{0,40}(?:::|->)\w"
    r")"
)
_COMMON = frozenset((
    "password", "passwd", "pass", "secret", "token", "key", "apikey", "api_key", "username",
    "user", "admin", "administrator", "root", "test", "testing", "tests", "demo", "example",
    "default", "none", "null", "nil", "true", "false", "yes", "no", "on", "off", "empty",
    "string", "text", "value", "values", "required", "optional", "invalid", "incorrect",
    "wrong", "missing", "expired", "hidden", "masked", "encrypted", "plain", "plaintext",
    "basic", "bearer", "digest", "login", "enabled", "disabled", "unknown", "undefined",
    "changeme", "changeit", "public", "private", "primary", "foreign", "unique", "error",
    "errors", "failed", "success", "ok", "field", "type", "hash", "salt", "input", "output",
    "please", "prompt", "length", "reset", "forgot", "confirm", "new", "old", "same", "again",
    "here", "there", "this", "that", "your", "mine", "blank", "bcrypt", "argon2", "sha256",
    "sha512", "sha1", "md5", "hmac", "aes", "aes256", "rsa", "ed25519", "x509", "oauth",
    "oauth2", "saml", "ldap", "kerberos", "mtls", "json", "yaml", "xml", "html", "utf8",
    "utf-8", "base64", "hex", "uuid", "uuid4", "ascii", "localhost", "postgres", "postgresql",
    "mysql", "redis", "mongodb", "guest", "anonymous", "anyone", "someone", "nobody",
    "everyone", "abc123", "foo", "bar", "baz", "foobar", "qux",
))  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:[._-][A-Za-z0-9_$]+)*")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_VERSION = re.compile(r"[v^~>=<]*\d+(?:[.,:/-]\d+)*(?:[-+.]?[a-z]{1,6}\d*)?[%a-z]{0,2}")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(?:[T ]\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOST = re.compile(r"(?:[a-z0-9-]+\.){1,6}[a-z]{2,12}(?::\d+)?(?:/\S*)?")
_DIGEST = re.compile(r"(?i)(?:sha(?:1|256|384|512)|md5|h1|blake[23]\w?)[-:=][A-Za-z0-9+/=_-]+")
_REPEATED = re.compile(r"(.)\1{5,}")


def entropy(value: str) -> float:
    """Shannon entropy in bits a character."""
    if not value:
        return 0.0
    size = len(value)
    counts = (value.count(c) for c in set(value))
    return -sum(n / size * math.log2(n / size) for n in counts)


def wordlike(value: str) -> bool:
    """Whether the letters of ``value`` come one after the other as they do in words."""
    cost = pairs = 0
    for match in _LETTERS.finditer(value):
        word = match[0].lower()
        for a, b in itertools.pairwise(word):
            cost += int(_COST[ord(a) - 97][ord(b) - 97])
            pairs += 1
    return pairs == 0 or cost / pairs <= _MAX_WORD_COST


def classes(value: str) -> int:
    """How many of lower case, upper case, digits and signs are in ``value``."""
    return (
        any(c.islower() for c in value)
        + any(c.isupper() for c in value)
        + any(c.isdigit() for c in value)
        + any(not c.isalnum() for c in value)
    )


def placeholder(value: str) -> bool:
    """Whether ``value`` stands where a secret could: an example, a mask, a variable."""
    if _PLACEHOLDER.search(value) or _REPEATED.search(value):
        return True
    bare = value.strip("\"'`<>[](){}*_-.,;:!?").lower()
    return bare in _COMMON or len(set(bare)) <= 2 or _sequence(bare)


def reference(value: str) -> bool:
    """Whether ``value`` only says where a secret is."""
    return _REFERENCE.match(value) is not None


def _sequence(value: str) -> bool:
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(value)}
    return len(steps) == 1


def look_alike(value: str) -> bool:
    """Whether ``value`` is of a kind that is long and random, and known to be public."""
    return any(p.fullmatch(value) for p in (_VERSION, _DATE, _MAIL, _HOST, _DIGEST))


def _digits(value: str) -> bool:
    if placeholder(value):
        return False
    return any(c.isdigit() for c in value) or (len(value) >= _LONG and not wordlike(value))


_LONG = 20


def _mixed(value: str) -> bool:
    return (
        not placeholder(value)
        and any(c.isdigit() for c in value)
        and any(c.isupper() for c in value)
        and any(c.islower() for c in value)
        and not _HEX.fullmatch(value)
        and value.count("/") <= len(value) // 8
    )


def strong(value: str) -> bool:
    """Whether ``value`` looks chosen to be hard to guess, with no help of what is around it."""
    value = value.rstrip(".,;:!?)]}")
    if len(value) < 6 or placeholder(value) or reference(value) or look_alike(value):
        return False
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    if not letters:
        return False
    if digits:
        if (
            re.fullmatch(r"[A-Za-z]+[-_ ]?\d{1,4}|\d+[A-Za-z]{1,5}|[A-Z]+-\d+", value)
            and letters > digits
        ):
            return classes(value) >= 3 and len(value) >= 8 and not _PLAIN.fullmatch(value)
        return True
    if re.search(r"[!@#$%^&*+=~?|]", value[1:]):
        return not _IDENTIFIER.fullmatch(value)
    return len(value) >= 8 and value.isalpha() and not value.islower() and not wordlike(value)


_PLAIN = re.compile(r"[A-Z]?[a-z]+[-_]?\d{1,2}")


def password(value: str) -> bool:
    """Whether ``value`` after a name such as ``password`` is one."""
    value = value.strip("\"'`").rstrip(",;")
    if len(value) < 4 or placeholder(value) or reference(value) or look_alike(value):
        return False
    if value.isalpha():
        return len(value) >= 8 and not wordlike(value)
    if value.isdigit():
        return False
    if any(c.isdigit() for c in value):
        if "_" in value and _IDENTIFIER.fullmatch(value) and wordlike(value) and value.islower():
            return False
        return any(c.isalpha() for c in value)
    if _IDENTIFIER.fullmatch(value):
        return len(value) >= 8 and not wordlike(value)
    return re.search(r"[!@#$%^&*+=~?]", value) is not None and len(re.sub(r"\W|_", "", value)) >= 3


def token(value: str) -> bool:
    """Whether ``value`` after a name such as ``token`` or ``secret`` is one: long and random."""
    value = value.strip("\"'`").rstrip(",;")
    if len(value) < 8 or placeholder(value) or reference(value) or look_alike(value):
        return False
    if value.isdigit() or not any(c.isalpha() for c in value):
        return False
    if _UUID.fullmatch(value):
        return True
    digits = sum(c.isdigit() for c in value)
    if not digits:
        return len(value) >= 16 and not wordlike(value) and entropy(value) >= 3.2
    if _HEX.fullmatch(value):
        return len(value) >= 16 and entropy(value) >= 2.5
    if _IDENTIFIER.fullmatch(value) and re.fullmatch(r"[a-z]+(?:[-_.][a-z]*\d{0,4})+", value):
        return False
    return entropy(value) >= 2.8 and (digits >= 2 or len(value) >= 16)


def _pair(value: str) -> bool:
    user, _, word = value.partition(":")
    return (
        bool(user)
        and len(word) >= 3
        and not placeholder(word)
        and not reference(word)
        and not (word.isdigit() or reference(user))
    )


def _url(value: str) -> bool:
    _, _, rest = value.partition("://")
    login, _, _ = rest.rpartition("@")
    user, _, word = login.partition(":")
    bare = word.strip("*<>[]{}").lower()
    return (
        len(word) >= 3
        and not reference(word)
        and not _PLACEHOLDER.search(word)
        and not word.startswith((":", "$", "{", "[", "%s", "%("))
        and bare
        not in {
            "password",
            "pass",
            "passwd",
            "pwd",
            "secret",
            "token",
            "pw",
            "user",
            "yourpassword",
            "my-password",
            "db_password",
        }
        and not (bare == user.lower() and bare in {"user", "username", "foo"})
        and len(set(word)) > 2
    )


def _bearer(value: str) -> bool:
    body = re.split(r"(?:\s|%20|\+)+", value, maxsplit=1)[-1]
    return _random(body)


def _random(body: str) -> bool:
    if placeholder(body) or reference(body):
        return False
    if any(c.isdigit() for c in body):
        return entropy(body) >= 3 and not look_alike(body)
    return len(body) >= 20 and not wordlike(body)


def _basic(value: str) -> bool:
    body = re.split(r"(?:\s|%20)+", value, maxsplit=1)[-1]
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("latin-1")
    except ValueError:
        return False
    user, colon, word = text.partition(":")
    return bool(colon and word) and user.isprintable() and not placeholder(word)


def _jwt(value: str) -> bool:
    text = _head(value)
    return text.lstrip()[:1] == b"{" and b'"' in text


def _head(value: str) -> bytes:
    """What is in base64 before the first dot; nothing if it is none."""
    head = value.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except ValueError:
        return b""


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def github_checksum(value: str) -> bool:
    """Whether the last six characters are the CRC32 of the others in base 62, as GitHub makes it.

    https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
    """
    _, _, body = value.partition("_")
    number = zlib.crc32(body[:-6].encode())
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == body[-6:]


def _github(value: str) -> bool:
    # Not more than a hint: tokens in tests of others, and formats to come, have no such end.
    return github_checksum(value) or (_digits(value) and entropy(value) >= 3)


def _discord(value: str) -> bool:
    head = _head(value)
    return head.isdigit() or (bool(head) and _mixed(value))


def _docker(value: str) -> bool:
    return _basic(f"basic {value}") or (len(value) > 40 and token(value))


_SMALL_WORDS = frozenset((
    "the", "and", "that", "this", "with", "for", "you", "are", "was", "have", "from", "not",
    "which", "when", "will", "your", "they", "must", "has", "can", "use", "should",
))  # fmt: skip


def _seed(value: str) -> bool:
    words = re.split(r"[ ,]+", value)
    return (
        len(words) in {12, 15, 18, 21, 24}
        and not _SMALL_WORDS & set(words)
        and len(set(words)) >= len(words) - 1
    )


def _login_pair(value: str) -> bool:
    user, _, word = re.split(r"\s?([:/])\s?", value, maxsplit=1)
    word = word.rstrip(".)")
    return (
        strong(word)
        and classes(word) >= 3
        and not user.lower().startswith(
            ("http", "sha", "v", "ghcr", "docker", "image", "quay", "src", "lib")
        )
        and not re.search(r"\.(?:\w{2,4})$", word)
        and not _HEX.fullmatch(word)
    )


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "": lambda value: not placeholder(value),
    "any": lambda _value: True,
    "basic": _basic,
    "bearer": _bearer,
    "digits": _digits,
    "discord": _discord,
    "docker": _docker,
    "github": _github,
    "jwt": _jwt,
    "loginpair": _login_pair,
    "mixed": _mixed,
    "pair": _pair,
    "password": password,
    "prose": strong,
    "seed": _seed,
    "strong": strong,
    "strongpair": lambda value: password(value.partition("/")[2]),
    "token": token,
    "url": _url,
}
"""What a rule can ask of its value, by the name in ``data/secrets.toml``."""
