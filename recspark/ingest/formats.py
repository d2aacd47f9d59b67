"""What the rest of ingest needs to know about a raw layout, and the layouts without settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recspark.ingest import movielens, netflix
from recspark.ingest.delimited import Delimited
from recspark.ingest.netflix import movie_in_force
from recspark.ingest.parsed import Parsed, Reject
from recspark.text.lines import as_text, split_lines
from recspark.text.ranges import Range, plan_ranges, read_pieces
from recspark.text.sources import Source

Block = Any
"""A piece of a range, as a layout reads it: bytes of whole lines, or rows of a Parquet file."""


def no_movie_above(one: Range) -> int | None:
    """Return None: in this layout every line names its movie."""
    return None


@dataclass(frozen=True)
class Format:
    """How one layout is read. The defaults are those of text.

    Attributes:
        parse: A block and the movie header in force above it → ratings and refused lines.
        parse_lines: The same line by line; also gives the line of each row.
        locate: A block, that header, and positions of rows → their lines (without a reason).
        file_pattern: Which files to take from a folder or an archive.
        example: A valid line, for messages.
        plan: Sources and bytes per task → the ranges of each task.
        read: A range → (offset, block) of each of its pieces.
        size: A block → its size in bytes.
        movie_above: A range → the header in force at its start.
    """

    parse: Callable[[Block, int | None], Parsed]
    parse_lines: Callable[[Block, int | None], Parsed]
    locate: Callable[[Block, int | None, list[int]], list[Reject]]
    file_pattern: str
    example: str
    plan: Callable[[Sequence[Source], int], list[list[Range]]] = plan_ranges
    read: Callable[[Range], Iterator[tuple[int, Block]]] = read_pieces
    size: Callable[[Block], int] = len
    movie_above: Callable[[Range], int | None] = no_movie_above

    def as_text(self, user: bool, movie: bool) -> Format:
        return self

    def by_record(self) -> Format | None:
        return None


def text_format(
    parse: Callable[[bytes, int | None], Parsed],
    parse_lines: Callable[[bytes, int | None], Parsed],
    *,
    file_pattern: str,
    example: str,
    movie_above: Callable[[Range], int | None] = no_movie_above,
) -> Format:
    """Return the format of a text layout with these parsers; arguments as in Format."""

    def locate(data: bytes, movie: int | None, positions: list[int]) -> list[Reject]:
        lines = split_lines(data)
        numbers = parse_lines(data, movie).row_lines
        found = ((numbers[position], *lines[numbers[position]]) for position in positions)
        return [Reject(number, offset, as_text(text), "") for number, offset, text in found]

    return Format(parse, parse_lines, locate, file_pattern, example, movie_above=movie_above)


def delimited_format(layout: Delimited, *, file_pattern: str, example: str) -> Format:
    """Return the format of lines that name user, movie and rating themselves."""
    return text_format(
        lambda data, movie: layout.parse(data),
        lambda data, movie: layout.parse_lines(data),
        file_pattern=file_pattern,
        example=example,
    )


FORMATS = {
    "netflix": text_format(
        netflix.parse,
        netflix.parse_lines,
        file_pattern=r"(combined_data_\d+|mv_\d+)\.txt(\.gz)?",
        example="1488844,3,2005-09-06 below a line 1:",
        movie_above=movie_in_force,
    ),
    "movielens_100k": delimited_format(
        movielens.ML_100K,
        file_pattern=r"u\.data(\.gz)?",
        example="196<tab>242<tab>3<tab>881250949",
    ),
    "movielens_1m": delimited_format(
        movielens.ML_1M,
        file_pattern=r"ratings\.dat(\.gz)?",
        example="1::1193::5::978300760",
    ),
    "movielens_10m": delimited_format(
        movielens.ML_10M,
        file_pattern=r"ratings\.dat(\.gz)?",
        example="1::122::3.5::838985046",
    ),
    "movielens_csv": delimited_format(
        movielens.ML_CSV,
        file_pattern=r"ratings\.csv(\.gz)?",
        example="1,296,3.5,1147880044 below userId,movieId,rating,timestamp",
    ),
}
