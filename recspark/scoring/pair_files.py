"""The request of score_pairs: files of pairs, each piece with the position where it begins."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from recspark.arrays.ids import concatenate_ids, to_column
from recspark.arrays.ratings import NO_TIME
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.ingest.pair_files import (
    NUM_SAMPLES,
    Piece,
    describe_bad,
    list_sources,
    read_piece,
    show_bad,
    split_files,
)
from recspark.ingest.pairs import BadRow, Kinds, PairColumns, Pairs

logger = logging.getLogger(__name__)

PAIRS = (c.POSITION, c.USER_ID, c.MOVIE_ID)
TIMED_PAIRS = (*PAIRS, c.RATED_AT)


@dataclass(frozen=True)
class Planned:
    """A piece of a request.

    Attributes:
        piece: What to read.
        kinds: Whether ids are read as text: those of the run are, or some of the request are no
            whole numbers.
        first: Position of the piece's first pair in the whole request.
        num_pairs: Its pairs.
    """

    piece: Piece
    kinds: Kinds
    first: int = 0
    num_pairs: int = 0


@dataclass(frozen=True)
class _Counts:
    num_pairs: int = 0
    num_lines: int = 0
    num_bad: int = 0
    num_timed: int = 0
    samples: list[BadRow] = field(default_factory=list)
    has_text: Kinds = (False, False)


def plan_pieces(
    spark: SparkSession, path: str, columns: PairColumns, kinds: Kinds = (False, False)
) -> list[Planned]:
    """Return the pieces of all files, in order; none of them has a pair if there are none.

    Everything is read once here, so that bad rows are reported before any work is done. An id of
    another form than those of the run is unknown, and no error.

    Args:
        spark: The session whose tasks read.
        path: A file, a folder or a glob.
        columns: Names of the columns.
        kinds: Whether the ids of the run are text.

    Raises:
        DataError: There is no file, no such column, or rows have no ids or a time that is none (the
            message gives their count, and three samples with file and line).
    """
    require_pair_files(path)
    pieces = list(split_files(list_sources(path), columns, kinds))
    found = []
    if pieces:
        found = spread(spark, pieces, len(pieces)).map(lambda one: _check(one, kinds)).collect()
    num_bad = sum(one.num_bad for one in found)
    if num_bad:
        raise describe_bad(path, num_bad, _show(pieces, found), columns, kinds)
    wider = tuple(kind or any(one.has_text[at] for one in found) for at, kind in enumerate(kinds))
    if wider != kinds:
        logger.warning("score_pairs: %s has ids that are no whole numbers: unknown", path)
    planned, first = [], 0
    for piece, one in zip(pieces, found, strict=True):
        planned.append(Planned(piece, (wider[0], wider[1]), first, one.num_pairs))
        first += one.num_pairs
    if first == 0:
        logger.warning("score_pairs: %s has no pairs, so the output has no rows", path)
    num_untimed = first - sum(one.num_timed for one in found)
    if columns.time is not None and num_untimed:
        counts = f"{num_untimed:,}", f"{first:,}"
        logger.info("score_pairs: %s of %s pairs name no particular moment", *counts)
    return planned


def require_pair_files(path: str) -> None:
    """Raise a DataError if a path, a folder or a glob names no file."""
    if not storage.list_files(path):
        found = f"no such file{storage.start_of(path)}"
        raise DataError(
            describe(path, found=found, expected="pairs to score", remedy="Name another file.")
        )


def read_pairs(planned: Planned) -> Pairs:
    """Return the pairs of a piece. Runs inside a task."""
    found = list(read_piece(planned.piece, planned.kinds))
    return Pairs(
        concatenate_ids([one.users for one in found]),
        concatenate_ids([one.movies for one in found]),
        np.concatenate([one.times for one in found]),
        sum(one.num_lines for one in found),
    )


def to_batch(planned: Planned, pairs: Pairs) -> pa.RecordBatch:
    """Return the columns `TIMED_PAIRS`: position, raw ids (int64 or text), and time."""
    positions = pa.array(range(planned.first, planned.first + len(pairs.users)), pa.int64())
    columns = [positions, to_column(pairs.users), to_column(pairs.movies), pa.array(pairs.times)]
    return pa.RecordBatch.from_arrays(columns, list(TIMED_PAIRS))


def _check(piece: Piece, kinds: Kinds) -> _Counts:
    total = _Counts()
    for one in read_piece(piece, kinds):
        samples = [
            dataclasses.replace(row, row=total.num_lines + row.row) for row in one.bad[:NUM_SAMPLES]
        ]
        total = dataclasses.replace(
            total,
            num_pairs=total.num_pairs + len(one.users),
            num_lines=total.num_lines + one.num_lines,
            num_bad=total.num_bad + len(one.bad),
            num_timed=total.num_timed + int(np.count_nonzero(one.times != NO_TIME)),
            samples=[*total.samples, *samples][:NUM_SAMPLES],
            has_text=(
                total.has_text[0] or one.has_text[0],
                total.has_text[1] or one.has_text[1],
            ),
        )
    return total


def _show(pieces: list[Piece], found: list[_Counts]) -> list[str]:
    """Return rows that are no pairs, each as `file:line: 'text'`; lines count from 1."""
    shown, name, line = [], "", 1
    for piece, one in zip(pieces, found, strict=True):
        line = line if piece.source.name == name else 1
        name = piece.source.name
        shown += [show_bad(name, line, row) for row in one.samples]
        line += one.num_lines
    return shown
