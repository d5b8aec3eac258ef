"""The Cedar schema of a set of actions: ``spec/policy-schema.md`` is the normative text."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from remit.core.event import ToolClass
from remit.policy.engine import NAMESPACE
from remit.policy.shapes import Choice, Enum, Opaque, Record, Scalar, SetOf, Shape

SCHEMA_VERSION = 1

GROUPS: Mapping[str, tuple[str, ...]] = {
    "tool.call": (),
    "tool.read": ("tool.call",),
    "tool.write": ("tool.call",),
    "tool.destructive": ("tool.write",),
    "content": (),
    "mcp": (),
}
"""Action groups → the groups they are in."""

_STRING = Scalar("String")
_BOOL = Scalar("Bool")
_LONG = Scalar("Long")
_STRINGS = SetOf(_STRING)
_SEVERITIES = ("critical", "high", "medium", "low", "info")


def _fixed(**fields: Shape) -> Record:
    return Record(fields, frozenset(fields))


_SCAN = _fixed(
    present=_BOOL, complete=_BOOL, scanners=_STRINGS, **dict.fromkeys(_SEVERITIES, _LONG)
)
"""What scanners attested: :class:`remit.policy.loads.Scans`."""

_LOAD = _fixed(
    server=_STRING,
    kind=_STRING,
    repository=_STRING,
    tag=_STRING,
    digest=_STRING,
    signed_by=_STRINGS,
    attested=_STRINGS,
    vsa=_fixed(present=_BOOL, result=_STRING, age_s=_LONG, policy_digest=_STRING, levels=_STRINGS),
    scan=_SCAN,
)
"""What policy may read of an artifact that is to be loaded: :class:`remit.policy.loads.Load`."""

FIXED: Mapping[str, tuple[str, Record]] = {
    "tool.result": ("content", _fixed(tool=_STRING, error=_BOOL)),
    "resource.read": ("content", _fixed(uri=_STRING)),
    "mcp.prompt": ("content", _fixed(name=_STRING)),
    "mcp.connect": ("mcp", _fixed()),
    "mcp.list": ("mcp", _fixed(what=_STRING)),
    "mcp.subscribe": ("mcp", _fixed(uri=_STRING)),
    "mcp.complete": ("mcp", _fixed(ref=_STRING)),
    "mcp.sample": ("mcp", _fixed()),
    "mcp.elicit": ("mcp", _fixed(mode=_STRING)),
    "mcp.roots": ("mcp", _fixed()),
    "mcp.log": ("mcp", _fixed(level=_STRING)),
    "mcp.task": ("mcp", _fixed(method=_STRING)),
    "artifact.load": ("", _LOAD),
    # Named by bundles already, asked by no surface yet.
    "prompt": ("content", _fixed()),
    "completion": ("content", _fixed()),
    "handoff": ("", _fixed()),
    "artifact.promote": (
        "",
        _fixed(
            kind=_STRING,
            name=_STRING,
            repository=_STRING,
            reason=_STRING,
            complete=_BOOL,
            scanners=_STRINGS,
            failed=_STRINGS,
            unread=_LONG,
            counts=_fixed(**dict.fromkeys(_SEVERITIES, _LONG)),
            findings=_fixed(**dict.fromkeys(_SEVERITIES, _STRINGS)),
            rules=_STRINGS,
            licences=_STRINGS,
            signed_by=_STRINGS,
            dependencies_admitted=_BOOL,
            scan=_SCAN,
        ),
    ),
    "approval.grant": ("", _fixed()),
    "egress.connect": ("", _fixed()),
    "command.run": ("", _fixed()),
}
"""Actions that are not tools → their group and the shape of ``context.input``."""

LOAD = "artifact.load"
"""Whether an artifact may be loaded for an agent."""

GRANT = "approval.grant"
"""The one action of people: whether a user may approve what an agent asks for."""

PROMOTE = "artifact.promote"
"""The action of whoever pushes: whether an artifact may be pulled from its repository."""

_TEXTS = {"type": "Set", "element": {"type": "EntityOrCommon", "name": "String"}}
ENGINE: Mapping[str, Mapping[str, Any]] = {
    "now": {"type": "EntityOrCommon", "name": "datetime"},
    "session": {
        "type": "Record",
        "attributes": {
            "labels": _TEXTS,
            "calls": {"type": "EntityOrCommon", "name": "Long"},
            "tools": _TEXTS,
        },
    },
    "over_limit": _TEXTS,
    "fulfilled": _TEXTS,
    "user": {"type": "EntityOrCommon", "name": "User"},
    "on_behalf_of": {"type": "EntityOrCommon", "name": "String"},
    "content": {
        "type": "Record",
        "attributes": {
            "findings": _TEXTS,
            "max_severity": {"type": "EntityOrCommon", "name": "Long"},
            "injection": {"type": "EntityOrCommon", "name": "Long"},
            "inspected": {"type": "EntityOrCommon", "name": "Bool"},
        },
    },
    "flow": {
        "type": "Record",
        "attributes": {
            "effect": {"type": "EntityOrCommon", "name": "String"},
            "destination": {"type": "EntityOrCommon", "name": "String"},
            "payload": {"type": "EntityOrCommon", "name": "String"},
            "links": {"type": "EntityOrCommon", "name": "String"},
            "user": _TEXTS,
            "trusted": _TEXTS,
            "named": _TEXTS,
            "quoted": _TEXTS,
            "unknown": _TEXTS,
            "untrusted": _TEXTS,
        },
    },
}
"""Context attributes that only the engine writes → their Cedar types."""

RESERVED = frozenset({*ENGINE, "input", "approval"})
"""Names a fact may not take."""

_APPROVAL = {
    "policy": {"type": "EntityOrCommon", "name": "String"},
    "action": {"type": "EntityOrCommon", "name": "String"},
    "requester": {"type": "EntityOrCommon", "name": "User"},
    "agent": {"type": "EntityOrCommon", "name": "Agent"},
    "server": {"type": "EntityOrCommon", "name": "Server"},
}

ENTITY_TYPES: Mapping[str, Mapping[str, Any]] = {
    "Agent": {"memberOfTypes": ["Team"]},
    "User": {"memberOfTypes": ["Team"]},
    "Server": {"memberOfTypes": ["ServerGroup"]},
    "Approval": {"shape": {"type": "Record", "attributes": _APPROVAL}},
    "Team": {},
    "ServerGroup": {},
    "Model": {},
    "Artifact": {"memberOfTypes": ["Repository"]},
    "Repository": {"memberOfTypes": ["Repository"]},
    "Unknown": {},
}

_FACT_TYPES: Mapping[str, Mapping[str, Any]] = {
    "Set<String>": _TEXTS,
    **{name: {"type": "EntityOrCommon", "name": name} for name in ("Bool", "Long", "String")},
}


class Action(msgspec.Struct, frozen=True):
    """One action and what its requests carry.

    Attributes:
        id: ``<server>/<tool>`` or a key of :data:`FIXED`.
        group: the group it is a direct member of; empty if none.
        input: shape of ``context.input``.
        facts: fact name → attribute → ``Bool | Long | String | Set<String>``.
        tool_class: class of the tool; ``None`` if it is not one.
        server, tool, digest: of the pinned tool; empty if it is not one.
        principal, resource: types of the entities that a request names.
    """

    id: str
    group: str
    input: Record
    facts: Mapping[str, Mapping[str, str]] = {}
    tool_class: ToolClass | None = None
    server: str = ""
    tool: str = ""
    digest: str = ""
    principal: str = "Agent"
    resource: str = "Server"

    def ancestors(self) -> frozenset[str]:
        """Every group this action is in."""
        return closure(self.group)


def closure(group: str) -> frozenset[str]:
    """``group`` and every group above it."""
    found: set[str] = set()
    waiting = [group] if group else []
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += GROUPS[name]
    return frozenset(found)


class Reads(msgspec.Struct, frozen=True):
    """What policies read of the context.

    Attributes:
        everything: some policy uses ``context`` as a whole.
        attributes: attribute → names of its parts, or ``None`` if it is used as a whole.
    """

    everything: bool = False
    attributes: Mapping[str, frozenset[str] | None] = {}

    def has(self, attribute: str) -> bool:
        """Whether ``attribute`` must be in the context."""
        return self.everything or attribute in self.attributes

    def part(self, attribute: str, name: str) -> bool:
        """Whether ``attribute.name`` must be in the context."""
        if self.everything:
            return True
        if attribute not in self.attributes:
            return False
        names = self.attributes[attribute]
        return names is None or name in names


ALL = Reads(everything=True)


def cedar_type(shape: Shape) -> dict[str, Any]:
    """A shape as a type of the Cedar JSON schema."""
    if isinstance(shape, Scalar):
        return {"type": "EntityOrCommon", "name": shape.kind}
    if isinstance(shape, Opaque):
        return {"type": "Entity", "name": "Unknown"}
    if isinstance(shape, Enum):
        return {"type": "Entity", "name": shape.name}
    if isinstance(shape, SetOf):
        return {"type": "Set", "element": cedar_type(shape.element)}
    if isinstance(shape, Choice):
        return {
            "type": "Record",
            "attributes": {
                f"typeChoice{i}": {**cedar_type(option), "required": False}
                for i, option in enumerate(shape.options)
            },
        }
    return {
        "type": "Record",
        "attributes": {
            name: {**cedar_type(field), "required": name in shape.required}
            for name, field in shape.fields.items()
        },
    }


def enums(shape: Shape) -> Iterable[Enum]:
    """Every enum type inside a shape."""
    if isinstance(shape, Enum):
        yield shape
    elif isinstance(shape, SetOf):
        yield from enums(shape.element)
    elif isinstance(shape, Choice):
        for option in shape.options:
            yield from enums(option)
    elif isinstance(shape, Record):
        for field in shape.fields.values():
            yield from enums(field)


def pruned_input(action: Action, reads: Reads) -> Record:
    """The part of ``context.input`` that is read."""
    shape = action.input
    kept = {name: field for name, field in shape.fields.items() if reads.part("input", name)}
    return Record(kept, shape.required & kept.keys(), shape.open)


def context(action: Action, reads: Reads = ALL) -> dict[str, Any]:
    """The context type of an action, pruned to what is read."""
    attributes: dict[str, Any] = {}
    if reads.has("input"):
        attributes["input"] = cedar_type(pruned_input(action, reads))
    for fact, parts in action.facts.items():
        if reads.has(fact):
            attributes[fact] = {
                "type": "Record",
                "attributes": {
                    name: _FACT_TYPES[kind]
                    for name, kind in parts.items()
                    if reads.part(fact, name)
                },
            }
    attributes.update({name: kind for name, kind in ENGINE.items() if reads.has(name)})
    for engine_record in ("session", "content", "flow"):
        whole = attributes.get(engine_record)
        if whole is not None:
            attributes[engine_record] = {
                "type": "Record",
                "attributes": {
                    name: kind
                    for name, kind in whole["attributes"].items()
                    if reads.part(engine_record, name)
                },
            }
    return {"type": "Record", "attributes": attributes}


def document(actions: Iterable[Action], reads: Reads = ALL) -> dict[str, Any]:
    """The Cedar JSON schema of ``actions`` with all groups above them."""
    types: dict[str, Any] = dict(ENTITY_TYPES)
    declared: dict[str, Any] = {
        name: {"memberOf": [{"id": above} for above in parents]} for name, parents in GROUPS.items()
    }
    for action in actions:
        shape = pruned_input(action, reads) if reads.has("input") else Record({})
        types.update({enum.name: {"enum": list(enum.values)} for enum in enums(shape)})
        declared[action.id] = {
            "memberOf": [{"id": action.group}] if action.group else [],
            "appliesTo": {
                "principalTypes": [action.principal],
                "resourceTypes": [action.resource],
                "context": context(action, reads),
            },
        }
    return {NAMESPACE: {"entityTypes": types, "actions": declared}}
