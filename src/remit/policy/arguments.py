"""Full validation of arguments against the tool's own JSON Schema.

What Cedar types cannot say (patterns, ranges, ``oneOf``) the schema can, and servers seldom check
it themselves. The validator follows no reference out of the schema and runs patterns on an engine
that takes linear time.
"""

from collections.abc import Mapping
from typing import Any

from remit.core.canonical import CanonicalError, digest_bytes
from remit.policy.errors import BadArgument, shown
from remit.policy.shapes import ShapeError, weigh

MAX_SCHEMA_BYTES = 512 * 1024


class Validator:
    """A compiled input schema.

    Raises:
        ShapeError: the schema is no usable JSON Schema.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        import jsonschema_rs

        weigh(schema)
        try:
            if len(digest_bytes(schema)) > MAX_SCHEMA_BYTES:
                raise ShapeError("the schema is too large")
            kind = jsonschema_rs.validator_cls_for(dict(schema))
            self._validator = kind(
                dict(schema),
                offline=True,
                validate_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=1 << 20),
            )
        except (ValueError, TypeError, RecursionError, CanonicalError) as error:
            raise ShapeError("the input schema is no usable JSON Schema") from error

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse what the schema refuses.

        Raises:
            BadArgument: naming the top-level argument.
        """
        if self._validator.is_valid(arguments):
            return
        for error in self._validator.iter_errors(arguments):
            path = [part for part in error.instance_path if isinstance(part, str)]
            name = path[0] if path else "arguments"
            raise BadArgument(shown(name), "does not fit the tool's schema")
        raise BadArgument("arguments", "do not fit the tool's schema")
