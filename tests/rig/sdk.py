"""The official MCP SDK client, driven line by line from tests (see sdk_agent.py)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.programs import sdk_python
from tests.rig.wire import Wire

SCRIPT = Path(__file__).with_name("sdk_agent.py")


class SdkClient:
    """A real client of a command or a URL: `mode` is "legacy", "2026-07-28" or "auto"."""

    def __init__(
        self,
        command: Sequence[str] = (),
        *,
        url: str = "",
        headers: Mapping[str, str] | None = None,
        mode: str = "auto",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        roots: Sequence[str] = (),
        timeout_s: float = 60.0,
    ) -> None:
        setup = {
            "command": list(command),
            "url": url,
            "headers": dict(headers or {}),
            "mode": mode,
            "cwd": str(cwd) if cwd else None,
            "env": dict(env) if env else None,
            "roots": list(roots),
            "timeout": timeout_s,
        }
        self._wire = Wire([sdk_python(), str(SCRIPT), json.dumps(setup)])
        self._timeout_s = timeout_s
        try:
            self.opening: dict[str, Any] = self._wire.next_frame(timeout_s + 15)
        except BaseException:
            self._wire.close(1)
            raise

    @property
    def version(self) -> str:
        """The protocol version that client and server settled on."""
        return str(self.opening["version"])

    def do(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Send one command, return its outcome."""
        self._wire.send(command)
        outcome = self._wire.next_frame(self._timeout_s + 15)
        assert isinstance(outcome, dict)
        return outcome

    def tools(self) -> dict[str, dict[str, Any]]:
        """Return the tools of all pages by name."""
        outcome = self.do({"do": "tools"})
        assert "tools" in outcome, outcome
        return {tool["name"]: tool for tool in outcome["tools"]}

    def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a tool: {"result", "text", "asked"} or {"error", "code", "asked"}."""
        return self.do({"do": "call", "name": name, "arguments": dict(arguments or {})})

    def answer_with(self, *answers: Mapping[str, Any]) -> None:
        """Queue what the person will say to the next questions."""
        self.do({"do": "answers", "queue": [dict(answer) for answer in answers]})

    def close(self) -> None:
        """End the session."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
