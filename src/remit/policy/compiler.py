"""Bundle + pinned tools → actions and the policies that judge them.

A tool whose schema has no Cedar form is denied and reported, and does not spoil the others. A
policy for a server nobody pinned sleeps: it could not apply, because that server's tools have no
action; so does one for a tool that this client's server does not have. A policy for a tool that the
bundle's own lock does not list, or whose name is nearly another's, is a typing error and does not
compile.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from remit.core.event import ToolClass
from remit.core.text import printable
from remit.facts import registry
from remit.policy import engine, schema, tables
from remit.policy.arguments import Validator
from remit.policy.bundle import Bundle
from remit.policy.engine import pst
from remit.policy.errors import BundleError, EngineError, PolicyError, Problem
from remit.policy.pins import PinnedServer, PinnedTool
from remit.policy.schema import Action
from remit.policy.shapes import Record, ShapeError, derive
from remit.policy.slices import scope_actions
from remit.policy.source import Source

SLIP = 4
"""Letters that may differ, in both names together, between a name and its misspelling."""


class Compiled(msgspec.Struct, frozen=True):
    """What :class:`~remit.policy.policy.Policy` runs on.

    Attributes:
        actions: every action that can be judged.
        sources: the policies, those that can never apply left out.
        schemas: action → raw input schema of its tool.
        refused: action → why its tool has no policy form.
        warnings: what people should know.
    """

    actions: Mapping[str, Action]
    sources: tuple[Source, ...]
    schemas: Mapping[str, Any]
    refused: Mapping[str, str]
    warnings: tuple[Problem, ...]


def compile_bundle(bundle: Bundle, pins: Mapping[str, PinnedServer]) -> Compiled:
    """Build the schema, then type-check every policy against it.

    Raises:
        BundleError: a policy does not fit.
    """
    problems: list[Problem] = []
    actions = {
        name: Action(name, group, shape, _facts(bundle, name, problems))
        for name, (group, shape) in schema.FIXED.items()
    }
    actions[schema.GRANT] = msgspec.structs.replace(
        actions[schema.GRANT], principal="User", resource="Approval"
    )
    actions[schema.LOAD] = msgspec.structs.replace(actions[schema.LOAD], resource="Artifact")
    actions[schema.PROMOTE] = msgspec.structs.replace(
        actions[schema.PROMOTE], principal="User", resource="Artifact"
    )
    schemas: dict[str, Any] = {}
    refused: dict[str, str] = {}
    taken = set(schema.ENTITY_TYPES)
    for server in sorted(pins):
        for tool in pins[server].tools:
            name = f"{server}/{tool.name}"
            try:
                action = _action(bundle, server, tool, problems)
                own = _own_types(action, taken)
            except (ShapeError, EngineError) as error:
                _refuse(name, error, refused, problems)
                continue
            taken |= own
            actions[name] = action
            schemas[name] = tool.definition.get("inputSchema")
    whole = _whole(actions, refused, problems)
    _unused(bundle, actions, refused, pins, problems)
    sources = _awake(bundle, actions, refused, pins, problems)
    _validate(sources, actions, whole, problems)
    _dark(bundle, actions, sources, problems)
    if any(problem.severity == "error" for problem in problems):
        raise BundleError((*bundle.warnings, *problems))
    return Compiled(actions, tuple(sources), schemas, refused, tuple(problems))


def _refuse(
    name: str, error: PolicyError, refused: dict[str, str], problems: list[Problem]
) -> None:
    refused[name] = error.message
    problems.append(
        Problem(
            code="policy.tool_schema",
            severity="warning",
            message=f"tool `{printable(name, 200)}` is denied: {printable(error.message, 300)}",
        )
    )


def _whole(
    actions: dict[str, Action], refused: dict[str, str], problems: list[Problem]
) -> engine.Schema:
    """The schema of all actions; a tool whose shape Cedar refuses is taken out, not all tools.

    Raises:
        EngineError: the rest is refused as well.
    """
    # One nameless tool of each class, so that a rule on a class is valid before such a tool exists.
    nameless = [Action(f"?{kind}", f"tool.{kind}", Record({})) for kind in ToolClass]
    try:
        return engine.schema(schema.document((*actions.values(), *nameless)))
    except EngineError:
        for name in [name for name, action in actions.items() if action.tool_class is not None]:
            try:
                engine.schema(schema.document([actions[name]]))
            except EngineError as error:
                _refuse(name, error, refused, problems)
                del actions[name]
    return engine.schema(schema.document((*actions.values(), *nameless)))


def _own_types(action: Action, taken: set[str]) -> set[str]:
    """Names of its enum types; two different types of one name would be one type to Cedar."""
    values = {enum.name: enum.values for enum in schema.enums(action.input)}
    if taken & values.keys() or any(
        values[enum.name] != enum.values for enum in schema.enums(action.input)
    ):
        raise ShapeError("its enum types have the same name as others")
    return set(values)


def _facts(bundle: Bundle, action: str, problems: list[Problem]) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for spec in bundle.fact_specs:
        if spec.applies(action):
            if spec.name in found:
                problems.append(
                    Problem(
                        file="facts.toml",
                        code="policy.duplicate_fact",
                        message=f"fact `{spec.name}` is declared twice for `{printable(action)}`",
                    )
                )
            found[spec.name] = registry.extractor(spec.extractor).shape
    return found


def _action(bundle: Bundle, server: str, tool: PinnedTool, problems: list[Problem]) -> Action:
    name = f"{server}/{tool.name}"
    label = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    kind = tables.tool_class(bundle.tool_classes, name)
    action = Action(
        id=name,
        group=f"tool.{kind}",
        input=derive(label, tool.definition.get("inputSchema")),
        facts=_facts(bundle, name, problems),
        tool_class=kind,
        server=server,
        tool=tool.name,
        digest=tool.digest,
    )
    Validator(tool.definition.get("inputSchema") or {})
    return action


def _unused(
    bundle: Bundle,
    actions: Mapping[str, Action],
    refused: Mapping[str, str],
    pins: Mapping[str, PinnedServer],
    problems: list[Problem],
) -> None:
    """A fact or class that names a tool nobody has: most likely a typing error."""
    if not pins:
        return
    for spec in bundle.fact_specs:
        if not any(spec.applies(name) for name in actions):
            problems.append(
                Problem(
                    file="facts.toml",
                    code="policy.unused_fact",
                    severity="warning",
                    message=f"fact `{spec.name}` belongs to no pinned tool",
                )
            )
        tools = [a for a in actions.values() if a.tool_class is not None and spec.applies(a.id)]
        known = {name for action in tools for name in action.input.fields}
        if not any(action.input.open for action in tools):
            problems += [
                Problem(
                    file="facts.toml",
                    code="policy.unknown_argument",
                    severity="warning",
                    message=f"fact `{spec.name}`: no tool has an argument "
                    f"`{printable(argument, 80)}`",
                    hint=tables.meant(argument, known),
                )
                for argument in spec.arguments
                if tools and not argument.startswith("$") and argument not in known
            ]
    for pattern in bundle.tool_classes:
        server = pattern.partition("/")[0]
        offered = pattern in actions or pattern in refused
        if "*" not in pattern and server in pins and not offered:
            problems.append(
                Problem(
                    file="tools.toml",
                    code="policy.unknown_tool",
                    severity="warning",
                    message=f"`{printable(pattern, 200)}` is no pinned tool",
                    hint=tables.meant(pattern, [a for a in actions if "/" in a]),
                )
            )


def _dark(
    bundle: Bundle,
    actions: Mapping[str, Action],
    sources: Iterable[Source],
    problems: list[Problem],
) -> None:
    """A tool that no permit reaches can only be a surprise, unless ``dark`` lists it."""
    permitted: set[str] = set()
    for source in sources:
        if source.node.effect == "permit":
            names = scope_actions(source.node)
            permitted.update(schema.GROUPS if names is None else names)
    for name, action in actions.items():
        if action.tool_class is None or permitted & {name, *action.ancestors()}:
            continue
        if not registry.matches(bundle.dark, name):
            problems.append(
                Problem(
                    file="tools.toml",
                    severity="warning",
                    code="policy.dark_tool",
                    message=f"no policy permits `{printable(name, 200)}`",
                    hint=f'permit it, or write dark = ["{printable(name, 200)}"]',
                )
            )


def _awake(
    bundle: Bundle,
    actions: Mapping[str, Action],
    refused: Mapping[str, str],
    pins: Mapping[str, PinnedServer],
    problems: list[Problem],
) -> list[Source]:
    out: list[Source] = []
    for source in bundle.policies:
        names = scope_actions(source.node)
        if names is None:
            out.append(source)
            continue
        asleep = [
            name
            for name in names
            if name not in actions
            and name not in schema.GROUPS
            and (name in refused or _absent(name, bundle, pins))
        ]
        if not asleep:
            out.append(source)
            continue
        problems.append(
            Problem(
                file=source.file,
                line=source.line,
                column=source.column,
                policy=source.id,
                severity="warning",
                code="policy.asleep",
                message=f"`{printable(asleep[0], 200)}` is not pinned or has no policy form",
                hint="if the server has it, pin it with `remit policy pin`",
            )
        )
        kept = tuple(
            entity
            for entity in getattr(source.node.action, "entities", ())
            if entity.id not in asleep
        )
        if kept:
            node = dataclasses.replace(source.node, action=pst.ActionIn(entities=kept))
            text = str(engine.policy_set({source.id: node}))
            out.append(msgspec.structs.replace(source, node=node, text=text))
    return out


def _absent(name: str, bundle: Bundle, pins: Mapping[str, PinnedServer]) -> bool:
    """Whether an action may be missing without the policy being wrong.

    A server that is not pinned yet, or one that was pinned as it was found and offers this tool to
    other clients only. What looks like another tool's name is a slip of the pen all the same, and
    the bundle's own lock is complete.
    """
    server, slash, tool = name.partition("/")
    if not slash or server not in pins:
        return bool(slash)
    if bundle.lock is not None and server in bundle.lock.servers:
        return False
    return not any(_slip(tool, other.name) for other in pins[server].tools)


def _slip(one: str, other: str) -> bool:
    """Whether one name is the other with a letter or two wrong, missing or swapped."""
    alike = difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
    return (len(one) + len(other)) * (1 - alike) <= SLIP


def _validate(
    sources: Iterable[Source],
    actions: Mapping[str, Action],
    whole: engine.Schema,
    problems: list[Problem],
) -> None:
    """Cedar's strict validation, one policy at a time because its messages carry no place."""
    sources = list(sources)
    wrong = engine.validate("\n".join(source.text for source in sources), whole)
    if not wrong:
        return
    before = len(problems)
    for source in sources:
        found = engine.validate(source.text, whole)
        named = any("unrecognized action" in text for text in found)
        for text in found:
            if named and "unable to find an applicable action" in text:
                continue  # it follows from the other
            message, hint = describe(text, source, actions)
            problems.append(
                Problem(
                    file=source.file,
                    line=source.line,
                    column=source.column,
                    policy=source.id,
                    code="policy.invalid",
                    message=message,
                    hint=hint,
                )
            )
    if len(problems) == before:
        problems.append(Problem(code="policy.invalid", message=printable(wrong[0], 400)))


