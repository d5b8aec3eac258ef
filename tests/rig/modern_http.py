"""A real server of both eras over Streamable HTTP: the official SDK's MCPServer.

Runs under .rig/py-modern. Arguments: port, log file. Each executed call is a line of the log, with
the headers that the request came with.
"""

import json
import sys
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

LOG = sys.argv[2]
server = MCPServer("notes")


def note(what: str, **more: object) -> None:
    with Path(LOG).open("a") as log:
        log.write(json.dumps({"ran": what, **more}) + "\n")


@server.tool()
def echo(message: str) -> str:
    """Say it again."""
    note("echo", message=message)
    return message


@server.tool()
def forbidden(message: str) -> str:
    """Never to be run."""
    note("forbidden", message=message)
    return message


@server.tool()
async def count(ctx: Context, to: int) -> str:
    """Count with progress."""
    for number in range(to):
        await ctx.report_progress(number, to)
    note("count", to=to)
    return f"counted to {to}"


class Headers:
    """Writes down who came with which credentials."""

    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            headers = {k.decode(): v.decode() for k, v in scope["headers"]}
            wanted = ("authorization", "mcp-session-id", "mcp-method", "mcp-name", "user-agent")
            note("request", method=scope["method"], **{k: headers.get(k) for k in wanted})
        await self.app(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(
        Headers(server.streamable_http_app()),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
    )
