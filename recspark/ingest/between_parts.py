"""Duplicates whose two ratings were parsed by different tasks.

Only a movie with ratings in several parts can have such duplicates. In Netflix text these are the
few movies that a cut runs through. In text sorted by user they are nearly all movies, and every row
is read once more. The ratings are shuffled in blocks, partitioned by user, and each reducer sorts
its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from recspark.arrays.ratings import Keys
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.files import storage
from recspark.ingest.duplicates import mark_repeated_keys
from recspark.ingest.part import Part

# Rows that one reducer sorts, at about 100 bytes each.
REDUCER_ROWS = 4_000_000
_ROW = np.dtype([("key", np.int64), ("day", np.int32), ("part", np.int32)])
Ratings = npt.NDArray[np.void]


@dataclass(frozen=True)
class _Suspect:
    """A part that shares movies with others: its position, its files and the shared movies."""

    position: int
    files: tuple[str, ...]
    movies: npt.NDArray[np.int32]
    num_rows: int


def find_duplicates_between(
    spark: SparkSession, parts: Sequence[Part], root: str
) -> dict[str, Keys]:
    """Return the keys of the ratings to drop in favour of another part's, by part name.

    Of two ratings from the same day, the one in the later part is kept. The driver receives 8 bytes
    per duplicate.

    Args:
        spark: The session.
        parts: All parts in the order of their text; none has duplicates within itself.
        root: Staging folder of ratings.
    """
    suspects = _find_suspects(parts)
    if not suspects:
        return {}
    num_rows = sum(suspect.num_rows for suspect in suspects)
    num_reducers = max(1, -(-num_rows // REDUCER_ROWS))

    def partition(items: Iterable[_Suspect]) -> Iterator[tuple[int, bytes]]:
        for suspect in items:
            rows = _read(suspect)
            # The low 32 bits of a key are the user.
            reducer = (rows["key"] & 0xFFFFFFFF) % num_reducers
            for number in range(num_reducers):
                mine = rows[reducer == number]
                if len(mine):
                    yield number, mine.tobytes()

    partitioned = spread(spark, suspects, num_reducers).mapPartitions(partition)
    found = shuffle(spark, partitioned, num_reducers, _find_duplicates, root)
    positions = sorted({position for duplicates in found for position in duplicates})
    return {
        parts[position].name: np.concatenate([x[position] for x in found if position in x])
        for position in positions
    }


def _find_suspects(parts: Sequence[Part]) -> list[_Suspect]:
    none = [np.zeros(0, dtype=np.int32)]
    movies, times = np.unique(np.concatenate([p.movies for p in parts] or none), return_counts=True)
    shared = movies[times > 1]
    suspects = []
    for position, part in enumerate(parts):
        mine = np.isin(part.movies, shared)
        if mine.any():
            files = tuple(file.written for file in part.ratings)
            # If all shared movies are at the part's edges, the small edges file is enough.
            if part.edges and np.isin(part.movies[mine], part.edge_movies).all():
                files = (part.edges.written,)
            rows = int(part.movie_rows[mine].sum())
            suspects.append(_Suspect(position, files, part.movies[mine], rows))
    return suspects


def _read(suspect: _Suspect) -> Ratings:
    """Return the part's rows of its shared movies."""
    wanted, pieces = pa.array(suspect.movies), []
    for path in suspect.files:
        fs, stripped = storage.filesystem(path)
        with fs.open(stripped, "rb") as file:
            names = [c.USER_ID, c.MOVIE_ID, c.RATED_ON]
            table = pq.ParquetFile(file).read(names, use_threads=False)
        table = table.filter(pc.is_in(table.column(c.MOVIE_ID), value_set=wanted))
        rows = np.empty(len(table), dtype=_ROW)
        movies = table.column(c.MOVIE_ID).to_numpy().astype(np.int64)
        rows["key"] = (movies << 32) | table.column(c.USER_ID).to_numpy()
        rows["day"] = table.column(c.RATED_ON).cast(pa.int32()).to_numpy()
        rows["part"] = suspect.position
        pieces.append(rows)
    return np.concatenate(pieces)


def _find_duplicates(_: int, blocks: Iterator[bytes]) -> dict[int, Keys]:
    """Return the keys of the duplicates in a reducer's rows, by the position of their part."""
    rows = np.frombuffer(b"".join(blocks), dtype=_ROW)
    rows = rows[np.argsort(rows["part"], kind="stable")]  # mark_repeated_keys keeps the last row
    found = rows[mark_repeated_keys(rows["key"].copy(), rows["day"].copy())]
    return {int(p): found["key"][found["part"] == p].copy() for p in np.unique(found["part"])}
