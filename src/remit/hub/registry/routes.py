"""Which endpoint of the distribution-spec a path means."""

import re

import msgspec

from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import is_repository, is_tag
from remit.core.digest import Digest
from remit.hub.registry.errors import (
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    UploadUnknown,
)

_ROUTE = re.compile(
    r"/v2/(?P<name>.+?)/(?:"
    r"(?P<uploads>blobs/uploads)/?"
    r"|blobs/uploads/(?P<upload>[^/]+)"
    r"|blobs/(?P<blob>[^/]+)"
    r"|manifests/(?P<manifest>[^/]+)"
    r"|(?P<tags>tags/list)"
    r"|referrers/(?P<referrers>[^/]+)"
    r")"
)
_UPLOAD = re.compile(r"[0-9a-f]{64}")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint below a repository.

    Attributes:
        kind: ``uploads``, ``upload``, ``blob``, ``manifest``, ``tags`` or ``referrers``.
        repository: its name, checked.
        value: digest, tag or id; empty for ``uploads`` and ``tags``.
    """

    kind: str
    repository: str
    value: str = ""

    @property
    def digest(self) -> Digest:
        """The value, which is a digest.

        Raises:
            DigestInvalid: it is not.
        """
        return digest_in(self.value)


def digest_in(text: str) -> Digest:
    """A digest of a request.

    Raises:
        DigestInvalid: it is malformed.
    """
    if not is_digest(text):
        raise DigestInvalid(f"`{text[:140]}` is not a digest that this registry verifies")
    return Digest(text)


def route_of(path: str, method: str) -> Route | None:
    """The endpoint; ``None`` if the path is none.

    Raises:
        NameInvalid, DigestInvalid, ManifestInvalid, ManifestUnknown, UploadUnknown: a part of the
            path is malformed.
    """
    found = _ROUTE.fullmatch(path)
    if found is None:
        return None
    name = found.group("name")
    if not is_repository(name):
        raise NameInvalid(f"`{name[:140]}` is not the name of a repository")
    kind = found.lastgroup or ""
    value = found.group(kind) if kind not in {"uploads", "tags"} else ""
    if kind == "upload" and _UPLOAD.fullmatch(value) is None:
        raise UploadUnknown("there is no such upload")
    if kind in {"blob", "referrers"}:
        digest_in(value)
    if kind == "manifest" and not (is_digest(value) or is_tag(value)):
        if method in {"GET", "HEAD", "DELETE"}:
            raise ManifestUnknown(f"`{value[:140]}` is neither a tag nor a digest")
        if ":" in value:
            raise DigestInvalid(f"`{value[:140]}` is not a digest that this registry verifies")
        raise ManifestInvalid(f"`{value[:140]}` is not a tag")
    return Route(kind=kind, repository=name, value=value)
