"""Top-N lists of one bucket of users, made and written by one task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids, to_column
from recspark.arrays.user_buckets import locate
from recspark.cluster.tasks import PartFile, write_batches
from recspark.contract import columns as c
from recspark.datasets.train_buckets import read_bucket
from recspark.recommend.caps import Caps, rank_capped
from recspark.recommend.rank import Ranked, Ranker
from recspark.recommend.reasons import Contributions, Explainer, no_reasons
from recspark.recommend.top_n import USER_BLOCK
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.load import SavedModel, open_model
from recspark.scoring.predictors import Ints


@dataclass(frozen=True)
class ListJob:
    """What the tasks need; broadcast to them."""

    model: SavedModel
    count: int
    """Length of a list."""
    rated: tuple[str, ...]
    """Paths of data sets of ratings, train first; what a user rated in them is seen."""
    candidates: npt.NDArray[np.int32]
    """`movie_index` of the movies that may be listed, ascending."""
    user_ids: Ids
    """Raw id of each `user_index`."""
    movie_ids: Ids
    wanted: npt.NDArray[np.bool_] | None
    """[users], whether a user gets a list; None for all."""
    caution: float = 0.0
    """See `RecommendConfig`."""
    include_seen: bool = False
    """See `RecommendConfig`."""
    caps: Caps | None = None
    """Limits of a list, besides its length."""
    num_reasons: int = 0
    """Most reasons of an entry; with any, the model has reasons."""
    titles: pa.Array | None = None
    """[movies], null where there is none; None for lists without titles."""


@dataclass(frozen=True)
class WrittenLists:
    """What one task wrote."""

    file: PartFile
    num_lists: int
    """Users with a list, which holds at least one movie."""
    num_users: int
    """Users who are wanted and have a rating in train."""
    num_short: int = 0
    """Users whose list is shorter than asked for."""


def write_lists(job: ListJob, bucket: int, root: str) -> WrittenLists:
    """Write the lists of one bucket.

    Lists are for users with a rating in train. Memory: the bucket's ratings, 40 bytes each (60 with
    reasons), and one block of scores.

    Args:
        job: What to list for whom.
        bucket: The bucket.
        root: Staging folder.
    """
    columns = [c.USER_INDEX, c.MOVIE_INDEX]
    rated = [read_bucket(path, bucket, columns) for path in job.rated]
    listed = np.unique(rated[0][0])  # train comes first: the model knows its users
    if job.wanted is not None:
        listed = listed[job.wanted[listed]]
    hidden = [[column[:0] for column in rated[0]]] if job.include_seen else rated
    num_lists = num_short = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal num_lists, num_short
        explainer = None
        if job.num_reasons and len(listed):
            explainer = Explainer(job.model, bucket, len(job.user_ids), job.num_reasons)
        for users, rank, movies, scores in _find(job, bucket, listed, hidden):
            is_last = np.append(users[1:] != users[:-1], True)[: len(users)]
            num_lists += int(is_last.sum())
            num_short += int((rank[is_last] < job.count).sum())
            reasons = None
            if explainer is not None and len(users):
                rows = locate(users, job.model.num_buckets)[1]
                reasons = explainer.explain(rows, movies)
            yield _to_batch(job, users, rank, movies, scores, reasons)

    nobody = np.zeros(0, np.int64)
    schema = _to_batch(job, nobody, nobody, nobody, np.zeros(0, np.float32)).schema
    name = f"part-{bucket:05d}.parquet"
    file = write_batches(batches(), schema, root, name, distinct=[c.SCORE])
    return WrittenLists(file, num_lists, len(listed), num_short)


def _to_batch(
    job: ListJob,
    users: Ints,
    rank: Ints,
    movies: Ints,
    scores: npt.NDArray[np.float32],
    reasons: Contributions | None = None,
) -> pa.RecordBatch:
    columns = {
        c.USER_ID: to_column(job.user_ids[users]),
        c.RANK: pa.array(rank.astype(np.int32)),
        c.MOVIE_ID: to_column(job.movie_ids[movies]),
        c.SCORE: pa.array(scores),
    }
    if job.titles is not None:
        columns[c.TITLE] = job.titles.take(pa.array(movies))
    if job.num_reasons:
        columns[c.REASONS] = _to_structs(job.movie_ids, reasons or no_reasons(len(users)))
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _to_structs(movie_ids: Ids, reasons: Contributions) -> pa.ListArray:
    parts = [to_column(movie_ids[reasons.movies]), pa.array(reasons.values)]
    found = pa.StructArray.from_arrays(parts, [c.MOVIE_ID, c.CONTRIBUTION])
    return pa.ListArray.from_arrays(pa.array(reasons.starts.astype(np.int32)), found)


def _find(
    job: ListJob, bucket: int, listed: Ints, rated: list[list[npt.NDArray[np.int32]]]
) -> Iterator[Ranked]:
    """Yield (user_index, rank, movie_index, score) of some users after others.

    Args:
        job: What to list.
        bucket: The bucket.
        listed: `user_index` of the users to list for, ascending.
        rated: User and movie of the ratings whose movies are left out.
    """
    num_candidates = len(job.candidates)
    position = np.full(len(job.movie_ids), -1, np.int32)
    position[job.candidates] = np.arange(num_candidates)
    owners, hidden = _seen(listed, rated, position)
    scorers = ScorerFactory(open_model(job.model), job.candidates, job.caution)
    rows = locate(listed, job.model.num_buckets)[1]
    ranker = Ranker(scorers, num_candidates, bucket, rows, owners, hidden)
    for start in range(0, len(listed), USER_BLOCK):
        users = np.arange(start, min(start + USER_BLOCK, len(listed)))
        for places, rank, movies, scores in _rank(job, ranker, users):
            yield listed[places], rank, job.candidates[movies], scores


def _rank(job: ListJob, ranker: Ranker, users: Ints) -> Iterator[Ranked]:
    if job.caps is not None:
        yield from rank_capped(ranker, users, job.caps)
        return
    [(owners, *columns)] = ranker.rank(users, job.count)
    yield users[owners], *columns  # type: ignore[misc]


def _seen(
    listed: Ints, rated: list[list[npt.NDArray[np.int32]]], position: npt.NDArray[np.int32]
) -> tuple[Ints, Ints]:
    """Return (place in `listed`, place among candidates) of the movies they rated, by user."""
    users = np.concatenate([columns[0] for columns in rated])
    movies = position[np.concatenate([columns[1] for columns in rated])]
    place = np.searchsorted(listed, users)
    is_listed = np.take(listed, place, mode="clip") == users if len(listed) else users < 0
    chosen = is_listed & (movies >= 0)
    place, movies = place[chosen], movies[chosen]
    # 16-bit keys are radix-sorted, which is several times as fast.
    keys = place.astype(np.uint16) if len(listed) <= 2**16 else place
    order = np.argsort(keys, kind="stable")
    return place[order], movies[order]
