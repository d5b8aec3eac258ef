"""Graphs of TensorFlow and ONNX: every operator, also in functions and branches, by name.

Read field by field (:mod:`remit.artifacts.diff.formats.protobuf`), numbers are passed over.

- TensorFlow: operators that read, write or run something are critical, others that are not on the
  list of plain ones high, which includes all that a library of somebody's own adds.
- ONNX: domains by a list, unless the model brings the function itself; external data in the folder.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import BinaryIO

import msgspec

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.protobuf import Field, Message
from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Member,
    Result,
    Severity,
    evidence,
    register,
)
from remit.scan.scanners._format import FormatScanner

_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "com.microsoft"})
_RUNS = frozenset({"PythonOp", "PythonOpGrad", "ATen", "ExternalOp"})
_LOCATION = re.compile(r"[\w\-][\w.\- ]*(?:/[\w\-][\w.\- ]*)*")
_MAX_DEPTH = 24
_MAX_SAID = 200


class _Lists(msgspec.Struct, frozen=True):
    about: str
    plain: frozenset[str]
    reaching: frozenset[str]


@functools.cache
def _lists() -> _Lists:
    data = (resources.files("remit.scan") / "data" / "tensorflow_operators.json").read_bytes()
    return msgspec.json.decode(data, type=_Lists)


@register
class Graphs(FormatScanner):
    """Reads the names of operators."""

    name = "graphs"
    version = "1"
    sources = ("data/tensorflow_operators.json",)

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """By name: protocol buffers have no magic."""
        del artifact
        return bool(_form(member))

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        del artifact
        for member in claimed:
            reason = ""
            with member.open() as file:
                reader: _Onnx | _TensorFlow
                reader = (
                    _Onnx(member, file) if _form(member) == "onnx" else _TensorFlow(member, file)
                )
                try:
                    reader.read()
                    if not reader.nodes:
                        reason = "it has no operator that could be read"
                except NotLookedIntoError as error:
                    reason = error.message
            yield from reader.found.values()
            yield Coverage(
                member=member.path,
                status="error" if reason else "complete",
                reason=reason,
                executes=True,
                format=_form(member),
            )


def _form(member: Member) -> str:
    path = member.path.lower()
    if path.endswith(".onnx"):
        return "onnx"
    if path.endswith("keras_metadata.pb"):
        return ""  # JSON with marshalled code in it, which is not read here
    return "tensorflow" if path.endswith(".pb") else ""


class _Reader:
    """Goes through messages of one file; ``found`` has each thing once."""

    def __init__(self, member: Member, file: BinaryIO) -> None:
        self._member = member
        self._message = Message(file)
        self.nodes = 0
        self.found: dict[tuple[str, str], Finding] = {}

    def fields(self, field: Field, depth: int) -> Iterator[Field]:
        """The fields of a message."""
        if depth > _MAX_DEPTH:
            raise NotLookedIntoError("it is nested too deeply")
        return self._message.fields(field.start, field.end)

    def text(self, field: Field) -> str:
        """A field with a text."""
        if not field.framed:
            raise NotLookedIntoError("a name in it is a number")
        return self._message.text(field)

    def say(self, rule: str, severity: Severity, title: str, text: str) -> None:
        """Keep a finding, once."""
        if len(self.found) < _MAX_SAID or severity == "critical":
            self.found.setdefault(
                (rule, text[:200]),
                Finding(
                    rule=f"graph.{rule}",
                    title=title,
                    severity=severity,
                    member=self._member.path,
                    evidence=evidence(text[:200]),
                ),
            )


class _TensorFlow(_Reader):
    """``SavedModel`` or ``GraphDef``."""

    def read(self) -> None:
        """Go through the file, as each of the two that it may be."""
        fields = list(self._message.fields(0, self._member.size))
        kinds = {field.framed for field in fields if field.number == 1}
        if len(kinds) > 1:
            raise NotLookedIntoError("it may be a SavedModel or a graph")
        saved = kinds != {True}
        for field in fields:
            if not field.framed:
                continue
            if field.number == 1:
                self._node(field, 0)
            elif field.number == 2:
                if saved:
                    self._meta(field)
                else:
                    self._library(field)

    def _meta(self, meta: Field) -> None:
        for field in self.fields(meta, 1):
            if field.number == 2 and field.framed:
                for each in self.fields(field, 2):
                    if each.number == 1 and each.framed:
                        self._node(each, 3)
                    elif each.number == 2 and each.framed:
                        self._library(each)

    def _library(self, library: Field) -> None:
        for function in self.fields(library, 4):
            if function.number == 1 and function.framed:
                for field in self.fields(function, 5):
                    if field.number == 3 and field.framed:
                        self._node(field, 6)

    def _node(self, node: Field, depth: int) -> None:
        for field in self.fields(node, depth):
            if field.number == 2:
                self.nodes += 1
                self._operator(self.text(field))

    def _operator(self, name: str) -> None:
        lists = _lists()
        if name in lists.reaching:
            self.say("operator", "critical", "an operator reads, writes or runs something", name)
        elif name not in lists.plain and not name.startswith(("__inference_", "__forward_")):
            self.say("unknown", "high", "an operator is not known", name)


class _Onnx(_Reader):
    """``ModelProto``."""

    def __init__(self, member: Member, file: BinaryIO) -> None:
        super().__init__(member, file)
        self._own: set[tuple[str, str]] = set()

    def read(self) -> None:
        """Go through the file; functions that it brings are known first."""
        functions = []
        fields = list(self._message.fields(0, self._member.size))
        for field in fields:
            if field.number == 25 and field.framed:
                functions.append(field)
                self._own.add(self._names(field, 1, 10))
        for field in functions:
            for each in self.fields(field, 1):
                if each.number == 7 and each.framed:
                    self._node(each, 2)
        for field in fields:
            if field.number == 7 and field.framed:
                self._graph(field, 1)
            elif field.number == 20 and field.framed:
                for each in self.fields(field, 1):
                    if each.number in {1, 2} and each.framed:
                        self._graph(each, 2)

    def _names(self, message: Field, name: int, domain: int) -> tuple[str, str]:
        wanted = {name, domain}
        fields = list(self.fields(message, 1))
        found = {each.number: self.text(each) for each in fields if each.number in wanted}
        return found.get(domain, ""), found.get(name, "")

    def _graph(self, graph: Field, depth: int) -> None:
        for field in self.fields(graph, depth):
            if not field.framed:
                continue
            if field.number == 1:
                self._node(field, depth + 1)
            elif field.number == 5:
                self._tensor(field, depth + 1)
            elif field.number == 15:
                self._sparse(field, depth + 1)

    def _node(self, node: Field, depth: int) -> None:
        domain, operator = self._names(node, 4, 7)
        self.nodes += 1
        if operator in _RUNS:
            self.say("operator", "critical", "an operator runs code", f"{domain}::{operator}")
        elif domain not in _DOMAINS and (domain, operator) not in self._own:
            self.say("domain", "high", "an operator is of no known domain", f"{domain}::{operator}")
        for field in self.fields(node, depth):
            if field.number == 5 and field.framed:
                self._attribute(field, depth + 1)

    def _attribute(self, attribute: Field, depth: int) -> None:
        for field in self.fields(attribute, depth):
            if not field.framed:
                continue
            if field.number in {6, 11}:  # g, graphs
                self._graph(field, depth + 1)
            elif field.number in {5, 10}:  # t, tensors
                self._tensor(field, depth + 1)
            elif field.number in {22, 23}:  # sparse_tensor, sparse_tensors
                self._sparse(field, depth + 1)

    def _sparse(self, sparse: Field, depth: int) -> None:
        for field in self.fields(sparse, depth):
            if field.number in {1, 2} and field.framed:
                self._tensor(field, depth + 1)

    def _tensor(self, tensor: Field, depth: int) -> None:
        for field in self.fields(tensor, depth):
            if field.number == 13 and field.framed:
                key, value = self._names(field, 2, 1)
                if key == "location" and not _LOCATION.fullmatch(value):
                    self.say("location", "critical", "its data are outside of its folder", value)
