"""Locking an agent definition (spec/agent.md): every tag becomes a digest, and the graph of them.

A lock belongs to one definition: it holds the digest of what it was made from, and :func:`locked`
refuses it for another. The bytes of a lock are canonical JSON (RFC 8785), so that the same
decisions have the same digest.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from remit.artifacts.agent import ROLES, Agent, Dependency, Role
from remit.artifacts.errors import BadReferenceError, DefinitionError, DigestError
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.names import Reference
from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest, sha256
from remit.core.strictjson import StrictJsonError, parse

FILE = "agent.lock"
VERSION = 1
MAX_BYTES = 1024 * 1024

Resolve = Callable[[Reference], Descriptor]
"""Asks a registry, or the store of this machine, what a reference names now."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency whose digest was decided.

    Attributes:
        role, name: as in the definition.
        reference: with the digest, and the tag from which it came.
        media_type, size: of its manifest.
    """

    role: Role
    name: str
    reference: Reference
    media_type: str
    size: int

    @property
    def digest(self) -> Digest:
        """Of its manifest."""
        return self.reference.digest


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What a definition was locked to.

    Attributes:
        definition: digest of the definition in canonical form.
        pins: one for each dependency, in its order.
    """

    definition: Digest
    pins: tuple[Pin, ...] = ()


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge of the dependency graph.

    Attributes:
        subject: digest of the manifest of the agent.
        dependency: digest of the manifest of what it runs with.
        role: what that is to it.
        name: what it calls it.
    """

    subject: Digest
    dependency: Digest
    role: Role
    name: str


def definition_digest(agent: Agent) -> Digest:
    """The digest of a definition: of what it says, not of how it is written."""
    return sha256(
        canonical_bytes(
            {
                "name": agent.name,
                "version": agent.version,
                "description": agent.description,
                "client": agent.client,
                "hostedModel": agent.hosted_model,
                "dependencies": [
                    {"role": each.role, "name": each.name, "ref": str(each.reference)}
                    for each in agent.dependencies
                ],
            }
        )
    )


def lock(agent: Agent, resolve: Resolve) -> Lock:
    """Decide the digest of every dependency.

    Args:
        agent: the definition.
        resolve: gives the descriptor of the manifest; its errors pass through, and there is no
            lock then: half a lock is none.

    Raises:
        DigestError: a reference has a digest and ``resolve`` another one.
        RemitError: what ``resolve`` raises.
    """
    return Lock(
        definition=definition_digest(agent),
        pins=tuple(_pin(each, resolve) for each in agent.dependencies),
    )


def _pin(dependency: Dependency, resolve: Resolve) -> Pin:
    found = resolve(dependency.reference)
    if dependency.reference.digest and dependency.reference.digest != found.digest:
        raise DigestError(
            f"`{dependency.reference}` has the digest `{found.digest}` there",
            hint="somebody changed the artifact, or the definition names another",
        )
    return Pin(
        role=dependency.role,
        name=dependency.name,
        reference=dependency.reference.at(found.digest),
        media_type=found.media_type,
        size=found.size,
    )


def lock_bytes(found: Lock) -> bytes:
    """A lock as a file."""
    return canonical_bytes(
        {
            "lockVersion": VERSION,
            "definition": found.definition,
            "dependencies": [
                {
                    "role": pin.role,
                    "name": pin.name,
                    "ref": str(pin.reference),
                    "mediaType": pin.media_type,
                    "size": pin.size,
                }
                for pin in found.pins
            ],
        }
    )


def parse_lock(data: bytes) -> Lock:
    """Read a lock.

    Raises:
        DefinitionError: it is malformed, of another version, or has a dependency without digest.
    """
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_BYTES)
    except StrictJsonError as error:
        raise DefinitionError(f"`{FILE}` cannot be read: {error.message}") from error
    if not isinstance(value, dict) or set(value) != {"lockVersion", "definition", "dependencies"}:
        raise DefinitionError(f"`{FILE}` is no lock of an agent")
    if value["lockVersion"] != VERSION or isinstance(value["lockVersion"], bool):
        raise DefinitionError(f"`{FILE}` is of another version than {VERSION}")
    definition, dependencies = value["definition"], value["dependencies"]
    if not isinstance(definition, str) or not is_digest(definition):
        raise DefinitionError(f"`{FILE}`: `definition` is no digest")
    if not isinstance(dependencies, list):
        raise DefinitionError(f"`{FILE}`: `dependencies` is no list")
    pins = tuple(_parse_pin(each, f"dependencies[{at}]") for at, each in enumerate(dependencies))
    return Lock(definition=Digest(definition), pins=pins)


def _parse_pin(value: Any, where: str) -> Pin:
    keys = {"role", "name", "ref", "mediaType", "size"}
    if not isinstance(value, Mapping) or set(value) != keys:
        raise DefinitionError(f"`{FILE}`: `{where}` is no dependency")
    role, name, ref = value["role"], value["name"], value["ref"]
    media_type, size = value["mediaType"], value["size"]
    if role not in ROLES or not all(isinstance(each, str) for each in (name, ref, media_type)):
        raise DefinitionError(f"`{FILE}`: `{where}` is no dependency")
    if type(size) is not int or size < 0:
        raise DefinitionError(f"`{FILE}`: `{where}.size` is no number of bytes")
    try:
        reference = Reference.parse(ref)
    except (BadReferenceError, DigestError) as error:
        raise DefinitionError(f"`{FILE}`: `{where}`: {error.message}") from error
    if not reference.digest:
        raise DefinitionError(f"`{FILE}`: `{where}` has no digest")
    return Pin(role=role, name=name, reference=reference, media_type=media_type, size=size)


def locked(agent: Agent, found: Lock) -> Agent:
    """The definition with every digest in it.

    Raises:
        DefinitionError: the lock was made from another definition.
    """
    pins = {(pin.role, pin.name): pin for pin in found.pins}
    if found.definition != definition_digest(agent) or set(pins) != {
        (each.role, each.name) for each in agent.dependencies
    }:
        raise DefinitionError(
            "the lock belongs to another definition of the agent",
            hint="lock it again, and look at what changed",
        )
    dependencies = []
    for each in agent.dependencies:
        pinned = pins[each.role, each.name].reference
        if pinned != each.reference.at(pinned.digest) or each.reference.digest not in {
            "",
            pinned.digest,
        }:
            raise DefinitionError(f"the lock names another `{each.reference}` than the definition")
        dependencies.append(msgspec.structs.replace(each, reference=pinned))
    return msgspec.structs.replace(agent, dependencies=tuple(dependencies))


def edges(subject: Digest, agent: Agent) -> tuple[Edge, ...]:
    """The edges from an agent to what it runs with.

    Args:
        subject: digest of the manifest in which the definition was packed.
        agent: a definition in which every dependency has its digest, as :func:`locked` gives it.

    Raises:
        DefinitionError: a dependency has none.
    """
    found = []
    for each in agent.dependencies:
        if not each.reference.digest:
            raise DefinitionError(
                f"`{each.reference}` has no digest",
                hint="`remit lock` decides the digests of an agent",
            )
        found.append(
            Edge(
                subject=subject,
                dependency=each.reference.digest,
                role=each.role,
                name=each.name,
            )
        )
    return tuple(found)
