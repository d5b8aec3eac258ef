"""The official MCP SDK as a program: one command per line in, one outcome per line out.

Runs under .rig/py-modern (the development environment has no `mcp` package on purpose).
Arguments: a JSON object {"command": [...], "mode": "legacy" | "2026-07-28" | "auto",
"cwd": ..., "env": {...}, "roots": [...]}; "url" and "headers" in place of a command.
Commands: {"do": "tools"} · {"do": "call", "name", "arguments"} · {"do": "answers", "queue": [...]}
· {"do": "resources" | "prompts"} · {"do": "read", "uri"} · {"do": "prompt", "name", "arguments"}.
An answer is {"action": "accept" | "decline" | "cancel", "content": {...}}; with no answer left the
person declines.
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def emit(value: Any) -> None:
    print(json.dumps(value), flush=True)


def plain(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def main() -> None:
    setup = json.loads(sys.argv[1])
    answers: list[dict[str, Any]] = []
    asked: list[Any] = []
    noticed: list[str] = []

    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        asked.append(plain(params))
        answer = answers.pop(0) if answers else {"action": "decline"}
        return types.ElicitResult(**answer)

    async def on_message(message: Any) -> None:
        noticed.append(type(message).__name__ + ":" + str(getattr(message, "method", "")))

    async def roots(context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri=uri) for uri in setup["roots"]])

    if setup.get("url"):
        http = httpx2.AsyncClient(headers=setup["headers"], timeout=60)
        transport: Any = streamable_http_client(setup["url"], http_client=http)
    else:
        server = StdioServerParameters(
            command=setup["command"][0],
            args=setup["command"][1:],
            env=setup.get("env"),
            cwd=setup.get("cwd"),
        )
        transport = stdio_client(server)
    client = Client(
        transport,
        mode=setup.get("mode", "auto"),
        elicitation_callback=elicit,
        list_roots_callback=roots if setup.get("roots") else None,
        message_handler=on_message,
        read_timeout_seconds=setup.get("timeout", 60),
    )
    loop = asyncio.get_running_loop()
    async with client:
        emit(
            {
                "ready": True,
                "version": client.protocol_version,
                "server": plain(client.server_info) if client.server_info else None,
                "instructions": client.instructions,
            }
        )
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            command = json.loads(line)
            asked.clear()
            try:
                outcome = await perform(client, command, answers)
            except Exception as error:
                code = getattr(getattr(error, "error", None), "code", None)
                outcome = {"error": str(error), "kind": type(error).__name__, "code": code}
            emit({**outcome, "asked": list(asked), "noticed": list(noticed)})
            noticed.clear()


async def perform(
    client: Client, command: dict[str, Any], answers: list[dict[str, Any]]
) -> dict[str, Any]:
    match command["do"]:
        case "answers":
            answers[:] = command["queue"]
            return {"ok": True}
        case "tools":
            tools: list[Any] = []
            cursor = None
            while True:
                page = await client.list_tools(cursor=cursor, cache_mode="bypass")
                tools += [plain(tool) for tool in page.tools]
                cursor = page.next_cursor
                if cursor is None:
                    return {"tools": tools}
        case "call":
            result = await client.call_tool(command["name"], command.get("arguments") or {})
            return {"result": plain(result), "text": text_of(plain(result))}
        case "resources":
            return {"result": plain(await client.list_resources())}
        case "read":
            return {"result": plain(await client.read_resource(command["uri"]))}
        case "prompts":
            return {"result": plain(await client.list_prompts())}
        case "prompt":
            return {
                "result": plain(await client.get_prompt(command["name"], command.get("arguments")))
            }
    raise ValueError(command["do"])


def text_of(result: dict[str, Any]) -> str:
    return "\n".join(part.get("text", "") for part in result.get("content", []))


asyncio.run(main())
