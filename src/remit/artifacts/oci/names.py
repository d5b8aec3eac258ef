"""Names of artifacts: repositories, tags and references (OCI distribution-spec 1.1, "Pulling").

A reference is ``[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]``. Its first part is a host if it holds a
dot or a colon or is ``localhost``, as with every other client. Without a host it names something
in the store of this machine.
"""

import re
from typing import Self

import msgspec

from remit.artifacts.errors import BadReferenceError
from remit.artifacts.oci.digests import parse_digest
from remit.core.digest import Digest

MAX_NAME = 255
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
    r"|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?"
)


def is_repository(text: str) -> bool:
    """Whether ``text`` is the name of a repository."""
    return len(text) <= MAX_NAME and _REPOSITORY.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether ``text`` is a tag."""
    return _TAG.fullmatch(text) is not None


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Which artifact is meant.

    Attributes:
        host: ``HOST[:PORT]`` of its registry; empty for the store of this machine.
        repository: its name there.
        tag: empty if the digest alone names it, or neither was given.
        digest: empty if a tag names it.
    """

    host: str = ""
    repository: str
    tag: str = ""
    digest: Digest = Digest("")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            BadReferenceError, DigestError: it is malformed; the message says which part.
        """
        rest, at, digest = text.partition("@")
        host, slash, path = rest.partition("/")
        if not slash or not ("." in host or ":" in host or host == "localhost"):
            host, path = "", rest
        elif _HOST.fullmatch(host) is None:
            raise BadReferenceError(f"`{host[:80]}` is not a host")
        path, colon, tag = path.partition(":")
        if colon and not is_tag(tag):
            raise BadReferenceError(
                f"`{tag[:140]}` is not a tag",
                hint="a tag has at most 128 letters, digits, `_`, `.` and `-`, and starts with"
                " neither of the last two",
            )
        if not is_repository(path) or len(host) + 1 + len(path) > MAX_NAME:
            raise BadReferenceError(
                f"`{path[:140]}` is not the name of a repository",
                hint="names are lower-case letters and digits in parts that `/` separates, with"
                " `.`, `_`, `__` or `-` inside a part, for example registry.example/team/model:v1",
            )
        found = parse_digest(digest) if at else Digest("")
        return cls(host=host, repository=path, tag=tag, digest=found)

    @property
    def name(self) -> str:
        """What is asked for in the repository: the digest if there is one, else the tag."""
        return self.digest or self.tag or "latest"

    def at(self, digest: Digest) -> Self:
        """The same repository, pinned to ``digest``; the tag stays as a remark."""
        return msgspec.structs.replace(self, digest=digest)

    def __str__(self) -> str:
        host = f"{self.host}/" if self.host else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{host}{self.repository}{tag}{digest}"
