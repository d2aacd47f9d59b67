"""Similar movies: the nearest ones of each, such as those of the highest cosine of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recspark.arrays.ids import Ids, to_column
from recspark.contract import columns as c
from recspark.recommend.top_n import USER_BLOCK, RunningTop, score_blocks
from recspark.scoring.predictors import Block, Floats, Ints

Find = Callable[[Ints, int], tuple[Ints, Ints, Ints, Floats]]
"""Takes positions of movies [asked] and a length; returns the place in `asked`, the rank from 1,
the position and the similarity of each entry of their lists. Picklable."""


def find_similar(
    spark: SparkSession,
    shared: Broadcast[tuple[Find, Ids]],
    num_movies: int,
    count: int,
    *,
    id_type: str = "BIGINT",
) -> DataFrame:
    """Return `movie_id, rank, similar_movie_id, similarity`: up to `count` rows per movie.

    Ties go to the movie that comes first. A movie is not in its own list.

    Args:
        spark: The session whose tasks compute, when the result is used.
        shared: What finds a movie's list, with the raw ids by position [movies].
        num_movies: Number of movies.
        count: Length of a list.
        id_type: Spark SQL type of the raw ids.
    """
    kinds = {
        c.MOVIE_ID: id_type,
        c.RANK: "INT",
        c.SIMILAR_MOVIE_ID: id_type,
        c.SIMILARITY: "FLOAT",
    }

    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        find_nearest, ids = shared.value
        for batch in batches:
            for start in batch.column(0).to_pylist():
                asked = np.arange(start, min(start + USER_BLOCK, num_movies))
                place, rank, found, similarity = find_nearest(asked, count)
                columns = [
                    to_column(ids[asked[place]]),
                    pa.array(rank.astype(np.int32)),
                    to_column(ids[found]),
                    pa.array(similarity),
                ]
                yield pa.RecordBatch.from_arrays(columns, list(kinds))

    starts = spark.range(0, num_movies, USER_BLOCK)
    return starts.mapInArrow(find, ", ".join(f"{name} {kind}" for name, kind in kinds.items()))


def to_units(vectors: Floats) -> npt.NDArray[np.float32]:
    """Return rows of length 1. A row of zeros stays: its cosine with any other counts as 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return units.astype(np.float32)


def nearest(
    units: npt.NDArray[np.float32], asked: Ints, count: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Return (place in `asked`, rank, position, cosine) of the nearest of each, without itself.

    Args:
        units: [movies, V], rows of length 1 (or 0).
        asked: [asked], positions in `units`.
        count: Length of a list.
    """
    top = RunningTop(len(asked), count)
    columns = np.ascontiguousarray(units[asked].T)
    places = np.arange(len(asked))

    def fill(movies: slice, into: Block) -> None:
        np.matmul(units[movies], columns, out=into)

    for movies, block in score_blocks(fill, len(units), len(asked), places, asked):
        top.add(block, movies.start)
    return top.lists()


def attach_titles(lists: DataFrame, movies: DataFrame) -> DataFrame:
    """Return every row once, with `title` and `similar_title`; null if there is no title.

    Args:
        lists: Rows with `movie_id` and `similar_movie_id`.
        movies: `movies`, unique by `movie_id`.
    """
    titles = movies.select(c.MOVIE_ID, c.TITLE)
    similar = movies.select(
        F.col(c.MOVIE_ID).alias(c.SIMILAR_MOVIE_ID), F.col(c.TITLE).alias(c.SIMILAR_TITLE)
    )
    named = lists.join(F.broadcast(titles), c.MOVIE_ID, how="left")
    return named.join(F.broadcast(similar), c.SIMILAR_MOVIE_ID, how="left")
