"""Errors of a registry and of the way to it.

``RegistryError``
├── ``UnreachableError``   no answer, or none that is one: the exit status of a command is 5
├── ``UnauthorizedError``  it wants to know who asks
├── ``DeniedError``        it knows and does not allow
├── ``NotFoundError``      it does not have what is asked for
└── ``ProtocolError``      an answer that the distribution specification does not allow
"""

from remit.artifacts.errors import ArtifactError


class RegistryError(ArtifactError):
    """A registry refuses.

    Attributes:
        status: of its answer; 0 if there was none.
        reasons: its own error codes, for example ``MANIFEST_UNKNOWN``.
    """

    code = "registry.refused"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        status: int = 0,
        reasons: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status
        self.reasons = reasons


class UnreachableError(RegistryError):
    """It does not answer, or answers that it cannot now."""

    code = "registry.unreachable"


class UnauthorizedError(RegistryError):
    """It wants credentials, or other ones."""

    code = "registry.unauthorized"


class DeniedError(RegistryError):
    """It does not allow this to whoever asks, or Remit does not allow what it asks for."""

    code = "registry.denied"


class NotFoundError(RegistryError):
    """It has no such thing, or does not say so to whoever asks."""

    code = "registry.not_found"


class ProtocolError(RegistryError):
    """Its answer breaks the specification."""

    code = "registry.protocol"
