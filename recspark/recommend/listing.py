"""What lists hold, whoever they are for: the model, the movies, and the limits of a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids
from recspark.config import RecommendConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import MOVIES
from recspark.contract.schemas import IdTypes, Schema
from recspark.datasets.id_maps import id_type
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.recommend.allowed import find_candidates, name_columns, require_columns
from recspark.recommend.caps import Caps, make_caps
from recspark.recommend.movie_table import read_movie_columns, split_genres
from recspark.scoring.load import SavedModel


@dataclass(frozen=True)
class Listing:
    """What tasks list; small enough to be sent to each."""

    model: SavedModel
    count: int
    """Length of a list."""
    candidates: npt.NDArray[np.int32]
    """`movie_index` of the movies that may be listed, ascending."""
    movie_ids: Ids
    """Raw id of each `movie_index`."""
    include_seen: bool = False
    """See `RecommendConfig`."""
    caps: Caps | None = None
    """Limits of a list, besides its length."""
    num_reasons: int = 0
    """Most reasons of an entry; with any, the model has reasons."""
    titles: pa.Array | None = None
    """[movies], null where there is none; None for lists without titles."""

    def find_places(self) -> npt.NDArray[np.int32]:
        """Return the place of each movie among the candidates, [movies]; -1 for none."""
        places = np.full(len(self.movie_ids), -1, np.int32)
        places[self.candidates] = np.arange(len(self.candidates))
        return places


def require_movies(settings: RecommendConfig, path: str) -> Manifest | None:
    """Return the manifest of `movies` if lists take columns of it, else None.

    Args:
        settings: Of the recommend job.
        path: Of the data set.

    Raises:
        DataError: It is missing.
        ConfigError: It lacks a column.
    """
    if not _name_columns(settings):
        return None
    movies = require_manifest(path, MOVIES)
    require_columns(settings, [name for name in movies.columns if name != c.MOVIE_ID])
    return movies


def make_listing(
    settings: RecommendConfig,
    model: SavedModel,
    num_ratings: npt.NDArray[np.int64],
    movie_ids: Ids,
    movies: str,
) -> Listing:
    """Return what the settings ask for.

    Args:
        settings: Of the recommend job.
        model: Ranks.
        num_ratings: [movies], ratings in train.
        movie_ids: [movies], raw ids.
        movies: Path of the data set, which `require_movies` has checked.

    Raises:
        DataError: No movie may be listed, or a file of movies is unusable.
    """
    names = _name_columns(settings)
    columns = read_movie_columns(movies, movie_ids, names) if names else {}
    candidates = find_candidates(settings, num_ratings, movie_ids, columns)
    genres = split_genres(columns[c.GENRES]) if settings.max_per_genre else None
    return Listing(
        model=model,
        count=settings.top_n,
        candidates=candidates,
        movie_ids=movie_ids,
        include_seen=settings.include_seen,
        caps=make_caps(settings, candidates, num_ratings, genres),
        num_reasons=settings.reasons,
        titles=columns[c.TITLE].cast(pa.string()) if settings.titles else None,
    )


def add_columns(
    schema: Schema, settings: RecommendConfig, user_type: str, movie_ids: Ids
) -> Schema:
    """Return the schema of lists with the types of ids and the columns that the settings add.

    Args:
        schema: The lists' own.
        settings: Of the recommend job.
        user_type: Spark SQL type of user ids.
        movie_ids: Raw ids.
    """
    movie_type = id_type(movie_ids)
    more = schemas.list_columns(
        titles=settings.titles, reasons=settings.reasons > 0, movie=movie_type
    )
    return schema.with_ids(IdTypes(user_type, movie_type)).with_columns(more)


def _name_columns(settings: RecommendConfig) -> set[str]:
    """Return the columns of `movies` that lists take."""
    return (
        name_columns(settings)
        | ({c.GENRES} if settings.max_per_genre else set())
        | ({c.TITLE} if settings.titles else set())
    )
