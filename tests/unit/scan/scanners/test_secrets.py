import pytest

from remit.scan.scanners import secrets
from remit.scan.scanners.secrets import Secrets
from tests.unit.scan.scanners.kit import look

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", f'KEY = "{TOKEN}"'),
        ("package-lock.json", f'{{"resolved": "https://x:{TOKEN}@example.com"}}'),
        ("a.bin", f"token: {TOKEN}"),
        ("a.py", f'KEY = "{TOKEN}"  # pragma: allowlist secret'),
        ("a.py", f'KEY = "{TOKEN}"  # gitleaks:allow'),
        ("zip.zip!/a.txt", f"token {TOKEN}"),
    ],
)
def test_secrets_are_found_whatever_the_artifact_says(name, text):
    seen = look(Secrets, {name: text})
    assert seen.worst in {"high", "critical"}
    assert all(TOKEN not in each.evidence for each in seen.findings)


def test_that_it_asks_to_look_away_is_said():
    seen = look(Secrets, {"a.py": f'KEY = "{TOKEN}"  # pragma: allowlist secret'})
    assert seen.severity("secrets.suppressed") == "low"


def test_secrets_across_the_edge_of_a_piece(monkeypatch):
    monkeypatch.setattr(secrets, "PIECE", 64)
    text = "line\n" * 11 + f"  {TOKEN}\n" + "line\n" * 20
    seen = look(Secrets, {"a.txt": text})
    assert [each.region.line for each in seen.findings] == [12]


def test_texts_without_secrets():
    seen = look(
        Secrets, {"a.py": "import os\nKEY = os.environ['API_KEY']\n", "b.md": "password: <your>"}
    )
    assert seen.worst == ""


def test_it_vouches_for_nothing_else():
    assert look(Secrets, {"a.py": "x = 1"}).coverage["a.py"].status == "partial"


def test_bytes_are_left_to_others():
    assert look(Secrets, {"a": b"\0\1\2", "b": b""}).claimed == set()
