"""What can be wrong with a bundle, and with the arguments of a call.

``PolicyError``
├── ``BundleError``: a bundle does not load or does not fit its tools; carries every problem found
├── ``PinError``: a list of tools, or a lock file, that cannot be pinned
├── ``EngineError``: Cedar did not answer; always a deny
└── ``BadArgument``: an argument of a call has no exact policy form
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from remit.core.errors import RemitError


class PolicyError(RemitError):
    """Root of everything this package refuses."""

    code = "policy"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong in a bundle, with the place to look at.

    Attributes:
        file: path inside the bundle, with ``/``; empty if it concerns the bundle as a whole.
        line, column: 1-based; 0 if unknown.
        policy: id of the policy, if it concerns one.
        severity: an ``error`` keeps the bundle from loading.
        code: stable identifier, ``policy.<what>``.
        message: one sentence.
        hint: what to do, for example a name that was probably meant.
    """

    code: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    policy: str = ""
    severity: Literal["error", "warning"] = "error"
    hint: str = ""

    def text(self) -> str:
        """``file:line:column: severity[code] policy: message`` and the hint on its own line."""
        place = self.file or "bundle"
        if self.line:
            place += f":{self.line}:{self.column}"
        subject = f"policy `{self.policy}`: " if self.policy else ""
        text = f"{place}: {self.severity}[{self.code}] {subject}{self.message}"
        return f"{text}\n    {self.hint}" if self.hint else text


class BundleError(PolicyError):
    """A bundle that must not be used.

    Attributes:
        problems: all problems found, errors and warnings, in the order of the files.
    """

    code = "policy.bundle"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [p for p in self.problems if p.severity == "error"]
        message = f"the bundle has {len(errors)} error{'s' if len(errors) != 1 else ''}"
        if errors:
            message += f", first: {errors[0].text().splitlines()[0]}"
        super().__init__(message, hint="run `remit policy check` on the bundle to see all of them")


class PinError(PolicyError):
    """A list of tools that cannot be pinned, or a lock file that cannot be read."""

    code = "policy.pin"


class EngineError(PolicyError):
    """Cedar gave no decision or met an error while it evaluated; whoever asked must deny.

    ``message`` may quote values of the request: it is for people at a terminal, never for models.
    """

    code = "policy.engine"


class BadArgument(PolicyError):  # noqa: N818 - what it is about, as `bad_argument` in records
    """An argument cannot be judged exactly.

    Attributes:
        argument: its path, for example ``amount`` or ``filter.to[]``. Never its value.
    """

    code = "policy.bad_argument"

    def __init__(self, argument: str, why: str) -> None:
        self.argument = argument
        self.why = why
        super().__init__(f"argument `{argument}` {why}")


def is_failure(error: BaseException) -> bool:
    """Whether an exception is a failure to be answered with a deny.

    Native code that panics raises a ``BaseException`` of its own, which ``except Exception`` would
    let pass; only a wish to end the program is none.
    """
    return not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def shown(name: str) -> str:
    """An argument's name as it may appear in messages to models: plain, short."""
    if len(name) <= 60 and name.isascii() and name.isprintable() and "`" not in name:  # noqa: PLR2004
        return name
    return "".join(c if c.isascii() and c.isprintable() and c != "`" else "?" for c in name[:60])
