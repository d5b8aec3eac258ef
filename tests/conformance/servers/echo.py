"""The quickest MCP server that the standard library gives: for the bench, where it must not be the
bottleneck. Tools: `echo` and `touch`, both answer with their message; legacy era.
"""

import json
import os
from typing import Any

_SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
_TOOLS = [
    {"name": name, "description": "Say it again", "inputSchema": _SCHEMA}
    for name in ("echo", "touch")
]


def answer(frame: dict[str, Any]) -> Any:
    """Return the result of one request."""
    match frame["method"]:
        case "tools/call":
            return {"content": [{"type": "text", "text": frame["params"]["arguments"]["message"]}]}
        case "tools/list":
            return {"tools": _TOOLS}
        case "initialize":
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"},
            }
    return {}


def main() -> None:
    """Serve until the input ends."""
    pending = b""
    while chunk := os.read(0, 1 << 18):
        *lines, pending = (pending + chunk).split(b"\n")
        out = []
        for line in lines:
            frame = json.loads(line)
            if "id" in frame:
                out.append(
                    json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": answer(frame)})
                )
        if out:
            data = ("\n".join(out) + "\n").encode()
            while data:
                data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
