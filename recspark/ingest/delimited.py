"""Lines of separated fields that each name user, movie, rating and perhaps a time.

As for Netflix text, a vectorised parser reads clean pieces and a line-by-line parser reads the
others. Tests check that the two agree.
"""

from __future__ import annotations

import csv as python_csv
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv

from recspark.arrays.ratings import NO_RATINGS, Ratings
from recspark.ingest import parsed as r
from recspark.ingest.parsed import Parsed, Reject, is_column_names
from recspark.ingest.rating_scales import Scale
from recspark.ingest.time_formats import TimeFormat
from recspark.text.lines import as_text, count_lines, is_misread_by_arrow, parse_id, split_lines

_TAB = b"\t"


@dataclass(frozen=True)
class Delimited:
    """One layout of separated fields.

    Attributes:
        separator: The text between two fields.
        num_columns: Number of fields on a line.
        user: Position of the user id, from 0.
        movie: Position of the movie id.
        rating: Position of the rating.
        time: Position of the time; None if there is none, and every day is then 1970-01-01.
        scale: The ratings allowed.
        time_format: How times are written.
        header: The line of column names; None accepts any line that looks like one.
        padding: Characters that may follow the last field.
        is_quoted: Whether fields may be in double quotes; a quote inside a field is doubled.
    """

    separator: bytes
    num_columns: int
    user: int
    movie: int
    rating: int
    time: int | None
    scale: Scale
    time_format: TimeFormat
    header: bytes | None = None
    padding: bytes = b" \t,"
    is_quoted: bool = False

    def parse(self, data: bytes) -> Parsed:
        """Return the ratings and refused lines of whole lines; the last may lack a line end."""
        return self.parse_clean(data) or self.parse_lines(data)

    def parse_clean(self, data: bytes) -> Parsed | None:
        """Return what `parse_lines` would return, or None if any line is not clean."""
        text = self._prepare(data)
        if text is None:
            return None
        names = [str(position) for position in range(self.num_columns)]
        kinds = {str(position): kind for position, kind in self._kinds().items()}
        try:
            table = csv.read_csv(
                pa.py_buffer(text),
                read_options=csv.ReadOptions(
                    use_threads=False, column_names=names, block_size=len(text) + 1
                ),
                parse_options=csv.ParseOptions(
                    delimiter=(_TAB if len(self.separator) > 1 else self.separator).decode(),
                    quote_char='"' if self.is_quoted else False,
                    escape_char=False,
                ),
                convert_options=csv.ConvertOptions(
                    column_types=kinds,
                    include_columns=list(kinds),
                    null_values=[],
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        rows = self._rows(table)
        num_lines = count_lines(data)
        # Arrow lets a quoted field span lines, which makes rows fewer than lines.
        if rows is None or (self.is_quoted and b'"' in data and len(rows) != num_lines):
            return None
        return Parsed(
            rows=rows,
            num_lines=num_lines,
            num_headers=0,
            num_blanks=num_lines - len(rows),
            movie=None,
        )

    def parse_lines(self, data: bytes) -> Parsed:
        """Return the same as `parse`, reading line by line."""
        values: list[tuple[int, int, float, int]] = []
        parsed = Parsed(NO_RATINGS, num_lines=0, num_headers=0, num_blanks=0, movie=None)
        for number, (offset, line) in enumerate(split_lines(data)):
            parsed.num_lines += 1
            if not line.strip():
                parsed.num_blanks += 1
            elif self._is_header(line):
                parsed.num_headers += 1
            else:
                value = self._parse_rating(line)
                if isinstance(value, str):
                    parsed.rejects.append(Reject(number, offset, as_text(line), value))
                else:
                    values.append(value)
                    parsed.row_lines.append(number)
        parsed.rows = Ratings.of(values)
        return parsed

    def parse_fields(
        self, user: bytes, movie: bytes, rating: bytes, time: bytes | None
    ) -> tuple[int, int, float, int] | str:
        """Return (user, movie, rating, day), or the reason why such a row is refused."""
        user_id, movie_id = parse_id(user), parse_id(movie)
        value = self.scale.parse(rating)
        day = 0 if time is None else self.time_format.parse(time)
        if user_id is None:
            return r.BAD_USER
        if movie_id is None:
            return r.BAD_MOVIE
        if value is None:
            return self.scale.reason
        if day is None:
            return self.time_format.reason
        return user_id, movie_id, value, day

    def _parse_rating(self, line: bytes) -> tuple[int, int, float, int] | str:
        line = line.rstrip(self.padding) if self.padding else line
        is_plain = not self.is_quoted or b'"' not in line
        fields = line.split(self.separator) if is_plain else split_fields(line, self.separator)
        if fields is None:
            return r.BAD_QUOTES
        if len(fields) != self.num_columns:
            return r.WRONG_FIELDS
        return self.parse_fields(
            fields[self.user],
            fields[self.movie],
            fields[self.rating],
            None if self.time is None else fields[self.time],
        )

    def _is_header(self, line: bytes) -> bool:
        if self.header is not None:
            return line == self.header
        return is_column_names(line.split(self.separator), self.num_columns)

    def _kinds(self) -> dict[int, pa.DataType]:
        kinds = {self.user: pa.int32(), self.movie: pa.int32(), self.rating: pa.float64()}
        return kinds if self.time is None else {**kinds, self.time: self.time_format.arrow_type}

    def _prepare(self, data: bytes) -> bytes | None:
        """Return the text as Arrow should read it; None if Arrow would silently misread it.

        Arrow supports only separators of one byte.
        """
        if is_misread_by_arrow(data):
            return None
        if len(self.separator) > 1:
            return None if _TAB in data else data.replace(self.separator, _TAB)
        if self.is_quoted and b'"' in data:
            mark = re.escape(self.separator)
            field = rb"(?m)(?:^|(?<=" + mark + rb'))"(?:[^"\n]|"")*"(?=' + mark + rb"|\r?$)"
            if b'"' in re.sub(field, b"", data):
                return None  # Arrow is lenient where `split_fields` is not
        return data

    def _rows(self, table: pa.Table) -> Ratings | None:
        users, movies, ratings = (
            table.column(str(position)).to_numpy()
            for position in (self.user, self.movie, self.rating)
        )
        days: np.ndarray | None = np.full(len(users), 0, np.int32)
        if self.time is not None:
            days = self.time_format.days(table.column(str(self.time)))
        if days is None or not self.scale.holds(ratings):
            return None
        if len(users) and min(users.min(), movies.min()) < 1:
            return None
        return Ratings(users, movies, ratings.astype(np.float32), days)


def split_fields(line: bytes, separator: bytes) -> list[bytes] | None:
    """Return the fields of a line without their quotes; None if the quotes are not valid."""
    # Latin-1 maps every byte to a character and back.
    try:
        reader = python_csv.reader(
            [line.decode("latin-1")], delimiter=separator.decode(), strict=True
        )
        return [field.encode("latin-1") for field in next(reader)]
    except (python_csv.Error, StopIteration):
        return None
