"""What the rest of ingest needs to know about a raw layout, and the layouts without settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recspark.ingest import movielens, netflix
from recspark.ingest.netflix import movie_in_force
from recspark.tables.delimited import Delimited
from recspark.tables.parquet import ParquetTable, plan_rows
from recspark.tables.parsed import Parsed
from recspark.text.ranges import Range, plan_ranges, read_pieces
from recspark.text.sources import Source

Block = Any
"""A piece of a range, as a layout reads it: whole lines, or rows of a Parquet file."""


def no_movie_above(one: Range) -> int | None:
    """Return None: in this layout every line names its movie."""
    return None


@dataclass(frozen=True)
class Format:
    """How one layout is read. The defaults are those of text.

    Attributes:
        parse: A block and the movie header in force above it → ratings and refused lines.
        file_pattern: Which files to take from a folder or an archive.
        example: A valid line, for messages.
        plan: Sources and bytes per task → the ranges of each task.
        read: A range → (offset, block) of each of its pieces.
        size: A block → its size in bytes.
        movie_above: A range → the header in force at its start.
        with_text: Whether user and whether movie ids are text → the format that reads them so;
            None if the layout allows whole numbers only.
        with_records: → the format that reads quoted fields over several lines; None if the layout
            has none.
    """

    parse: Callable[[Block, int | None], Parsed]
    file_pattern: str
    example: str
    plan: Callable[[Sequence[Source], int], list[list[Range]]] = plan_ranges
    read: Callable[[Range], Iterator[tuple[int, Block]]] = read_pieces
    size: Callable[[Block], int] = len
    movie_above: Callable[[Range], int | None] = no_movie_above
    with_text: Callable[[bool, bool], Format] | None = None
    with_records: Callable[[], Format] | None = None

    def as_text(self, user: bool, movie: bool) -> Format:
        """Return the same format with user ids, movie ids or both read as text."""
        return self if self.with_text is None else self.with_text(user, movie)

    def by_record(self) -> Format | None:
        """Return the format that reads each file whole and record by record, if there is one."""
        return None if self.with_records is None else self.with_records()


def _delimited(layout: Delimited, *, file_pattern: str, example: str) -> Format:
    """Return the format of lines that name user, movie and rating themselves."""
    return Format(
        lambda data, movie: layout.parse(data), file_pattern=file_pattern, example=example
    )


def parquet_format(table: ParquetTable, file_pattern: str = "") -> Format:
    """Return the format of rows of Parquet files, or of what else comes in Arrow batches."""
    return Format(
        table.parse,
        file_pattern,
        example="rows with ids, ratings and times",
        plan=plan_rows,
        read=table.read,
        size=lambda batch: int(batch.nbytes),
        with_text=lambda user, movie: parquet_format(table.as_text(user, movie), file_pattern),
    )


_PACKED = r"(\.(gz|gzip|bz2|xz|zst|zstd|lz4))?"
FORMATS = {
    "netflix": Format(
        netflix.parse,
        file_pattern=r"(combined_data_\d+|mv_\d+)\.txt" + _PACKED,
        example="1488844,3,2005-09-06 below a line 1:",
        movie_above=movie_in_force,
    ),
    "movielens_100k": _delimited(
        movielens.ML_100K,
        file_pattern=r"u\.data" + _PACKED,
        example="196<tab>242<tab>3<tab>881250949",
    ),
    "movielens_1m": _delimited(
        movielens.ML_1M,
        file_pattern=r"ratings\.dat" + _PACKED,
        example="1::1193::5::978300760",
    ),
    "movielens_10m": _delimited(
        movielens.ML_10M,
        file_pattern=r"ratings\.dat" + _PACKED,
        example="1::122::3.5::838985046",
    ),
    "movielens_csv": _delimited(
        movielens.ML_CSV,
        file_pattern=r"ratings\.csv" + _PACKED,
        example="1,296,3.5,1147880044 below userId,movieId,rating,timestamp",
    ),
}
