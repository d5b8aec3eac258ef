"""What a directory is recognised as, and what its Kitfile would be."""

import json

import pytest

from remit.artifacts.agent import API_VERSION
from remit.artifacts.errors import DefinitionError, PackError
from remit.artifacts.kinds.base import KINDS, front_matter
from remit.artifacts.kinds.recognise import recognise
from remit.artifacts.lock import lock_bytes
from remit.artifacts.pack import plan
from remit.artifacts.tree import Tree
from tests.unit.artifacts.archives import zip_of
from tests.unit.artifacts.test_lock import LOCK
from tests.unit.artifacts.test_pack import MANIFEST

CARD = "---\nlicense: other\nlicense_name: qwen\nlibrary_name: transformers\npretty_name: Rows\n---\n# A model\n"
SKILL = "---\nname: pdf-forms\ndescription: Fills in forms.\nlicense: MIT\nmetadata: {version: '2', author: me}\n---\nDo it.\n"
AGENT = f"apiVersion: {API_VERSION}\nname: reporter\nversion: 1.2\nclient: cursor\n"
BUNDLE = zip_of({"manifest.json": json.dumps(MANIFEST).encode()})


@pytest.fixture
def make(tmp_path):
    def made(files: dict[str, str | bytes]) -> Tree:
        for name, content in files.items():
            path = tmp_path / "it" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Tree(tmp_path / "it")

    return made


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("agent", {"agent.yaml": AGENT, "README.md": CARD}),
        ("policy", {"bundle.toml": 'name = "db"\nversion = "1"\n', "tool/db.cedar": ""}),
        ("mcp-server", {"fs.mcpb": BUNDLE, "README.md": "x"}),
        ("mcp-server", {"manifest.json": json.dumps(MANIFEST), "i.js": "x"}),
        ("skill", {"SKILL.md": SKILL, "scripts/a.py": "x"}),
        ("prompt", {"a.prompt.md": "---\nname: tone\n---\nBe kind."}),
        ("prompt", {"a.prompt": "x", "b.prompty": "y", "LICENSE": "MIT"}),
        (
            "model",
            {
                "config.json": "{}",
                "model.safetensors": "w",
                "tokenizer.json": "x" * 99,
                "README.md": CARD,
            },
        ),
        ("model", {"weights.gguf": "w" * 100, "notes.txt": "x"}),
        ("dataset", {"train.parquet": "r" * 100, "test.csv": "r", "README.md": CARD}),
        ("dataset", {"data/train.jsonl": "r" * 100, "meta.json": "{}"}),
        ("docs", {"guide.md": "x", "picture.png": "x"}),
        ("code", {"main.py": "x", "rows.csv": "r", "lib.py": "x" * 50}),
        ("code", {"manifest.json": '{"name": "a web app"}', "app.js": "x"}),
        ("code", {"main.go": "x" * 100, "icon.bin": "y"}),
    ],
)
def test_kinds(make, kind, files):
    found = recognise(make(files))
    assert found.kind == kind
    assert found.kind in KINDS
    assert found.why
    assert plan(make(files).root).members


def test_every_kind_is_recognised_by_something():
    tested = {
        mark.args[1][at][0] for mark in test_kinds.pytestmark for at in range(len(mark.args[1]))
    }
    assert tested == set(KINDS)


def test_a_checkout_of_a_hub(make):
    tree = make(
        {
            ".git/HEAD": "x", ".cache/huggingface/x": "x", ".gitattributes": "*.safetensors filter=lfs",
            "config.json": "{}", "tokenizer.json": "{}", "README.md": CARD, "LICENSE": "text", "modeling.py": "x",
            "model-00001-of-00002.safetensors": "w" * 50, "model-00002-of-00002.safetensors": "w" * 20,
            "onnx/model.onnx": "w", "assets/a.jinja": "x",
        }
    )  # fmt: skip
    kitfile = recognise(tree).kitfile
    assert [(each.section, each.path) for each in kitfile.entries] == [
        ("model", "model-00001-of-00002.safetensors"),
        ("modelpart", "assets"),
        ("modelpart", "config.json"),
        ("modelpart", "model-00002-of-00002.safetensors"),
        ("modelpart", "onnx"),
        ("modelpart", "tokenizer.json"),
        ("code", "modeling.py"),
        ("docs", "LICENSE"),
        ("docs", "README.md"),
    ]
    assert (kitfile.name, kitfile.license) == ("it", "qwen")
    model = kitfile.entries[0]
    assert (model.framework, model.format, model.license) == ("transformers", "safetensors", "qwen")


