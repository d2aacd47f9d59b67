"""The movies files: id, release year, title. Small, so the driver parses them."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field

import pandas as pd

from recspark import columns as c
from recspark import schemas, storage
from recspark.ingest.rows import BAD_MOVIE, WRONG_FIELDS, Reject, as_text, parse_id, split_lines

BAD_YEAR = "year is neither NULL nor a number from 1850 to 2100"
REPEATED = "movie id occurs above already"
_YEARS = range(1850, 2101)
_NO_YEAR = {"", "NULL"}
_ITEM_HEADER = b"item_id:token"


@dataclass
class Titles:
    """What a movies file holds."""

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


def read_titles(path: str) -> Titles:
    """Return the movies of a file and the lines that were refused.

    Three layouts are told apart by the first line: Netflix's `id,year,title` (unquoted, commas
    in titles), MovieLens' u.item (`|`, the title first), and the tab-separated .item with column
    names. A file that is not UTF-8 throughout is read as Latin-1, which both publishers used.
    """
    fs, stripped = storage.filesystem(path)
    with fs.open(stripped, "rb") as file:
        data = gzip.decompress(file.read()) if path.endswith(".gz") else file.read()
    data = data.removeprefix(b"\xef\xbb\xbf")
    encoding = "utf-8" if _is_utf8(data) else "latin-1"
    first = data.split(b"\n", 1)[0]
    separator = "\t" if first.startswith(_ITEM_HEADER) else "|" if b"|" in first else ","
    titles, seen = Titles(), set()
    for number, (offset, line) in enumerate(split_lines(data)):
        titles.num_lines += 1
        text = line.decode(encoding)
        if not text.strip():
            titles.num_blanks += 1
        elif line.startswith(_ITEM_HEADER):
            titles.num_headers += 1
        else:
            movie = _parse(text, separator)
            if not isinstance(movie, str) and movie[0] in seen:
                movie = REPEATED
            if isinstance(movie, str):
                titles.rejects.append(Reject(number, offset, as_text(line), movie))
            else:
                seen.add(movie[0])
                titles.movies.append(movie)
    return titles


def _parse(text: str, separator: str) -> tuple[int, int | None, str] | str:
    """Return (id, year, title), or the reason why the line is refused."""
    if separator == ",":
        fields = text.split(",", 2)  # 336 Netflix titles hold commas
        if len(fields) != 3:
            return WRONG_FIELDS
        number, year, title = fields
    elif separator == "|":
        fields = text.split("|")
        if len(fields) < 3:
            return WRONG_FIELDS
        number, title, year = fields[0], fields[1], fields[2][-4:]  # 01-Jan-1995
    else:
        fields = text.split("\t")
        if len(fields) < 3:
            return WRONG_FIELDS
        number, title, year = fields[:3]
    movie = parse_id(number.encode())
    if movie is None:
        return BAD_MOVIE
    if re.fullmatch(r"\d{4}", year.strip()) and int(year) in _YEARS:
        return movie, int(year), title
    if year.strip() in _NO_YEAR or separator != ",":
        return movie, None, title  # MovieLens has words where it knows no year
    return BAD_YEAR


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
