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
