"""MCP servers as the MCP registry describes them: ``server.json``, schema of 2025-12-11.

Made from what an artifact says of itself: the manifest of its MCP bundle, of which ``remit pack``
puts the part that is needed here into the config, its Kitfile, and annotations. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from remit.artifacts.kinds.stored import SERVER_NAME
from remit.artifacts.kitfile import Kitfile
from remit.artifacts.mcpb import McpbManifest
from remit.artifacts.modelkit import IMAGE_CONFIGS, TITLE, kit_layer
from remit.artifacts.oci.manifest import Manifest
from remit.core.digest import Digest

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SUMMARY = "mcpManifest"
"""Key of a ModelKit's config: the part of the bundle's manifest that a registry shows."""
MAX_NAME, MAX_DESCRIPTION, MAX_TITLE, MAX_INPUTS = 200, 100, 100, 100
_NAME = re.compile(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,254}")
_RANGE = re.compile(r"(?:.*\.)?[xX](?:\..*)?")
_SEMVER = re.compile(
    r"(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,15})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_USER_CONFIG = re.compile(r"\$\{user_config\.([A-Za-z0-9_.-]+)\}")
_KEPT = ("name", "display_name", "version", "description", "homepage", "repository", "user_config")
_DESCRIPTION = "org.opencontainers.image.description"
_IMAGE_VERSION = "org.opencontainers.image.version"
_URL = "org.opencontainers.image.url"
_SOURCE = "org.opencontainers.image.source"
_FORMATS = {"file": "filepath", "directory": "filepath", "number": "number", "boolean": "boolean"}

Package = Literal["", "mcpb", "oci"]


class Server(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An MCP server in an artifact.

    Attributes:
        name: in reverse-DNS form, ``NAMESPACE/NAME``.
        version: one version, never a range.
        title, description: for people.
        website, source: URLs, or empty.
        package: how clients get it: as an MCP bundle, as an image, or not by themselves (empty).
        package_digest: of the bundle, or of the manifest of the image.
        environment: inputs that become environment variables, as ``server.json`` lists them.
    """

    name: str
    version: str
    title: str = ""
    description: str = ""
    website: str = ""
    source: str = ""
    package: Package = ""
    package_digest: str = ""
    environment: tuple[dict[str, Any], ...] = ()


def summary(manifest: McpbManifest) -> dict[str, Any]:
    """What of a bundle's manifest goes into the config of its artifact."""
    found = {key: manifest.document[key] for key in _KEPT if key in manifest.document}
    return found | {"env": manifest.env}


def server_of(
    manifest: Manifest,
    kitfile: Kitfile | None,
    *,
    digest: Digest,
    repository: str,
    namespace: str,
) -> Server:
    """What an artifact of kind ``mcp-server`` is to the MCP registry.

    Args:
        manifest: of the artifact.
        kitfile: its config, if it has one.
        digest: of the manifest.
        repository: where it is; its name is the server's unless the artifact gives one.
        namespace: of servers that have no name of their own.
    """
    said = manifest.annotations
    kit = kitfile or Kitfile()
    bundle = _object(kit.extra.get(SUMMARY))
    name = (
        _first_name(said.get(SERVER_NAME), bundle.get("name"), kit.name)
        or (f"{namespace}/{repository.replace('/', '.')}"[:MAX_NAME])
    )
    title = _line(bundle.get("display_name")) or _line(said.get(TITLE)) or _line(kit.name)
    description = (
        _line(bundle.get("description"))
        or _line(kit.description)
        or _line(said.get(_DESCRIPTION))
        or title
        or name
    )
    package, package_digest = _package(manifest, digest)
    return Server(
        name=name,
        version=_version(
            bundle.get("version"), kit.version, said.get(_IMAGE_VERSION), digest=digest
        ),
        title=_short(title, MAX_TITLE),
        description=_short(description, MAX_DESCRIPTION),
        website=_url(bundle.get("homepage")) or _url(said.get(_URL)),
        source=_url(_object(bundle.get("repository")).get("url"))
        or _url(bundle.get("repository"))
        or _url(said.get(_SOURCE)),
        package=package,
        package_digest=package_digest,
        environment=_environment(bundle),
    )


