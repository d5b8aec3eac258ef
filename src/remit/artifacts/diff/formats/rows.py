"""Tables as rows of named values: CSV (RFC 4180), JSON lines, Parquet.

A file is read several times and never kept: lines, fields, columns and rows are bounded.
"""

import codecs
import csv
import importlib.util
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Protocol

import msgspec

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.tree import Entry

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_COLUMNS = 4096
MAX_FILE_BYTES = 16 << 30
MAX_GROUP_BYTES = 1 << 30
"""Of a row group of Parquet, unpacked, as its metadata says."""
_BATCH = 1024
_DELIMITERS = ",;\t|"

Row = Mapping[str, Any]


class Table(Protocol):
    """A file of rows.

    Attributes:
        texts: whether every value is a text, whatever it stands for.
    """

    texts: bool

    def rows(self) -> Iterator[Row]:
        """All rows, from the first; may be asked for again.

        Raises:
            NotLookedIntoError: malformed, or beyond the bounds.
        """
        ...

    def declared(self) -> Mapping[str, str]:
        """Types of columns, where the file itself declares them, else nothing."""
        ...


class Csv:
    """Comma-separated values with a header; all values are texts."""

    texts = True

    def __init__(self, entry: Entry, suffix: str) -> None:
        _small_enough(entry)
        self._entry = entry
        self._delimiter = "\t" if suffix == ".tsv" else ""

    def declared(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def rows(self) -> Iterator[Row]:
        """Rows by the names in the first line."""
        with self._entry.open() as file:
            lines = _lines(file)
            first = next(lines, "")
            delimiter = self._delimiter or max(_DELIMITERS, key=first.count)
            reader = csv.reader(itertools.chain((first,), lines), delimiter=delimiter, strict=True)
            try:
                header = next(reader, [])
                _columns(header)
                for row in reader:
                    if len(row) == len(header):
                        yield dict(zip(header, row, strict=True))
                    elif row:
                        raise NotLookedIntoError(
                            f"line {reader.line_num} has {len(row)} fields and not {len(header)}"
                        )
            except csv.Error as error:
                raise NotLookedIntoError(f"it cannot be read as CSV: {error}") from error


class JsonLines:
    """One JSON object in each line."""

    texts = False

    def __init__(self, entry: Entry) -> None:
        _small_enough(entry)
        self._entry = entry

    def declared(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def rows(self) -> Iterator[Row]:
        """Objects, line by line; empty lines are none."""
        decoder = msgspec.json.Decoder(dict[str, Any])
        with self._entry.open() as file:
            for number, line in enumerate(_raw_lines(file), 1):
                if not line.strip():
                    continue
                try:
                    yield decoder.decode(line)
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    raise NotLookedIntoError(f"line {number} is no JSON object") from None


class Parquet:
    """Apache Parquet, where PyArrow is installed (extra ``datasets``)."""

    texts = False

    def __init__(self, entry: Entry) -> None:
        if importlib.util.find_spec("pyarrow") is None:
            raise NotLookedIntoError("Parquet needs PyArrow: install the extra `datasets` of Remit")
        _small_enough(entry)
        self._entry = entry

    def declared(self) -> Mapping[str, str]:
        """Types of its schema."""
        with self._entry.open() as file:
            schema = self._file(file).schema_arrow
            _columns(schema.names)
            return {field.name: str(field.type) for field in schema}

    def rows(self) -> Iterator[Row]:
        """Rows, in batches."""
        with self._entry.open() as file:
            found = self._file(file)
            try:
                for batch in found.iter_batches(batch_size=_BATCH):
                    yield from batch.to_pylist()
            except Exception as error:
                raise _broken(error) from error

    def _file(self, file: BinaryIO) -> Any:
        import pyarrow.parquet

        try:
            found = pyarrow.parquet.ParquetFile(file)
            groups = found.metadata.num_row_groups
            sizes = [found.metadata.row_group(n).total_byte_size for n in range(groups)]
        except Exception as error:
            raise _broken(error) from error
        if any(size > MAX_GROUP_BYTES for size in sizes):
            raise NotLookedIntoError(f"it has a row group of more than {MAX_GROUP_BYTES} bytes")
        return found


def _broken(error: Exception) -> NotLookedIntoError:
    return NotLookedIntoError(f"it cannot be read as Parquet ({type(error).__name__})")


def _small_enough(entry: Entry) -> None:
    if entry.size > MAX_FILE_BYTES:
        raise NotLookedIntoError(f"it has more than {MAX_FILE_BYTES} bytes")


def _columns(names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise NotLookedIntoError(f"it has more than {MAX_COLUMNS} columns")
    if len(set(names)) != len(names):
        raise NotLookedIntoError("it has two columns of one name")


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise NotLookedIntoError(f"it has a line of more than {MAX_LINE_BYTES} bytes")
        yield line


def _lines(file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(_raw_lines(file)):
        data = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
        try:
            yield data.decode("utf-8")
        except UnicodeDecodeError:
            raise NotLookedIntoError(f"line {number + 1} is not UTF-8") from None
