"""Options that go together, as one decorator of a command."""

from collections.abc import Callable
from typing import TypeVar

Command = TypeVar("Command", bound=Callable[..., object])


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that gives a command all of these options, in ``--help`` in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
