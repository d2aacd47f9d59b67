"""What the run's `movies` say of the indexed movies."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from recspark.arrays.ids import Ids, from_arrow
from recspark.arrays.lookup import Lookup
from recspark.contract import columns as c
from recspark.files import parquet

SEPARATOR = "|"
"""Between the genres of a movie."""


def read_movie_columns(path: str, movie_ids: Ids, names: Collection[str]) -> dict[str, pa.Array]:
    """Return columns of `movies`, each [movies] by `movie_index`; null for movies without a row.

    Args:
        path: The data set.
        movie_ids: Raw id of each `movie_index`.
        names: Columns that it has.
    """
    lookup = Lookup.of(movie_ids)
    batches = list(parquet.read_batches(path, [c.MOVIE_ID, *names]))
    if not batches:
        return {name: pa.nulls(len(movie_ids)) for name in names}
    table = pa.Table.from_batches(batches)
    places = lookup.find(from_arrow(table.column(c.MOVIE_ID)))
    rows = np.full(len(movie_ids), -1)
    rows[places[places >= 0]] = np.flatnonzero(places >= 0)
    taken = pa.array(rows, mask=rows < 0)
    return {name: table.column(name).combine_chunks().take(taken) for name in names}


def split_genres(genres: pa.Array) -> list[list[str]]:
    """Return the names of each movie's genres, without repeats."""
    return [
        list(dict.fromkeys(name for name in (text or "").split(SEPARATOR) if name))
        for text in genres.to_pylist()
    ]
