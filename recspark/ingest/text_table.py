"""Text files of a table, each with the layout of its own columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from recspark.ingest.formats import Format
from recspark.tables.delimited import Delimited
from recspark.tables.json_lines import JsonLines
from recspark.tables.parsed import Parsed
from recspark.tables.records import plan_files, read_records
from recspark.text.ranges import Range, plan_ranges, read_pieces


@dataclass(frozen=True)
class Piece:
    """Whole lines, and how they are read."""

    layout: Delimited | JsonLines
    text: bytes


@dataclass(frozen=True)
class TextTable:
    """Files and their layouts.

    Attributes:
        layouts: The different layouts.
        of_source: Position of each file's layout in `layouts`, by the file's name.
        is_by_record: Whether quoted fields may go over several lines; no file is cut then.
    """

    layouts: tuple[Delimited | JsonLines, ...]
    of_source: dict[str, int]
    is_by_record: bool = False

    def as_text(self, user: bool, movie: bool) -> TextTable:
        """Return the same table with ids read as text."""
        layouts = tuple(layout.as_text(user, movie) for layout in self.layouts)
        return replace(self, layouts=layouts)

    def by_record(self) -> TextTable:
        """Return the same table with quoted fields that may go over several lines."""
        layouts = tuple(
            replace(one, is_by_record=True) if isinstance(one, Delimited) else one
            for one in self.layouts
        )
        return replace(self, layouts=layouts, is_by_record=True)

    def read(self, one: Range) -> Iterator[tuple[int, Piece]]:
        """Yield (offset, lines) of a range in pieces."""
        layout = self.layouts[self.of_source[one.source.name]]
        if self.is_by_record and isinstance(layout, Delimited):
            found = read_records(one, layout.quoting)
        else:
            found = read_pieces(one)
        for offset, text in found:
            yield offset, Piece(layout, text)

    def format(self, file_pattern: str, example: str) -> Format:
        """Return the table as a format."""

        def with_text(user: bool, movie: bool) -> Format:
            return self.as_text(user, movie).format(file_pattern, example)

        def with_records() -> Format:
            return self.by_record().format(file_pattern, example)

        return Format(
            _parse,
            file_pattern,
            example,
            plan=plan_files if self.is_by_record else plan_ranges,
            read=self.read,
            size=_size,
            with_text=with_text,
            with_records=None if self.is_by_record else with_records,
        )


def _parse(piece: Piece, movie: Any) -> Parsed:
    return piece.layout.parse(piece.text)


def _size(piece: Piece) -> int:
    return len(piece.text)
