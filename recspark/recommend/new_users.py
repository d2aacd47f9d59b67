"""Top-N lists for users whom a model was not fitted on, or who have rated since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from recspark.arrays.ids import to_column
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.tasks import PartFile
from recspark.contract import columns as c
from recspark.files.parquet import RowGroup
from recspark.prepare.rows import read_block
from recspark.recommend.histories import HistorySource
from recspark.recommend.history_lists import open_users
from recspark.recommend.listing import Listing
from recspark.recommend.lists import write_lists

_SENT = (c.USER_ID, c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)


@dataclass(frozen=True)
class NewUserJob:
    """What the tasks need; broadcast to them."""

    listing: Listing
    source: HistorySource


@dataclass(frozen=True)
class WrittenNewLists:
    """What one task wrote, and the counts of its users and rows."""

    file: PartFile | None
    num_users: int = 0
    num_known: int = 0
    """Users of the run among them."""
    num_lists: int = 0
    num_short: int = 0
    """Users whose list is shorter than asked for."""
    num_without_movie: int = 0
    """Users with no movie in their history that the run knows: they get no list."""
    num_unknown_movies: int = 0
    """Rows of the files whose movie the run does not know: they are left out."""


def send_rows(blocks: Iterable[list[RowGroup]], source: HistorySource) -> Iterator[Block]:
    """Yield the rows of the files with their indices, in blocks for the tasks of their users."""
    for groups in blocks:
        rows = read_block(groups)
        user, movie = source.users.find(rows.users), source.movies.find(rows.movies)
        columns = [to_column(rows.users), *map(pa.array, (user, movie, rows.ratings, rows.times))]
        batch = pa.RecordBatch.from_arrays(columns, list(_SENT))
        parts = source.choose_parts(rows.users, user)
        yield from partition_rows(batch, parts, source.num_parts)


def write_new_lists(
    job: NewUserJob, part: int, batches: Iterator[pa.RecordBatch], root: str
) -> WrittenNewLists:
    """Write the lists of one task's users.

    Memory: as `HistorySource.merge`, and one block of scores.

    Args:
        job: What to list.
        part: The task's number.
        batches: Its rows, from `send_rows`.
        root: Staging folder.
    """
    received = list(batches)
    if not received:
        return WrittenNewLists(None)
    found = job.source.merge(part, pa.Table.from_batches(received))
    name = f"part-{part:05d}.parquet"
    asked = open_users(job.listing, found.histories, found.ids)
    written = write_lists(job.listing, asked, root, name)
    return WrittenNewLists(
        file=written.file,
        num_users=written.num_users,
        num_known=found.num_known,
        num_lists=written.num_lists,
        num_short=written.num_short,
        num_without_movie=found.num_without_movie,
        num_unknown_movies=found.num_unknown_movies,
    )
