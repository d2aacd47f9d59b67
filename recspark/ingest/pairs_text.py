"""Text of raw pairs: a vectorised parser for clean text, a line-by-line parser for the rest."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyarrow import csv as arrow_csv

from recspark.errors import DataError, describe
from recspark.ingest.netflix import is_header
from recspark.ingest.pairs import BadRow, Kinds, PairColumns, Pairs, TimeSettings, make_pairs
from recspark.ingest.small_tables import split_quoted
from recspark.tables.raw_ids import NO_ID
from recspark.tables.sample import read_first_lines
from recspark.tables.time_formats import TimeFormat
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
        time: Position of the time; None if times do not matter. In a probe it ends the line, if
            there is one.
        time_format: How times are written.
    """

    separator: str
    num_columns: int = 1
    user: int = 0
    movie: int = 1
    has_names: bool = False
    time: int | None = None
    time_format: TimeFormat | None = None

    @property
    def is_probe(self) -> bool:
        """Whether lines such as `1234:` name the movies."""
        return not self.separator

    @property
    def wanted(self) -> list[int]:
        """Positions of user, movie and time."""
        return [self.user, self.movie, *(() if self.time is None else (self.time,))]


def read_dialect(source: Source, columns: PairColumns, kinds: Kinds) -> Dialect:
    """Return the layout of a file of text.

    Without column names, which two ids of the right kind on the first line show, user and movie are
    the first two columns, and the time is the third.

    Raises:
        DataError: The first line names no such columns, the file is empty or no text, or it is not
            clear how its times are written.
    """
    dialect, line = _find_columns(source, columns, kinds)
    if columns.time is None:
        return dialect
    if not dialect.is_probe:
        names = split_quoted(line, dialect.separator) or []
        at: int | None = 2 if dialect.num_columns > 2 else None
        if dialect.has_names:
            at = columns.find_time(names)
        if at is None:
            raise _no_time(f"{source.name}:1", f"{line[:80]!r}", columns.time)
        dialect = replace(dialect, time=at)
    return _settle_times(source, dialect, columns.time)


def _no_time(where: str, found: str, time: TimeSettings) -> DataError:
    return DataError(
        describe(
            where,
            found=found,
            expected=f"a column {time.column} of times, or a third column if none is named",
            remedy=f"Name it with {time.settings[0]}, or set that to null.",
        )
    )


def _settle_times(source: Source, dialect: Dialect, time: TimeSettings) -> Dialect:
    """Return the layout with the format of its times, which the first lines show."""
    lines = [line for _, line in split_lines(read_first_lines(source)) if line.strip()]
    if dialect.is_probe:
        values = [_end_of(as_text(line)) for line in lines if not is_header(line)]
    else:
        rows = [_pick(as_text(line), dialect) for line in lines[dialect.has_names :]]
        values = [row[-1] for row in rows if row is not None]
    return replace(dialect, time_format=time.settle(pa.array(values, pa.string()), source.name))


def _find_columns(source: Source, columns: PairColumns, kinds: Kinds) -> tuple[Dialect, str]:
    """Return the layout without times, and the first line."""
    start = read_start(source)
    require_text(source.name, start)
    lines = start.removeprefix(BOM).decode("utf-8", "backslashreplace").splitlines()
    line = next((one for one in lines if one.strip()), "")
    if re.fullmatch(r"\s*[^\s,;|]+:\s*", line):
        return Dialect(""), line
    for separator in _SEPARATORS:
        names = split_quoted(line, separator) or []
        found = columns.find(names)
        if found:
            return Dialect(separator, len(names), *found, has_names=True), line
    for separator in _SEPARATORS:
        fields = split_quoted(line, separator) or []
        if len(fields) >= 2 and all(map(_may_be_id, fields[:2], kinds)):
            logger.info("%s: no column names; user and movie are the first two", source.name)
            return Dialect(separator, len(fields)), line
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
        yield from _parse_probe(one, dialect, kinds)
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
            bad = [replace(row, row=row.row + num_names) for row in pairs.bad]
            pairs = replace(pairs, num_lines=pairs.num_lines + num_names, bad=bad)
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
    columns = [table.column(str(at)).combine_chunks() for at in dialect.wanted]
    rows = [BadRow(0, "")] * table.num_rows
    pairs = make_pairs(columns, kinds, dialect.time_format, rows, num_lines)
    return None if pairs.bad else pairs


def _read_csv(
    text: bytes, separator: str, dialect: Dialect, is_text: Sequence[bool | None]
) -> pa.Table | None:
    wanted = list(map(str, dialect.wanted))
    kinds = [pa.string() if one else pa.int64() for one in (*is_text, True)]
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
                column_types=dict(zip(wanted, kinds, strict=False)),  # there may be no time
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None


def _parse_lines(text: bytes, dialect: Dialect, kinds: Kinds) -> Pairs:
    found, rows, bad = [], [], []
    lines = split_lines(text) if text else []
    for number, (_, line) in enumerate(lines):
        if not line.strip():
            continue
        row = BadRow(number, as_text(line))
        fields = _pick(row.text, dialect)
        if fields is None:
            bad.append(row)
        else:
            found.append(fields)
            rows.append(row)
    return _of_rows(found, dialect, kinds, rows, bad, len(lines))


def _pick(line: str, dialect: Dialect) -> list[str] | None:
    """Return user, movie and time of a line, or None if it has another number of fields."""
    fields = split_quoted(line, dialect.separator)
    if fields is None or len(fields) != dialect.num_columns:
        return None
    return [fields[at] for at in dialect.wanted]


def _parse_probe(one: Range, dialect: Dialect, kinds: Kinds) -> Iterator[Pairs]:
    """Yield the pairs of a probe: a user on each line, which a date may follow."""
    movie: str | None = None
    for _, text in read_pieces(one):
        found, rows, bad = [], [], []
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
                found.append([row.text.partition(",")[0], movie, _end_of(row.text)])
                rows.append(row)
        yield _of_rows(found, dialect, kinds, rows, bad, len(lines))


def _end_of(line: str) -> str:
    """Return the time of a line `user`, `user,date` or `user,rating,date`; empty for none."""
    return line.rpartition(",")[2] if "," in line else ""


def _of_rows(
    found: list[list[str]],
    dialect: Dialect,
    kinds: Kinds,
    rows: list[BadRow],
    bad: list[BadRow],
    num_lines: int,
) -> Pairs:
    columns = [pa.array(one, pa.string()) for one in zip(*found, strict=True)]
    columns = columns or [pa.array([], pa.string())] * 3
    pairs = make_pairs(columns, kinds, dialect.time_format, rows, num_lines)
    return replace(pairs, bad=sorted([*bad, *pairs.bad], key=lambda row: row.row))


def _may_be_id(text: str, is_text: bool) -> bool:
    return text.strip() not in NO_ID if is_text else _WHOLE.fullmatch(text) is not None
