"""Errors of importing."""

from remit.artifacts.errors import ArtifactError


class ImportRefusedError(ArtifactError):
    """Something of which it cannot be said, with a digest for all of it, where it came from."""

    code = "artifact.import"
