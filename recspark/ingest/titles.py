"""Files of movies: id, release year, title, genres and attributes. The driver reads them whole."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recspark.config import IngestConfig
from recspark.contract import columns as c
from recspark.ingest import known_layouts
from recspark.ingest.attributes import Attributes, Piece, collect, open_table, position, positions
from recspark.ingest.small_tables import Row, SmallTable
from recspark.tables.column_names import MOVIE_IDS, find_column, fold
from recspark.text.sources import Source

logger = logging.getLogger(__name__)

BAD_YEAR = "year is neither NULL nor a number from 1850 to 2100"

_TITLES = (
    c.TITLE, "movietitle", "itemtitle", "producttitle", "booktitle", "moviename", "itemname",
    "productname", "name", "originaltitle",
)  # fmt: skip
_YEARS = (
    c.YEAR, "releaseyear", "movieyear", "yearofrelease", "yearofpublication", "releasedate",
    "published",
)  # fmt: skip
_GENRES = (c.GENRES, "genre", "genrelist", "class", "categories", "category")

_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
_YEAR = re.compile(r"(?<!\d)(18[5-9]\d|19\d\d|20\d\d|2100)(?!\d)")
_NO_YEAR = {"", "NULL"}
_NO_GENRES = "(no genres listed)"


def read_titles(
    sources: Sequence[Source], settings: IngestConfig, *, is_text: bool = False
) -> Attributes:
    """Return the movies of files that name their columns, or are in a layout of Netflix, MovieLens.

    Years are taken from the end of titles where no column has them. Genres are separated by `|`.

    Args:
        sources: The files; none gives no movies.
        settings: Names the columns, and the attributes to keep.
        is_text: Whether movie ids are text; otherwise only whole numbers are ids.

    Raises:
        DataError: A file has no column of ids, of titles or of a name in the settings; or not one
            line could be read.
    """
    names = settings.movie_columns
    usual = (fold(str(settings.table.movie)), *MOVIE_IDS, c.ID)
    pieces = []
    for source in sources:
        table = open_table(source, known_layouts.MOVIES, names.id, usual)
        identity = position(source, table, "ingest.movie_columns.id", names.id, usual)
        columns = _Columns(
            table,
            title=position(source, table, "ingest.movie_columns.title", names.title, _TITLES),
            year=_optional(source, table, "year", names.year, _YEARS),
            genres=_optional(source, table, "genres", names.genres, _GENRES),
            attributes=positions(
                source, table, "ingest.movie_attributes", settings.movie_attributes
            ),
        )
        logger.info(
            "ingest.movies: %s: ids from %r, titles from %r",
            source.name,
            table.names[identity],
            table.names[columns.title],
        )
        pieces.append(Piece(source, table, identity, columns.values))
    own = [c.MOVIE_ID, c.YEAR, c.TITLE, c.GENRES]
    found = collect("movie", pieces, own, settings.movie_attributes, is_text=is_text)
    found.frame[c.YEAR] = found.frame[c.YEAR].astype("Int32")
    return found


def _optional(
    source: Source, table: SmallTable, setting: str, wanted: str | None, usual: Sequence[str]
) -> int | None:
    """Return the position of a column that a file may lack unless a setting names it."""
    if wanted is None:
        return find_column(table.names, usual)
    return position(source, table, f"ingest.movie_columns.{setting}", wanted, ())


@dataclass(frozen=True)
class _Columns:
    """Where a file has its columns."""

    table: SmallTable
    title: int
    year: int | None
    genres: int | None
    attributes: list[int]

    def values(self, row: Row) -> list[object] | str:
        """Return year, title, genres and the attributes, or the reason why a row is refused."""
        year = self._year(row.fields)
        if isinstance(year, str):
            return year
        title, genres = row.fields[self.title], self._genres(row.fields)
        return [year, title, genres, *(row.fields[at] for at in self.attributes)]

    def _year(self, fields: list[str]) -> int | str | None:
        """Return the year, None if it is unknown, or the reason why the row is refused."""
        text = fields[self.year].strip() if self.year is not None else ""
        found = _YEAR.search(text)
        if self.table.layout is known_layouts.NETFLIX_TITLES:
            if text in _NO_YEAR:
                return None
            return int(text) if found and found[0] == text else BAD_YEAR
        in_title = None if found else _YEAR_IN_TITLE.search(fields[self.title])
        if in_title:
            found = _YEAR.search(in_title[1])
        return int(found[0]) if found else None

    def _genres(self, fields: list[str]) -> str | None:
        if self.table.layout is known_layouts.ITEM:
            return known_layouts.genres_of(fields)
        text = fields[self.genres].strip() if self.genres is not None else ""
        if not text or text == _NO_GENRES:
            return None
        if "|" in text or text[0] in "[{":
            return text
        # RecBole separates the words of a sequence by spaces.
        is_sequence = self.genres is not None and self.table.names[self.genres].endswith("_seq")
        return "|".join(re.split(r"\s+" if is_sequence else r"\s*[,;]\s*", text))
