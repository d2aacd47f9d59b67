"""Duplicates whose two ratings were parsed by different tasks.

Only movies that several parts have ratings of can hold one. Of Netflix text these are the few that
a cut runs through; of text sorted by user they are nearly all, and then every row is looked at once
more. Ratings travel in blocks, dealt out by user, and each reducer sorts what it gets.
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
from recspark.ingest.duplicates import find_beaten
from recspark.ingest.part import Part

# Rows that a reducer sorts at a time, about 100 bytes each while it does.
REDUCER_ROWS = 4_000_000
_ROW = np.dtype([("key", np.int64), ("day", np.int32), ("part", np.int32)])
Ratings = npt.NDArray[np.void]


@dataclass(frozen=True)
class _Suspect:
    """A part that shares movies with others: its place among all, its files, those movies."""

    position: int
    files: tuple[str, ...]
    movies: npt.NDArray[np.int32]
    num_rows: int


def find_losers_between(spark: SparkSession, parts: Sequence[Part], root: str) -> dict[str, Keys]:
    """Return, by part name, the keys of ratings that a better one in another part beats.

    Of two ratings of one day, that of the later part wins. The driver gets 8 bytes a duplicate.

    Args:
        spark: The session.
        parts: All parts in the order of their text, each free of duplicates in itself.
        root: Staging folder of ratings.
    """
    suspects = _find_suspects(parts)
    if not suspects:
        return {}
    num_rows = sum(one.num_rows for one in suspects)
    num_reducers = max(1, -(-num_rows // REDUCER_ROWS))

    def deal(items: Iterable[_Suspect]) -> Iterator[tuple[int, bytes]]:
        for suspect in items:
            rows = _read(suspect)
            # The low 32 bits of a key are the user.
            reducer = (rows["key"] & 0xFFFFFFFF) % num_reducers
            for number in range(num_reducers):
                mine = rows[reducer == number]
                if len(mine):
                    yield number, mine.tobytes()

    dealt = spread(spark, suspects, num_reducers).mapPartitions(deal)
    found = shuffle(spark, dealt, num_reducers, _beaten, root)
    names = sorted({position for losers in found for position in losers})
    return {
        parts[position].name: np.concatenate([x[position] for x in found if position in x])
        for position in names
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
            # Movies that only touch the ends of parts are read from a small file of their own.
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


def _beaten(_: int, blocks: Iterator[bytes]) -> dict[int, Keys]:
    """Return the keys of a reducer's losers by the position of their part."""
    rows = np.frombuffer(b"".join(blocks), dtype=_ROW)
    rows = rows[np.argsort(rows["part"], kind="stable")]  # find_beaten lets the last one win
    losers = rows[find_beaten(rows["key"].copy(), rows["day"].copy())]
    return {int(p): losers["key"][losers["part"] == p].copy() for p in np.unique(losers["part"])}
