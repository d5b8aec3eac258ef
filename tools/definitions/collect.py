"""Harmless definitions and prompts out of clones of openly licensed repositories.

    python -m tools.definitions.collect listing OUT.jsonl --clone awslabs/mcp=DIR …
    python -m tools.definitions.collect prompt OUT.jsonl --clone lobehub/lobe-chat-agents=DIR …

Rows have the form that :mod:`tools.train_definition_model` reads; they are never part of this
repository. Tools are taken from recorded JSON (``tools.json``, ``*.snap``) and, of servers in Python,
from the doc strings and fields of their functions; nothing is imported or run.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EACH = 8
"""Tools of a listing that is made of one server's."""
LEAST, MOST = 40, 6_000
# Collections hold jailbreaks that do not say so.
_UNFIT = re.compile(
    r"(?i)\bDAN\b|do anything now|jailb|ignore (?:all|any) (?:previous|prior)|uncensor|unfiltered"
    r"|no restrictions|without (?:any )?(?:restrict|filter)"
)


def main() -> None:
    """Collect and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("listing", "prompt"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--clone", action="append", required=True, help="OWNER/NAME=DIRECTORY")
    given = parser.parse_args()
    found = _listings if given.name == "listing" else _prompts
    with given.file.open("w", encoding="utf-8") as file:
        for clone in given.clone:
            author, _, folder = clone.partition("=")
            for place, lang, what in found(Path(folder)):
                row = {"id": f"{author}:{place}", "author": author, "label": "benign",
                       "technique": "real", "lang": lang, **what}  # fmt: skip
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _listings(root: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    servers: dict[str, list[dict[str, Any]]] = {}
    for path in sorted([*root.rglob("tools.json"), *root.rglob("*.snap"), *root.rglob("*.py")]):
        below = path.relative_to(root)
        if "tests" in below.parts:
            continue
        tools = _written(path) if path.suffix == ".py" else _recorded(path)
        servers.setdefault("/".join(below.parts[:2]), []).extend(tools)
    for server, tools in servers.items():
        for at in range(0, len(tools), EACH):
            yield f"{server}:{at}", "en", {"listing": {"tools": tools[at : at + EACH]}}


def _recorded(path: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        return []
    listed = value.get("tools", [value]) if isinstance(value, dict) else value
    return [_tool(each) for each in listed if isinstance(each, dict) and each.get("description")]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    properties = {
        str(each.get("name")): {"type": "string", "description": str(each.get("desc", ""))}
        for each in tool.get("arguments") or []
        if isinstance(each, dict)
    }
    schema = tool.get("inputSchema") or {"type": "object", "properties": properties}
    return {"name": tool.get("name"), "description": tool["description"], "inputSchema": schema}


def _written(path: Path) -> list[dict[str, Any]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    tools = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.AsyncFunctionDef, ast.FunctionDef)):
            said, fields = ast.get_docstring(node), dict(_fields(node))
            offered = any("tool" in ast.unparse(each) for each in node.decorator_list)
            if said and (fields or offered):
                schema = {"type": "object", "properties": fields}
                tools.append({"name": node.name, "description": said, "inputSchema": schema})
    return tools


def _fields(
    function: ast.AsyncFunctionDef | ast.FunctionDef,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Parameters that ``Field(description=…)`` describes."""
    known = function.args.args[::-1]
    given = [*zip(known, function.args.defaults[::-1], strict=False)]
    for parameter, source in [*given, *((each, each.annotation) for each in known)]:
        for call in ast.walk(source) if source is not None else ():
            for word in call.keywords if isinstance(call, ast.Call) else ():
                if word.arg == "description" and isinstance(word.value, ast.Constant):
                    said = str(word.value.value)
                    yield parameter.arg, {"type": "string", "description": said}


def _prompts(root: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted([*root.rglob("system.md"), *root.rglob("index*.json")]):
        text, lang = path.read_text(encoding="utf-8", errors="replace"), "en"
        if path.suffix == ".json":
            lang = path.name.split(".")[1][:2] if path.name.count(".") > 1 else "en"
            try:
                text = str(json.loads(text)["config"]["systemRole"])
            except (ValueError, KeyError, TypeError):
                continue
        if LEAST <= len(text) <= MOST and _UNFIT.search(text) is None:
            yield str(path.relative_to(root)), lang, {"text": text}


if __name__ == "__main__":
    sys.exit(main())
