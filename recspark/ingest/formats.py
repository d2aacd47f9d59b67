"""The raw layouts by the name that `ingest.format` gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recspark.ingest import movielens, netflix
from recspark.ingest.rows import Parsed

Parse = Callable[[bytes, int | None], Parsed]


@dataclass(frozen=True)
class Format:
    """How one layout is parsed.

    Attributes:
        parse: Parses whole lines, vectorised where they are clean.
        parse_lines: The same, line by line, and tells the line of each row.
        has_headers: Whether a line's movie is named by a header above it.
        file_pattern: The files that are taken where a folder is given.
        example: A line as it should look, for messages.
    """

    parse: Parse
    parse_lines: Parse
    has_headers: bool
    file_pattern: str
    example: str


FORMATS = {
    "netflix": Format(
        parse=netflix.parse,
        parse_lines=netflix.parse_lines,
        has_headers=True,
        file_pattern=r"(combined_data_\d+|mv_\d+)\.txt(\.gz)?",
        example="1488844,3,2005-09-06 below a line 1:",
    ),
    "movielens_100k": Format(
        parse=movielens.parse,
        parse_lines=lambda data, movie: movielens.parse_lines(data),
        has_headers=False,
        file_pattern=r"u\.data(\.gz)?",
        example="196<tab>242<tab>3<tab>881250949",
    ),
}