def server_json(server: Server, *, url: str, repository: str) -> dict[str, Any]:
    """The ``server.json`` of a server.

    Args:
        server: see :func:`server_of`.
        url: how clients reach the registry that has it, without ``/`` at the end.
        repository: where it is there.
    """
    found: dict[str, Any] = {
        "$schema": SCHEMA,
        "name": server.name,
        "description": server.description,
        "version": server.version,
    }
    if server.title:
        found["title"] = server.title
    if server.website:
        found["websiteUrl"] = server.website
    if server.source:
        host = urlsplit(server.source).hostname or ""
        found["repository"] = {
            "url": server.source,
            "source": host.removeprefix("www.").partition(".")[0] or "git",
        }
    if server.package == "mcpb":
        found["packages"] = [
            {
                "registryType": "mcpb",
                "identifier": f"{url}/v2/{repository}/blobs/{server.package_digest}",
                "version": server.version,
                "fileSha256": server.package_digest.removeprefix("sha256:"),
                "transport": {"type": "stdio"},
            }
        ]
    elif server.package == "oci":
        host = url.partition("://")[2]
        found["packages"] = [
            {
                "registryType": "oci",
                "identifier": f"{host}/{repository}@{server.package_digest}",
                "transport": {"type": "stdio"},
            }
        ]
    if server.environment and "packages" in found:
        found["packages"][0]["environmentVariables"] = list(server.environment)
    return found


def precedence(version: str) -> tuple[Any, ...]:
    """A key by which versions sort (semver 2.0.0, section 11); others are equal, and before all."""
    found = _SEMVER.fullmatch(version)
    if found is None:
        return (0,)
    major, minor, patch, pre = found.groups()
    if pre is None:
        return (1, int(major), int(minor), int(patch), 1, ())
    parts = tuple(
        (0, int(each), "") if each.isdigit() else (1, 0, each) for each in pre[:200].split(".")
    )
    return (1, int(major), int(minor), int(patch), 0, parts)


def _package(manifest: Manifest, digest: Digest) -> tuple[Package, str]:
    if manifest.config is None or manifest.config.media_type in IMAGE_CONFIGS:
        return "oci", digest
    for descriptor in manifest.layers:
        bundle = kit_layer(descriptor).section == "mcpserver"
        if bundle and descriptor.digest.startswith("sha256:"):
            return "mcpb", descriptor.digest
    return "", ""


def _first_name(*said: Any) -> str:
    for each in said:
        if isinstance(each, str) and len(each) <= MAX_NAME and _NAME.fullmatch(each):
            return each
    return ""


def _version(*said: Any, digest: Digest) -> str:
    for each in said:
        if isinstance(each, str) and _VERSION.fullmatch(each):
            latest = each.lower() == "latest"
            if not latest and not _RANGE.fullmatch(each):
                return each
    return f"0.0.0-{digest.partition(':')[2][:12]}"


def _environment(bundle: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Variables whose value is asked for: ``${user_config.KEY}`` and nothing beside it."""
    asked = _object(bundle.get("user_config"))
    found: list[dict[str, Any]] = []
    for name, value in _object(bundle.get("env")).items():
        matched = _USER_CONFIG.fullmatch(value) if isinstance(value, str) else None
        if matched is None or len(found) >= MAX_INPUTS:
            continue
        option = _object(asked.get(matched[1]))
        variable: dict[str, Any] = {"name": name}
        text = _line(option.get("description")) or _line(option.get("title"))
        if text:
            variable["description"] = _short(text, 1000)
        if option.get("required") is True:
            variable["isRequired"] = True
        if option.get("sensitive") is True:
            variable["isSecret"] = True
        form = _FORMATS.get(str(option.get("type")))
        if form:
            variable["format"] = form
        default = option.get("default")
        if isinstance(default, str) and option.get("sensitive") is not True:
            variable["default"] = default
        found.append(variable)
    return tuple(found)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _line(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _url(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_DESCRIPTION * 10:
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    plain = value.isascii() and value.isprintable() and " " not in value
    return value if plain and parts.scheme in {"http", "https"} and parts.hostname else ""


def namespace_of(url: str) -> str:
    """The namespace of servers without a name of their own: the registry's host, reversed."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    labels = host.split(".")
    named = re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*", host)
    return ".".join(reversed(labels)) if named and len(host) < MAX_NAME // 2 else "local.hub"
