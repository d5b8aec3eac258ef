"""MCP bundles (``.mcpb``): a zip archive with the files of an MCP server and a ``manifest.json``.

The form is manifest 0.1 to 0.4 of the MCPB specification. The digest of the file is the digest of
its layer; nothing in it is changed. Behind the archive may be a signature in the form of ``mcpb
sign``, which is looked at only so far that no reader takes it for a part of the archive. It is not
verified: what Remit trusts are signatures of the artifact.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from remit.artifacts.errors import ArchiveError, DefinitionError
from remit.artifacts.folder import KEPT, Folder, Manner, fresh
from remit.artifacts.members import Limits, shown
from remit.artifacts.tree import opened
from remit.artifacts.zipped import ZipArchive
from remit.core.strictjson import StrictJsonError, parse

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1024 * 1024
LIMITS = Limits(entries=50_000, total=2 << 30, ratio=100)
"""The largest bundles that clients accept."""
_SIGNATURE_START, _SIGNATURE_END = b"MCPB_SIG_V1", b"MCPB_SIG_END"
_MAX_SIGNATURE = 64 * 1024
TYPES = ("binary", "node", "python", "uv")


class McpbManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself.

    Attributes:
        manifest_version: of the form.
        name, version, description, author, license: as its author wrote them.
        type: one of :data:`TYPES`; ``uv`` fetches code when it starts.
        entry_point: the file that is started; empty if the command says it.
        command, args, env: how it is started, with placeholders such as ``${__dirname}``.
        tools: name → description, as declared; the live list may differ.
        user_config: names of what the user must give.
        document: the whole manifest.
    """

    manifest_version: str
    name: str
    version: str
    description: str
    author: str = ""
    license: str = ""
    type: str
    entry_point: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    tools: dict[str, str] = {}
    user_config: tuple[str, ...] = ()
    document: dict[str, Any] = {}


def parse_mcpb(data: bytes) -> McpbManifest:
    """Read a ``manifest.json``.

    Raises:
        DefinitionError: it is malformed, or lacks what every bundle has.
    """
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_MANIFEST_BYTES)
    except StrictJsonError as error:
        raise DefinitionError(f"`{MANIFEST}` cannot be read: {error.message}") from error
    root = _object(value, "")
    server = _object(root.get("server"), "server")
    config = _object(server.get("mcp_config", {}), "server.mcp_config")
    author = _object(root.get("author", {}), "author")
    kind = _text(server, "type", "server.")
    if kind not in TYPES:
        raise DefinitionError(
            f"`{MANIFEST}`: `{shown(kind)}` is no type of server",
            hint=f"there are {', '.join(TYPES)}",
        )
    version = root.get("manifest_version", root.get("dxt_version"))
    if not isinstance(version, str):
        raise DefinitionError(f"`{MANIFEST}`: `manifest_version` is missing or no text")
    tools = [_object(each, "tools") for each in _list(root, "tools", "")]
    return McpbManifest(
        manifest_version=version,
        name=_text(root, "name", ""),
        version=_text(root, "version", ""),
        description=_text(root, "description", ""),
        author=_text(author, "name", "author.", missing=""),
        license=_text(root, "license", "", missing=""),
        type=kind,
        entry_point=_text(server, "entry_point", "server.", missing=""),
        command=_text(config, "command", "server.mcp_config.", missing=""),
        args=tuple(_strings(_list(config, "args", "server.mcp_config."), "args")),
        env={
            key: _text({key: each}, key, "env.")
            for key, each in _object(config.get("env", {}), "env").items()
        },
        tools={
            _text(each, "name", "tools."): _text(each, "description", "tools.", missing="")
            for each in tools
        },
        user_config=tuple(_object(root.get("user_config", {}), "user_config")),
        document=root,
    )


def read_mcpb(path: Path) -> McpbManifest:
    """Check a bundle as a whole and read its manifest.

    Raises:
        ArchiveError: it is no zip archive, or a hostile one, or has no manifest.
        DefinitionError: the manifest is malformed.
        OSError: it cannot be read.
    """
    file = opened(path)
    try:
        return _manifest(_archive(file))
    finally:
        os.close(file)


def extract_mcpb(path: Path, target: Path, manner: Manner = KEPT) -> McpbManifest:
    """Unpack a bundle into ``target``, which appears whole or not at all.

    Args:
        path: the bundle.
        target: a directory that does not exist yet.
        manner: how the directory is made.

    Raises:
        ArchiveError, DefinitionError: the bundle is refused; nothing is left.
        UnpackError: the target is in use.
        OSError: the disk is full or broken; nothing is left.
    """
    file = opened(path)
    try:
        archive = _archive(file)
        manifest = _manifest(archive)
        with fresh(target, manner) as folder:
            _fill(folder, archive)
            folder.publish()
    finally:
        os.close(file)
    return manifest


def _archive(file: int) -> ZipArchive:
    """The archive in a bundle, without the signature behind it."""
    size = os.fstat(file).st_size
    tail = os.pread(file, _MAX_SIGNATURE, max(0, size - _MAX_SIGNATURE))
    start = tail.rfind(_SIGNATURE_START)
    if not tail.endswith(_SIGNATURE_END) or start < 0:
        return ZipArchive(file, LIMITS)
    block = tail[start + len(_SIGNATURE_START) : -len(_SIGNATURE_END)]
    if len(block) < 4 or int.from_bytes(block[:4], "little") != len(block) - 4:  # noqa: PLR2004
        raise ArchiveError("the signature of the MCP bundle is malformed")
    if b"PK\5\6" in tail[start:]:
        # Readers that look for the end of a zip archive from behind could find one in here.
        raise ArchiveError(
            "the signature of the MCP bundle could be taken for a zip archive",
            hint="sign it again, or remove the signature with `mcpb unsign`",
        )
    return ZipArchive(file, LIMITS, size - len(tail) + start)


def _fill(folder: Folder, archive: ZipArchive) -> None:
    for entry in archive.entries:
        if entry.directory:
            folder.directory(entry.name, entry.mode)
        else:
            folder.file(entry.name, archive.content(entry), entry.mode)


def _manifest(archive: ZipArchive) -> McpbManifest:
    for entry in archive.entries:
        if entry.name == MANIFEST:
            return parse_mcpb(archive.read(entry, MAX_MANIFEST_BYTES))
    raise ArchiveError(f"the MCP bundle has no `{MANIFEST}`")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        what = f"`{where}`" if where else "it"
        raise DefinitionError(f"`{MANIFEST}`: {what} is missing or no object")
    return value


def _list(values: dict[str, Any], name: str, where: str) -> list[Any]:
    value = values.get(name, [])
    if not isinstance(value, list):
        raise DefinitionError(f"`{MANIFEST}`: `{where}{name}` is no list")
    return value


def _strings(values: list[Any], name: str) -> Iterator[str]:
    for value in values:
        yield _text({name: value}, name, "")


def _text(values: dict[str, Any], name: str, where: str, missing: str | None = None) -> str:
    value = values.get(name, missing)
    if not isinstance(value, str):
        raise DefinitionError(f"`{MANIFEST}`: `{where}{shown(name)}` is missing or no text")
    return value