def test_a_model_in_directories(make):
    tree = make(
        {
            "config.json": "{}",
            "unet/w.safetensors": "w",
            "unet/config.json": "{}",
            "vae/w.safetensors": "w",
        }
    )
    assert [(each.section, each.path) for each in recognise(tree).kitfile.entries] == [
        ("model", "unet"), ("modelpart", "config.json"), ("modelpart", "vae"),
    ]  # fmt: skip


def test_too_many_files_are_one_entry(make):
    tree = make({f"w{at}.safetensors": "w" for at in range(450)})
    assert [(each.section, each.path) for each in recognise(tree).kitfile.entries] == [
        ("model", ".")
    ]


def test_what_a_skill_and_a_server_say(make, tmp_path):
    kitfile = recognise(make({"SKILL.md": SKILL})).kitfile
    assert (kitfile.name, kitfile.version, kitfile.license, kitfile.authors) == (
        "pdf-forms",
        "2",
        "MIT",
        ("me",),
    )


@pytest.mark.parametrize(
    ("files", "error", "why"),
    [
        ({"model.safetensors": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"}, PackError, "pointer of Git LFS"),
        ({"a.csv": "version https://git-lfs.github.com/spec/v1\n"}, PackError, "pointer of Git LFS"),
        ({"agent.yaml": "name: x"}, DefinitionError, "apiVersion"),
        ({"agent.yaml": AGENT, "agent.lock": "{}"}, DefinitionError, "no lock of an agent"),
        ({"agent.yaml": AGENT, "agent.lock": lock_bytes(LOCK)}, DefinitionError, "another definition"),
        ({"bundle.toml": "name = 1"}, DefinitionError, "no name"),
        ({"bundle.toml": "= ="}, DefinitionError, "not TOML"),
        ({"SKILL.md": "no front matter"}, DefinitionError, "no name of a skill"),
        ({"SKILL.md": "---\nname: Upper\ndescription: x\n---\n"}, DefinitionError, "no name of a skill"),
        ({"SKILL.md": "---\nname: ok\n---\n"}, DefinitionError, "no description"),
        ({"SKILL.md": "---\nname: ok\n"}, DefinitionError, "has no end"),
        ({"SKILL.md": "---\n- a\n---\n"}, DefinitionError, "no mapping"),
        ({"SKILL.md": b"\xff"}, PackError, "not UTF-8"),
        ({"a.mcpb": BUNDLE, "b.mcpb": BUNDLE}, PackError, "several MCP servers"),
        ({".git/x": "x"}, PackError, "nothing to pack"),
    ],
)  # fmt: skip
def test_what_cannot_be_packed_as_it_is(make, files, error, why):
    with pytest.raises(error, match=why):
        recognise(make(files))


def test_weights_that_are_links(make, tmp_path):
    tree = make({"config.json": "{}"})
    (tree.root / "model.safetensors").symlink_to(tmp_path / "blob")
    with pytest.raises(PackError, match="link"):
        recognise(Tree(tree.root))


@pytest.mark.parametrize(
    ("files", "kitfile", "kind"),
    [
        ({"agent.yaml": AGENT}, "code: [{path: .}]", "agent"),
        ({"w": "x"}, "model: {path: w}\ncode: [{path: c}]", "model"),
        ({"w": "x"}, "datasets: [{path: w}]", "dataset"),
        ({"w": "x"}, "prompts: [{path: w}]", "prompt"),
        ({"a.mcpb": BUNDLE, "w": "x"}, "mcpServers: [{name: a, path: a.mcpb}]", "mcp-server"),
        ({"SKILL.md": SKILL}, "prompts: [{path: .}]", "skill"),
        ({"w": "x"}, "docs: [{path: w}]", "docs"),
        ({"w": "x"}, "code: [{path: w}]", "code"),
    ],
)
def test_kinds_of_directories_with_a_kitfile(make, files, kitfile, kind):
    tree = make(files | {"c": "code", "Kitfile": kitfile})
    assert plan(tree.root).kind == kind


def test_front_matter():
    assert front_matter("---\na: 1\n---\nrest\n", "x") == ({"a": "1"}, "rest\n")
    assert front_matter("---\n---\nrest", "x") == ({}, "rest")
    assert front_matter("no", "x") == ({}, "no")
    assert front_matter("", "x") == ({}, "")
