"""What files of movies and of users have in common: an id and named attributes on each row."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from recspark.arrays.ids import to_list
from recspark.errors import DataError, describe
from recspark.ingest.small_tables import Layout, Row, SmallTable, read_table
from recspark.tables.column_names import find_column
from recspark.tables.parsed import Reject
from recspark.tables.raw_ids import FINE, REASONS, read_ids
from recspark.text.lines import as_text
from recspark.text.sources import Source

logger = logging.getLogger(__name__)

REPEATED = "id occurs above already"
_NUM_SAMPLES = 3


@dataclass
class Attributes:
    """The content of the files of movies or of users. lines = rows + rejects + headers + blanks."""

    frame: pd.DataFrame
    """The columns of the contract, then the attributes. Ids are int64 or text; attributes are
    float64 where every value is a number, else text."""
    rejects: list[tuple[str, Reject]] = field(default_factory=list)
    """Refused lines, each with the name of its file."""
    num_lines: int = 0
    num_headers: int = 0
    num_blanks: int = 0


@dataclass(frozen=True)
class Piece:
    """One file.

    Attributes:
        source: The file.
        table: Its rows.
        identity: Position of the id.
        values: A row → what follows the id, or the reason why the row is refused.
    """

    source: Source
    table: SmallTable
    identity: int
    values: Callable[[Row], list[object] | str]


def open_table(
    source: Source, layouts: Sequence[Layout], wanted: str | None, usual: Sequence[str]
) -> SmallTable:
    """Return the rows of a file; a first line with a column of ids and no number is a header.

    Args:
        source: The file.
        layouts: Layouts without column names to look for.
        wanted: The column of ids that a setting names.
        usual: Usual names of that column, as `find_column` takes them.
    """

    def is_header(fields: list[str]) -> bool:
        has_numbers = any(name.strip().isdigit() for name in fields)
        return not has_numbers and find_column(fields, [wanted] if wanted else usual) is not None

    return read_table(source, layouts, is_header)


def position(
    source: Source, table: SmallTable, option: str, wanted: str | None, usual: Sequence[str]
) -> int:
    """Return the position of a column that the file must have.

    Args:
        source: The file.
        table: Its rows.
        option: The setting that names the column, for the message.
        wanted: The name that it gives; None looks for the usual names.
        usual: As `find_column` takes them.
    """
    found = find_column(table.names, [wanted] if wanted else usual)
    if found is None:
        raise DataError(
            describe(
                f"{source.name}:1",
                found=f"the columns {', '.join(map(repr, table.names[:20])) or '(none)'}",
                expected=wanted or f"one named {' or '.join(usual[:4])}, or a well-known layout",
                remedy=f"Name the column with {option}.",
            )
        )
    return found


def positions(source: Source, table: SmallTable, option: str, names: Sequence[str]) -> list[int]:
    """Return the positions of attributes, as `position`."""
    return [position(source, table, option, name, ()) for name in names]


def collect(
    kind: str, pieces: Sequence[Piece], own: list[str], names: Sequence[str], *, is_text: bool
) -> Attributes:
    """Return the rows of all files together; the first row of an id counts.

    Args:
        kind: movie or user.
        pieces: The files.
        own: The columns of the contract, the id first.
        names: The attributes.
        is_text: Whether ids are text.

    Raises:
        DataError: Not one line could be read.
    """
    found = Attributes(pd.DataFrame())
    seen: set[int | str] = set()
    ids: list[int | str] = []
    rows: list[list[object]] = []
    for piece in pieces:
        table, rejects = piece.table, list(piece.table.rejects)
        texts = pa.array([row.fields[piece.identity] for row in table.rows], pa.string())
        column = read_ids(texts, as_text=is_text)
        found_ids: Sequence[int | str] = to_list(column.ids)
        for row, one, problem in zip(table.rows, found_ids, column.problems, strict=True):
            value = piece.values(row) if problem == FINE else REASONS[kind][problem]
            if not isinstance(value, str) and one in seen:
                value = REPEATED
            if isinstance(value, str):
                rejects.append(Reject(row.line, row.offset, as_text(row.text), value))
            else:
                seen.add(one)
                ids.append(one)
                rows.append(value)
        found.rejects += [(piece.source.name, x) for x in sorted(rejects, key=lambda x: x.line)]
        found.num_lines += table.num_lines
        found.num_headers += table.num_headers
        found.num_blanks += table.num_blanks
    _tell(f"ingest.{kind}s", found.rejects, len(ids))
    found.frame = pd.DataFrame({own[0]: np.array(ids, object if is_text else np.int64)})
    for at, name in enumerate([*own[1:], *names]):
        values = [row[at] for row in rows]
        if name in own:
            found.frame[name] = pd.Series(values, dtype=object)
        else:
            found.frame[_stored(name)] = _typed(values)
    return found


def _tell(option: str, rejects: Sequence[tuple[str, Reject]], num_rows: int) -> None:
    if not rejects:
        return
    shown = "; ".join(
        f"{name}:{x.line + 1}: {x.text[:60]!r}: {x.reason}" for name, x in rejects[:_NUM_SAMPLES]
    )
    num_lines = num_rows + len(rejects)
    if num_rows == 0:
        raise DataError(
            describe(
                option,
                found=f"no row that can be read in {num_lines:,} ({shown})",
                expected="rows with an id",
                remedy=f"Correct {option}, or name its columns with {option[:-1]}_columns.",
            )
        )
    logger.warning(
        "%s: %s of %s rows refused: %s", option, f"{len(rejects):,}", f"{num_lines:,}", shown
    )


def _stored(name: str) -> str:
    """Return a column name that every reader of Parquet accepts, without RecBole's type."""
    return re.sub(r"\W+", "_", name.partition(":")[0]).strip("_")


def _typed(values: Sequence[object]) -> pd.Series:
    """Return numbers as float64 where every value is one, else text; a missing value is null."""
    texts = [str(value).strip() for value in values]
    known = [text for text in texts if text]
    # 01002 is a postal code, not a number.
    if known and not any(re.match(r"-?0\d", text) for text in known):
        try:
            return pd.Series([float(text) if text else np.nan for text in texts], dtype=np.float64)
        except ValueError:
            pass
    return pd.Series([text or None for text in texts], dtype=object)