def describe(text: str, source: Source, actions: Mapping[str, Action]) -> tuple[str, str]:
    """Cedar's message without its own id for the policy, and what was probably meant."""
    message = re.sub(r"^for policy `policy\d+`, ", "", text)
    hint = ""
    unknown = re.search(r'unrecognized action `Remit::Action::"((?:[^"\\]|\\.)*)"`', message)
    missing = re.search(r"attribute `([^`]+)` in context for .* not found", message)
    if unknown:
        hint = tables.meant(unknown[1], [*actions, *schema.GROUPS])
    elif missing:
        known = _context_names(source.node, actions)
        close = difflib.get_close_matches(missing[1], known, n=1)
        hint = f"did you mean `context.{close[0]}`?" if close else ""
    elif "not compatible" in message or "unexpected type" in message:
        kinds = sorted(
            {
                enum.name
                for action in actions.values()
                for enum in schema.enums(action.input)
                if enum.name in message
            }
        )
        if kinds:
            hint = f'an enumerated argument compares with Remit::{kinds[0]}::"value"'
    return printable(message, 600), hint


def _context_names(node: pst.Template, actions: Mapping[str, Action]) -> list[str]:
    names = scope_actions(node)
    out: set[str] = set()
    for action in actions.values():
        if names is None or action.id in names or action.ancestors() & set(names):
            out.update(schema.ENGINE)
            out.update(f"input.{name}" for name in action.input.fields)
            for fact, parts in action.facts.items():
                out.update((fact, *(f"{fact}.{part}" for part in parts)))
    return sorted(out)


__all__ = ["Compiled", "compile_bundle", "describe"]
