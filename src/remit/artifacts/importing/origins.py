"""Where the files of a directory came from, by what the program that fetched them left there.

- A git checkout names a commit, and the commit the blob of each file. Files under Git LFS have a
  blob that is a pointer, which their digest and size determine.
- A directory that the Hugging Face client filled (``--local-dir``) has beside each file its commit
  and entity tag: SHA-256 of the content for large files, the git blob for others.
- Of any other directory nothing is known but its files.

A claim counts only if every packed file has what it says: one file that was added or changed, and
the origin is refused.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from remit.artifacts.errors import PackError
from remit.artifacts.importing.contents import PackedFile
from remit.artifacts.importing.errors import ImportRefusedError
from remit.artifacts.members import shown
from remit.artifacts.tree import opened

Form = Literal["git", "huggingface", "directory"]
HUGGINGFACE = (Path(".cache") / "huggingface" / "download", Path(".huggingface") / "download")
"""Where the Hugging Face client keeps what it knows, now and until 2024."""
MAX_TREE_BYTES = 64 * 1024 * 1024
_MAX_METADATA = 4096
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ENTRY = re.compile(rb"[0-7]{6} (blob|tree|commit) ([0-9a-f]{40}|[0-9a-f]{64})\t([^\0]+)")
_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[\x21-\x7e]{1,1000}")
_SHA1_LENGTH = 40
MAX_URL = 2000


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """What git says of a directory.

    Attributes:
        commit: that is checked out.
        remote: URL it was fetched from; empty if there is none.
        blobs: path from the directory → blob of that commit.
    """

    commit: str
    remote: str
    blobs: Mapping[str, str]


AskGit = Callable[[Path], Checkout]
"""Asks git about a directory that has a ``.git``; without running anything of the directory's."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a directory came from, verified.

    Attributes:
        form: by what it is known.
        uri: of the source; empty if nobody said it.
        commit: of the source; empty for a plain directory.
    """

    form: Form
    uri: str = ""
    commit: str = ""


def origin_of(
    directory: Path, files: Sequence[PackedFile], ask_git: AskGit, uri: str = ""
) -> Origin:
    """The origin of a directory whose files were packed.

    Args:
        directory: it.
        files: what was packed of it.
        ask_git: see :data:`AskGit`.
        uri: where it came from, as the user says; else the remote of the checkout.

    Raises:
        ImportRefusedError: a file is not what its origin has.
        OSError: a file cannot be read.
    """
    if not directory.is_dir():
        return Origin(form="directory", uri=uri)
    if (directory / ".git").exists():
        checkout = ask_git(directory)
        _check_blobs(files, checkout)
        return Origin(form="git", uri=uri or clean(checkout.remote), commit=checkout.commit)
    for place in HUGGINGFACE:
        if (directory / place).is_dir():
            commit = _check_tags(files, directory / place)
            return Origin(form="huggingface", uri=uri, commit=commit)
    return Origin(form="directory", uri=uri)


def clean(url: str) -> str:
    """A URL of another machine without user name, password, query and fragment; else empty."""
    if "://" not in url:
        return url if _SCP.fullmatch(url) else ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if not host or len(url) > MAX_URL or not url.isprintable():
        return ""
    place = f"[{host}]{port}" if ":" in host else f"{host}{port}"
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def parse_tree(data: bytes) -> dict[str, str]:
    """Path → blob of ``git ls-tree -r -z``.

    Raises:
        ImportRefusedError: it is none, or names a path twice or not in UTF-8.
    """
    if len(data) > MAX_TREE_BYTES:
        raise ImportRefusedError("the commit has too many files")
    found: dict[str, str] = {}
    for line in data.split(b"\0"):
        if not line:
            continue
        matched = _ENTRY.fullmatch(line)
        if matched is None:
            raise ImportRefusedError("git lists the files of the commit in a form that is unknown")
        kind, blob, raw = matched.groups()
        try:
            path = raw.decode()
        except UnicodeDecodeError:
            continue  # no file of such a name can be packed
        if path in found:
            raise ImportRefusedError(f"the commit has `{shown(path)}` twice")
        if kind == b"blob":
            found[path] = blob.decode()
    return found


def pointer_blob(file: PackedFile, length: int) -> str:
    """The git blob of the Git LFS pointer that stands for a file."""
    text = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{file.sha256}\nsize {file.size}\n"
    ).encode()
    data = b"blob %d\0" % len(text) + text
    if length == _SHA1_LENGTH:
        return hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return hashlib.sha256(data).hexdigest()


def _check_blobs(files: Sequence[PackedFile], checkout: Checkout) -> None:
    if _COMMIT.fullmatch(checkout.commit) is None:
        raise ImportRefusedError("git does not say which commit is checked out")
    for file in files:
        blob = checkout.blobs.get(file.path)
        if blob is None:
            raise _refused(file, f"is not in the commit `{checkout.commit}`")
        own = file.blob_sha1 if len(blob) == _SHA1_LENGTH else file.blob_sha256
        if blob not in {own, pointer_blob(file, len(blob))}:
            raise _refused(file, f"is not what the commit `{checkout.commit}` has")


def _check_tags(files: Sequence[PackedFile], place: Path) -> str:
    commit = ""
    for file in files:
        said, tag = _metadata(place / f"{file.path}.metadata", file)
        if commit and said != commit:
            raise ImportRefusedError(
                f"the files are of two commits, `{commit}` and `{said}`",
                hint="download all of one revision into an empty directory",
            )
        commit = said
        if tag != (file.blob_sha1 if len(tag) == _SHA1_LENGTH else file.sha256):
            raise _refused(file, f"is not what was downloaded of the commit `{commit}`")
    return commit


def _metadata(path: Path, file: PackedFile) -> tuple[str, str]:
    try:
        with os.fdopen(opened(path), "rb") as source:
            lines = source.read(_MAX_METADATA).decode("ascii").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        raise _refused(file, "has no digest of its origin") from None
    except (PackError, UnicodeDecodeError):
        lines = []
    found = [each.strip() for each in lines]
    tag = found[1].removeprefix("W/").strip('"') if len(found) > 1 else ""
    if not found or _COMMIT.fullmatch(found[0]) is None or _HEX.fullmatch(tag) is None:
        raise ImportRefusedError(f"what is kept of the origin of `{shown(file.path)}` is malformed")
    return found[0], tag


def _refused(file: PackedFile, problem: str) -> ImportRefusedError:
    return ImportRefusedError(
        f"`{shown(file.path)}` {problem}",
        hint="take what is not of the origin away, or list it in `.kitignore`",
    )
