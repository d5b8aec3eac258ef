"""Scripted language models on loopback: real agents talk to them, and they ask for tools by script.

`AnthropicModel` speaks the Messages API (Claude Code), `OpenAIModel` the Responses API (Codex),
`ChatModel` OpenAI's chat completions (Copilot, OpenCode), `GeminiModel` generateContent (Gemini
CLI); all stream. Stateless: how many tool results the conversation already holds decides what comes
next, so a repeated request gets the same answer. Each keeps what it was shown, which is the evidence.

Agents start their first turn without the tools of a server that is still starting; then the model
sleeps through the agent's own shell and asks again, a bounded number of times.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

Call = tuple[str, Mapping[str, Any]]
PATIENCE = 30


class Model:
    """A loopback HTTP server that plays a model."""

    def __init__(self, script: Sequence[Call], final: str = "All done.") -> None:
        self.script = list(script)
        self.final = final
        self.requests: list[dict[str, Any]] = []
        self.shown: list[str] = []
        """The text of each tool result the model was shown, in order, as of the last request."""
        self.offered: list[str] = []
        """Names of the tools the agent offered to the model."""
        self.waited = 0
        self.unknown: list[str] = []
        """Requests this model had no answer for."""
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args: Any) -> None:
                """Stay quiet."""

            def do_HEAD(self) -> None:
                self._end(200, b"")

            def do_GET(self) -> None:
                self._end(*model.get(self.path))

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                status, kind, data = model.post(self.path, body)
                self._end(status, data, kind)

            def _end(self, status: int, data: bytes, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The base URL of this model."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def called(self) -> list[str]:
        """The tools that this model called and got an answer from, in order, without the waiting."""
        return [name for name, _ in self.script[: len(self.shown)]]

    def _patient(self) -> bool:
        self.waited += 1
        return self.waited <= PATIENCE

    def get(self, path: str) -> tuple[int, bytes]:
        """Answer a GET."""
        self.unknown.append(f"GET {path}")
        return 404, b"{}"

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        """Answer a POST: status, content type, body."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _sse(events: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


class AnthropicModel(Model):
    """The Messages API as far as Claude Code uses it."""

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        """Answer /v1/messages and /v1/messages/count_tokens."""
        route = path.split("?", maxsplit=1)[0]
        if route == "/v1/messages/count_tokens":
            return 200, "application/json", b'{"input_tokens": 10}'
        if route != "/v1/messages":
            self.unknown.append(f"POST {path}")
            return 404, "application/json", b'{"type":"error","error":{"type":"not_found_error"}}'
        self.requests.append(body)
        names = [tool["name"] for tool in body.get("tools", [])]
        shown = [
            _flatten(part.get("content"))
            for message in body.get("messages", [])
            if isinstance(message.get("content"), list)
            for part in message["content"]
            if part.get("type") == "tool_result"
            and not str(part.get("tool_use_id")).startswith("toolu_wait")
        ]
        block: dict[str, Any] = {"type": "text", "text": self.final}
        if names:
            self.offered = names
            self.shown = shown
            if len(shown) < len(self.script):
                name, arguments = self.script[len(shown)]
                identity = f"toolu_{len(shown):04d}"
                if name not in names and self._patient():
                    identity = f"toolu_wait{self.waited:04d}"
                    name, arguments = "Bash", {"command": "sleep 0.5"}
                block = {
                    "type": "tool_use",
                    "id": identity,
                    "name": name,
                    "input": dict(arguments),
                }
        return self._answer(body, block)

    def _answer(self, body: dict[str, Any], block: dict[str, Any]) -> tuple[int, str, bytes]:
        tool = block["type"] == "tool_use"
        message = {
            "id": "msg_rig",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", "rig"),
            "content": [block],
            "stop_reason": "tool_use" if tool else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        if not body.get("stream"):
            return 200, "application/json", json.dumps(message).encode()
        if tool:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        else:
            start = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        events = [
            {
                "type": "message_start",
                "message": {**message, "content": [], "stop_reason": None},
            },
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
                "usage": {"output_tokens": 5},
            },
            {"type": "message_stop"},
        ]
        return 200, "text/event-stream", _sse(events)


class OpenAIModel(Model):
    """The Responses API as far as Codex uses it."""

    _EMPTY: ClassVar[bytes] = b'{"object":"list","data":[],"models":[]}'

    def get(self, path: str) -> tuple[int, bytes]:
        """Answer the list of models."""
        if path.split("?", maxsplit=1)[0].endswith("/models"):
            return 200, self._EMPTY
        return super().get(path)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        """Answer /v1/responses."""
        if not path.split("?", maxsplit=1)[0].endswith("/responses"):
            self.unknown.append(f"POST {path}")
            return 404, "application/json", b'{"error":{"message":"not found"}}'
        self.requests.append(body)
        self.offered = _names(body.get("tools", []))
        shown = [
            _flatten(item.get("output"))
            for item in body.get("input", [])
            if item.get("type") == "function_call_output"
            and not str(item.get("call_id")).startswith("call_wait")
        ]
        self.shown = shown
        if len(shown) < len(self.script):
            name, arguments = self.script[len(shown)]
            identity = f"{len(shown):04d}"
            if name not in self.offered and self._patient():
                identity = f"wait{self.waited:04d}"
                name, arguments = "exec_command", {"cmd": "sleep 0.5"}
            item: dict[str, Any] = {
                "type": "function_call",
                "id": f"fc_{identity}",
                "call_id": f"call_{identity}",
                "arguments": json.dumps(arguments),
                "status": "completed",
                **_tool_name(body.get("tools", []), name),
            }
        else:
            item = {
                "type": "message",
                "id": "msg_rig",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": self.final, "annotations": []}],
            }
        response = {"id": "resp_rig", "object": "response", "status": "in_progress", "output": []}
        usage = {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 15,
        }
        events = [
            {"type": "response.created", "response": response},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {
                "type": "response.completed",
                "response": {**response, "status": "completed", "output": [item], "usage": usage},
            },
        ]
        return 200, "text/event-stream", _sse(events)


