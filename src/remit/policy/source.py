"""Cedar text: single policies with their places, so that every message has a file and a line.

Cedar's own messages carry no position. The text is split at ``;`` outside strings and comments;
because a splitter that disagrees with Cedar's lexer could hide a policy, Cedar parses the whole
file as well and both readings must be equal.
"""

import bisect
import dataclasses
import re
from collections.abc import Iterator

import msgspec

from remit.core.text import printable
from remit.policy import engine
from remit.policy.engine import pst
from remit.policy.errors import EngineError, Problem

# Cedar ends a comment at a carriage return too.
_TOKEN = re.compile(r'//[^\n\r]*|"(?:[^"\\]|\\.)*"?|;|[^\s"/;]+|/', re.DOTALL)

_OPERATOR = re.compile(r"&&|\|\||[-+*!.(\[{]|[<>=]=?|\bif\b")
MAX_OPERATORS = 800
MAX_NESTING = 100


class Source(msgspec.Struct, frozen=True):
    """One policy as it stands in a file.

    Attributes:
        id: its ``@id``.
        file, line, column: where it starts (1-based).
        text: its Cedar text, with the final ``;``.
        node: the parsed policy under our id.
    """

    id: str
    file: str
    line: int
    column: int
    text: str
    node: pst.Template


def chunks(text: str) -> Iterator[tuple[int, int, str]]:
    """Split Cedar text into policies: line and column of the first token, and the text.

    What follows the last ``;`` is yielded too if it is more than space and comments.
    """
    newlines = [match.start() for match in re.finditer("\n", text)]

    def place(offset: int) -> tuple[int, int]:
        above = bisect.bisect_left(newlines, offset)
        return above + 1, offset - (newlines[above - 1] if above else -1)

    start: int | None = None
    for match in _TOKEN.finditer(text):
        if match.group().startswith("//"):
            continue
        if start is None:
            start = match.start()
        if match.group() == ";":
            yield (*place(start), text[start : match.end()])
            start = None
    if start is not None:
        yield (*place(start), text[start:])


def _too_deep(chunk: str) -> bool:
    """Whether Cedar's parser, which recurses without limit, could run out of stack on the text.

    It ends the whole process then: about 1,000 brackets or 3,000 operators are enough.
    """
    depth = operators = 0
    for match in _TOKEN.finditer(chunk):
        token = match.group()
        if token[0] == '"' or token.startswith("//"):
            continue
        operators += len(_OPERATOR.findall(token))
        for c in token:
            if c in "([{":
                depth += 1
                if depth > MAX_NESTING:
                    return True
            elif c in ")]}":
                depth -= 1
    return operators > MAX_OPERATORS


def read(file: str, data: bytes) -> tuple[list[Source], list[Problem]]:
    """The policies of one ``.cedar`` file, and what is wrong with it.

    Args:
        file: path inside the bundle.
        data: its bytes.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return [], [Problem(file=file, code="policy.encoding", message="the file is not UTF-8")]
    found: list[Source] = []
    problems: list[Problem] = []
    for line, column, chunk in chunks(text):

        def problem(code: str, message: str, hint: str = "", policy: str = "") -> None:
            problems.append(
                Problem(
                    file=file,
                    line=line,  # noqa: B023 - called in the same turn of the loop
                    column=column,  # noqa: B023 - as above
                    policy=policy,
                    code=code,
                    message=message,
                    hint=hint,
                )
            )

        if _too_deep(chunk):
            problem("policy.too_deep", "the policy is too long or nested too deeply")
            continue
        try:
            nodes = engine.parse(chunk)
        except EngineError as error:
            problem("policy.syntax", printable(error.message, 300))
            continue
        if len(nodes) != 1:
            problem("policy.ambiguous_text", "this text does not hold exactly one policy")
            continue
        node = nodes[0]
        if engine.is_template(node):
            problem(
                "policy.template",
                "templates do not load",
                "write the principal and the resource into the policy",
            )
            continue
        policy_id = node.annotations.get("id", "")
        if not policy_id:
            problem("policy.missing_id", "the policy has no @id", 'start it with @id("a-name")')
            continue
        found.append(Source(policy_id, file, line, column, chunk, engine.renamed(node, policy_id)))
    if not problems:
        problems += _same_as_cedar(file, text, found)
    return found, problems


def _same_as_cedar(file: str, text: str, found: list[Source]) -> list[Problem]:
    try:
        whole = engine.parse(text)
    except EngineError as error:
        return [Problem(file=file, code="policy.syntax", message=printable(error.message, 300))]
    ours = [dataclasses.replace(source.node, id="") for source in found]
    if ours != [dataclasses.replace(node, id="") for node in whole]:
        return [
            Problem(
                file=file,
                code="policy.ambiguous_text",
                message="the file can be read in two ways",
                hint="check comments, quotes and semicolons",
            )
        ]
    return []
