"""guarddog's YARA rules of threats, without the program around them, which wants the network.

Its rules of capabilities say what code can do, not that it is wrong, and are left out.
"""

import fnmatch
from collections.abc import Iterator
from typing import Any, ClassVar

from remit.scan.external.driver import Found, Tool

_TIMEOUT_S = 20


class Guarddog(Tool):
    """Driver of yara-python with the rules of guarddog."""

    name: ClassVar[str] = "guarddog"
    distribution: ClassVar[str] = "guarddog"
    summary: ClassVar[str] = "code that attacks, by guarddog's YARA rules"
    resident: ClassVar[int] = 100_000_000
    item_seconds: ClassVar[float] = 30.0
    max_bytes: ClassVar[int] = 8 * 1024 * 1024

    def claims(self, artifact: Any, member: Any) -> str:
        """Code, and the files of packages that name code to run."""
        from remit.scan.scanners import _code, _text

        del artifact
        named = _text.base(member) in {"package.json", "setup.cfg", "pyproject.toml"}
        return "code" if named or _code.is_code(member) else ""

    def prepare(self) -> None:
        """Compile its rules."""
        from importlib.util import find_spec
        from pathlib import Path

        import yara

        spec = find_spec("guarddog")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError("guarddog is not there")
        folder = Path(spec.submodule_search_locations[0], "analyzer", "sourcecode")
        rules = {each.stem: str(each) for each in sorted(folder.glob("threat-*.yar"))}
        self._rules = yara.compile(filepaths=rules)

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """Rules that match, where they are meant for files of this name."""
        del form
        for match in self._rules.match(path, timeout=_TIMEOUT_S):
            if not match.rule.startswith("threat_"):
                continue  # one that others include
            wanted = str(match.meta.get("path_include", "*")).split(",")
            if not any(fnmatch.fnmatch(path.lower(), each.strip()) for each in wanted):
                continue
            seen = match.strings[0].instances[0] if match.strings else None
            yield Found(
                f"guarddog.{match.namespace.removeprefix('threat-').replace('-', '_')}",
                str(match.meta.get("description", match.rule)),
                "medium",
                evidence=seen.matched_data[:200].decode("utf-8", "replace") if seen else "",
                name=match.rule,
            )


TOOL = Guarddog()
