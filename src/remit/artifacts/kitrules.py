"""What a Kitfile may say of paths and names, by the rules of ``kit``."""

import posixpath
import re
from collections.abc import Iterator

from remit.artifacts.errors import ArchiveError, DefinitionError
from remit.artifacts.kitfile import Entry, Kitfile, is_reference
from remit.artifacts.members import member_name, shown

_TYPE = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def validate(kitfile: Kitfile, what: str = "Kitfile") -> None:
    """Check the paths and names, by the rules of ``kit``.

    1. Paths are relative and stay in the directory.
    2. No path is used twice, prompts excepted.
    3. URLs are refused, but ``s3://`` as the place of a remote data set, which then has a hash.
    4. A reference to another ModelKit may stand as path of the model, or as a remote path.
    5. Nothing lies inside a data set that comes from another ModelKit.
    6. The type of a model part is a word; MCP servers have a unique name and end in ``.mcpb``.

    Raises:
        DefinitionError: with every problem.
    """
    problems = [problem for each in kitfile.entries for problem in _entry_problems(each)]
    problems += _path_problems(kitfile)
    names = [each.name for each in kitfile.of("mcpserver")]
    problems += [
        f"two MCP servers have the name `{shown(name)}`"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise DefinitionError(f"`{what}`: {'; '.join(problems[:20])}", hint=_hint(problems))


def _hint(problems: list[str]) -> str:
    return "correct them all" if len(problems) > 1 else ""


def _entry_problems(entry: Entry) -> Iterator[str]:
    where = f"the path `{shown(entry.path)}` of {entry.section}"
    if not (entry.section == "model" and is_reference(entry.path)):
        if is_reference(entry.path):
            yield f"{where} is a reference, which only a model may have"
        elif _SCHEME.match(entry.path):
            yield f"{where} is a URL"
        elif problem := local_problem(entry.path):
            yield f"{where} {problem}"
    if entry.section == "modelpart" and entry.type and not _TYPE.fullmatch(entry.type):
        yield f"the type `{shown(entry.type)}` of a model part is no word of at most 64 characters"
    if entry.section == "mcpserver":
        if not entry.name:
            yield f"the MCP server at `{shown(entry.path)}` has no name"
        if not entry.path.endswith(".mcpb"):
            yield f"{where} does not end in `.mcpb`"
    if entry.section == "dataset":
        yield from _remote_problems(entry)


def _remote_problems(entry: Entry) -> Iterator[str]:
    remote = entry.remote_path
    if not remote:
        if entry.remote_hash:
            yield "`remoteHash` stands only with `remotePath`"
    elif is_reference(remote):
        pass
    elif not remote.startswith("s3://"):
        yield f"the remote path `{shown(remote)}` is neither `s3://` nor a reference"
    elif not entry.remote_hash:
        yield f"the remote path `{shown(remote)}` has no `remoteHash`"


def local_problem(path: str) -> str:
    """What is wrong with a path in a Kitfile; empty if it stays in the directory."""
    if path.startswith("/"):
        return "is absolute"
    clean = posixpath.normpath(path.strip() or ".")
    if clean == ".":
        return ""
    if clean == ".." or clean.startswith("../"):
        return "leaves the directory"
    try:
        member_name(clean)
    except ArchiveError as error:
        return f"cannot be packed: {error.message.rpartition(': ')[2]}"
    return ""


def _path_problems(kitfile: Kitfile) -> Iterator[str]:
    seen: dict[str, Entry] = {}
    for each in kitfile.entries:
        if each.section == "prompt" or (each.section == "model" and not each.layered):
            continue
        if each.clean in seen:
            other = seen[each.clean].section
            yield f"{other} and {each.section} have the same path `{shown(each.clean)}`"
        seen.setdefault(each.clean, each)
    remote = [each.clean for each in kitfile.of("dataset") if is_reference(each.remote_path)]
    for each in kitfile.entries:
        for folder in remote:
            if each.clean != folder and (each.clean.startswith(f"{folder}/") or folder == "."):
                yield f"`{shown(each.clean)}` is inside the remote data set `{shown(folder)}`"
