"""Bundle files: whatever the text, a bundle or problems with a place, never anything else."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.policy.bundle import load_bundle
from remit.policy.errors import BundleError
from remit.policy.policy import Policy
from remit.policy.source import read
from tests.unit.policy.support import BANK, HEAD, PERMIT, write

WORDS = st.sampled_from(
    [
        '@id("a")',
        '@id("b")',
        '@require("confirmation")',
        '@reason("x")',
        "permit",
        "forbid",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ";",
        ",",
        ".",
        "principal",
        "action",
        "resource",
        "context",
        "==",
        "in",
        "is",
        "has",
        "like",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "when",
        "unless",
        "if",
        "then",
        "else",
        "true",
        "false",
        "1",
        '"x"',
        '"\\""',
        '"unclosed',
        "//",
        "\n",
        "\r",
        "input.amount",
        'fulfilled.contains("a")',
        'Remit::Action::"bank/pay"',
        'Remit::Action::"tool.call"',
        'Remit::Team::"t"',
        "?principal",
        "decimal",
        "datetime",
        "ip",
        "containsAll",
        "isEmpty",
    ]
)
CEDAR = st.lists(WORDS, max_size=30).map(" ".join)
TOML_WORDS = st.sampled_from(
    [
        "[[fact]]",
        "[[limit]]",
        "[matchers]",
        "[tools]",
        "[agents.a]",
        "name",
        "=",
        '"x"',
        "tools",
        '["a/*"]',
        "arguments",
        "max",
        "window",
        '"1h"',
        "per",
        '["agent"]',
        "extractor",
        '"path"',
        '"sql"',
        "dialect",
        '"sqlite"',
        "1",
        "-1",
        "1.5",
        "true",
        "\n",
        "{",
        "}",
        '"a/b"',
        '"read"',
        "teams",
        "groups",
        "serial",
        "version",
        "expires",
        "2030-01-01T00:00:00Z",
        "mode",
        '"observe"',
    ]
)
TOML = st.lists(TOML_WORDS, max_size=20).map(" ".join) | st.text(max_size=50)


@given(CEDAR | st.text(max_size=80))
def test_cedar_text(text):
    found, problems = read("f.cedar", text.encode("utf-8", "surrogatepass"))
    assert all(source.id and source.line > 0 for source in found)
    assert all(problem.code.startswith("policy.") for problem in problems)


@settings(max_examples=60, deadline=None)
@given(CEDAR, TOML, TOML, TOML, TOML, st.text(max_size=60))
def test_whole_bundles(cedar, facts, tools, head, entities, tests):
    with tempfile.TemporaryDirectory() as folder:
        directory = write(
            Path(folder),
            PERMIT + cedar,
            facts=facts.encode("utf-8", "surrogatepass"),
            tools=tools.encode("utf-8", "surrogatepass"),
            head=(HEAD + head).encode("utf-8", "surrogatepass"),
            **{
                "entities__e.toml": entities.encode("utf-8", "surrogatepass"),
                "tests__t.yaml": tests.encode("utf-8", "surrogatepass"),
            },
        )
        with contextlib.suppress(BundleError):
            bundle = load_bundle(directory)
            assert "all" in {source.id for source in bundle.policies}
            Policy.compile(bundle, BANK)