class ChatModel(Model):
    """OpenAI's chat completions as far as Copilot and OpenCode use them."""

    def get(self, path: str) -> tuple[int, bytes]:
        """Answer the list of models."""
        if path.split("?", maxsplit=1)[0].endswith("/models"):
            return 200, b'{"object":"list","data":[{"id":"rig","object":"model","owned_by":"rig"}]}'
        return super().get(path)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        """Answer /v1/chat/completions."""
        if not path.split("?", maxsplit=1)[0].endswith("/chat/completions"):
            self.unknown.append(f"POST {path}")
            return 404, "application/json", b'{"error":{"message":"not found"}}'
        self.requests.append(body)
        names = [tool["function"]["name"] for tool in body.get("tools") or []]
        message: dict[str, Any] = {"role": "assistant", "content": self.final}
        if names:
            self.offered = names
            self.shown = [
                _flatten(part.get("content"))
                for part in body.get("messages", [])
                if part.get("role") == "tool"
                and not str(part.get("tool_call_id")).startswith("call_wait")
            ]
            if len(self.shown) < len(self.script):
                message = {"role": "assistant", "content": None, "tool_calls": [self._call(names)]}
        return self._answer(body, message)

    def _call(self, names: Sequence[str]) -> dict[str, Any]:
        name, arguments = self.script[len(self.shown)]
        identity = f"call_{len(self.shown):04d}"
        if name not in names and self._patient():
            identity = f"call_wait{self.waited:04d}"
            name, arguments = "bash", {"command": "sleep 0.5", "description": "Wait a moment"}
        return {
            "index": 0,
            "id": identity,
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }

    @staticmethod
    def _answer(body: Mapping[str, Any], message: dict[str, Any]) -> tuple[int, str, bytes]:
        reason = "tool_calls" if "tool_calls" in message else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        head = {"id": "chat_rig", "created": 1, "model": body.get("model", "rig")}
        if not body.get("stream"):
            whole = {
                **head,
                "object": "chat.completion",
                "choices": [{"index": 0, "message": message, "finish_reason": reason}],
                "usage": usage,
            }
            return 200, "application/json", json.dumps(whole).encode()
        head["object"] = "chat.completion.chunk"
        chunks = [
            {**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {
                **head,
                "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
                "usage": usage,
            },
        ]
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        return 200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode()


class GeminiModel(Model):
    """generateContent and streamGenerateContent as far as Gemini CLI uses them."""

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        """Answer /v1beta/models/MODEL:METHOD."""
        method = path.split("?", maxsplit=1)[0].rpartition(":")[2]
        if method == "countTokens":
            return 200, "application/json", b'{"totalTokens":10}'
        if method not in {"generateContent", "streamGenerateContent"}:
            self.unknown.append(f"POST {path}")
            return 404, "application/json", b'{"error":{"code":404,"message":"not found"}}'
        self.requests.append(body)
        names = [
            declared["name"]
            for tool in body.get("tools", [])
            for declared in tool.get("functionDeclarations", [])
        ]
        part: dict[str, Any] = {"text": self._text(body)}
        if names:
            self.offered = names
            self.shown = [
                _flatten(answer.get("response", {}).get("output", answer.get("response")))
                for content in body.get("contents", [])
                for answer in (p.get("functionResponse") for p in content.get("parts", []))
                if answer and not str(answer.get("id")).startswith("wait")
            ]
            if len(self.shown) < len(self.script):
                part = {"functionCall": self._call(names)}
        answer = {
            "candidates": [
                {
                    "index": 0,
                    "content": {"role": "model", "parts": [part]},
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "totalTokenCount": 15,
            },
            "modelVersion": "rig",
        }
        if method == "generateContent":
            return 200, "application/json", json.dumps(answer).encode()
        return 200, "text/event-stream", f"data: {json.dumps(answer)}\r\n\r\n".encode()

    def _text(self, body: Mapping[str, Any]) -> str:
        """Return the last words; where only JSON is accepted, no words at all."""
        wanted = body.get("generationConfig", {}).get("responseMimeType")
        return "{}" if wanted == "application/json" else self.final

    def _call(self, names: Sequence[str]) -> dict[str, Any]:
        name, arguments = self.script[len(self.shown)]
        identity = f"call{len(self.shown):04d}"
        if name not in names and self._patient():
            identity = f"wait{self.waited:04d}"
            name, arguments = "run_shell_command", {"command": "sleep 0.5"}
        return {"id": identity, "name": name, "args": dict(arguments)}


def _names(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    names: list[str] = []
    for tool in tools:
        if tool.get("type") == "namespace":
            names += [f"{tool['name']}__{inner['name']}" for inner in tool.get("tools", [])]
        elif "name" in tool:
            names.append(tool["name"])
    return names


def _tool_name(tools: Sequence[Mapping[str, Any]], name: str) -> dict[str, str]:
    """Return the name fields of a call: namespaced when the agent offered it so."""
    for tool in tools:
        if tool.get("type") == "namespace":
            for inner in tool.get("tools", []):
                if f"{tool['name']}__{inner['name']}" == name:
                    return {"name": inner["name"], "namespace": tool["name"]}
    return {"name": name}


def _flatten(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_flatten(part) for part in content)
    if isinstance(content, dict):
        return str(content.get("text", json.dumps(content)))
    return "" if content is None else json.dumps(content)
