"""ONNX models (onnx.proto): operators, inputs and outputs, initializers, where outside data is.

Numbers that are not stored raw, and subgraphs and tensors in attributes, count by their digest.
"""

import hashlib
from typing import BinaryIO

import msgspec

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.protobuf import Field, Message, varints
from remit.artifacts.diff.formats.tensors import MAX_DIMENSIONS, MAX_TENSORS, Tensor

MAX_NODES = 200_000
_CHUNK = 1024 * 1024
_DTYPES = {
    1: ("FLOAT", 4, "f32"), 2: ("UINT8", 1, "u8"), 3: ("INT8", 1, "i8"), 4: ("UINT16", 2, "u16"),
    5: ("INT16", 2, "i16"), 6: ("INT32", 4, "i32"), 7: ("INT64", 8, "i64"), 8: ("STRING", 0, ""),
    9: ("BOOL", 1, "bool"), 10: ("FLOAT16", 2, "f16"), 11: ("DOUBLE", 8, "f64"),
    12: ("UINT32", 4, "u32"), 13: ("UINT64", 8, "u64"), 16: ("BFLOAT16", 2, "bf16"),
    17: ("FLOAT8E4M3FN", 1, "f8_e4m3"), 19: ("FLOAT8E5M2", 1, "f8_e5m2"),
}  # fmt: skip


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An operator of the graph.

    Attributes:
        name: may be empty.
        operator: its type, after its domain if that is not the standard one.
        inputs, outputs: names of values.
        attributes: name → digest of the value.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared of a model.

    Attributes:
        nodes: in order.
        tensors: initializers with raw data, by name.
        facts: everything else by name: versions, operator sets, properties, inputs, outputs,
            functions, and initializers without raw data with the place or digest of it.
    """

    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]
    facts: dict[str, str]


def read(file: BinaryIO, size: int) -> Graph:
    """The graph of a model of ``size`` bytes.

    Raises:
        NotLookedIntoError: malformed, no ONNX model, or beyond the bounds.
    """
    return _Reader(file, size).graph()


class _Reader:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._message = Message(file)
        self._nodes: list[Node] = []
        self._tensors: dict[str, Tensor] = {}
        self._facts: dict[str, str] = {}

    def graph(self) -> Graph:
        graphs = 0
        for field in self._message.fields(0, self._size):
            if field.number == 7 and field.framed:  # noqa: PLR2004 - graph
                graphs += 1
                self._graph(field)
            elif field.number == 8 and field.framed:  # noqa: PLR2004 - opset_import
                parts = self._parts(field)
                self._fact(f"opset {parts.get(1, '') or 'ai.onnx'}", parts.get(2, "0"))
            elif field.number == 14 and field.framed:  # noqa: PLR2004 - metadata_props
                parts = self._parts(field)
                self._fact(f"property {parts.get(1, '')}", parts.get(2, ""))
            else:
                names = {1: "ir_version", 2: "producer", 3: "producer_version", 4: "domain",
                         5: "model_version", 6: "description"}  # fmt: skip
                name = names.get(field.number, f"field {field.number}")
                self._fact(name, self._shown(field, text=field.number in names))
        if graphs != 1:
            raise NotLookedIntoError(f"it has {graphs} graphs as an ONNX model; one is read")
        return Graph(nodes=tuple(self._nodes), tensors=self._tensors, facts=self._facts)

    def _graph(self, graph: Field) -> None:
        for field in self._message.fields(graph.start, graph.end):
            if field.number == 1 and field.framed:
                if len(self._nodes) >= MAX_NODES:
                    raise NotLookedIntoError(f"it has more than {MAX_NODES} operators")
                self._nodes.append(self._node(field))
            elif field.number == 5 and field.framed:  # noqa: PLR2004 - initializer
                if len(self._tensors) >= MAX_TENSORS:
                    raise NotLookedIntoError(f"it has more than {MAX_TENSORS} tensors")
                self._tensor(field)
            elif field.number in {11, 12, 13} and field.framed:
                what = {11: "input", 12: "output", 13: "value"}[field.number]
                name = self._parts(field).get(1, "")
                self._fact(f"{what} {name}", self._digest(field))
            else:
                named = {2: "graph", 10: "graph_description"}.get(field.number)
                self._fact(
                    named or f"graph field {field.number}", self._shown(field, text=bool(named))
                )

    def _node(self, node: Field) -> Node:
        inputs: list[str] = []
        outputs: list[str] = []
        texts = {3: "", 4: "", 7: ""}
        attributes: list[tuple[str, str]] = []
        for field in self._message.fields(node.start, node.end):
            if not field.framed:
                attributes.append((f"field {field.number}", str(field.value)))
            elif field.number == 1:
                inputs.append(self._message.text(field))
            elif field.number == 2:  # noqa: PLR2004 - output
                outputs.append(self._message.text(field))
            elif field.number in texts:
                texts[field.number] = self._message.text(field)
            elif field.number == 5:  # noqa: PLR2004 - attribute
                attributes.append((self._parts(field).get(1, ""), self._digest(field)))
            elif field.number != 6:  # noqa: PLR2004 - its description says nothing to a machine
                attributes.append((f"field {field.number}", self._digest(field)))
        domain = "" if texts[7] in {"", "ai.onnx"} else f"{texts[7]}:"
        return Node(
            name=texts[3],
            operator=f"{domain}{texts[4]}",
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            attributes=tuple(sorted(attributes)),
        )

    def _tensor(self, tensor: Field) -> None:
        shape: list[int] = []
        name, kind, outside = "", 0, ""
        others: list[tuple[int, str]] = []
        raw: Field | None = None
        for field in self._message.fields(tensor.start, tensor.end):
            if field.number == 1:
                packed = varints(self._message.raw(field, 4096)) if field.framed else [field.value]
                shape += packed
            elif field.number == 2 and not field.framed:  # noqa: PLR2004 - data_type
                kind = field.value
            elif field.number == 8 and field.framed:  # noqa: PLR2004 - name
                name = self._message.text(field)
            elif field.number == 9 and field.framed:  # noqa: PLR2004 - raw_data
                raw = field
            elif field.number == 13 and field.framed:  # noqa: PLR2004 - external_data
                parts = self._parts(field)
                outside += f"{parts.get(1, '')}={parts.get(2, '')} "
            else:
                others.append((field.number, self._digest(field)))
        if len(shape) > MAX_DIMENSIONS:
            raise NotLookedIntoError(f"a tensor has more than {MAX_DIMENSIONS} dimensions")
        dtype, width, scalar = _DTYPES.get(kind, (f"type {kind}", 0, ""))
        if outside:
            self._fact(f"outside data of {name}", f"{dtype} {shape} {outside.strip()}")
        elif raw is None:
            self._fact(f"initializer {name}", f"{dtype} {shape} {self._digest(tensor)}")
            return
        for number, value in others:
            self._fact(f"field {number} of {name}", value)
        if raw is not None:
            found = Tensor(
                name=name, dtype=dtype, shape=tuple(shape), offset=raw.start,
                size=raw.end - raw.start, scalar=scalar,
            )  # fmt: skip
            self._keep(found, width)

    def _keep(self, found: Tensor, width: int) -> None:
        """Take a tensor whose numbers have ``width`` bytes, 0 if that is not known."""
        if width and found.count * width != found.size:
            raise NotLookedIntoError("the size of a tensor is not that of its shape and type")
        if found.name in self._tensors:
            raise NotLookedIntoError("it has a tensor twice")
        self._tensors[found.name] = found

    def _parts(self, field: Field) -> dict[int, str]:
        """The texts and numbers of a small message by field number."""
        found: dict[int, str] = {}
        for each in self._message.fields(field.start, field.end):
            if each.number in {1, 2}:
                found[each.number] = self._shown(each, text=True)
        return found

    def _shown(self, field: Field, *, text: bool) -> str:
        if not field.framed:
            return str(field.value)
        short = text and field.end - field.start <= 65_536  # noqa: PLR2004 - else its digest
        return self._message.text(field) if short else self._digest(field)

    def _fact(self, name: str, value: str) -> None:
        key, number = name, 1
        while key in self._facts and number < 100:  # noqa: PLR2004 - names are meant to be unique
            number += 1
            key = f"{name} #{number}"
        if len(self._facts) >= MAX_NODES or key in self._facts:
            raise NotLookedIntoError("it has too many values")
        self._facts[key] = value

    def _digest(self, field: Field) -> str:
        if not field.framed:
            return str(field.value)
        taken = hashlib.sha256()
        self._file.seek(field.start)
        left = field.end - field.start
        while left:
            chunk = self._file.read(min(left, _CHUNK))
            if not chunk:
                raise NotLookedIntoError("the file became shorter while it was read")
            taken.update(chunk)
            left -= len(chunk)
        return f"sha256:{taken.hexdigest()}"
