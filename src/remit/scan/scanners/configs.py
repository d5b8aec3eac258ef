"""Configurations of frameworks: what makes a loader run code that a file names."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Member,
    Result,
    Severity,
    register,
)
from remit.scan.document import MAX_JSON, BrokenDocumentError, Tag, read_json, read_yaml, walk
from remit.scan.pickle.names import is_dangerous
from remit.scan.scanners._format import FormatScanner, finds

_TARGETS = frozenset(
    [
        "torch.nn",
        "torch.optim",
        "torch.utils.data",
        "torchvision.transforms",
        "torchvision.models",
        "transformers",
        "diffusers",
        "pytorch_lightning.callbacks",
        "pytorch_lightning.loggers",
        "lightning.pytorch.callbacks",
        "lightning.pytorch.loggers",
        "monai.transforms",
        "monai.networks",
        "monai.losses",
    ]
)
_REACHES = re.compile(
    r"(?i)load|save|open|exec|eval|system|run|popen|call|import|download|read|write|hub|from_"
)
_DATA = re.compile(r"\.(json|ya?ml)$", re.IGNORECASE)
_NAMED = re.compile(r"(?i)(config|processor|index|recipe)[^/]*\.json$")
"""Names that loaders read: where such a file cannot be read, what it asks for is not known."""
_PYTHON = "tag:yaml.org,2002:python/"

_found = finds("config")


@register
class Configs(FormatScanner):
    """Reads JSON and YAML, every key and value of it."""

    name = "configs"
    version = "1"
    sources = ("document.py",)

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """JSON and YAML by their names."""
        del artifact
        return _DATA.search(member.path) is not None

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        del artifact
        for member in claimed:
            yaml = not member.path.lower().endswith(".json")
            form = "yaml" if yaml else "json"
            with member.open() as file:
                data = file.read(MAX_JSON + 1)
            try:
                documents = read_yaml(data) if yaml else [read_json(data)]
            except BrokenDocumentError as error:
                if "twice" in str(error):
                    yield _found(
                        member, "ambiguous", "medium", "readers may understand it differently", ""
                    )
                yield Coverage(
                    member=member.path,
                    status="error",
                    reason=str(error),
                    executes=yaml or _NAMED.search(member.path) is not None,
                    format=form,
                )
                continue
            for document in documents:
                for pointer, key, value in walk(document):
                    yield from _value(member, pointer, key, value)
            yield Coverage(member=member.path, status="complete", executes=yaml, format=form)


def _value(member: Member, pointer: str, key: str, value: Any) -> Iterator[Finding]:
    if isinstance(value, Tag):
        python = value.tag.startswith((_PYTHON, "!!python", "!python"))
        yield _found(
            member,
            "yaml-tag",
            "critical" if python else "high",
            "a tag makes an object of a value",
            value.tag,
            pointer,
        )
    if key == "auto_map":
        yield from _auto_map(member, pointer, value)
    elif key == "trust_remote_code" and value in {True, "true", "True", "yes", "on"}:
        yield _found(
            member, "remote-code", "medium", "it asks to trust code that comes with a model", "",
            pointer,
        )  # fmt: skip
    elif key == "_target_" and isinstance(value, str):
        yield from _target(member, pointer, value)
    elif key == "_target_":
        yield _found(member, "target", "high", "what is made is no text", "", pointer)


def _auto_map(member: Member, pointer: str, value: Any) -> Iterator[Finding]:
    for at, _, each in walk(value, pointer):
        if not isinstance(each, str):
            continue
        if "--" in each:
            yield _found(
                member, "foreign-code", "critical", "it runs code of another repository", each, at
            )
        else:
            yield _found(
                member, "own-code", "medium", "it runs code that comes with the model", each, at
            )


def _target(member: Member, pointer: str, value: str) -> Iterator[Finding]:
    module, _, name = value.strip().rpartition(".")
    package = ".".join(module.split(".")[:2])
    known = package in _TARGETS or module in _TARGETS or module.split(".")[0] in _TARGETS
    if known and not _REACHES.search(name) and name[:1] != "_":
        return
    # torch.utils is dangerous for pickles; its data sets are asked for by name in many recipes.
    severity: Severity = "critical" if not known and is_dangerous(module or value) else "high"
    yield _found(member, "target", severity, "it makes or calls what a text names", value, pointer)
