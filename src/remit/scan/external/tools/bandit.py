"""bandit: Python code that is often a mistake, and sometimes more. ``# nosec`` is not obeyed.

It looks for vulnerabilities in one's own code, so what it says asks a person at most, and it does
not answer for having understood a file.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import Found, Tool, Unread

_LEVELS = {"HIGH": "medium", "MEDIUM": "low", "LOW": "info"}


class Bandit(Tool):
    """Driver of bandit."""

    name: ClassVar[str] = "bandit"
    distribution: ClassVar[str] = "bandit"
    summary: ClassVar[str] = "vulnerable Python code"
    resident: ClassVar[int] = 100_000_000
    item_seconds: ClassVar[float] = 30.0
    max_bytes: ClassVar[int] = 4 * 1024 * 1024

    def claims(self, artifact: Any, member: Any) -> str:
        """Python by name or first line."""
        del artifact
        line = member.head[:80].split(b"\n")[0]
        python = line.startswith(b"#!") and b"python" in line
        return "code" if python or member.path.lower().endswith((".py", ".pyw")) else ""

    def prepare(self) -> None:
        """Import it, with its own defaults as the only configuration."""
        import logging

        from bandit.core import config, manager

        logging.disable(logging.CRITICAL)
        self._manager = manager.BanditManager
        self._config = config.BanditConfig()
        manager.BanditManager(self._config, "file", ignore_nosec=True)

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """Its issues of any confidence."""
        del form
        manager = self._manager(self._config, "file", quiet=True, ignore_nosec=True)
        manager.files_list = [path]
        manager.run_tests()
        for issue in manager.results:
            yield Found(
                f"bandit.{issue.test_id.lower()}", issue.text, _LEVELS.get(issue.severity, "info"),
                line=issue.lineno, evidence=issue.get_code(1).strip()[:200], name=issue.test,
            )  # fmt: skip
        if manager.skipped:
            raise Unread(f"bandit could not read it: {manager.skipped[0][1]}")


TOOL = Bandit()
