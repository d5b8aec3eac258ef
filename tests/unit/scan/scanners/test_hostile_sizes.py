"""Texts that cost much where a rule is written without care: each is read before the time-out."""

import pytest

from remit.scan.scanners.agent_config import AgentConfigurations
from remit.scan.scanners.code import Code
from remit.scan.scanners.datasets import DataSets
from remit.scan.scanners.dependencies import Dependencies
from remit.scan.scanners.licences import Licences
from remit.scan.scanners.mcp_listing import McpListings
from remit.scan.scanners.prompts import Prompts
from tests.unit.scan.scanners.kit import look

SIZE = 200_000
CASES = {
    "comments": (AgentConfigurations, "mcp.json", "{" + "/*" * SIZE),
    "escapes": (AgentConfigurations, "mcp.json", '{"//' + '\\"' * SIZE),
    "commas": (AgentConfigurations, "mcp.json", '{"a": [//\n' + "1, " * SIZE),
    "pictures": (Prompts, "a.prompt", "![" * SIZE),
    "links": (Prompts, "a.prompt", "](https://a" * (SIZE // 8)),
    "blank lines": (Prompts, "a.prompt", "\n" * SIZE),
    "spaces": (McpListings, "tools.json", {"tools": [{"name": "a", "description": " " * SIZE}]}),
    "index": (Dependencies, "requirements.txt", "\n" * SIZE),
    "javascript": (Code, "a.js", "fetch('.ssh')\n" * (SIZE // 10)),
    "shell": (Code, "a.sh", "cat .ssh\n" * (SIZE // 20)),
    "python": (Code, "a.py", "x = " + "-" * 500 + "1\n" + "f('a' + 'b')\n" * (SIZE // 100)),
    "cells": (DataSets, "a.csv", "a,b\n1,=" + "|  " * SIZE + "\n"),
    "card": (Licences, "README.md", "# licence\n" * (SIZE // 10)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_text_that_repeats_itself_ends(name):
    scanner, path, value = CASES[name]
    kind = {DataSets: "dataset", McpListings: "mcp-server"}.get(scanner, "")
    look(scanner, {path: value}, kind=kind)
