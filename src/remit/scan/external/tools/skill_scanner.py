"""Cisco's skill-scanner: skills as a whole, by its rules and by what their code does.

Without its analyzers that ask models. It starts a helper of its own for each item; what that did
ends with the item.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import Found, Tool, Unread

_LEVELS = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium", "LOW": "low"}


class SkillScanner(Tool):
    """Driver of skill-scanner."""

    name: ClassVar[str] = "skill-scanner"
    distribution: ClassVar[str] = "cisco-ai-skill-scanner"
    summary: ClassVar[str] = "skills: instructions and code"
    variables: ClassVar[dict[str, str]] = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    # Its helper, which is written in Go, reserves a gigabyte of addresses.
    memory: ClassVar[int] = 4_000_000_000
    item_seconds: ClassVar[float] = 90.0
    cost: ClassVar[float] = 20.0

    def claims(self, artifact: Any, member: Any) -> str:
        """No single file."""
        del artifact, member
        return ""

    def folders(self, artifact: Any) -> list[tuple[str, list[Any]]]:
        """Every directory with a ``SKILL.md``, with all that is below it."""
        heads = [each.path for each in artifact.members if _is_head(each.path)]
        found: list[tuple[str, list[Any]]] = []
        for head in heads:
            place = head.rpartition("/")[0]
            below = f"{place}/" if place else ""
            inside = [each for each in artifact.members if each.path.startswith(below)]
            inside.sort(key=lambda each, head=head: each.path != head)  # type: ignore[misc]
            found.append((place, inside))
        return found

    def prepare(self) -> None:
        """Import it and check its rules, which takes it seconds; each item starts from there."""
        import logging

        sys.modules["litellm"] = None  # type: ignore[assignment]  # a client of model providers
        from skill_scanner.core.analyzer_factory import build_analyzers
        from skill_scanner.core.scan_policy import ScanPolicy
        from skill_scanner.core.scanner import SkillScanner as Scanner

        logging.disable(logging.CRITICAL)
        self._scanner = Scanner
        self._policy = ScanPolicy.default()
        self._analyzers = build_analyzers(self._policy, use_behavioral=True)
        Scanner(analyzers=self._analyzers, policy=self._policy).close()

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """Its findings, those too that a policy of its own would suppress."""
        del form
        with self._scanner(analyzers=self._analyzers, policy=self._policy) as scanner:
            result = scanner.scan_skill(path, lenient=True)
        for each in (*result.findings, *result.suppressed_findings):
            slug = re.sub(r"[^a-z0-9]+", "_", each.rule_id.lower()).strip("_")
            yield Found(
                f"skill_scanner.{slug}", each.title,
                _LEVELS.get(str(each.severity.value).upper(), "info"),
                inner=each.file_path or "", line=each.line_number or 0, evidence=each.snippet or "",
            )  # fmt: skip
        if result.analyzers_failed:
            raise Unread("an analyzer failed", "partial")


def _is_head(path: str) -> bool:
    return re.search(r"(?i)(?:\A|/)SKILL\.md\Z", path) is not None


TOOL = SkillScanner()
