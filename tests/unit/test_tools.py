"""Programs that train and measure name what there is in Remit: nothing else runs them here."""

import ast
import importlib
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
PROGRAMS = sorted(each.relative_to(TOOLS).as_posix() for each in TOOLS.rglob("*.py"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_tool_imports_of_remit_is_there(name):
    for node in ast.walk(ast.parse((TOOLS / name).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.split(".")[0] == "remit":
                    importlib.import_module(each.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "remit":
            module = importlib.import_module(node.module)
            for each in node.names:
                if not hasattr(module, each.name):
                    importlib.import_module(f"{node.module}.{each.name}")
