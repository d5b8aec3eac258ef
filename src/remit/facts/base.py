"""What a fact is, and what an extractor must be.

A fact is a record of typed attributes that policy reads as ``context.<name>``. Every fact has
``ok`` (the extractor understood all of what it was given) and ``present`` (there was something to
understand). Policy denies an event whose policies read a fact with ``ok`` false, so the one duty
of an extractor is to never be sure when it is not: it raises :class:`FactError` instead.

Shapes are Cedar's: ``Bool`` → ``bool``, ``Long`` → ``int`` of 64 bits, ``String`` → ``str``,
``Set<String>`` → sorted ``list[str]`` without duplicates.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from remit.core.errors import RemitError

AttributeType = Literal["Bool", "Long", "String", "Set<String>"]
Attribute = bool | int | str | list[str]
Raw = bool | int | str | Collection[str]

MAX_VALUES = 1000
"""Most values that one fact looks at: more is refused, not cut."""


class FactError(RemitError):
    """A fact cannot be derived, or what was declared of it is wrong.

    Args:
        message: one sentence, see :class:`~remit.core.errors.RemitError`.
        seen: attributes that are known all the same; they replace the extractor's ``worst``.

    Codes: ``facts.unknown_extractor``, ``facts.bad_options``, ``facts.bad_path``,
    ``facts.bad_limit``, ``facts.bad_state`` when something is declared or loaded;
    ``facts.failed`` and its like (``facts.wrong_type``, ``facts.size`` …) for arguments.
    """

    code = "facts.failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        seen: Mapping[str, Raw] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.seen: Mapping[str, Raw] = seen or {}


class Fact(msgspec.Struct, frozen=True):
    """One derived fact.

    Attributes:
        attributes: exactly the attributes of the extractor's shape, in its types.
        problem: why it failed, one sentence without argument values; empty if and only if
            ``attributes["ok"]`` is true.
    """

    attributes: Mapping[str, Attribute]
    problem: str = ""


def _unresolved(path: str) -> str:
    del path
    raise FactError("nobody resolves paths here")


class Environment(msgspec.Struct, frozen=True):
    """What extractors may know of the world; it is passed in, they never look themselves.

    Attributes:
        workspace: absolute path of the directory that file tools belong in.
        realpath: resolves links and ``..`` of an absolute path whose last parts need not exist
            (``os.path.realpath``). Whoever composes the program passes it; without it path
            facts fail.
        cwd: absolute path that the tools' server resolves relative paths against; empty if that
            is the workspace.
        matchers: name → RE2 pattern, from the bundle.
    """

    workspace: str
    realpath: Callable[[str], str] = _unresolved
    cwd: str = ""
    matchers: Mapping[str, str] = {}


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of an extractor that has none."""


class Extractor(Protocol):
    """Derives one kind of fact. A module of this package offers one as ``EXTRACTOR``.

    Attributes:
        name: the module's name; ``extractor = "<name>"`` in ``facts.toml``.
        shape: attribute → Cedar type, with ``ok`` and ``present``.
        worst: the values that ``extract``'s attributes take when it fails.
        options: the extractor's own keys in ``facts.toml``; unknown keys are refused.

    An extractor that depends on its values and options alone, and costs more than a look-up, may
    say ``repeatable = True``: what it found for a text is then remembered for the next time.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def shape(self) -> Mapping[str, AttributeType]: ...  # noqa: D102
    @property
    def worst(self) -> Mapping[str, Raw]: ...  # noqa: D102
    @property
    def options(self) -> type[msgspec.Struct]: ...  # noqa: D102

    def extract(self, values: Sequence[Any], options: Any, env: Environment) -> Mapping[str, Raw]:
        """Derive every attribute of the shape except ``ok`` and ``present``.

        Args:
            values: the selected arguments, at least one, none of them ``None``.
            options: an instance of :attr:`options`.
            env: what may be known of the world.

        Raises:
            FactError: the values are not fully understood.
        """
        ...


def shape(**attributes: AttributeType) -> dict[str, AttributeType]:
    """A shape: ``ok`` and ``present``, then ``attributes``."""
    return {"ok": "Bool", "present": "Bool", **attributes}


def texts(values: Sequence[Any], *, limit: int) -> Iterator[str]:
    """The strings in ``values``, where one value is a string or a list of strings.

    Args:
        values: selected arguments.
        limit: most characters of one string.

    Raises:
        FactError: another type (``facts.wrong_type``), too long or too many (``facts.size``),
            text that is not Unicode (``facts.text``).
    """
    count = 0
    for value in values:
        for text in value if type(value) is list else (value,):
            if not isinstance(text, str):
                raise FactError("the argument is not a string", code="facts.wrong_type")
            count += 1
            if count > MAX_VALUES:
                raise FactError(f"more than {MAX_VALUES} values", code="facts.size")
            if len(text) > limit:
                raise FactError(f"longer than {limit} characters", code="facts.size")
            if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
                raise FactError("the text holds half of a surrogate pair", code="facts.text")
            yield text
