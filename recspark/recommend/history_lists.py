"""Top-N lists for users known by their histories alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids, to_column
from recspark.cluster.tasks import PartFile, write_batches
from recspark.contract import columns as c
from recspark.datasets.histories import Histories
from recspark.recommend.top_n import NOTHING, USER_BLOCK, RunningTop, score_blocks
from recspark.scoring.fold_in import HistoryModel, open_history_model
from recspark.scoring.load import SavedModel
from recspark.scoring.predictors import Block, Ints

Entries = tuple[Ints, Ints, Ints, npt.NDArray[np.float32]]
"""User (position), rank, movie_index, score; one element per entry of a list."""


@dataclass(frozen=True)
class HistoryLists:
    """What is listed; small enough to be sent to every task."""

    model: SavedModel
    count: int
    """Length of a list."""
    candidates: npt.NDArray[np.int32]
    """`movie_index` of the movies that may be listed, ascending."""
    movie_ids: Ids
    """Raw id of each `movie_index`."""

    def write(self, users: Histories, ids: Ids, root: str, name: str) -> tuple[PartFile, int]:
        """Write the lists of users as one file, and return it with the number of users with a list.

        Args:
            users: What they rated, [U].
            ids: Their raw ids, [U].
            root: Staging folder.
            name: Name of the file.
        """
        num_lists = 0

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal num_lists
            model = open_history_model(self.model)
            for found in list_histories(model, users, self.candidates, self.count):
                num_lists += len(np.unique(found[0]))
                yield self._to_batch(found, ids)

        none = np.zeros(0, np.int64)
        schema = self._to_batch((none, none, none, none.astype(np.float32)), ids).schema
        return write_batches(batches(), schema, root, name, distinct=[c.SCORE]), num_lists

    def _to_batch(self, entries: Entries, ids: Ids) -> pa.RecordBatch:
        users, rank, movies, scores = entries
        columns = [
            to_column(ids[users]),
            pa.array(rank.astype(np.int32)),
            to_column(self.movie_ids[movies]),
            pa.array(scores),
        ]
        return pa.RecordBatch.from_arrays(columns, [c.USER_ID, c.RANK, c.MOVIE_ID, c.SCORE])


def list_histories(
    model: HistoryModel, users: Histories, candidates: npt.NDArray[np.int32], count: int
) -> Iterator[Entries]:
    """Yield the lists of one block of users after another, by user and rank.

    Movies of a user's history are left out, and users without a movie that the model knows get
    nothing. Memory: one block of scores.

    Args:
        model: Scores them.
        users: What they rated.
        candidates: `movie_index` of the movies that may be listed, ascending.
        count: Length of a list.
    """
    position = np.full(max(candidates.max(), users.movies.max(initial=0)) + 1, -1, np.int32)
    position[candidates] = np.arange(len(candidates))
    for start in range(0, users.num_users, USER_BLOCK):
        chosen = np.arange(start, min(start + USER_BLOCK, users.num_users))
        mine = users.take(chosen)
        owner, hidden = np.repeat(chosen - start, np.diff(mine.starts)), position[mine.movies]
        top = RunningTop(len(chosen), count)

        def fill(movies: slice, into: Block, mine: Histories = mine) -> None:
            model.fill(mine, candidates[movies], into, NOTHING)

        for movies, block in score_blocks(fill, len(candidates), len(chosen), owner, hidden):
            top.add(block, movies.start)
        found, rank, where, scores = top.lists()
        yield chosen[found], rank, candidates[where], scores
