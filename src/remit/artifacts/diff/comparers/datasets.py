"""Data sets: columns and their types, how many rows, which were added, removed and changed.

Rows are compared by a hash over the columns that both sides have, so a new column is one change
and not one for each row. A row is *changed* if the column that identifies rows (``id`` and the
like) says that it is the same, or if as many rows differ on both sides at the same places.
"""

import hashlib
import math
from array import array
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from remit.artifacts.diff.base import Change, NotLookedIntoError, Pair, Work
from remit.artifacts.diff.formats.rows import Csv, JsonLines, Parquet, Row, Table
from remit.artifacts.diff.structure import short
from remit.artifacts.diff.text import looks_like_text, shown
from remit.core.canonical import digest_bytes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

NAME = "datasets"
MAX_ROWS = 4_000_000
"""Of each side; what is beyond is counted and said to be not looked into."""
MAX_COLUMNS = 4096
SAMPLES = 10
_MAX_NUMBER = 40
"""Characters of the longest text that is taken for a number."""
_IDENTITIES = ("id", "_id", "uuid", "guid", "key", "row_id", "rowid", "index", "idx")
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


class DatasetComparer:
    """Columns first, then rows."""

    name = NAME
    order = 450

    def takes(self, pair: Pair) -> bool:
        """By suffix; Parquet by its first bytes, too."""
        if pair.suffix == ".parquet" or all(head.startswith(b"PAR1") for head in pair.heads):
            return True
        return pair.suffix in _SUFFIXES and all(map(looks_like_text, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Read both sides three times: for columns, for hashes, for samples."""
        a, b = _table(pair, 0), _table(pair, 1)
        before, after = _survey(a), _survey(b)
        yield from _columns(pair.path, before, after)
        if before.count != after.count:
            yield Change(
                comparer=NAME,
                kind="rows.count",
                path=pair.path,
                severity="low",
                summary=f"{before.count} → {after.count} rows",
                before=before.count,
                after=after.count,
            )
        if max(before.count, after.count) > MAX_ROWS:
            work.unread(pair.path, f"rows beyond the first {MAX_ROWS} were only counted")
        common = [name for name in before.columns if name in after.columns]
        secret = hashlib.sha256(f"{pair.a.digest}{pair.b.digest}".encode()).digest()
        yield from _Rows(pair.path, a, b, common, secret).changes()


def _table(pair: Pair, side: int) -> Table:
    entry = pair.b if side else pair.a
    if pair.suffix == ".parquet" or pair.heads[side].startswith(b"PAR1"):
        return Parquet(entry)
    return Csv(entry, pair.suffix) if pair.suffix in {".csv", ".tsv"} else JsonLines(entry)


class _Survey(msgspec.Struct, frozen=True):
    """Columns with the types of their values, and how many rows there are."""

    columns: Mapping[str, str]
    count: int


def _survey(table: Table) -> _Survey:
    declared = table.declared()
    seen: dict[str, set[str]] = {name: set() for name in declared}
    count = 0
    for row in table.rows():
        count += 1
        for name, value in row.items():
            kinds = seen.get(name)
            if kinds is None:
                if len(seen) >= MAX_COLUMNS:
                    raise NotLookedIntoError(f"it has more than {MAX_COLUMNS} columns")
                kinds = seen[name] = set()
            if name not in declared:
                kinds.add(_text_kind(value) if table.texts else _kind(value))
    return _Survey({n: declared.get(n) or _type(kinds) for n, kinds in seen.items()}, count)


def _kind(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return names.get(type(value), "array" if isinstance(value, list) else "object")


def _text_kind(value: str) -> str:
    """What a text in a CSV file stands for."""
    stripped = value.strip()
    if not stripped:
        return "null"
    if len(stripped) > _MAX_NUMBER:
        return "text"
    digits = stripped.lstrip("+-")
    if digits.isascii() and digits.isdigit():
        return "integer"
    if digits[:1].isdigit() or digits[:1] == ".":
        try:
            float(stripped)
        except ValueError:
            return "text"
        return "number"
    return "boolean" if stripped.lower() in {"true", "false"} else "text"


def _type(kinds: set[str]) -> str:
    found = kinds - {"null"}
    if found == {"integer", "number"}:
        return "number"
    return " or ".join(sorted(found)) or "empty"


def _columns(path: str, before: _Survey, after: _Survey) -> Iterator[Change]:
    for name, kind in before.columns.items():
        if name not in after.columns:
            yield Change(comparer=NAME, kind="column.removed", path=path, subject=shown(name),
                         severity="medium", summary=f"column removed, {kind}",
                         before=kind)  # fmt: skip
    for name, kind in after.columns.items():
        if name not in before.columns:
            yield Change(comparer=NAME, kind="column.added", path=path, subject=shown(name),
                         severity="medium", summary=f"column added, {kind}",
                         after=kind)  # fmt: skip
        elif before.columns[name] != kind and "empty" not in {before.columns[name], kind}:
            yield Change(comparer=NAME, kind="column.type", path=path, subject=shown(name),
                         severity="medium", summary=f"type {before.columns[name]} → {kind}",
                         before=before.columns[name], after=kind)  # fmt: skip


class _Rows:
    """Rows of both sides by hash."""

    def __init__(self, path: str, a: Table, b: Table, common: list[str], secret: bytes) -> None:
        self.path = path
        self.tables = (a, b)
        self.common = common
        self.secret = secret
        lower = {name.lower(): name for name in reversed(common)}
        self.identity = next((lower[each] for each in _IDENTITIES if each in lower), None)

    def changes(self) -> Iterator[Change]:
        """Removed, added and changed rows, or another order of the same."""
        import numpy as np

        (rows_a, keys_a), (rows_b, keys_b) = (self._hashes(table) for table in self.tables)
        gone, come = _surplus(rows_a, rows_b), _surplus(rows_b, rows_a)
        changed_a = changed_b = np.empty(0, np.int64)
        if self.identity is not None and _unique(keys_a) and _unique(keys_b):
            _, at_a, at_b = np.intersect1d(
                keys_a[gone], keys_b[come], assume_unique=True, return_indices=True
            )
            order = np.argsort(gone[at_a], kind="stable")
            changed_a, changed_b = gone[at_a][order], come[at_b][order]
        elif gone.size and np.array_equal(gone, come) and rows_a.size == rows_b.size:
            changed_a = changed_b = gone
        gone = np.setdiff1d(gone, changed_a, assume_unique=True)
        come = np.setdiff1d(come, changed_b, assume_unique=True)
        if changed_a.size:
            yield self._changed(changed_a, changed_b)
        if gone.size:
            yield self._sampled(0, gone, "removed")
        if come.size:
            yield self._sampled(1, come, "added")
        same = not (gone.size or come.size or changed_a.size)
        if same and not np.array_equal(rows_a, rows_b):
            yield Change(comparer=NAME, kind="rows.order", path=self.path, severity="info",
                         summary="the same rows in another order")  # fmt: skip

    def _hashes(self, table: Table) -> "tuple[Array, Array]":
        import numpy as np

        rows, keys = array("Q"), array("Q")
        for count, row in enumerate(table.rows()):
            if count == MAX_ROWS:
                break
            rows.append(self._hash([row.get(name) for name in self.common]))
            if self.identity is not None:
                keys.append(self._hash(row.get(self.identity)))
        return np.array(rows, dtype=np.uint64), np.array(keys, dtype=np.uint64)

    def _hash(self, value: Any) -> int:
        data = digest_bytes(value if isinstance(value, str) else _plain(value))
        # Keyed with both files, so that nobody makes two rows of one hash beforehand.
        taken = hashlib.blake2b(data, digest_size=8, key=self.secret)
        return int.from_bytes(taken.digest(), "little")

    def _sampled(self, side: int, places: "Array", what: str) -> Change:
        rows = self._pick(side, places)
        sample = [{"row": n + 1, **_shown(row)} for n, row in rows.items()]
        return Change(
            comparer=NAME,
            kind=f"rows.{what}",
            path=self.path,
            severity="medium",
            summary=f"{places.size} row{'' if places.size == 1 else 's'} {what}",
            details={
                "count": int(places.size),
                "rows": [int(n) + 1 for n in places[:SAMPLES]],
                "sample": sample,
            },
        )

    def _changed(self, places_a: "Array", places_b: "Array") -> Change:
        left, right = self._pick(0, places_a), self._pick(1, places_b)
        sample: list[dict[str, Any]] = []
        columns: dict[str, int] = {}
        for old, new in zip(places_a[:SAMPLES], places_b[:SAMPLES], strict=True):
            was, now = left[int(old)], right[int(new)]
            differ = [n for n in self.common if _plain(was.get(n)) != _plain(now.get(n))]
            for name in differ:
                columns[name] = columns.get(name, 0) + 1
            sample.append(
                {
                    "row": int(new) + 1,
                    **({"key": short(now.get(self.identity), 100)} if self.identity else {}),
                    "before": {shown(n, 100): short(was.get(n), 200) for n in differ[:20]},
                    "after": {shown(n, 100): short(now.get(n), 200) for n in differ[:20]},
                }
            )
        names = ", ".join(f"`{shown(name, 60)}`" for name in list(columns)[:5])
        return Change(
            comparer=NAME,
            kind="rows.changed",
            path=self.path,
            severity="medium",
            summary=f"{places_a.size} row{'' if places_a.size == 1 else 's'} changed"
            + (f", in {names}" if names else ""),
            details={"count": int(places_a.size), "sample": sample},
        )

    def _pick(self, side: int, places: "Array") -> dict[int, Row]:
        """The first of the rows at ``places``."""
        import numpy as np

        wanted = {int(n) for n in places[:SAMPLES]}
        last = int(np.max(places[:SAMPLES]))
        found: dict[int, Row] = {}
        for count, row in enumerate(self.tables[side].rows()):
            if count in wanted:
                found[count] = row
            if count >= last:
                break
        return found


def _surplus(a: "Array", b: "Array") -> "Array":
    """Places of rows of ``a`` that ``b`` has less often; of equal ones the last."""
    import numpy as np

    values, counts = np.unique(a, return_counts=True)
    others, other_counts = np.unique(b, return_counts=True)
    have = np.zeros(values.size, np.int64)
    _, at, at_other = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    have[at] = other_counts[at_other]
    more = np.maximum(counts - have, 0)
    if not more.any():
        return np.empty(0, np.int64)
    order = np.argsort(a, kind="stable")
    ends = np.cumsum(counts)
    # In `order`, equal rows stand together, the last of them before `ends`.
    rank_from_end = np.repeat(ends, counts) - np.arange(a.size)
    taken = rank_from_end <= np.repeat(more, counts)
    return np.sort(order[taken])


def _unique(keys: "Array") -> bool:
    import numpy as np

    return bool(np.unique(keys).size == keys.size)


def _plain(value: Any) -> Any:
    """A JSON value: Parquet has dates, bytes and decimals, too."""
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value if not isinstance(value, float) or math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def _shown(row: Row) -> dict[str, Any]:
    values = list(row.items())[:30]
    return {"values": {shown(name, 100): short(_plain(value), 200) for name, value in values}}


COMPARER = DatasetComparer()
