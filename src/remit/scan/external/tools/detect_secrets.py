"""detect-secrets: secrets in texts, beside Remit's own rules.

What an artifact could use to switch it off is off itself: comments, names of lock files, contents
that look like an interface description, files that are called binary. Verifying a secret would ask
its issuer; there is no network. Entropy alone says little without those filters (every digest has
it), so it is recorded and asks nobody.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import Found, Tool

_FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_lock_file",
    "detect_secrets.filters.heuristic.is_swagger_file",
    "detect_secrets.filters.heuristic.is_non_text_file",
)
_WEAK = {"Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)"}
_KEYWORD = "Secret Keyword"


class DetectSecrets(Tool):
    """Driver of detect-secrets."""

    name: ClassVar[str] = "detect-secrets"
    distribution: ClassVar[str] = "detect-secrets"
    summary: ClassVar[str] = "secrets in texts"
    resident: ClassVar[int] = 100_000_000
    item_seconds: ClassVar[float] = 30.0
    max_bytes: ClassVar[int] = 8 * 1024 * 1024
    cost: ClassVar[float] = 8.0
    executes: ClassVar[bool] = False

    def claims(self, artifact: Any, member: Any) -> str:
        """Everything that begins as text does."""
        from remit.scan.scanners import _text

        del artifact
        return "text" if member.size > 0 and _text.is_text(member) else ""

    def prepare(self) -> None:
        """Import it, with every detector and without what looks away."""
        import detect_secrets
        from detect_secrets.core.scan import scan_file
        from detect_secrets.settings import configure_settings_from_baseline, default_settings

        del detect_secrets
        with default_settings() as settings:
            known = settings.json()
        configure_settings_from_baseline(known).disable_filters(*_FILTERS)
        self._scan = scan_file

    def samples(self) -> list[tuple[str, bytes, str]]:
        """A text, of code and of words: it compiles its patterns when it meets the first line."""
        lines = b"name = 'table'\nThe table has a column for each customer.\n"
        return [("file.py", lines, "text"), ("words.txt", lines, "text")]

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """What each detector saw; the secret itself is not said."""
        del form
        for each in self._scan(path):
            kind = each.type
            severity = "info" if kind in _WEAK else "medium" if kind == _KEYWORD else "high"
            slug = re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_")
            yield Found(
                f"secrets.{slug}", f"it may hold a secret: {kind}", severity,
                line=each.line_number, evidence=f"sha1 {each.secret_hash[:12]}",
            )  # fmt: skip


TOOL = DetectSecrets()
