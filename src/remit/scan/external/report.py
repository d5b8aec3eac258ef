"""What an external scanner printed, read strictly: anything unexpected is a failed scan.

1. Every line is an object of exactly these fields; the whole is bounded.
2. The first names the scanner and the version that was installed.
3. Each item that was asked for has one line, and no other item has.
4. The last line counts them. Without it the scanner ended early.
5. An item whose process crashed, hung or ran out of memory fails the scan; what it found stays.
"""

from collections.abc import Mapping, Sequence

import msgspec

from remit.scan.base import Coverage, Finding, Region, Severity, Status, evidence
from remit.scan.external.stage import Item

MAX_LINES = 100_000
MAX_FINDINGS = 5_000


class _Hello(msgspec.Struct, forbid_unknown_fields=True):
    tool: str
    version: str


class _Seen(msgspec.Struct, forbid_unknown_fields=True):
    rule: str
    title: str
    severity: Severity
    evidence: str
    line: int
    inner: str
    name: str


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    item: int
    status: Status
    reason: str
    findings: list[_Seen]
    broken: bool


class _Done(msgspec.Struct, forbid_unknown_fields=True):
    done: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a scanner's output.

    Attributes:
        findings, coverage: as in a report.
        failed: why it is not a whole answer.
    """

    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    failed: str = ""


class _BadOutputError(ValueError):
    pass


def read(
    output: bytes, tool: str, version: str, items: Sequence[Item], members: Sequence[str], why: str
) -> Answer:
    """Read lines of output.

    Args:
        output: what it printed, perhaps cut off.
        tool: who is expected to say something.
        version: of it.
        items: what was asked for.
        members: paths of the artifact; items and their findings name no others.
        why: how its process ended, if it did not end by itself.
    """
    asked = {item.item: item for item in items}
    lines: dict[int, _Line] = {}
    try:
        _read(output, tool, version, asked, lines)
    except (_BadOutputError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        known = isinstance(error, _BadOutputError)
        why = why or (str(error) if known else "the scanner's report is malformed")
    broken = [line for line in lines.values() if line.broken]
    if not why and broken:
        item = asked[broken[0].item]
        why = f"it failed on `{members[item.member]}`: {_said(broken[0].reason)}"
    findings: list[Finding] = []
    coverage: list[Coverage] = []
    paths = frozenset(members)
    for item in items:
        line = lines.get(item.item)
        status: Status = "error" if line is None else line.status
        reason = "it was not reached" if line is None else _said(line.reason)
        whole = status == "complete" and item.within
        coverage += [
            covered(item, tool, members[number], status, reason)
            for number in (whole or (item.member,))
        ]
        if line is not None:
            member = members[item.member]
            base = f"{member.rpartition('/')[0]}/".lstrip("/") if item.within else ""
            findings += [_finding(seen, tool, member, base, paths) for seen in line.findings]
    if len(findings) > MAX_FINDINGS:
        why = why or f"it found more than {MAX_FINDINGS} things"
        findings = findings[:MAX_FINDINGS]
    return Answer(findings=tuple(findings), coverage=tuple(coverage), failed=why)


def covered(item: Item, tool: str, member: str, status: Status, reason: str) -> Coverage:
    """What became of a member.

    A complete reading counts for the format only if the scanner vouches for it. What was not read
    completely must be read by another scanner of that format, whoever it is.
    """
    other = status == "complete" and not item.vouches
    return Coverage(
        member=member,
        status=status,
        reason=reason,
        format=f"{tool}:{item.form}" if other else item.form,
        executes=item.executes and not other,
    )


def _read(
    output: bytes, tool: str, version: str, asked: Mapping[int, Item], lines: dict[int, _Line]
) -> None:
    rows = output.splitlines()
    if not rows:
        raise _BadOutputError("it ended without a report")
    if len(rows) > MAX_LINES:
        raise _BadOutputError("its report has too many lines")
    hello = msgspec.json.decode(rows[0], type=_Hello)
    if (hello.tool, hello.version) != (tool, version):
        raise _BadOutputError("its report is of another scanner or version")
    done = False
    for row in rows[1:]:
        if done:
            raise _BadOutputError("its report goes on behind its end")
        value = _one(row)
        if isinstance(value, _Done):
            if value.done != len(asked) or len(lines) != len(asked):
                raise _BadOutputError("it did not look at everything that it was asked for")
            done = True
        elif value.item not in asked or value.item in lines:
            raise _BadOutputError("it answers for something that nobody asked for")
        else:
            lines[value.item] = value
    if not done:
        raise _BadOutputError("it ended before its report did")


def _one(row: bytes) -> _Line | _Done:
    try:
        return msgspec.json.decode(row, type=_Line)
    except msgspec.ValidationError:
        return msgspec.json.decode(row, type=_Done)


def _finding(seen: _Seen, tool: str, member: str, base: str, paths: frozenset[str]) -> Finding:
    """A finding of the member that it names, if there is one; of the item itself else."""
    named = (f"{base}{seen.inner}", f"{member}!/{seen.inner}") if seen.inner else ()
    place = next((each for each in named if each in paths), member)
    return Finding(
        rule=_rule(seen.rule, tool),
        title=_said(seen.title),
        severity=seen.severity,
        confidence=700,
        member=place,
        region=Region(line=min(max(seen.line, 0), 1 << 31)),
        evidence=evidence(seen.evidence),
        scanner=tool,
    )


def _rule(rule: str, tool: str) -> str:
    """Rules are short names; anything else is one."""
    plain = rule.replace(".", "").replace("_", "").replace("-", "")
    fine = plain.isascii() and plain.isalnum() and len(rule) <= 80  # noqa: PLR2004 - a short name
    return rule if fine else f"{tool}.other"


def _said(text: str) -> str:
    return " ".join(evidence(text).split())
