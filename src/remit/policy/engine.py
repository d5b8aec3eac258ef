"""The only importer of cedarpy: parse, validate, evaluate, all with a schema.

Cedar fails open by nature: a ``forbid`` that errs is skipped, a group the entities do not know is
empty, a request without schema may claim any entity. So this module offers no call without a
schema, and turns "no decision", any diagnostic error and any exception into
:class:`~remit.policy.errors.EngineError`, which every caller answers with a deny.
:func:`self_test` shows at start that the engine in this process behaves so.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import cedarpy
import msgspec
import orjson
from cedarpy import PolicySet, Schema, pst

from remit.policy.errors import EngineError, is_failure

Entities = cedarpy.Entities
NAMESPACE = "Remit"


class Answer(msgspec.Struct, frozen=True):
    """Cedar's answer: whether it allows, and the ids of the policies that determined it."""

    allowed: bool
    reasons: tuple[str, ...]


def parse(text: str) -> list[pst.Template]:
    """The static policies and templates of ``text``, in order, with Cedar's own ids.

    Raises:
        EngineError: the text is not Cedar.
    """
    try:
        found = cedarpy.policies_to_pst(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(str(error).splitlines()[0] if str(error) else "not Cedar") from error
    ordered = sorted(found.static_policies.values(), key=lambda p: int(p.id.removeprefix("policy")))
    return [*ordered, *found.templates.values()]


def is_template(policy: pst.Template) -> bool:
    """Whether the scope has a slot (``?principal``, ``?resource``)."""
    return any(
        isinstance(getattr(scope, "entity", None), pst.Slot)
        for scope in (policy.principal, policy.resource)
    )


def renamed(policy: pst.Template, policy_id: str) -> pst.Template:
    """The same policy under our id, which is what diagnostics then carry."""
    return dataclasses.replace(policy, id=policy_id)


def policy_set(policies: Mapping[str, pst.Template]) -> PolicySet:
    """A handle over policies by id; ids and keys must agree."""
    try:
        return PolicySet.from_pst(
            pst.PolicySet(templates={}, static_policies=dict(policies), template_links=())
        )
    except (ValueError, TypeError) as error:
        raise EngineError(f"the policies make no set: {error}") from error


def schema(document: Mapping[str, Any]) -> Schema:
    """A handle over a Cedar JSON schema.

    Raises:
        EngineError: Cedar does not accept it.
    """
    try:
        return Schema.from_json_str(orjson.dumps(document).decode())
    except (ValueError, TypeError, RecursionError) as error:
        raise EngineError(f"Cedar refuses the schema: {error}") from error


def entities(items: Sequence[Mapping[str, Any]], checked_by: Schema) -> Entities:
    """A handle over entities.

    The action hierarchy comes from the schema given here; without it no group policy would bite,
    and no error would say so. So there is no default.
    """
    try:
        return Entities.from_json_str(orjson.dumps(items).decode(), checked_by)
    except (ValueError, TypeError) as error:
        raise EngineError(f"Cedar refuses the entities: {error}") from error


def uid(kind: str, name: str) -> dict[str, str]:
    """An entity reference of our namespace; a dict, because formatted strings can be forged."""
    return {"type": f"{NAMESPACE}::{kind}", "id": name}


def validate(policies: str, against: Schema) -> list[str]:
    """What Cedar's type checker says of policy text; empty if it is valid."""
    try:
        result = cedarpy.validate_policies(policies, against)
    except (ValueError, TypeError) as error:
        return [str(error)]
    if result.validation_passed:
        return []
    return [item.error for item in result.errors] or ["the policy does not validate"]


def evaluate(
    request: Mapping[str, Any], policies: PolicySet, facts: Entities, checked_by: Schema
) -> Answer:
    """Ask Cedar.

    Args:
        request: ``principal``, ``action``, ``resource`` as :func:`uid`, ``context`` as JSON text.
        policies: the policies that may apply.
        facts: entities built with the same schema.
        checked_by: schema of the request.

    Raises:
        EngineError: no decision, an error in any policy, or any exception.
    """
    try:
        result = cedarpy.is_authorized(dict(request), policies, facts, checked_by)
        decision, diagnostics = result.decision, result.diagnostics
    except BaseException as error:
        if not is_failure(error):
            raise
        raise EngineError(f"Cedar failed: {error}") from error
    if diagnostics.errors:
        raise EngineError("; ".join(diagnostics.errors))
    if decision is cedarpy.Decision.NoDecision:
        raise EngineError("Cedar gave no decision")
    return Answer(decision is cedarpy.Decision.Allow, tuple(sorted(diagnostics.reasons)))


def possible(
    principal: str, action: str, resource: str, policies: PolicySet, facts: Entities, schema: Schema
) -> bool:
    """Whether some context could make Cedar allow; a preview, never a decision.

    Args:
        principal: id of the agent.
        action: action id.
        resource: id of the server.
        policies: the policies that may apply.
        facts: entities built with the same schema.
        schema: schema of the request.

    Raises:
        EngineError: Cedar refuses the question or meets an error.
    """
    request = {
        "principal": _text(uid("Agent", principal)),
        "action": _text(uid("Action", action)),
        "resource": _text(uid("Server", resource)),
        "context": None,
    }
    try:
        result = cedarpy.is_authorized_partial(request, policies, facts, schema)
        decision, diagnostics = result.decision, result.diagnostics
    except BaseException as error:
        if not is_failure(error):
            raise
        raise EngineError(f"Cedar failed: {error}") from error
    if diagnostics.errors:
        raise EngineError("; ".join(diagnostics.errors))
    if decision is cedarpy.Decision.NoDecision:
        return bool(diagnostics.nontrivial_residuals or diagnostics.may_be_determining)
    return decision is cedarpy.Decision.Allow


def _text(reference: Mapping[str, str]) -> str:
    # Cedar takes the normal form only; a name it refuses in this form stays hidden.
    escaped = reference["id"].replace("\\", "\\\\").replace('"', '\\"')
    return f'{reference["type"]}::"{escaped}"'


_TEST_SCHEMA = {
    NAMESPACE: {
        "entityTypes": {"Agent": {}, "Server": {}},
        "actions": {
            "group": {},
            "act": {
                "memberOf": [{"id": "group"}],
                "appliesTo": {
                    "principalTypes": ["Agent"],
                    "resourceTypes": ["Server"],
                    "context": {
                        "type": "Record",
                        "attributes": {"n": {"type": "EntityOrCommon", "name": "Long"}},
                    },
                },
            },
        },
    }
}
_TEST_POLICIES = (
    "permit (principal, action, resource);\n"
    'forbid (principal, action in Remit::Action::"group", resource) when { context.n == 1 };\n'
    "forbid (principal, action, resource) when { context.n == 2 && "
    "context.n + 9223372036854775807 > 0 };"
)


def self_test() -> None:
    """Prove that the traps are closed in this process; run before anything is decided.

    1. A ``forbid`` on an action group bites. 2. What it does not match is allowed. 3. A policy
    that errs, an undeclared action and a forged entity give no answer.

    Raises:
        EngineError: one of them is not so; nothing may be decided with this engine.
    """
    checked = schema(_TEST_SCHEMA)
    policies = policy_set({p.id: p for p in parse(_TEST_POLICIES)})
    known = entities(
        [{"uid": uid(kind, "x"), "attrs": {}, "parents": []} for kind in ("Agent", "Server")],
        checked,
    )

    def ask(context: str, action: str = "act") -> Answer | None:
        request = {
            "principal": uid("Agent", "x"),
            "action": uid("Action", action),
            "resource": uid("Server", "x"),
            "context": context,
        }
        try:
            return evaluate(request, policies, known, checked)
        except EngineError:
            return None

    allowed, bitten = ask('{"n":0}'), ask('{"n":1}')
    silent = [
        ask('{"n":2}'),
        ask('{"n":0}', "other"),
        ask('{"n":{"__entity":{"type":"Remit::Agent","id":"x"}}}'),
        ask('{"n":null}'),
        ask('{"n":0,"m":1}'),
    ]
    if not (allowed and allowed.allowed and bitten and not bitten.allowed and not any(silent)):
        raise EngineError(
            "the Cedar engine fails its self-test", hint="reinstall cedarpy; nothing is allowed"
        )


__all__ = [
    "NAMESPACE",
    "Answer",
    "Entities",
    "PolicySet",
    "Schema",
    "entities",
    "evaluate",
    "is_template",
    "parse",
    "policy_set",
    "possible",
    "pst",
    "renamed",
    "schema",
    "self_test",
    "uid",
    "validate",
]
