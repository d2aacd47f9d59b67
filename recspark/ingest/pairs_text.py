"""Text of raw pairs: a vectorised parser for clean text, a line-by-line parser for the rest."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv as arrow_csv

from recspark.errors import DataError, describe
from recspark.ingest.netflix import is_header
from recspark.ingest.pairs import BadRow, Kinds, PairColumns, Pairs, make_pairs
from recspark.ingest.small_tables import split_quoted
from recspark.tables.raw_ids import NO_ID
from recspark.text.kinds import require_text
from recspark.text.lines import as_text, count_lines, is_misread_by_arrow, split_lines
from recspark.text.ranges import Range, read_pieces
from recspark.text.sources import BOM, Source, read_start

logger = logging.getLogger(__name__)

_SEPARATORS = ("\t", "::", ";", "|", ",", " ")
_WHOLE = re.compile(r"\s*\"?-?\d+(\.0*)?\"?\s*")


@dataclass(frozen=True)
class Dialect:
    """The layout of a file, found from its first line.

    Attributes:
        separator: The text between two fields; empty for a probe, where `1234:` names the movie of
            the users below.
        num_columns: Number of fields.
        user: Position of the user.
        movie: Position of the movie.
        has_names: Whether the first line names the columns.
    """

    separator: str
    num_columns: int = 1
    user: int = 0
    movie: int = 1
    has_names: bool = False

    @property
    def is_probe(self) -> bool:
        """Whether lines such as `1234:` name the movies."""
        return not self.separator


def read_dialect(source: Source, columns: PairColumns, kinds: Kinds) -> Dialect:
    """Return the layout of a file of text.

    Without column names, which two ids of the right kind on the first line show, user and movie are
    the first two columns.

    Raises:
        DataError: The first line names no such columns, or the file is empty or no text.
    """
    start = read_start(source)
    require_text(source.name, start)
    lines = start.removeprefix(BOM).decode("utf-8", "backslashreplace").splitlines()
    line = next((one for one in lines if one.strip()), "")
    if re.fullmatch(r"\s*[^\s,;|]+:\s*", line):
        return Dialect("")
    for separator in _SEPARATORS:
        names = split_quoted(line, separator) or []
        found = columns.find(names)
        if found:
            return Dialect(separator, len(names), *found, has_names=True)
    for separator in _SEPARATORS:
        fields = split_quoted(line, separator) or []
        if len(fields) >= 2 and all(map(_may_be_id, fields[:2], kinds)):
            logger.info("%s: no column names; user and movie are the first two", source.name)
            return Dialect(separator, len(fields))
    user, movie = columns.settings
    raise DataError(
        describe(
            f"{source.name}:1",
            found=f"{line[:80]!r}" if line else "no text",
            expected="the names of a user and a movie column, two ids, or a line such as 1234:",
            remedy=f"Name the columns with {user} and {movie}.",
        )
    )


def parse_range(one: Range, dialect: Dialect, kinds: Kinds) -> Iterator[Pairs]:
    """Yield the pairs of a byte range, piece by piece, and the lines that are not pairs."""
    if dialect.is_probe:
        yield from _parse_probe(one, kinds)
        return
    has_names = one.start == 0 and dialect.has_names
    for _, text in read_pieces(one):
        names = b""
        while has_names and text:
            name, mark, text = text.partition(b"\n")
            names += name + mark
            has_names = not name.strip()  # blank lines may stand above the names
        pairs = _parse_clean(text, dialect, kinds) or _parse_lines(text, dialect, kinds)
        if names:
            num_names = count_lines(names)
            bad = [BadRow(row.row + num_names, row.text) for row in pairs.bad]
            num_lines = pairs.num_lines + num_names
            pairs = Pairs(pairs.users, pairs.movies, num_lines, bad, pairs.has_text)
        yield pairs


def _parse_clean(text: bytes, dialect: Dialect, kinds: Kinds) -> Pairs | None:
    """Return what `_parse_lines` would, or None if any of the text is not clean."""
    separator = dialect.separator
    if is_misread_by_arrow(text):
        return None
    if len(separator) > 1:
        if b"\t" in text:
            return None
        text, separator = text.replace(separator.encode(), b"\t"), "\t"
    table = _read_csv(text, separator, dialect, [kind or None for kind in kinds])
    if table is None:
        table = _read_csv(text, separator, dialect, [True, True])
    num_lines = count_lines(text)
    if table is None or (b'"' in text and table.num_rows != num_lines):
        return None  # a quoted field may span lines
    users, movies = (table.column(name).combine_chunks() for name in _wanted(dialect))
    pairs = make_pairs(users, movies, kinds, [BadRow(0, "")] * len(users), num_lines)
    return None if pairs.bad else pairs


def _read_csv(
    text: bytes, separator: str, dialect: Dialect, is_text: Sequence[bool | None]
) -> pa.Table | None:
    wanted = _wanted(dialect)
    kinds = [pa.string() if one else pa.int64() for one in is_text]
    try:
        return arrow_csv.read_csv(
            pa.py_buffer(text),
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                column_names=[str(number) for number in range(dialect.num_columns)],
                block_size=len(text) + 1,
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=separator),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict(zip(wanted, kinds, strict=True)),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None


def _wanted(dialect: Dialect) -> list[str]:
    return [str(dialect.user), str(dialect.movie)]


def _parse_lines(text: bytes, dialect: Dialect, kinds: Kinds) -> Pairs:
    users, movies, rows, bad = [], [], [], []
    lines = split_lines(text) if text else []
    for number, (_, line) in enumerate(lines):
        if not line.strip():
            continue
        row = BadRow(number, as_text(line))
        fields = split_quoted(row.text, dialect.separator)
        if fields is None or len(fields) != dialect.num_columns:
            bad.append(row)
        else:
            users.append(fields[dialect.user])
            movies.append(fields[dialect.movie])
            rows.append(row)
    return _of_lists(users, movies, kinds, rows, bad, len(lines))


def _parse_probe(one: Range, kinds: Kinds) -> Iterator[Pairs]:
    """Yield the pairs of a probe: a user on each line, which a date may follow."""
    movie: str | None = None
    for _, text in read_pieces(one):
        users, movies, rows, bad = [], [], [], []
        lines = split_lines(text)
        for number, (_, line) in enumerate(lines):
            row = BadRow(number, as_text(line))
            if not line.strip():
                continue
            if is_header(line):
                name = row.text.strip()[:-1].strip()
                movie = name if _may_be_id(name, kinds[1]) else None
                if movie is None:
                    bad.append(row)
            elif movie is None:
                bad.append(row)
            else:
                users.append(row.text.partition(",")[0])
                movies.append(movie)
                rows.append(row)
        yield _of_lists(users, movies, kinds, rows, bad, len(lines))


def _of_lists(
    users: list[str],
    movies: list[str],
    kinds: Kinds,
    rows: list[BadRow],
    bad: list[BadRow],
    num_lines: int,
) -> Pairs:
    columns = pa.array(users, pa.string()), pa.array(movies, pa.string())
    pairs = make_pairs(*columns, kinds, rows, num_lines)
    bad = sorted([*bad, *pairs.bad], key=lambda row: row.row)
    return Pairs(pairs.users, pairs.movies, num_lines, bad, pairs.has_text)


def _may_be_id(text: str, is_text: bool) -> bool:
    return text.strip() not in NO_ID if is_text else _WHOLE.fullmatch(text) is not None
