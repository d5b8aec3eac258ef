"""The one error base. Every package derives one root from it.

``RemitError``
├── ``core``: ``CanonicalError``, ``StrictJsonError``
├── ``audit``: ``AuditError``     ├── ``attest``: ``AttestError``
├── ``facts``: ``FactError``      ├── ``policy``: ``PolicyError``
├── ``artifacts``: ``ArtifactError``  ├── ``hub``: ``HubError``
└── ``guard``: ``GuardError``
"""


class RemitError(Exception):
    """Something Remit refuses or cannot do.

    Args:
        message: one sentence, lower case, no line break, user input in backticks.
        hint: what the reader can do next; empty when there is nothing to do.

    Attributes:
        code: stable identifier for scripts and records, for example ``audit.poisoned``.
    """

    code: str = "error"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def diagnostics(self) -> str:
        """The text a person sees: what is wrong, then what to do."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
