"""Whole lines of text split into columns: by Arrow where it can, else one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from recspark.tables import parsed as r
from recspark.tables.lines import Lines
from recspark.tables.quotes import Ending, Quoting
from recspark.tables.records import find_irregular, find_records
from recspark.text.sources import BOM

# A separator of several characters is replaced by one of these, as Arrow takes one byte only.
_SUBSTITUTES = (b"\t", b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x01", b"\x02")
_FILLERS = (b".", b"_", b"-", b"+")


@dataclass
class Fields:
    """The fields of a text in columns, and the lines that are no rows of it.

    Attributes:
        columns: The wanted columns, as bytes.
        lines: Line of each row, ascending, int64.
        refused: (line, reason) of the lines that cannot be split.
        skipped: Number of lines that are no rows, by what `Splitter.skip` calls them.
        num_continued: Lines inside a quoted field that began above them.
        has_open_quote: Whether a line leaves a quote open.
    """

    columns: list[pa.Array]
    lines: npt.NDArray[np.int64]
    refused: list[tuple[int, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    num_continued: int = 0
    has_open_quote: bool = False


@dataclass(frozen=True)
class Splitter:
    """How lines are split.

    Attributes:
        quoting: How fields are told apart.
        num_columns: Number of fields on a line. Further ones must be blank.
        wanted: Positions of the fields to return.
        skip: A line → what it is instead of a row, e.g. `header`; None if it is a row.
        headers: Lines that are never rows, however well they fit.
        is_by_record: Whether a quoted field may go over several lines.
    """

    quoting: Quoting
    num_columns: int
    wanted: tuple[int, ...]
    skip: Callable[[bytes], str | None]
    headers: tuple[bytes, ...] = ()
    is_by_record: bool = False

    def split(self, lines: Lines) -> Fields:
        """Return the fields of all lines."""
        found = Fields([], np.zeros(0, np.int64))
        irregular = find_irregular(lines, self.quoting)
        odd = {*self._find_odd(lines), *irregular}
        records: dict[int, list[bytes]] = {}
        inside: set[int] = set()
        if self.is_by_record:
            for first, last, fields in find_records(lines, irregular, self.quoting)[0]:
                records[first] = fields
                inside |= set(range(first + 1, last + 1))
        found.num_continued = len(inside)
        columns, rows, invalid = self._split_with_arrow(lines, sorted({*odd, *inside}))
        others: list[list[bytes]] = []
        numbers: list[int] = []
        for line in sorted({*odd, *invalid} - inside):
            one = self._split_one(lines[line], line, records.get(line), found)
            if one is not None:
                others.append([one[position] for position in self.wanted])
                numbers.append(line)
        found.columns, found.lines = columns, rows
        if others:
            more = [pa.array(values, pa.binary()) for values in zip(*others, strict=True)]
            together = np.concatenate([rows, np.array(numbers, np.int64)])
            order = np.argsort(together, kind="stable")
            found.lines = together[order]
            found.columns = [
                pa.concat_arrays([column, extra]).take(pa.array(order))
                for column, extra in zip(columns, more, strict=True)
            ]
        return found

    def _split_one(
        self, text: bytes, line: int, fields: list[bytes] | None, found: Fields
    ) -> list[bytes] | None:
        """Return the fields of one line (or record, whose fields are known); None if it is no row.

        Why it is none goes into `found`.
        """
        kind = self.skip(text)
        if kind is not None:
            found.skipped[kind] += 1
            return None
        fields = fields or self.quoting.split(text)
        if fields is None:
            found.has_open_quote |= self.quoting.read_record(text)[2] is Ending.OPEN
            found.refused.append((line, r.BAD_QUOTES))
            return None
        surplus = fields[self.num_columns :]
        if len(fields) < self.num_columns or any(one.strip() for one in surplus):
            found.refused.append((line, r.WRONG_FIELDS))
            return None
        return fields

    def _find_odd(self, lines: Lines) -> set[int]:
        """Return the headers, and the lines that Arrow would misread although it reads them."""
        data = lines.data
        if self.num_columns < 2:
            return set(range(len(lines)))
        odd = {0} if data.startswith(BOM) else set()
        for header in self.headers:
            odd |= set(lines.equal_to(header))
        if data.count(b"\r") != data.count(b"\r\n"):  # a lone CR ends a line for Arrow
            odd |= set(lines.with_byte(b"\r"))
        if not is_utf8(data):  # Arrow cannot tell which of these lines are invalid
            odd |= {line for line in range(len(lines)) if not is_utf8(lines[line])}
        return odd

    def _split_with_arrow(
        self, lines: Lines, hidden: Sequence[int]
    ) -> tuple[list[pa.Array], npt.NDArray[np.int64], list[int]]:
        """Return the columns of the lines that Arrow reads, these lines, and those it cannot read.

        Hidden lines are replaced by others that it cannot read either.
        """
        text = bytearray(lines.data)
        taken = (self.quoting.separator, self.quoting.quote, self.quoting.escape)
        filler = next(one for one in _FILLERS if one not in taken)
        for line in hidden:
            start, end = int(lines.starts[line]), int(lines.ends[line])
            text[start:end] = filler * (end - start)
        is_filled = lines.ends > lines.starts
        filled = np.flatnonzero(is_filled)
        prepared = one_byte_separator(bytes(text), self.quoting.separator)
        nothing = [pa.array([], pa.binary()) for _ in self.wanted]
        if prepared is None or self.num_columns < 2 or not len(filled):
            return nothing, np.zeros(0, np.int64), filled.tolist()
        numbers: list[int] = []

        def skip(row: csv.InvalidRow) -> str:
            numbers.append(row.number - 1)
            return "skip"

        try:
            table = read_csv(
                *prepared,
                self.quoting,
                self.num_columns,
                dict.fromkeys(self.wanted, pa.binary()),
                invalid_row_handler=skip,
            )
        except pa.ArrowInvalid:
            return nothing, np.zeros(0, np.int64), filled.tolist()
        is_row = np.ones(len(filled), bool)
        is_row[numbers] = False
        if table.num_rows != np.count_nonzero(is_row):
            return nothing, np.zeros(0, np.int64), filled.tolist()
        columns = [table.column(str(position)).combine_chunks() for position in self.wanted]
        return columns, filled[is_row], filled[~is_row].tolist()


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def one_byte_separator(text: bytes, separator: bytes) -> tuple[bytes, bytes] | None:
    """Return the text with a separator of one byte, and that one; None if none is free."""
    if len(separator) == 1:
        return text, separator
    free = next((one for one in _SUBSTITUTES if one not in text), None)
    return None if free is None else (text.replace(separator, free), free)


def read_csv(
    text: bytes,
    separator: bytes,
    quoting: Quoting,
    num_columns: int,
    kinds: dict[int, pa.DataType],
    *,
    null_words: Sequence[str] = (),
    decimal: str = ".",
    invalid_row_handler: Callable[[csv.InvalidRow], str] | None = None,
) -> pa.Table:
    """Return the columns of some positions, named by position, with these types."""
    return csv.read_csv(
        pa.py_buffer(text),
        read_options=csv.ReadOptions(
            use_threads=False,
            column_names=[str(position) for position in range(num_columns)],
            block_size=len(text) + 1,
        ),
        parse_options=csv.ParseOptions(
            delimiter=separator.decode(),
            quote_char=quoting.quote.decode() if quoting.quote else False,
            escape_char=quoting.escape.decode() if quoting.escape else False,
            invalid_row_handler=invalid_row_handler,
        ),
        convert_options=csv.ConvertOptions(
            column_types={str(position): kind for position, kind in kinds.items()},
            include_columns=[str(position) for position in kinds],
            null_values=list(null_words),
            strings_can_be_null=False,
            decimal_point=decimal,
        ),
    )
