"""Agent definitions: ``agent.yaml``, what an agent is made of (spec/agent.md).

Everything that an agent runs with is a reference to an artifact, so that its digest can be locked
and asked for: :mod:`remit.artifacts.lock`. A hosted model has no artifact and is named as such.
"""

import re
from typing import Any, Literal, get_args

import msgspec

from remit.artifacts.errors import BadReferenceError, DefinitionError, DigestError
from remit.artifacts.members import shown
from remit.artifacts.oci.names import Reference
from remit.artifacts.yamltree import Scalar, is_null, load

FILE = "agent.yaml"
API_VERSION = "remit.example/agent/v1"
MAX_BYTES = 256 * 1024
MAX_DEPENDENCIES = 256

Role = Literal["image", "model", "mcp-server", "skill", "prompt", "policy"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What a dependency is to an agent."""

_LISTS: dict[str, Role] = {
    "mcpServers": "mcp-server",
    "skills": "skill",
    "prompts": "prompt",
    "policies": "policy",
}
_KEYS = ("apiVersion", "name", "version", "description", "client", "image", "model", *_LISTS)
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
_HOSTED = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}/[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_MAX_NAME, _MAX_DESCRIPTION = 64, 1024


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that an agent runs with.

    Attributes:
        role: what it is to the agent.
        name: what the agent calls it; unique within a role.
        reference: where it is; with a digest once that was decided.
    """

    role: Role
    name: str
    reference: Reference


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent definition.

    Attributes:
        name: lower-case letters, digits and ``-``.
        version: of the definition.
        description: for people.
        client: name of the program that runs it, as ``remit connect`` calls it; or empty, and then
            one dependency is its ``image``.
        hosted_model: ``PROVIDER/MODEL`` of a model that is no artifact; or empty.
        dependencies: in the order of :data:`ROLES`, and within a role as they were written.
    """

    name: str
    version: str
    description: str = ""
    client: str = ""
    hosted_model: str = ""
    dependencies: tuple[Dependency, ...] = ()

    def of(self, role: Role) -> tuple[Dependency, ...]:
        """The dependencies of a role."""
        return tuple(each for each in self.dependencies if each.role == role)


def parse_agent(data: bytes, what: str = FILE) -> Agent:
    """Read an agent definition.

    Args:
        data: YAML (JSON is YAML too).
        what: name of the file, for messages.

    Raises:
        DefinitionError: it is malformed; the message says where.
    """
    root = load(data, what)
    if not isinstance(root, dict):
        raise DefinitionError(f"`{what}` is no mapping", hint="see spec/agent.md")
    reader = _Reader(what)
    reader.known(root, _KEYS, "")
    api = reader.text(root, "apiVersion")
    if api != API_VERSION:
        raise DefinitionError(
            f"`{what}`: `apiVersion` is `{shown(api)}` and not `{API_VERSION}`",
            hint=f"write `apiVersion: {API_VERSION}`",
        )
    name, version = reader.text(root, "name"), reader.text(root, "version")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise reader.wrong("name", f"`{shown(name)}` is no name: a-z, 0-9 and single `-`")
    if not _VERSION.fullmatch(version):
        raise reader.wrong("version", f"`{shown(version)}` is no version")
    description = reader.text(root, "description", missing="")
    if len(description) > _MAX_DESCRIPTION:
        raise reader.wrong("description", f"it is longer than {_MAX_DESCRIPTION} letters")
    client = reader.text(root, "client", missing="")
    if bool(client) == ("image" in root):
        raise DefinitionError(
            f"`{what}`: exactly one of `client` and `image` says what runs the agent",
            hint="`client: claude-code`, or `image: registry.example/agents/reporter:v1`",
        )
    if client and not _LABEL.fullmatch(client):
        raise reader.wrong("client", f"`{shown(client)}` is no name of a client")
    hosted, dependencies = reader.dependencies(root)
    return Agent(
        name=name,
        version=version,
        description=description,
        client=client,
        hosted_model=hosted,
        dependencies=dependencies,
    )


class _Reader:
    def __init__(self, what: str) -> None:
        self._what = what

    def wrong(self, where: str, problem: str) -> DefinitionError:
        return DefinitionError(f"`{self._what}`: `{where}`: {problem}")

    def known(self, values: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
        for key in values:
            if key not in keys:
                place = f" of `{where}`" if where else ""
                raise DefinitionError(
                    f"`{self._what}`: `{shown(key)}` is no key{place}",
                    hint=f"there are {', '.join(keys)}",
                )

    def text(self, values: dict[str, Any], key: str, *, missing: str | None = None) -> str:
        value = values.get(key)
        if key not in values and missing is not None:
            return missing
        if not isinstance(value, Scalar) or is_null(value) or not value.strip():
            raise self.wrong(key, "it is missing or no text")
        return str(value)

    def dependencies(self, root: dict[str, Any]) -> tuple[str, tuple[Dependency, ...]]:
        found: list[Dependency] = []
        hosted = ""
        if "image" in root:
            found.append(self._dependency("image", root["image"], "image"))
        model = root.get("model")
        if isinstance(model, dict) and "hosted" in model:
            self.known(model, ("hosted",), "model")
            hosted = self.text(model, "hosted")
            if not _HOSTED.fullmatch(hosted):
                raise self.wrong("model.hosted", f"`{shown(hosted)}` is not `PROVIDER/MODEL`")
        elif "model" in root:
            found.append(self._dependency("model", model, "model"))
        for key, role in _LISTS.items():
            value = root.get(key, [])
            if not isinstance(value, list):
                raise self.wrong(key, "it is no list")
            found.extend(
                self._dependency(role, each, f"{key}[{at}]") for at, each in enumerate(value)
            )
        if len(found) > MAX_DEPENDENCIES:
            raise self.wrong("agent", f"there are more than {MAX_DEPENDENCIES} references")
        self._unique(found)
        return hosted, tuple(found)

    def _dependency(self, role: Role, value: Any, where: str) -> Dependency:
        name = ""
        if isinstance(value, dict):
            self.known(value, ("name", "ref"), where)
            name = self.text(value, "name", missing="")
            value = value.get("ref")
        if not isinstance(value, Scalar) or is_null(value):
            raise self.wrong(where, "it is no reference, and no mapping with `ref`")
        try:
            reference = Reference.parse(value)
        except (BadReferenceError, DigestError) as error:
            raise DefinitionError(
                f"`{self._what}`: `{where}`: {error.message}", hint=error.hint
            ) from error
        name = name or reference.repository.rpartition("/")[2]
        if not _LABEL.fullmatch(name):
            raise self.wrong(where, f"`{shown(name)}` is no name")
        return Dependency(role=role, name=name, reference=reference)

    def _unique(self, found: list[Dependency]) -> None:
        seen: set[tuple[str, str]] = set()
        for each in found:
            if (each.role, each.name) in seen:
                raise DefinitionError(
                    f"`{self._what}`: two of `{each.role}` have the name `{shown(each.name)}`",
                    hint="give one another: `{name: …, ref: …}`",
                )
            seen.add((each.role, each.name))
