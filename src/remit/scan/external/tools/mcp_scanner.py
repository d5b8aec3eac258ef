"""Cisco's mcp-scanner: listings of MCP servers, by its YARA rules and its check of schemas.

Only its static mode is used: other modes start servers or fetch packages.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import Found, Tool, Unread, hollow

_LEVELS = {"CRITICAL": "critical", "HIGH": "high", "MEDIUM": "medium", "LOW": "low"}
_DEPTH = 4


class McpScanner(Tool):
    """Driver of mcp-scanner."""

    name: ClassVar[str] = "mcp-scanner"
    distribution: ClassVar[str] = "cisco-ai-mcp-scanner"
    summary: ClassVar[str] = "tools and prompts of MCP servers"
    variables: ClassVar[dict[str, str]] = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    item_seconds: ClassVar[float] = 30.0
    max_bytes: ClassVar[int] = 4 * 1024 * 1024
    cost: ClassVar[float] = 5.0

    def claims(self, artifact: Any, member: Any) -> str:
        """What Remit takes for a listing."""
        from remit.scan.scanners.mcp_listing import McpListings

        return "mcp" if McpListings().claims(artifact, member) else ""

    def prepare(self) -> None:
        """Import the analyzers alone: the package would load clients of model providers."""
        import logging

        hollow(
            "mcpscanner", "mcpscanner.config", "mcpscanner.utils", "mcpscanner.core",
            "mcpscanner.core.analyzers",
        )  # fmt: skip
        from mcpscanner.core.analyzers.schema_reference_analyzer import SchemaReferenceAnalyzer
        from mcpscanner.core.analyzers.static_analyzer import StaticAnalyzer
        from mcpscanner.core.analyzers.yara_analyzer import YaraAnalyzer

        logging.disable(logging.CRITICAL)
        self._static = StaticAnalyzer([YaraAnalyzer(), SchemaReferenceAnalyzer()])

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """What it says of each tool and prompt."""
        import asyncio

        del form
        with open(path, "rb") as file:  # noqa: PTH123 - nothing here needs a path
            value = json.load(file)
        read = 0
        for key, method in (
            ("tools", self._static.scan_tools_file),
            ("prompts", self._static.scan_prompts_file),
        ):
            listed = [each for each in _listed(value, key, _DEPTH) if isinstance(each, dict)]
            if not listed:
                continue
            with tempfile.NamedTemporaryFile("w", suffix=".json") as plain:
                json.dump({key: listed}, plain)
                plain.flush()
                for result in asyncio.run(method(plain.name)):
                    read += 1
                    yield from _findings(result)
                    if result.get("status") in {"failed", "partial"}:
                        raise Unread("an analyzer failed on a tool", "partial")
        if not read:
            raise Unread("there is no tool and no prompt in it", "unsupported")


def _listed(value: Any, key: str, depth: int) -> list[Any]:
    """Lists of that name, wherever a recorded answer or a lock file puts them."""
    found: list[Any] = []
    if depth and isinstance(value, dict):
        for name, each in value.items():
            if name == key and isinstance(each, list):
                found += each
            else:
                found += _listed(each, key, depth - 1)
    elif depth and isinstance(value, list):
        for each in value:
            found += _listed(each, key, depth - 1)
    return found


def _findings(result: dict[str, Any]) -> Iterator[Found]:
    name = str(result.get("tool_name") or result.get("prompt_name") or "")
    for each in result["findings"]:
        slug = re.sub(r"[^a-z0-9]+", "_", str(each.threat_category).lower()).strip("_")
        yield Found(
            f"mcp_scanner.{slug or 'other'}", str(each.summary),
            _LEVELS.get(str(each.severity).upper(), "info"), evidence=name, name=name,
        )  # fmt: skip


TOOL = McpScanner()
