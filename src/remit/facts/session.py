"""What a session has done so far: the part of its history that policy may read.

Unlike the other facts this one is state, not derived from arguments. Guard owns one per
connection and changes it; policy sees the :meth:`SessionState.record`.
"""

from collections.abc import Iterable, Mapping

from remit.facts.base import Attribute, AttributeType, FactError

SHAPE: Mapping[str, AttributeType] = {
    "labels": "Set<String>",
    "calls": "Long",
    "tools": "Set<String>",
}
"""Shape of ``context.session``."""

MAX_LABEL = 64


class SessionState:
    """Labels and counts of one session.

    Attributes:
        labels: marks such as ``untrusted`` or ``secret``; they are only ever added.
        calls: tool calls that were allowed.
        tools: their actions, ``<server>/<tool>``.
    """

    __slots__ = ("calls", "labels", "tools")

    def __init__(
        self, labels: Iterable[str] = (), calls: int = 0, tools: Iterable[str] = ()
    ) -> None:
        self.labels: set[str] = set()
        self.calls = calls
        self.tools: set[str] = set(tools)
        for label in labels:
            self.label(label)

    def label(self, label: str) -> None:
        """Mark the session; it cannot be unmarked.

        Raises:
            FactError: ``facts.bad_label`` if ``label`` is empty, long or not printable ASCII.
        """
        if not (0 < len(label) <= MAX_LABEL and label.isascii() and label.isprintable()):
            raise FactError(
                "a session label is 1 to 64 printable characters", code="facts.bad_label"
            )
        self.labels.add(label)

    def record(self) -> Mapping[str, Attribute]:
        """``context.session`` in the types of :data:`SHAPE`."""
        return {"labels": sorted(self.labels), "calls": self.calls, "tools": sorted(self.tools)}
