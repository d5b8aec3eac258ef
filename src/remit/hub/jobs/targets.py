"""Served models that a prober may ask: a TOML file of whoever runs it (``spec/served-models.md``).

Jobs name a target, never an address: whoever may ask for a job chooses among what the operator of
the prober listed, for the repositories that stand there. Keys of servers stay with the prober.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from remit.hub.errors import HubError
from remit.hub.jobs.values import MAX_GENERATIONS, TARGET
from remit.hub.patterns import check_pattern, matches
from remit.scan.base import ScanError
from remit.scan.dynamic.endpoint import endpoint
from remit.scan.dynamic.garak_report import PROBE

FORMAT = "remit.served/v1"
MAX_BYTES = 1024 * 1024
MAX_TARGETS = 200
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A served model.

    Attributes:
        name: how jobs name it.
        url: of an interface as OpenAI's, up to ``/v1/``.
        model: its name on that server.
        repositories: patterns of what it may be asked as.
        key_variable: of the environment, with the key of the server; empty if it asks for none.
        probes: all that may be asked, by module or class; empty for whatever a job names.
        max_generations: answers to each prompt that a job may want.
    """

    name: str
    url: str
    model: str
    repositories: tuple[str, ...]
    key_variable: str = ""
    probes: tuple[str, ...] = ()
    max_generations: int = 10

    def serves(self, repository: str) -> bool:
        """Whether it may be asked as an artifact of this repository."""
        return any(matches(each, repository) for each in self.repositories)

    def allows(self, probe: str) -> bool:
        """Whether it may be asked this."""
        modules = {probe, probe.partition(".")[0]}
        return not self.probes or not modules.isdisjoint(self.probes)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    targets: tuple[Target, ...]


def parse_targets(data: bytes, environment: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets of a file; none of it counts if any of it is wrong.

    Args:
        data: the file.
        environment: has the keys.

    Raises:
        HubError: a rule is broken; the text says which.
    """
    if len(data) > MAX_BYTES:
        raise _wrong(f"it is larger than {MAX_BYTES} bytes")
    try:
        found = msgspec.convert(tomllib.loads(data.decode()), type=_File)
    except (msgspec.ValidationError, ValueError) as error:
        raise _wrong(str(error)) from None
    if found.format != FORMAT:
        raise _wrong(f'its format is not "{FORMAT}"')
    if not 0 < len(found.targets) <= MAX_TARGETS:
        raise _wrong(f"it lists no target, or more than {MAX_TARGETS}")
    names = [each.name for each in found.targets]
    for each in found.targets:
        _check(each, environment)
        if names.count(each.name) > 1:
            raise _wrong(f"`{each.name}` is there twice")
    return found.targets


def _check(target: Target, environment: Mapping[str, str]) -> None:
    if TARGET.fullmatch(target.name) is None:
        raise _wrong(f"`{target.name[:80]}` is no name of a target: a-z, 0-9, `.`, `_`, `-`")
    where = f"of the target `{target.name}`"
    if not target.model or not target.model.isprintable() or target.model.startswith("-"):
        raise _wrong(f"the model {where} has no name")
    if not target.repositories:
        raise _wrong(f"the repositories {where} are missing")
    for pattern in target.repositories:
        check_pattern(pattern)
    try:
        endpoint(target.url)
    except ScanError as error:
        raise _wrong(f"{error.message} ({where})") from None
    wrong = next((each for each in target.probes if PROBE.fullmatch(each) is None), None)
    if wrong is not None:
        raise _wrong(f"`{wrong[:80]}` {where} is no name of a probe")
    if not 0 < target.max_generations <= MAX_GENERATIONS:
        raise _wrong(f"`max_generations` {where} is not between 1 and {MAX_GENERATIONS}")
    name = target.key_variable
    if name and (_VARIABLE.fullmatch(name) is None or not environment.get(name)):
        raise _wrong(f"the variable `{name[:80]}` {where} is empty")


def load_targets(place: Path, environment: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets of the file ``place``; see :func:`parse_targets`.

    Raises:
        HubError: a rule is broken.
        OSError: it cannot be read.
    """
    return parse_targets(place.read_bytes(), environment)


def _wrong(why: str) -> HubError:
    return HubError(
        f"the file of served models is wrong: {why}",
        code="hub.targets",
        hint="spec/served-models.md has its form, and an example",
    )
