"""A bare MCP server over Streamable HTTP, both eras: two tools for files, for those with the key.

Runs under .rig/py-modern. Argument: the key that must come as a bearer token. The first line on
stdout is the port on 127.0.0.1; the path is /mcp.
"""

import socket
import sys
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("files")


@server.tool()
def read_text_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


@server.tool()
def write_file(path: str, content: str) -> str:
    """Write a file."""
    Path(path).write_text(content)
    return f"Successfully wrote to {path}"


def keyed(app, key):
    """Let only requests with the key pass."""
    wanted = (b"authorization", f"Bearer {key}".encode())

    async def checked(scope, receive, send):
        if scope["type"] == "http" and wanted not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return checked


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(keyed(server.streamable_http_app(), sys.argv[1]), log_level="warning")
uvicorn.Server(config).run(sockets=[listener])
