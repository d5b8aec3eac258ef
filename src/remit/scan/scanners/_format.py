"""What scanners of formats share: the digest of their rules, and how they say what they found."""

from collections.abc import Callable
from typing import ClassVar, Protocol

from remit.core.digest import Digest
from remit.scan.base import Coverage, Finding, Member, Region, Severity, evidence
from remit.scan.pickle.names import digest
from remit.scan.rules import rules_of

_MAX_POINTER = 500


class FormatScanner:
    """Base of scanners that read a format.

    Attributes:
        name, version: see :class:`~remit.scan.base.Scanner`.
        sources: files below ``remit.scan`` that decide what it finds, beside its own module.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    sources: ClassVar[tuple[str, ...]] = ()

    @property
    def rules(self) -> Digest:
        """Of its code, what that uses, and the list of names."""
        own = type(self).__module__.rpartition(".")[2]
        return rules_of(f"scanners/{own}.py", "scanners/_format.py", *self.sources, more=digest())


class Finds(Protocol):
    """Makes findings of one family."""

    def __call__(
        self,
        member: Member,
        rule: str,
        severity: Severity,
        title: str,
        text: str = "",
        pointer: str = "",
    ) -> Finding:
        """A finding in a member; ``text`` is shown as evidence."""
        ...


def finds(family: str) -> Finds:
    """What makes findings of a family."""

    def found(
        member: Member, rule: str, severity: Severity, title: str, text: str = "", pointer: str = ""
    ) -> Finding:
        return Finding(
            rule=f"{family}.{rule}",
            title=title,
            severity=severity,
            member=member.path,
            region=Region(pointer=pointer[:_MAX_POINTER]),
            evidence=evidence(text),
        )

    return found


def covers(form: str, *, executes: bool = True) -> Callable[[Member, str], Coverage]:
    """What makes coverage of a format: complete, or an error with its reason."""

    def covered(member: Member, reason: str = "") -> Coverage:
        return Coverage(
            member=member.path,
            status="error" if reason else "complete",
            reason=reason[:300],
            executes=executes,
            format=form,
        )

    return covered
