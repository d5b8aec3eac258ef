"""Errors of artifacts."""

from remit.core.errors import RemitError


class ArtifactError(RemitError):
    """An artifact, a reference or a file of one that Remit refuses."""

    code = "artifact.error"


class BadReferenceError(ArtifactError):
    """A name of an artifact that is malformed."""

    code = "artifact.reference"


class ManifestError(ArtifactError):
    """A manifest or index that is malformed."""

    code = "artifact.manifest"


class DigestError(ArtifactError):
    """A digest that is malformed, or that bytes do not have."""

    code = "artifact.digest"


class ArchiveError(ArtifactError):
    """An archive (tar, zip, gzip, zstd) that is malformed, hostile or beyond a limit."""

    code = "artifact.archive"


class DefinitionError(ArtifactError):
    """A file that describes an artifact (Kitfile, ``agent.yaml``, front matter) that is wrong."""

    code = "artifact.definition"


class PackError(ArtifactError):
    """A directory that cannot be packed as it is."""

    code = "artifact.pack"


class UnpackError(ArtifactError):
    """An artifact that cannot be unpacked, or not there."""

    code = "artifact.unpack"
