"""The first step, in its own sandbox: unpack once, and lay out what each external scanner reads.

``python -I -m remit.scan.external.stage REQUEST`` writes copies below ``/scratch`` under neutral
names with their true suffixes, and prints which is whose. Names of an artifact therefore decide
nothing in scanners that look away by name, and no file beside them is read as a configuration.
Large files are not copied: an empty file keeps the place at which they are mounted.
"""

import re
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from remit.scan.base import Artifact
from remit.scan.external.driver import UNKNOWN, Tool, load
from remit.scan.walk import FileMember, Walk

COPIED = 64 * 1024 * 1024
ITEMS = "items"
_SUFFIX = re.compile(r"(?:\.[A-Za-z0-9_]{1,12}){1,2}\Z")
_KEPT = re.compile(
    r"(?i)(?:\A|[/\\])((?:config|tokenizer_config|model_index|generation_config|adapter_config"
    r"|preprocessor_config|chat_template|saved_model|keras_metadata|metadata|schema|package|setup"
    r"|pyproject)\.(?:json|pb|jinja|yaml|yml|py|cfg|toml))\Z"
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be laid out.

    Attributes:
        root, scratch: of the artifact, and an empty directory.
        tools: names of external scanners.
        kind, metadata: of the artifact.
        memory, cpu_s: limits of this process.
    """

    root: str
    scratch: str
    tools: tuple[str, ...]
    kind: str = ""
    metadata: dict[str, Any] = {}
    memory: int = 1_500_000_000
    cpu_s: int = 300


class Item(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Something that a scanner reads at once.

    Attributes:
        item: number, of this scanner.
        member: number of the member that it is, or that stands for a directory.
        place: below the scratch directory.
        form: format as which it is read.
        size: in bytes.
        executes: whether what it does not read must be read by somebody else.
        vouches: whether its complete reading counts for the format.
        within: numbers of all members of a directory.
    """

    item: int
    member: int
    place: str
    form: str
    size: int = 0
    executes: bool = True
    vouches: bool = False
    within: tuple[int, ...] = ()


class Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was laid out.

    Attributes:
        members: paths in the artifact.
        items: of each scanner.
        mounted: places of files that are too large to copy, and where they are in the artifact.
    """

    members: list[str]
    items: dict[str, list[Item]]
    mounted: dict[str, str] = {}


class Layout:
    """Copies of members, each made once."""

    def __init__(self, root: Path, scratch: Path, members: list[FileMember]) -> None:
        self._root = root
        self._scratch = scratch
        self._numbers = {id(member): number for number, member in enumerate(members)}
        self._places: dict[int, str] = {}
        self._folders = 0
        self.mounted: dict[str, str] = {}

    def number(self, member: FileMember) -> int:
        """Of a member."""
        return self._numbers[id(member)]

    def file(self, member: FileMember) -> str:
        """Place of a member under a neutral name."""
        number = self.number(member)
        if number not in self._places:
            kept = _KEPT.search(member.path)
            suffix = _SUFFIX.search(member.path)
            name = kept[1].lower() if kept else f"file{suffix[0] if suffix else ''}"
            self._places[number] = f"{ITEMS}/{number}/{name}"
            self._put(member, self._places[number])
        return self._places[number]

    def folder(self, path: str, members: list[FileMember]) -> str:
        """Place of a directory with members under their own names."""
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", path.rpartition("/")[2]).strip(".") or "artifact"
        place = f"{ITEMS}/d{self._folders}/{base[:64]}"
        self._folders += 1
        for member in members:
            inner = member.path[len(path) :].lstrip("/") if path else member.path
            parts = [part[:200] for part in re.split(r"/|!/", inner) if part not in {"", ".", ".."}]
            if parts:
                self._put(member, "/".join((place, *parts)))
        return place

    def _put(self, member: FileMember, place: str) -> None:
        target = self._scratch / place
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        inside = member.place.is_relative_to(self._root)
        if not inside:
            target.hardlink_to(member.place)
        elif member.size <= COPIED:
            shutil.copyfile(member.place, target)
        else:
            target.touch()
            self.mounted[place] = str(member.place.relative_to(self._root))


def main() -> int:
    """Lay out and print a listing."""
    request = msgspec.json.decode(sys.argv[1], type=Request)
    for kind, limit in ((resource.RLIMIT_AS, request.memory), (resource.RLIMIT_CPU, request.cpu_s)):
        resource.setrlimit(kind, (limit, limit))
    unpacked = Path(request.scratch) / "unpacked"
    unpacked.mkdir()
    members = list(Walk(Path(request.root), unpacked).members())
    artifact = Artifact(digest="", kind=request.kind, members=members, metadata=request.metadata)
    layout = Layout(Path(request.root), Path(request.scratch), members)
    items = {name: _items(load(name), artifact, members, layout) for name in request.tools}
    listing = Listing(
        members=[member.path for member in members], items=items, mounted=layout.mounted
    )
    sys.stdout.buffer.write(msgspec.json.encode(listing))
    sys.stdout.buffer.flush()
    return 0


def _items(tool: Tool, artifact: Artifact, members: list[FileMember], layout: Layout) -> list[Item]:
    found: list[Item] = []
    for member in members:
        form = tool.claims(artifact, member)
        if not form:
            continue
        large = member.size > tool.max_bytes
        found.append(
            Item(
                item=len(found), member=layout.number(member), form=form, size=member.size,
                place="" if large else layout.file(member), vouches=form in tool.vouches,
                executes=tool.executes and form != UNKNOWN,
            )
        )  # fmt: skip
    for path, inside in tool.folders(artifact):
        numbers = tuple(layout.number(member) for member in inside)
        found.append(
            Item(
                item=len(found), member=numbers[0], form="text", within=numbers,
                place=layout.folder(path, inside), size=sum(each.size for each in inside),
            )
        )  # fmt: skip
    return found


if __name__ == "__main__":
    sys.exit(main())
