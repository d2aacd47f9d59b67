"""The movies of a run by index: ids, titles and numbers of ratings, in the driver's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.files import parquet
from recspark.page.tables import clip

# Of a title.
_MOST_LETTERS = 200


@dataclass(frozen=True)
class Movies:
    """The indexed movies in the order of the index, most rated first."""

    ids: list[int] | list[str]
    """[movies], raw ids."""
    num_ratings: npt.NDArray[np.int64]
    """[movies], ratings that prepare kept: train, valid and test."""
    labels: list[str]
    """[movies], title and year. The id is added if another movie has the same title and year, and
    replaces a missing title."""

    def by_id(self) -> dict[Any, str]:
        """Return the label of each raw id."""
        return dict(zip(self.ids, self.labels, strict=True))


def read_movies(paths: RunPaths) -> Movies:
    """Return the movies of the index with their titles, one row per movie."""
    index, count, ids = _read(paths.movie_index, [c.INDEX, c.NUM_RATINGS, c.ID])
    order = np.argsort(np.array(index))
    raw = [ids[at] for at in order.tolist()]
    titles = {
        movie: name_movie(movie, title, year)
        for movie, title, year in zip(
            *_read(paths.movies, [c.MOVIE_ID, c.TITLE, c.YEAR]), strict=True
        )
    }
    return Movies(
        ids=raw,
        num_ratings=np.array(count, np.int64)[order],
        labels=make_unique(
            raw,
            [titles.get(movie, name_movie(movie, None, None)) for movie in raw],
        ),
    )


def make_unique(ids: Sequence[object], labels: Sequence[str]) -> list[str]:
    """Return the labels; repeated ones get the movie's id: `Chasing Amy (1997), id 246`."""
    counts = Counter(labels)
    return [
        f"{label}, id {movie}" if counts[label] > 1 else label
        for movie, label in zip(ids, labels, strict=True)
    ]


def name_movie(movie_id: object, title: str | None, year: int | None) -> str:
    """Return e.g. `Toy Story (1995)`. The title alone is not a key, because many titles repeat."""
    if not title or title.isspace():
        return f"movie {movie_id}"
    title = clip(title, _MOST_LETTERS)
    return title if year is None or title.endswith(f"({year})") else f"{title} ({year})"


def _read(path: str, columns: list[str]) -> list[list]:
    found: list[list] = [[] for _ in columns]
    for batch in parquet.read_batches(path, columns):
        for name, values in zip(columns, found, strict=True):
            values += batch.column(name).to_pylist()
    return found
