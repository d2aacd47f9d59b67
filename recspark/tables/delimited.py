"""Lines of separated fields that each name user, movie, rating and perhaps a time.

Arrow reads clean text into typed columns. Where it cannot, the fields are read as text, and one
column after the other is converted; only refused lines are looked at one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from recspark.tables.fields import Splitter, one_byte_separator, read_csv
from recspark.tables.lines import Lines
from recspark.tables.parsed import Parsed, Reject, is_column_names
from recspark.tables.quotes import Quoting
from recspark.tables.time_formats import NO_TIME_WORDS
from recspark.tables.values import RowRules, Rows, collect, fill_constants
from recspark.text.lines import count_lines, is_misread_by_arrow

UTF_8 = "utf-8"
HEADER, BLANK = "header", "blank"


@dataclass(frozen=True)
class Delimited:
    """One layout of separated fields.

    Attributes:
        quoting: How the fields of a line are told apart.
        num_columns: Number of fields on a line; blank ones may follow.
        positions: Position of each role's field, from 0; `rating` and `time` may be left out.
        rules: How values are read.
        headers: The lines of column names; None accepts any line that looks like one.
        padding: Characters that may follow the last number on a line.
        encoding: The encoding of the text, a superset of ASCII.
        constants: The value of roles that the lines do not hold but their file's folder does.
        is_by_record: Whether a quoted field may go over several lines.
    """

    quoting: Quoting
    num_columns: int
    positions: dict[str, int]
    rules: RowRules
    headers: tuple[bytes, ...] | None = None
    padding: bytes = b""
    encoding: str = UTF_8
    constants: dict[str, str] = field(default_factory=dict)
    is_by_record: bool = False

    def as_text(self, user: bool, movie: bool) -> Delimited:
        """Return the same layout with ids read as text."""
        return replace(self, rules=self.rules.as_text(user, movie))

    def parse(self, data: bytes) -> Parsed:
        """Return the ratings and refused lines of whole lines; the last may lack a line end."""
        text = data
        if self.encoding != UTF_8:
            text = data.decode(self.encoding, "backslashreplace").encode()
        return self._parse_typed(text) or self._parse_fields(text, data)

    def _parse_typed(self, text: bytes) -> Parsed | None:
        """Return the ratings of text without anything unusual; None if there is."""
        if is_misread_by_arrow(text) or not self.quoting.is_regular(text):
            return None
        if any(header in text for header in self.headers or ()):
            return None
        prepared = one_byte_separator(text, self.quoting.separator)
        if prepared is None:
            return None
        try:
            table = read_csv(
                *prepared,
                self.quoting,
                self.num_columns,
                self._kinds(),
                null_words=NO_TIME_WORDS,
                decimal=self.rules.scale.decimal if self.rules.scale else ".",
            )
        except pa.ArrowInvalid:
            return None
        columns = {
            role: table.column(str(position)).combine_chunks()
            for role, position in self.positions.items()
        }
        rows = self._read(columns, table.num_rows)
        ratings, num_unrated, num_untimed, problems = collect(rows, self.rules)
        if problems:
            return None
        num_lines = count_lines(text)
        return Parsed(
            rows=ratings,
            num_lines=num_lines,
            num_headers=0,
            num_blanks=num_lines - table.num_rows,
            movie=None,
            num_unrated=num_unrated,
            num_untimed=num_untimed,
        )

    def _parse_fields(self, text: bytes, data: bytes) -> Parsed:
        """Return the same, whatever the text holds; `data` is the text as it is in the file."""
        if self.padding:
            characters = b"[" + re.escape(self.padding) + b"]"
            text = re.sub(rb"(?m)(?<=[0-9])" + characters + rb"+(?=\r?$)", b"", text)
        lines = Lines(text)
        found = self._splitter().split(lines)
        rows = self._read(dict(zip(self.positions, found.columns, strict=True)), len(found.lines))
        ratings, num_unrated, num_untimed, problems = collect(rows, self.rules)
        refused, skipped = dict(found.refused), found.skipped
        for row, reason in problems.items():
            line = int(found.lines[row])
            kind = self._skip(lines[line])
            if kind is None:
                refused[line] = reason
            else:
                skipped[kind] += 1
        parsed = Parsed(
            rows=ratings,
            num_lines=len(lines),
            num_headers=skipped[HEADER],
            num_blanks=skipped[BLANK] + int(np.count_nonzero(lines.ends == lines.starts)),
            movie=None,
            num_unrated=num_unrated,
            num_untimed=num_untimed,
            num_continued=found.num_continued,
            has_open_quote=found.has_open_quote and not self.is_by_record,
        )
        add_rejects(parsed, refused, lines if text is data else Lines(data), self.encoding)
        return parsed

    def _splitter(self) -> Splitter:
        return Splitter(
            self.quoting,
            self.num_columns,
            tuple(self.positions.values()),
            self._skip,
            self.headers or (),
            self.is_by_record,
        )

    def _skip(self, line: bytes) -> str | None:
        """Return HEADER or BLANK for a line that is one, otherwise None."""
        if not line.strip():
            return BLANK
        if self.headers is not None:
            return HEADER if line in self.headers else None
        names = line.split(self.quoting.separator)
        return HEADER if is_column_names(names, self.num_columns) else None

    def _read(self, columns: dict[str, pa.Array], num_rows: int) -> Rows:
        fill_constants(columns, self.constants, num_rows)
        return self.rules.read(columns)

    def _kinds(self) -> dict[int, pa.DataType]:
        """Return the types to read clean columns as, by position."""
        text = pa.dictionary(pa.int32(), pa.string())
        time = self.rules.time_format
        kinds = {
            "user": text if self.rules.user_ids == "text" else pa.int64(),
            "movie": text if self.rules.movie_ids == "text" else pa.int64(),
            "rating": pa.float64(),
            "time": pa.int64() if time is not None and time.is_epoch else text,
        }
        return {position: kinds[role] for role, position in self.positions.items()}


def add_rejects(parsed: Parsed, refused: dict[int, str], lines: Lines, encoding: str) -> None:
    """Add the refused lines, with their reasons by line, to a result."""
    for line, reason in sorted(refused.items()):
        text = lines[line].decode(encoding, "backslashreplace")
        parsed.refuse(Reject(line, int(lines.starts[line]), text, reason))
