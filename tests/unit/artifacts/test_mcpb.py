"""MCP bundles: manifest, and extraction that is whole or not there."""

import json

import pytest

from remit.artifacts.errors import ArchiveError, DefinitionError, PackError, UnpackError
from remit.artifacts.mcpb import extract_mcpb, parse_mcpb, read_mcpb
from tests.unit.artifacts.archives import zip_by_hand, zip_of
from tests.unit.artifacts.test_pack import MANIFEST

DATA = json.dumps(MANIFEST).encode()


def test_what_it_says():
    value = MANIFEST | {
        "tools": [{"name": "read", "description": "reads"}, {"name": "stat"}],
        "user_config": {"root": {"type": "directory"}},
        "license": "MIT",
    }
    found = parse_mcpb(json.dumps(value).encode())
    assert (found.name, found.version, found.author, found.license) == ("fs", "1.0.0", "me", "MIT")
    assert (found.type, found.command, found.args) == ("node", "node", ("${__dirname}/i.js",))
    assert found.tools == {"read": "reads", "stat": ""}
    assert found.user_config == ("root",)
    assert found.document == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": None}, "`name`"),
        ({"version": 1}, "`version`"),
        ({"server": None}, "`server`"),
        ({"server": {"type": "perl"}}, "no type of server"),
        ({"server": {"type": "node", "mcp_config": []}}, "mcp_config"),
        ({"server": {"type": "node", "mcp_config": {"args": "x"}}}, "args"),
        ({"server": {"type": "node", "mcp_config": {"args": [1]}}}, "args"),
        ({"server": {"type": "node", "mcp_config": {"env": {"A": 1}}}}, "env"),
        ({"tools": [1]}, "tools"),
        ({"tools": [{}]}, "tools.name"),
        ({"manifest_version": None}, "manifest_version"),
        ({"author": "me"}, "author"),
    ],
)
def test_what_is_wrong_is_said(change, why):
    with pytest.raises(DefinitionError, match=why):
        parse_mcpb(json.dumps(MANIFEST | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b'{"name":1,"name":2}', b"\xff"])
def test_no_manifest(data):
    with pytest.raises(DefinitionError):
        parse_mcpb(data)


def test_a_bundle_is_extracted(tmp_path):
    (tmp_path / "x.mcpb").write_bytes(zip_of({"manifest.json": DATA, "lib/i.js": b"x" * 100_000}))
    assert read_mcpb(tmp_path / "x.mcpb").name == "fs"
    extract_mcpb(tmp_path / "x.mcpb", tmp_path / "out")
    assert (tmp_path / "out/lib/i.js").stat().st_size == 100_000
    with pytest.raises(UnpackError):
        extract_mcpb(tmp_path / "x.mcpb", tmp_path / "out")


@pytest.mark.parametrize(
    "data",
    [
        zip_of({"other.json": DATA}),
        zip_of({"sub/manifest.json": DATA}),
        zip_of({"manifest.json": b"{}"}),
        zip_by_hand({"name": b"manifest.json", "data": DATA}, {"name": b"../evil", "data": b"x"}),
        zip_by_hand({"name": b"manifest.json", "data": DATA}, {"name": b"x", "data": b"y", "central": {"crc": 1}, "local": {"crc": 1}}),
        zip_by_hand({"name": b"manifest.json", "data": DATA}, {"name": b"x", "data": b"/etc", "central": {"attributes": 0o120777 << 16}}),
        zip_by_hand({"name": b"manifest.json", "data": DATA}, before=b"#!/bin/sh\n"),
        b"no zip",
    ],
)  # fmt: skip
def test_a_hostile_bundle_leaves_nothing(tmp_path, data):
    (tmp_path / "x.mcpb").write_bytes(data)
    with pytest.raises((ArchiveError, DefinitionError)):
        extract_mcpb(tmp_path / "x.mcpb", tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["x.mcpb"]


def test_what_is_no_file(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(PackError):
        read_mcpb(tmp_path / "d")
    with pytest.raises(OSError, match="symbolic"):
        read_mcpb(tmp_path / "link")


def signed(bundle: bytes, signature: bytes, length: int | None = None) -> bytes:
    size = (len(signature) if length is None else length).to_bytes(4, "little")
    return bundle + b"MCPB_SIG_V1" + size + signature + b"MCPB_SIG_END"


def test_a_signature_behind_the_archive(tmp_path):
    bundle = zip_of({"manifest.json": DATA})
    (tmp_path / "x.mcpb").write_bytes(signed(bundle, b"0\x82" + bytes(2000)))
    assert read_mcpb(tmp_path / "x.mcpb").name == "fs"
    hidden = zip_by_hand({"name": b"manifest.json", "data": b"{}"})
    for data in (
        signed(bundle, b"x", 2),
        signed(bundle, b"x" * 70_000),
        signed(bundle, hidden),
        signed(bundle + b"x", b"0"),
        signed(bundle, b"0") + b"x",
        signed(bundle, b"0")[: -len(b"MCPB_SIG_END")],
        signed(signed(bundle, b"0"), b"0"),
        b"MCPB_SIG_V1MCPB_SIG_END",
    ):
        (tmp_path / "x.mcpb").write_bytes(data)
        with pytest.raises(ArchiveError):
            read_mcpb(tmp_path / "x.mcpb")
