"""Models: weights, alone or as a checkout of a hub (``config.json``, tokenizer, model card)."""

from remit.artifacts.errors import DefinitionError, PackError
from remit.artifacts.kinds.base import (
    MAX_TEXT_BYTES,
    Recognised,
    field,
    front_matter,
    grouped,
    in_order,
    is_document,
)
from remit.artifacts.kitfile import Entry, Kitfile, Section
from remit.artifacts.members import shown
from remit.artifacts.tree import Tree
from remit.artifacts.yamltree import Scalar

FORMATS = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".onnx": "onnx",
    ".bin": "pytorch",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".ckpt": "pytorch",
    ".pkl": "pickle",
    ".joblib": "joblib",
    ".skops": "skops",
    ".keras": "keras",
    ".h5": "hdf5",
    ".tflite": "tflite",
    ".msgpack": "flax",
    ".mlmodel": "coreml",
    ".ggml": "ggml",
    ".pb": "tensorflow",
}
"""Ending of a file of weights → its format."""
CARD = "README.md"
CONFIG = "config.json"
_CODE = (".py", ".ipynb", ".sh", ".js", ".ts", ".rs", ".go", ".c", ".cpp", ".h")
_LFS = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER = 1024


def detect(tree: Tree) -> Recognised | None:
    """A model, if there are weights, or a ``config.json`` of one whose weights are links."""
    pointers(tree)
    weights = [name for name in tree.files if _format(name)]
    if not weights:
        linked = [name for name in tree.skipped if _format(name)]
        if linked:
            raise PackError(
                f"`{shown(linked[0])}` is a link, and links are not packed",
                hint="the cache of a hub holds links: download into a directory of your own",
            )
        return None
    others = [name for name in tree.files if not _format(name) and not is_document(name)]
    if CONFIG not in tree.files and _bytes(tree, others) > _bytes(tree, weights):
        return None
    card = _card(tree)
    first = max(weights, key=lambda name: (_order(name), tree.files[name]))
    entries = [_model(each, first) for each in grouped(tree, _section)]
    if sum(each.section == "model" for each in entries) != 1:
        entries = [Entry(section="model", path=".")]
    name = field(card, "model_name") or tree.name
    licence = field(card, "license")
    head = Entry(
        section="model",
        path=next(each.path for each in entries if each.section == "model"),
        name=name,
        license=licence,
        framework=field(card, "library_name"),
        format=_format(first),
    )
    rest = [each for each in entries if each.section != "model"]
    return Recognised(
        kind="model",
        why=f"`{first}` holds weights",
        kitfile=Kitfile(name=name, license=licence, entries=in_order([head, *rest])),
    )


def pointers(tree: Tree) -> None:
    """Look for files of which Git LFS has only the pointer.

    Raises:
        PackError: there is one: what would be packed is not what is meant.
    """
    for name, size in tree.files.items():
        if size < _MAX_POINTER and tree.read(name, _MAX_POINTER).startswith(_LFS):
            raise PackError(
                f"`{shown(name)}` is a pointer of Git LFS and not the file",
                hint="run `git lfs pull` in the checkout first",
            )


def _format(name: str) -> str:
    return FORMATS.get(name[name.rfind(".") :].lower(), "") if "." in name else ""


def _bytes(tree: Tree, names: list[str]) -> int:
    return sum(tree.files[name] for name in names)


def _order(name: str) -> int:
    return -list(FORMATS.values()).index(_format(name)) - 100 * name.count("/")


def _section(name: str) -> Section:
    if is_document(name):
        return "docs"
    return "code" if name.lower().endswith(_CODE) else "modelpart"


def _model(entry: Entry, first: str) -> Entry:
    """The entry of the first file of weights becomes the model, that of others a part."""
    if entry.path in {first, first.partition("/")[0]} or entry.path == ".":
        return Entry(section="model", path=entry.path)
    if entry.section != "modelpart":
        return entry
    name = entry.path.rpartition("/")[2]
    return Entry(section="modelpart", path=entry.path, name=name)


def _card(tree: Tree) -> dict[str, object]:
    """The metadata of the model card; empty if there is none that can be read."""
    if CARD not in tree.files:
        return {}
    try:
        values, _ = front_matter(tree.text(CARD, MAX_TEXT_BYTES), CARD)
    except (DefinitionError, PackError):
        return {}
    licence = values.get("license")
    if isinstance(licence, list):
        values["license"] = Scalar.of(" AND ".join(map(str, licence)), quoted=True)
    if field(values, "license") == "other" and field(values, "license_name"):
        values["license"] = values["license_name"]
    return values
