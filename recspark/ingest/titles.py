"""Files of movies: id, release year, title. They are small, so the driver parses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.ingest.delimited import split_fields
from recspark.ingest.parsed import BAD_MOVIE, BAD_QUOTES, WRONG_FIELDS, Reject
from recspark.text.lines import as_text, parse_id, split_lines
from recspark.text.sources import BOM, Source, open_text

BAD_YEAR = "year is neither NULL nor a number from 1850 to 2100"
REPEATED = "movie id occurs above already"
_YEARS = range(1850, 2101)
_NO_YEAR = {"", "NULL"}
_ITEM_HEADER = "item_id:token"
_CSV_HEADER = "movieId,title"
_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")

Fields = tuple[str, str, str] | str
"""(id, year, title) as text, or the reason why the line is refused."""


@dataclass
class Titles:
    """The content of a movies file."""

    movies: list[tuple[int, int | None, str]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    num_lines: int = 0
    num_headers: int = 0
    num_blanks: int = 0

    @property
    def frame(self) -> pd.DataFrame:
        """Return `movie_id, year, title`, years as nullable integers."""
        frame = pd.DataFrame(self.movies, columns=list(schemas.MOVIES.columns))
        return frame.astype({c.MOVIE_ID: "int32", c.YEAR: "Int32", c.TITLE: "object"})


def read_titles(source: Source) -> Titles:
    """Return the movies of a file and the lines that were refused.

    The first line tells the five layouts apart: Netflix's `id,year,title` (unquoted, commas in
    titles), MovieLens' u.item (`|`), movies.dat (`::`), movies.csv (quoted, with column names), and
    the tab-separated .item with column names. In movies.dat and movies.csv the year is taken from
    the end of the title. A file that is not valid UTF-8 is read as Latin-1, which both publishers
    used.
    """
    with open_text(source) as file:
        data = file.read().removeprefix(BOM)
    encoding = "utf-8" if _is_utf8(data) else "latin-1"
    split, header = _layout(data.split(b"\n", 1)[0].decode(encoding))
    titles, seen = Titles(), set()
    for number, (offset, line) in enumerate(split_lines(data)):
        titles.num_lines += 1
        text = line.decode(encoding)
        if not text.strip():
            titles.num_blanks += 1
        elif header is not None and text.startswith(header):
            titles.num_headers += 1
        else:
            movie = _check(split(text), is_strict=split is _split_netflix)
            if not isinstance(movie, str) and movie[0] in seen:
                movie = REPEATED
            if isinstance(movie, str):
                titles.rejects.append(Reject(number, offset, as_text(line), movie))
            else:
                seen.add(movie[0])
                titles.movies.append(movie)
    return titles


def _layout(first: str) -> tuple[Callable[[str], Fields], str | None]:
    """Return how to split lines and how a line of column names begins, given the first line."""
    if first.startswith(_ITEM_HEADER):
        return _split_item_table, _ITEM_HEADER
    if first.startswith(_CSV_HEADER):
        return _split_csv, _CSV_HEADER
    if re.match(r"[^,|]*::", first):
        return _split_dat, None
    return (_split_item if "|" in first else _split_netflix), None


def _split_netflix(text: str) -> Fields:
    fields = text.split(",", 2)  # 336 titles contain commas
    return (fields[0], fields[1], fields[2]) if len(fields) == 3 else WRONG_FIELDS


def _split_item(text: str) -> Fields:
    fields = text.split("|")
    if len(fields) < 3:
        return WRONG_FIELDS
    return fields[0], fields[2][-4:], fields[1]  # 01-Jan-1995


def _split_item_table(text: str) -> Fields:
    fields = text.split("\t")
    return (fields[0], fields[2], fields[1]) if len(fields) >= 3 else WRONG_FIELDS


def _split_dat(text: str) -> Fields:
    number, _, rest = text.partition("::")
    title, mark, _ = rest.rpartition("::")  # the genres follow
    return (number, _year_in(title), title) if mark else WRONG_FIELDS


def _split_csv(text: str) -> Fields:
    fields = split_fields(text.encode(), b",")
    if fields is None:
        return BAD_QUOTES
    if len(fields) != 3:
        return WRONG_FIELDS
    title = fields[1].decode()
    return fields[0].decode(), _year_in(title), title


def _year_in(title: str) -> str:
    found = _YEAR_IN_TITLE.search(title)
    return found[1] if found else ""


def _check(fields: Fields, *, is_strict: bool) -> tuple[int, int | None, str] | str:
    """Return (id, year, title), or the reason why the line is refused."""
    if isinstance(fields, str):
        return fields
    number, year, title = fields
    movie = parse_id(number.encode())
    if movie is None:
        return BAD_MOVIE
    if re.fullmatch(r"\d{4}", year.strip()) and int(year) in _YEARS:
        return movie, int(year), title
    if year.strip() in _NO_YEAR or not is_strict:
        return movie, None, title  # MovieLens has words where the year is unknown
    return BAD_YEAR


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
