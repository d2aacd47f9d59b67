"""CSV of raw pairs: a vectorised parser for clean text, a line-by-line parser for the rest."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

import fsspec
import pyarrow as pa
from pyarrow import csv as arrow_csv

from recspark.errors import DataError, describe
from recspark.scoring.id_columns import WHOLE, BadRow, Pairs
from recspark.text.lines import as_text, is_misread_by_arrow, split_lines
from recspark.text.ranges import Range, read_pieces

_DELIMITERS = (",", "\t", ";", "|")
_WHOLE = re.compile(WHOLE)


@dataclass(frozen=True)
class Dialect:
    """The layout of a file, found from its first line."""

    delimiter: str
    num_columns: int
    user: int
    """Position of the user column."""
    movie: int
    has_names: bool
    """Whether the first line names the columns."""


def read_dialect(path: str, columns: tuple[str, str]) -> Dialect:
    """Return the layout of a file. The compression is inferred from the file's name.

    Two whole numbers at the start of the first line mean that there is no header, and that user and
    movie are the first two columns.

    Raises:
        DataError: The first line names no such columns, or the file is empty.
    """
    with fsspec.open(path, "rt", encoding="utf-8-sig", errors="replace", compression="infer") as f:
        line = f.readline().rstrip("\r\n")
    for delimiter in _DELIMITERS:
        fields = [name.strip() for name in _split(line, delimiter)]
        if set(columns) <= set(fields):
            user, movie = (fields.index(name) for name in columns)
            return Dialect(delimiter, len(fields), user, movie, has_names=True)
        if len(fields) >= 2 and all(_WHOLE.match(text) for text in fields[:2]):
            return Dialect(delimiter, len(fields), 0, 1, has_names=False)
    raise DataError(
        describe(
            f"{path}:1",
            found=f"{line[:80]!r}",
            expected=f"the columns {columns[0]} and {columns[1]}, or two ids",
            remedy="Name the columns with score_pairs.user_column and .movie_column.",
        )
    )


def parse_range(one: Range, dialect: Dialect) -> Iterator[Pairs]:
    """Yield the pairs of a byte range, piece by piece, and the lines that are not pairs."""
    is_first = one.start == 0
    for _, text in read_pieces(one):
        names = b""
        if is_first and dialect.has_names:
            names, _, text = text.partition(b"\n")
            names += b"\n"
        is_first = False
        pairs = _parse_clean(text, dialect) or _parse_lines(text, dialect)
        if names:
            bad = [BadRow(row.row + 1, row.text) for row in pairs.bad]
            pairs = Pairs(pairs.users, pairs.movies, pairs.num_lines + 1, bad)
        yield pairs


def _parse_clean(text: bytes, dialect: Dialect) -> Pairs | None:
    """Return what `_parse_lines` would, or None if any of the text is not clean."""
    if is_misread_by_arrow(text):
        return None
    names = [str(number) for number in range(dialect.num_columns)]
    wanted = [names[dialect.user], names[dialect.movie]]
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(text),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=names, block_size=len(text) + 1
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=dialect.delimiter),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.int64()),
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        return None
    users, movies = (table.column(name).combine_chunks() for name in wanted)
    return Pairs(users, movies, text.count(b"\n") + (not text.endswith(b"\n")))


def _parse_lines(text: bytes, dialect: Dialect) -> Pairs:
    users, movies, bad = [], [], []
    lines = split_lines(text) if text else []
    for number, (_, line) in enumerate(lines):
        fields = _split(as_text(line), dialect.delimiter)
        if not line.strip():
            continue
        ids = [fields[at] for at in (dialect.user, dialect.movie) if at < len(fields)]
        if len(fields) == dialect.num_columns and all(_WHOLE.match(text) for text in ids):
            users.append(int(ids[0]))
            movies.append(int(ids[1]))
        else:
            bad.append(BadRow(number, as_text(line)))
    return Pairs(pa.array(users, pa.int64()), pa.array(movies, pa.int64()), len(lines), bad)


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])
