"""modelaudit: models of forty formats, by lists of what is dangerous and of what is known.

It answers for formats that Remit does not read itself; that is said as ``coverage.second_hand``.
Names that are merely not on its list are doubts (``pickle.unknown``), which Remit's own reading may
settle. It reports to its makers unless two variables forbid it, and may fetch what a path names as
a URL: it gets absolute paths, in a sandbox without network.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import UNKNOWN, Found, Tool, Unread

_SUFFIX = re.compile(
    r"(?i)\.(?:pkl|pickle|p|dill|joblib|cloudpickle|pt|pth|ckpt|bin|mar|nemo|t7|th|net|npy|npz|h5|hdf5|keras"
    r"|pb|pbtxt|meta|onnx|gguf|ggml|safetensors|tflite|pmml|xml|skops|msgpack|flax|orbax|jax|model"
    r"|mlmodel|engine|plan|trt|pdmodel|pdiparams|params|bst|ubj|cbm|lgb|rds|rda|rdata|rknn|pte|llamafile|7z|zip"
    r"|tar|tgz|gz|bz2|xz|lz4|jinja|jinja2|j2|template)\Z"
)
_CONFIG = re.compile(
    r"(?i)(?:\A|[/\\])(?:config|tokenizer_config|model_index|generation_config|adapter_config"
    r"|preprocessor_config|chat_template)\.(?:json|ya?ml)\Z"
)
_FORMS = (
    (".gguf", "gguf"), (".safetensors", "safetensors"), (".npy", "npy"), (".json", "json"),
    (".jinja", "template"), (".jinja2", "template"), (".j2", "template"), (".template", "template"),
    (".yaml", "yaml"), (".yml", "yaml"),
)  # fmt: skip
_LEVELS = {"critical": "critical", "warning": "medium"}
_IMPORTS = re.compile(r"S1(?:0\d|1[05])\Z|S20[1-7]\Z|S30\d\Z")
_AT = re.compile(r"\s*\((?:pos|offset|line)\s*(\d+)\)\Z")
_DANGEROUS = frozenset({"DANGEROUS_CALL", "DANGEROUS_GLOBAL", "DANGEROUS_IMPORT"})


class Modelaudit(Tool):
    """Driver of modelaudit."""

    name: ClassVar[str] = "modelaudit"
    distribution: ClassVar[str] = "modelaudit"
    summary: ClassVar[str] = "models of many formats"
    variables: ClassVar[dict[str, str]] = {
        "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    memory: ClassVar[int] = 3_000_000_000
    resident: ClassVar[int] = 400_000_000
    item_seconds: ClassVar[float] = 60.0
    # A numpy pickle of 210 MB took it 94 s.
    max_bytes: ClassVar[int] = 64 * 1024 * 1024
    cost: ClassVar[float] = 15.0
    vouches: ClassVar[frozenset[str]] = frozenset({"keras", "hdf5", "tflite", "xml", "flax"})

    def claims(self, artifact: Any, member: Any) -> str:
        """Models by name or content; within archives only what Remit does not read itself."""
        from remit.scan.scanners.executables import formats
        from remit.scan.scanners.pickles import Pickles
        from remit.scan.walk import archive_kind

        known = formats(member)
        form = next((each for each in known if each in self.vouches), "")
        if form or "!/" in member.path:
            return form
        pickle = Pickles().claims(artifact, member)
        if not pickle and not _SUFFIX.search(member.path) and not _CONFIG.search(member.path):
            return ""
        ends = next((each for end, each in _FORMS if member.path.lower().endswith(end)), "")
        kind = archive_kind(member) or ("pickle" if pickle else "")
        return kind or ends or (known[0] if known else UNKNOWN)

    def prepare(self) -> None:
        """Import it."""
        import logging

        import modelaudit.core
        import modelaudit.core_results

        logging.disable(logging.CRITICAL)
        self._scan = modelaudit.core.scan_model_directory_or_file
        self._open = modelaudit.core_results.results_have_inconclusive_outcome

    def samples(self) -> list[tuple[str, bytes, str]]:
        """One of each of the commonest: it loads a reader when it meets the first such file."""
        import pickle
        import struct

        head = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        weights = struct.pack("<Q", len(head)) + head + bytes(4)
        return [
            ("file.pkl", pickle.dumps({"w": [0.5]}), "pickle"),
            ("file.safetensors", weights, "safetensors"),
            ("config.json", b'{"hidden_size": 64}', "json"),
        ]

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """Its issues of warning and worse."""
        result = self._scan(
            path, timeout=int(self.item_seconds) - 5, cache_enabled=False, skip_file_types=False,
            use_hf_whitelist=False,
        )  # fmt: skip
        for issue in result.issues:
            severity = _LEVELS.get(str(getattr(issue.severity, "value", issue.severity)))
            if severity is not None and not issue.details.get("analysis_incomplete"):
                yield _found(issue, severity, path)
        if not result.files_scanned or not set(result.scanner_names) - {"unknown", ""}:
            raise Unread("modelaudit has no scanner for it", "unsupported")
        if self._open(result):
            raise Unread("modelaudit did not come to a conclusion", "partial")
        if form in self.vouches and not result.success:
            raise Unread("modelaudit did not finish", "partial")


def _found(issue: Any, severity: str, path: str) -> Found:
    code = str(issue.rule_code or "")
    details = issue.details
    kind = str(details.get("pickle_rule_code") or "")
    place = str(issue.location or "")
    inner = place.removeprefix(path).lstrip(":/") if place.startswith(path) else ""
    inner = _AT.sub("", inner)
    name = str(details.get("import_reference") or details.get("associated_global") or "")
    if kind == "NON_ALLOWLISTED_GLOBAL":
        rule = "pickle.unknown"
    elif kind in _DANGEROUS or (severity == "critical" and _IMPORTS.match(code) and name):
        rule = "pickle.import"
    elif severity == "medium" and code.startswith("S20"):
        rule = "pickle.opcodes"
    elif issue.message.startswith("Python code file found in PyTorch"):
        rule = "torch.code"
    elif re.search(r"\b(?:Save|Restore|SaveV2|RestoreV2|MergeV2Checkpoints)\b", issue.message):
        rule = "graph.saves"
    else:
        rule = f"modelaudit.{(code or str(issue.type or 'issue')).lower()}"
    return Found(rule, issue.message, severity, evidence=name, inner=inner, name=name)


TOOL = Modelaudit()
