"""Examples are invented, and keys are put together at run time: no scanner takes them for live."""

import base64
import codecs
import gzip
import json
import random
import string
import zlib

import pytest

from remit.content import _secret_checks as checks
from remit.content.base import Surroundings
from remit.content.detectors.secrets import DETECTOR, rules
from remit.content.views import read

CHANCE = random.Random(11)
ALNUM = string.ascii_letters + string.digits
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@pytest.fixture(autouse=True)
def _same_values(request):
    """The values of a test do not depend on the tests before it."""
    CHANCE.seed(request.node.name)


def some(size, alphabet=ALNUM):
    return "".join(CHANCE.choice(alphabet) for _ in range(size))


def hexa(size):
    return some(size, "0123456789abcdef")


def find(text):
    return list(DETECTOR.find(read(text), Surroundings()))


def found(text):
    return [text[f.start : f.end] for f in find(text)]


def github():
    body = some(30)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + digits
    return "gh" + "p_" + body + digits.rjust(6, "0")


SHAPES = {
    "github_token": github,
    "gitlab_token": lambda: "gl" + "pat-" + some(20),
    "openai_api_key": lambda: "sk-" + "proj-" + some(48) + "T3Blbk" + "FJ" + some(40),
    "anthropic_api_key": lambda: "sk-" + "ant-api03-" + some(93) + "AA",
    "slack_token": lambda: "xo" + "xb-" + some(12, string.digits) + "-" + some(24),
    "cloud_access_key": lambda: "AK" + "IA" + some(16, BASE32),
    "stripe_key": lambda: "sk_" + "live_" + some(24),
    "mail_api_key": lambda: "S" + "G." + some(22) + "." + some(43),
    "hosting_token": lambda: "np" + "m_" + some(36),
    "llm_api_key": lambda: "gs" + "k_" + some(52),
    "google_token": lambda: "AI" + "za" + some(35),
    "telegram_bot_token": lambda: some(10, "123456789") + ":A" + "A" + some(33),
    "shop_token": lambda: "sh" + "pat_" + hexa(32),
    "key_file_token": lambda: "AGE-" + "SECRET-KEY-1" + some(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "chat_webhook": lambda: "https://hooks." + f"slack.com/services/T{some(8, BASE32)}/B{some(9, BASE32)}/{some(24)}",
    "jwt": lambda: ".".join(
        base64.urlsafe_b64encode(p).decode().rstrip("=")
        for p in (b'{"alg":"HS256","typ":"JWT"}', json.dumps({"sub": some(8)}).encode(), some(32).encode())
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", SHAPES)
@pytest.mark.parametrize(
    "around",
    ["{}", "({})", "see {}.", '"{}"', "https://x.example/?k={}&a=1", "<b>{}</b>", "a,{},b", "`{}`"],
)
def test_shapes(label, around):
    value = SHAPES[label]()
    (finding,) = find(around.format(value))
    assert finding.label == label
    assert around.format(value)[finding.start : finding.end] == value
    assert finding.kind == "secret"
    assert finding.version == "secrets/1"


def password():
    return some(9) + CHANCE.choice("!@$%*") + some(2) + "7"


NAMED = [
    "password: {}",
    "password={}",
    '"password": "{}"',
    "'password' => '{}',",
    "DB_PASS='{}'",
    "spring.datasource.password={}",
    "<password>{}</password>",
    '<add key="DbPassword" value="{}" />',
    '{{"name":"ADMIN_PASSWORD","value":"{}"}}',
    "- name: ADMIN_PASSWORD\n  value: {}",
    "password: |\n  {}",
    "PGPASSWORD={} psql",
    "mysql -u root --password {} db",
    "mysql -h db -u root -p{} prod",
    "curl -u admin:{} https://x.example",
    "sshpass -p {} ssh root@h",
    "machine api.example.com login me password {}",
    "db.internal:5432:prod:svc:{}",
    "CREATE USER bob IDENTIFIED BY '{}';",
    "ALTER ROLE app WITH LOGIN PASSWORD '{}';",
    "my password is {}",
    "the root password for the staging box is {}",
    "password for admin@corp.example: {}",
    "I changed the wifi password to {} yesterday",
    "use login `ops` and password `{}` to get in",
    "| admin | password | {} |",
    "Server=db;User ID=sa;Password={};Encrypt=true",
    "jdbc:oracle:thin:scott/{}@//db:1521/orcl",
    "define('DB_PASSWORD', '{}');",
    "set PASSWORD {}",
    "Das Passwort lautet {}",
    "\u043f\u0430\u0440\u043e\u043b\u044c: {}",
    "\u5bc6\u7801\uff1a{}",
]


@pytest.mark.parametrize("text", NAMED)
def test_passwords_by_name(text):
    for _ in range(5):
        value = password()
        assert any(value in f for f in found(text.format(value))), text.format(value)


@pytest.mark.parametrize(
    "text",
    [
        "api_key={}", '"apiKey": "{}"', "X-Api-Key: {}", "client_secret: {}", "?access_token={}&x=1",
        "JWT_SECRET={}", "--token {}", "--api-key={}", "export AUTH_TOKEN={}", 'setx API_TOKEN "{}"',
        "Authorization: Bearer {}", "Authorization: Token {}", "//registry.example.org/:_authToken={}",
        "headers = {{'Authorization': 'Bearer ' + '{}'}}", "the token is {}", "my github token: {}",
        'os.environ["OPENAI_API_KEY"] = "{}"', "Set-Cookie: sessionid={}; HttpOnly", '"key": "{}"',
        '{{"args": "{{\\"token\\": \\"{}\\"}}"}}',
    ],
)  # fmt: skip
def test_tokens_by_name(text):
    for value in (some(32), hexa(40), some(20) + "-_" + some(8) + "7"):
        assert any(value in f for f in found(text.format(value))), text.format(value)


@pytest.mark.parametrize(
    "text",
    [
        "postgres://app:{}@db.internal:5432/x", "redis://:{}@cache:6379/0", "amqps://svc:{}@mq.example.net/vh",
        "postgresql+asyncpg://app:{}@db/x", "https://oauth2:{}@git.example.com/a/b.git", "jdbc:mysql://h:3306/db?user=r&password={}",
    ],
)  # fmt: skip
def test_credentials_in_urls(text):
    value = some(14)
    assert any(value in f for f in found(text.format(value)))


KEY = "-----BEGIN {0} PRIVATE " + "KEY-----\n{1}\n-----END {0} PRIVATE " + "KEY-----"


@pytest.mark.parametrize("kind", ["RSA", "EC", "OPENSSH", "ENCRYPTED"])
def test_private_keys(kind):
    body = "\n".join(some(64) for _ in range(6))
    text = KEY.format(kind, body)
    for shown in (
        text,
        json.dumps({"key": text}),
        text.replace("\n", "\\n"),
        "  " + text.replace("\n", "\n  "),
    ):
        (finding,) = find(f"a {shown} b")
        assert finding.label == "private_key"
        assert finding.severity == "critical"
    assert find("a " + text[:200])
    assert find(base64.b64encode(text.encode()).decode())


DISGUISES = {
    "base64": lambda s: base64.b64encode(("the key: " + s).encode()).decode(),
    "base64 twice": lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
    "gzip": lambda s: base64.b64encode(gzip.compress(s.encode())).decode(),
    "hex": lambda s: s.encode().hex(),
    "percent": lambda s: "".join(f"%{ord(c):02X}" for c in s),
    "entities": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "\\u": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "zero width": "\u200b".join,
    "full width": lambda s: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in s),
    "concatenation": lambda s: f'"{s[:9]}" + "{s[9:]}"',
    "soft break": lambda s: s[:14] + "=\n" + s[14:],
    "tag": lambda s: s[:8] + "<wbr>" + s[8:],
    "colour": lambda s: s[:8] + "\x1b[0m" + s[8:],
    "spread": " ".join,
    "reversed": lambda s: "reversed: " + s[::-1],
    "rot13": lambda s: "rot13: " + codecs.encode(s, "rot13"),
    "JSON twice": lambda s: json.dumps(json.dumps({"x": s})),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguised(disguise):
    for label in ("github_token", "anthropic_api_key", "stripe_key", "cloud_access_key"):
        text = DISGUISES[disguise](SHAPES[label]())
        assert find(text), text


BENIGN = [
    "password: ${DB_PASSWORD}", "password: {{ vault_password }}", 'password=os.environ["PW"]',
    "password = getpass.getpass()", "token: ${{ secrets.GITHUB_TOKEN }}", "api_key: vault:secret/data/app#key",
    "password: op://vault/item/password", "arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-AbCdEf",
    "secretName: my-app-tls", 'password: "********"', "password: changeme", "PASSWORD=<your-password>",
    'api_key = "YOUR_API_KEY"', "The password must contain at least 8 characters", "password is required",
    "token expired at 2026-01-01T00:00:00Z", "max_tokens: 4096", '"prompt_tokens": 1234', "primary_key=True",
    "const token = await getToken()", "if (password === confirmPassword) {", "self.password = password",
    '<input type="password" name="password" placeholder="Password">', 'cache_key = f"item:{id}"',
    "postgres://user:password@localhost:5432/db", "mongodb://$USER:$PASS@host/db", "http://localhost:8080/a@b",
    "Bearer token authentication", "Basic authentication is disabled", "PIN: required", "secret santa",
    "password reset link", "S3 key: uploads/2026/01/report-final-v2.pdf", "auth_type: oauth2", "bypass: true",
    'curl -u "$USER:$PASS" https://x', "SECRET_KEY_BASE=$(openssl rand -hex 64)", "password?: string;",
    "the key is under the mat", "for key, value in secrets.items(): print(key)", "author: Jane Doe",
]  # fmt: skip
RANDOM = [
    lambda: '"integrity": "sha512-' + some(86) + '=="', lambda: "sha256:" + hexa(64), lambda: f'ETag: W/"{hexa(32)}"',
    lambda: "x-request-id: req_" + some(24), lambda: '"id": "chatcmpl-' + some(29) + '"', lambda: "commit " + hexa(40),
    lambda: "pk_" + "live_" + some(24), lambda: f"traceparent: 00-{hexa(32)}-{hexa(16)}-01", lambda: "call_" + some(24),
    lambda: '"nextToken": "' + some(48) + '"', lambda: "public_key: " + some(43) + "=", lambda: "0x" + hexa(40),
    lambda: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + some(43) + " ops@host", lambda: "--hash=sha256:" + hexa(64),
    lambda: "data:image/png;base64,iVBORw0KGgo" + some(200, ALNUM + "+/"), lambda: "sealed: AgB" + some(200),
    lambda: "encryptedData:\n  password: AgB" + some(200), lambda: f"registry/library/x@sha256:{hexa(64)}",
    lambda: "-----BEGIN CERTIFICATE-----\n" + some(64) + "\n-----END CERTIFICATE-----", lambda: "h1:" + some(43) + "=",
    lambda: f"ENC[AES256_GCM,data:{some(20)},iv:{some(43)}=,type:str]", lambda: "run_" + some(24), lambda: "cus_" + some(14),
]  # fmt: skip


@pytest.mark.parametrize("text", BENIGN)
def test_what_only_looks_like_a_secret(text):
    assert found(text) == []


@pytest.mark.parametrize("number", range(len(RANDOM)))
def test_what_is_random_and_public(number):
    for _ in range(20):
        text = RANDOM[number]()
        assert found(text) == [], text


def test_places_are_of_the_original():
    key = SHAPES["stripe_key"]()
    text = "é\u200b " + key + " ü"
    assert found(text) == [key]
    inner = base64.b64encode(f"key {key} end".encode()).decode()
    (value,) = found(f"x {inner} y")
    assert value in inner
    assert len(value) >= len(key) * 4 // 3


def test_github_checksum():
    token = github()
    assert checks.github_checksum(token)
    assert not checks.github_checksum(token[:-1] + ("a" if token[-1] != "a" else "b"))


def test_nothing_is_reported_twice():
    key = github()
    assert len(find(f'GITHUB_TOKEN="{key}"')) == 1
    assert len(find(f"{key} {key}")) == 2


def test_rules_are_whole():
    for rule in rules():
        assert rule.keywords
        assert rule.check in checks.CHECKS or rule.check == "named"
        assert 0 < rule.score <= 1000


@pytest.mark.parametrize(
    ("value", "is_one"),
    [("hunter2!", True), ("x6s7djtEa", True), ("confirm_password", False), ("changeit", False), ("user.password", False),
     ("Passw0rd!", True), ("true", False), ("v1.2.3", False), ("2026-01-01", False), ("qZxKvWpJtr", True), ("required", False)],
)  # fmt: skip
def test_passwords(value, is_one):
    assert checks.password(value) is is_one


def test_words_and_noise():
    for word in ("confirmation", "databaseConfiguration", "administrator", "secretManagerClient"):
        assert checks.wordlike(word)
    for noise in ("qxzkvwpjtrg", "HjKqWzXcVbPl"):
        assert not checks.wordlike(noise)
