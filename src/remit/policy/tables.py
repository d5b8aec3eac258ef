"""The TOML files of a bundle, read strictly: an unknown key is an error with a suggestion.

Each function returns what it could read and the problems it met, so that a bundle is reported on
as a whole.
"""

import datetime as dt
import difflib
import fnmatch
import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from remit.core.errors import RemitError
from remit.core.event import ToolClass
from remit.core.text import printable
from remit.facts import registry, usage
from remit.facts.registry import FactSpec
from remit.facts.usage import Limit
from remit.policy.errors import Problem
from remit.policy.labels import EFFECTS, RESULTS, Labels
from remit.policy.schema import RESERVED

MAX_TOML_BYTES = 1024 * 1024
MAX_HITS = 1_000_000
MIN_CANARY = 8
OPTIONAL_DETECTORS = ("names",)
"""Detectors of tier ``judge`` in :mod:`remit.content.detectors`."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}\Z")
_PER = ("agent", "user", "session", "server", "tool")
STRICTNESS = (ToolClass.READ, ToolClass.WRITE, ToolClass.DESTRUCTIVE)
"""Classes, mildest first."""


def meant(word: str, known: Collection[str]) -> str:
    """``did you mean `x`?`` for the closest known word, else what is known."""
    close = difflib.get_close_matches(word, list(known), n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= 30 else ""  # noqa: PLR2004


class _Table:
    """One TOML file: typed access that collects problems instead of raising."""

    def __init__(self, file: str, data: bytes | None) -> None:
        self.file = file
        self.text = ""
        self.problems: list[Problem] = []
        self.value: dict[str, Any] = {}
        if data is None:
            return
        if len(data) > MAX_TOML_BYTES:
            self.problem("policy.too_large", f"is larger than {MAX_TOML_BYTES} bytes")
            return
        try:
            self.text = data.decode("utf-8")
            self.value = tomllib.loads(self.text)
        except RecursionError:
            self.problem("policy.toml", "is nested too deeply")
        except ValueError as error:
            self.problem("policy.toml", f"is not TOML: {printable(str(error), 200)}")

    def problem(self, code: str, message: str, hint: str = "", word: str = "") -> None:
        line = column = 0
        at = self.text.find(word) if word else -1
        if at >= 0:
            line = self.text.count("\n", 0, at) + 1
            column = at - self.text.rfind("\n", 0, at)
        self.problems.append(
            Problem(file=self.file, line=line, column=column, code=code, message=message, hint=hint)
        )

    def only(self, value: Mapping[str, Any], known: Collection[str], where: str) -> None:
        for key in value:
            if key not in known:
                self.problem(
                    "policy.unknown_key",
                    f"{where} has an unknown key `{printable(key, 80)}`",
                    meant(key, known),
                    key,
                )

    def table(self, value: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
        item = value.get(key, {})
        if isinstance(item, dict):
            return item
        self.problem("policy.type", f"{where} must be a table", word=key)
        return {}

    def tables(self, key: str) -> list[dict[str, Any]]:
        item = self.value.get(key, [])
        if isinstance(item, list) and all(isinstance(one, dict) for one in item):
            return item
        self.problem("policy.type", f"`{key}` must be written as [[{key}]]", word=key)
        return []

    def texts(self, value: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        item = value.get(key, [])
        if isinstance(item, list) and all(isinstance(one, str) and one for one in item):
            return tuple(item)
        self.problem("policy.type", f"`{key}` of {where} must be a list of texts", word=key)
        return ()


def head(data: bytes | None) -> tuple[dict[str, Any], list[Problem]]:
    """``bundle.toml`` → name, version, serial, expires_us, mode."""
    table = _Table("bundle.toml", data)
    if data is None:
        table.problem("policy.missing_file", "is missing", "a bundle needs name, version, serial")
    value = table.value
    table.only(value, {"name", "version", "serial", "expires", "mode", "schema"}, "bundle.toml")
    out: dict[str, Any] = {"name": "", "version": "", "serial": 0, "mode": "enforce"}
    for key in ("name", "version"):
        if isinstance(value.get(key), str) and value[key]:
            out[key] = value[key]
        elif value:
            table.problem("policy.type", f"`{key}` must be a text", word=key)
    serial = value.get("serial")
    if type(serial) is int and 0 <= serial < 2**53:
        out["serial"] = serial
    elif value:
        table.problem("policy.type", "`serial` must be a whole number, 0 or more", word="serial")
    if value.get("schema", 1) != 1 or type(value.get("schema", 1)) is not int:
        table.problem("policy.schema_version", "`schema` must be 1", word="schema")
    if value.get("mode", "enforce") in ("enforce", "observe"):
        out["mode"] = value.get("mode", "enforce")
    else:
        table.problem("policy.type", '`mode` must be "enforce" or "observe"', word="mode")
    out["expires_us"] = None
    if "expires" in value:
        expires = value["expires"]
        if isinstance(expires, dt.datetime) and expires.tzinfo is not None:
            out["expires_us"] = int(expires.timestamp()) * 1_000_000
        else:
            table.problem(
                "policy.type",
                "`expires` must be a time with zone",
                "for example 2027-01-31T00:00:00Z",
                "expires",
            )
    return out, table.problems


def facts(data: bytes | None) -> tuple[dict[str, Any], list[Problem]]:
    """``facts.toml`` → ``fact``, ``limit``, ``matchers``, ``terms``, ``canaries``, ``detectors``.

    FactSpecs, Limits, name → pattern, label → words and phrases, name → text, names.
    """
    table = _Table("facts.toml", data)
    table.only(
        table.value, {"fact", "limit", "matchers", "terms", "canaries", "detectors"}, "facts.toml"
    )
    specs = [spec for one in table.tables("fact") if (spec := _fact(table, one))]
    limits = [limit for one in table.tables("limit") if (limit := _limit(table, one))]
    names = [limit.name for limit in limits]
    for name in {name for name in names if names.count(name) > 1}:
        table.problem("policy.duplicate_limit", f"limit `{name}` is declared twice", word=name)
    matchers = {}
    for name, pattern in table.table(table.value, "matchers", "[matchers]").items():
        if not isinstance(pattern, str):
            table.problem("policy.type", f"matcher `{name}` must be a text", word=name)
        elif (why := _bad_pattern(pattern)) is not None:
            table.problem("policy.matcher", f"matcher `{name}` is no RE2 pattern: {why}", word=name)
        else:
            matchers[name] = pattern
    listed = table.table(table.value, "terms", "[terms]")
    terms = {name: table.texts(listed, name, "[terms]") for name in listed if _named(table, name)}
    canaries = {}
    for name, text in table.table(table.value, "canaries", "[canaries]").items():
        if not isinstance(text, str) or len(text) < MIN_CANARY:
            table.problem(
                "policy.canary", f"a canary is a text of {MIN_CANARY} characters or more", word=name
            )
        elif _named(table, name):
            canaries[name] = text
    out = {"fact": specs, "limit": limits, "matchers": matchers}
    asked = table.table(table.value, "detectors", "[detectors]")
    table.only(asked, {"optional"}, "[detectors]")
    detectors = table.texts(asked, "optional", "[detectors]")
    for name in detectors:
        if name not in OPTIONAL_DETECTORS:
            table.problem(
                "policy.detector",
                f"there is no optional detector `{printable(name, 80)}`",
                meant(name, OPTIONAL_DETECTORS),
                name,
            )
    return {**out, "terms": terms, "canaries": canaries, "detectors": detectors}, table.problems


def _named(table: _Table, name: str) -> bool:
    if NAME.match(name):
        return True
    table.problem("policy.name", f"`{printable(name, 80)}` is no name: use letters, digits and `_`")
    return False


def _bad_pattern(pattern: str) -> str | None:
    import re2

    try:
        options = re2.Options()
        options.log_errors = False
        re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0] if error.args else "refused"
        return printable(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
    return None


def _fact(table: _Table, value: dict[str, Any]) -> FactSpec | None:
    name = value.get("name")
    if not isinstance(name, str) or not NAME.match(name):
        table.problem("policy.fact", "a [[fact]] needs a `name` of letters, digits and `_`")
        return None
    where = f"fact `{name}`"
    if name in RESERVED:
        table.problem("policy.fact", f"{where} takes a reserved name", word=name)
        return None
    kind = value.get("extractor", name)
    try:
        extractor = registry.extractor(kind if isinstance(kind, str) else "")
    except RemitError as error:
        table.problem(
            "policy.unknown_extractor",
            f"{where}: {printable(error.message, 200)}",
            error.hint or meant(str(kind), registry.names()),
            str(kind),
        )
        return None
    own = {k: v for k, v in value.items() if k not in ("name", "extractor", "tools", "arguments")}
    table.only(
        own, [field.encode_name for field in msgspec.structs.fields(extractor.options)], where
    )
    try:
        options = msgspec.convert(own, extractor.options)
    except (msgspec.ValidationError, RemitError, ValueError) as error:
        if not any(where in problem.message for problem in table.problems):
            table.problem("policy.fact", f"{where}: {printable(str(error), 200)}", word=name)
        return None
    tools = table.texts(value, "tools", where)
    arguments = table.texts(value, "arguments", where)
    if not tools or not arguments:
        table.problem("policy.fact", f"{where} needs `tools` and `arguments`", word=name)
        return None
    try:
        return FactSpec(
            name=name, extractor=str(kind), tools=tools, arguments=arguments, options=options
        )
    except (RemitError, ValueError) as error:
        table.problem("policy.fact", f"{where}: {printable(str(error), 200)}", word=name)
        return None


def _limit(table: _Table, value: dict[str, Any]) -> Limit | None:
    name = value.get("name")
    if not isinstance(name, str) or not name:
        table.problem("policy.limit", "a [[limit]] needs a `name`")
        return None
    where = f"limit `{name}`"
    table.only(value, {"name", "max", "window", "per", "tools"}, where)
    most = value.get("max")
    if type(most) is not int or not 0 <= most <= MAX_HITS:
        table.problem("policy.limit", f"`max` of {where} must be 0 to {MAX_HITS}", word=name)
        return None
    per = table.texts(value, "per", where)
    for word in per:
        if word not in _PER:
            table.problem(
                "policy.limit", f"{where} counts per unknown `{word}`", meant(word, _PER), word
            )
            return None
    try:
        window_us = usage.parse_window(str(value.get("window", "")))
        return Limit(
            name=name,
            max=most,
            window_us=window_us,
            per=per,  # type: ignore[arg-type] # checked above
            tools=table.texts(value, "tools", where),
        )
    except (RemitError, ValueError) as error:
        table.problem("policy.limit", f"{where}: {printable(str(error), 200)}", word=name)
        return None


def tools(data: bytes | None) -> tuple[dict[str, Any], list[Problem]]:
    """``tools.toml`` → ``tools`` (pattern → class), ``labels`` (pattern → Labels), ``dark``."""
    table = _Table("tools.toml", data)
    table.only(table.value, {"tools", "dark", "labels"}, "tools.toml")
    out = {}
    dark = table.texts(table.value, "dark", "tools.toml")
    for pattern, kind in table.table(table.value, "tools", "[tools]").items():
        if kind not in list(ToolClass):
            table.problem(
                "policy.tool_class",
                f"`{printable(pattern, 200)}` must be read, write or destructive",
                meant(str(kind), list(ToolClass)),
                pattern,
            )
        elif "/" not in pattern:
            table.problem(
                "policy.tool_class",
                f"`{printable(pattern, 200)}` does not name `server/tool`",
                word=pattern,
            )
        else:
            out[pattern] = ToolClass(kind)
    labels = table.table(table.value, "labels", "[labels]")
    found = {pattern: _labels(table, labels, pattern) for pattern in labels}
    return {"tools": out, "dark": dark, "labels": found}, table.problems


def _labels(table: _Table, value: Mapping[str, Any], pattern: str) -> Labels:
    where = f'[labels."{printable(pattern, 200)}"]'
    own = table.table(value, pattern, where)
    table.only(own, {"result", "effect", "dest", "reveal"}, where)
    if "/" not in pattern:
        table.problem("policy.labels", f"{where} does not name `server/tool`", word=pattern)
    for key, known in (("result", RESULTS), ("effect", EFFECTS)):
        if key in own and own[key] not in known:
            table.problem(
                "policy.labels",
                f"`{key}` of {where} must be {', '.join(known)}",
                meant(str(own[key]), known),
                key,
            )
            return Labels()
    return Labels(
        result=own.get("result", "untrusted"),
        effect=own.get("effect"),
        dest=table.texts(own, "dest", where),
        reveal=table.texts(own, "reveal", where),
    )


def tool_class(patterns: Mapping[str, ToolClass], action: str) -> ToolClass:
    """Class of ``server/tool``: the exact entry, else the strictest pattern, else destructive."""
    exact = patterns.get(action)
    if exact is not None:
        return exact
    found = [kind for pattern, kind in patterns.items() if fnmatch.fnmatchcase(action, pattern)]
    return max(found, key=STRICTNESS.index, default=ToolClass.DESTRUCTIVE)


def entities(
    files: Mapping[str, bytes],
) -> tuple[dict[str, dict[str, tuple[str, ...]]], tuple[str, ...], list[Problem]]:
    """``entities/*.toml`` → agents, users, servers → teams or groups; and trusted domains.

    ``keys`` are those of users, by fingerprint.
    """
    out: dict[str, dict[str, tuple[str, ...]]] = {"agents": {}, "users": {}, "servers": {}}
    keys: dict[str, tuple[str, ...]] = {}
    domains: list[str] = []
    problems: list[Problem] = []
    for name, data in sorted(files.items()):
        if not name.endswith(".toml"):
            continue
        table = _Table(name, data)
        table.only(table.value, {*out, "domains"}, name)
        listed = table.table(table.value, "domains", "[domains]")
        table.only(listed, {"trusted"}, "[domains]")
        for domain in table.texts(listed, "trusted", "[domains]"):
            if _DOMAIN.match(domain):
                domains.append(domain)
            else:
                table.problem(
                    "policy.domain",
                    f"`{printable(domain, 80)}` is not the name of a host",
                    "for example example.com, which also means everything below it",
                    domain,
                )
        for kind, members in out.items():
            above = "groups" if kind == "servers" else "teams"
            for member in table.table(table.value, kind, f"[{kind}]"):
                where = f"{kind}.{printable(member, 80)}"
                body = table.table(table.value[kind], member, where)
                table.only(body, {above, "keys"} if kind == "users" else {above}, where)
                if member in members:
                    table.problem("policy.duplicate_entity", f"{where} is listed twice", "", member)
                members[member] = table.texts(body, above, where)
                if "keys" in body:
                    keys[member] = _fingerprints(table, body, where)
        problems += table.problems
    return {**out, "keys": keys}, tuple(domains), problems


def _fingerprints(table: "_Table", body: Any, where: str) -> tuple[str, ...]:
    found = table.texts(body, "keys", where)
    for text in found:
        if not _FINGERPRINT.fullmatch(text):
            table.problem(
                "policy.key",
                f"`{printable(text, 80)}` is no fingerprint of a key",
                "sha256: and 64 hexadecimal digits, as `remit approvals key` shows it",
                text,
            )
    return found
