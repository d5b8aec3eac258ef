"""Formats that can execute, by magic and name: each needs a scanner that has read it.

What is said here is ``unsupported``. A scanner that reads such a format completely answers for it
by a coverage with the same ``format``; where none does, the artifact is blocked.
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from remit.core.digest import Digest
from remit.scan.base import Artifact, Coverage, Member, Result, Scanner, register
from remit.scan.rules import rules_of

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x7fELF", "native"),
    (b"\xcf\xfa\xed\xfe", "native"),
    (b"\xce\xfa\xed\xfe", "native"),
    (b"\xca\xfe\xba\xbe", "native"),
    (b"\xfe\xed\xfa", "native"),
    (b"MZ", "native"),
    (b"\0asm", "wasm"),
    (b"#!", "code"),
    (b"SIMPLE  =", "fits"),
)
_TFLITE = b"TFL3"
_NAMES: tuple[tuple[str, str], ...] = (
    (r"\.(h5|hdf5)$", "hdf5"),
    (r"(^|/)(saved_model|keras_metadata)\.pb(txt)?$|\.pb$|\.meta$", "tensorflow"),
    (r"\.onnx$", "onnx"),
    (r"\.tflite$", "tflite"),
    (r"\.keras$", "keras"),
    (r"\.(pmml|xml)$", "xml"),
    (r"\.(engine|plan|trt)$", "tensorrt"),
    (r"\.(mlmodel|mlpackage)$", "coreml"),
    (r"\.(pdmodel|pdiparams)$", "paddle"),
    (r"\.(rds|rda|rdata)$", "r"),
    (r"\.(msgpack|flax|orbax)$", "flax"),
    (r"\.(so(\.\d+)*|dll|dylib|exe|pyd|com|scr)$", "native"),
    (r"\.(pyc|pyo)$", "bytecode"),
    (r"\.(py|pyw|ipynb|sh|bash|zsh|fish|ps1|bat|cmd|js|mjs|cjs|ts|rb|pl|lua|php|vbs|jar|class)$",
     "code"),
    (r"\.(whl|egg)$", "code"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), form) for pattern, form in _NAMES)


@register
class Executables(Scanner):
    """Knows formats; reads none."""

    name: ClassVar[str] = "executables"
    version: ClassVar[str] = "1"

    @property
    def rules(self) -> Digest:
        """Of the code."""
        return rules_of("scanners/executables.py")

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """What has a magic or name of such a format."""
        del artifact
        return bool(formats(member))

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """One coverage for each format that a member may be."""
        del artifact
        for member in claimed:
            for form in formats(member):
                yield Coverage(
                    member=member.path,
                    status="unsupported",
                    reason=f"it may be {form}, which no scanner has read",
                    executes=True,
                    format=form,
                )


def formats(member: Member) -> list[str]:
    """Formats that can execute and that a member may be."""
    found = [form for magic, form in _MAGICS if member.head.startswith(magic)]
    if member.head[4:8] == _TFLITE:
        found.append("tflite")
    found += [form for pattern, form in _PATTERNS if pattern.search(member.path)]
    return [form for form in dict.fromkeys(found) if not _is_torchscript(member, form)]


def _is_torchscript(member: Member, form: str) -> bool:
    """The sources in a torch archive, which Python does not run; :mod:`containers` reads them."""
    return form == "code" and re.search(r"!/[^/]+/code/.+\.py$", member.path) is not None
