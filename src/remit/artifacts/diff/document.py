"""A difference as JSON (``spec/diff.schema.json``)."""

import msgspec

from remit.artifacts.diff.base import Difference


def dump_difference(found: Difference) -> bytes:
    """The JSON document, indented, with ``severity`` of the whole."""
    value = msgspec.to_builtins(found)
    value["severity"] = found.severity
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
