"""Which movies may be listed, by the restrictions that hold for all users."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ids import Ids, is_text
from recspark.arrays.lookup import Lookup
from recspark.config import RecommendConfig
from recspark.contract import columns as c
from recspark.errors import ConfigError, DataError, describe
from recspark.recommend.id_list import read_id_list
from recspark.recommend.movie_table import split_genres

logger = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
Value = str | float


def find_candidates(
    settings: RecommendConfig,
    num_ratings: npt.NDArray[np.int64],
    movie_ids: Ids,
    columns: Mapping[str, pa.Array],
) -> npt.NDArray[np.int32]:
    """Return the movies that may be listed, by index, ascending.

    Args:
        settings: The restrictions.
        num_ratings: [movies], ratings in train.
        movie_ids: [movies], raw ids.
        columns: Those of `name_columns`, [movies].

    Raises:
        DataError: No movie is left, or a file of movies is unusable.
    """
    is_known = num_ratings >= settings.min_ratings
    if not is_known.any():
        raise DataError(
            describe(
                "recommend.min_ratings",
                found=f"no movie with {settings.min_ratings:,} ratings in train",
                expected=f"at most {num_ratings.max():,}",
                remedy="Lower it.",
            )
        )
    is_listed = is_known.copy()
    if settings.allow_movies:
        is_listed &= _in_file(settings.allow_movies, "recommend.allow_movies", movie_ids)
    if settings.deny_movies:
        is_listed &= ~_in_file(settings.deny_movies, "recommend.deny_movies", movie_ids)
    if settings.min_year is not None:
        is_listed &= _holds(pc.greater_equal(columns[c.YEAR], settings.min_year))
    if settings.max_year is not None:
        is_listed &= _holds(pc.less_equal(columns[c.YEAR], settings.max_year))
    for name, values in settings.allow_values.items():
        is_listed &= has_value(columns[name], values, name)
    for name, values in settings.deny_values.items():
        is_listed &= ~has_value(columns[name], values, name)
    candidates = np.flatnonzero(is_listed)
    if len(candidates) == 0:
        raise DataError(
            describe(
                "recommend",
                found=f"no movie that may be listed, of {is_known.sum():,} with enough ratings",
                expected="one or more",
                remedy="Remove some of recommend.allow_movies, deny_movies, min_year, max_year, "
                "allow_values and deny_values.",
            )
        )
    if len(candidates) < is_known.sum():
        logger.info(
            "recommend: %s of %s movies may be listed", f"{len(candidates):,}", len(is_known)
        )
    return candidates.astype(np.int32)


def name_columns(settings: RecommendConfig) -> set[str]:
    """Return the columns of `movies` that decide which movies may be listed."""
    has_years = settings.min_year is not None or settings.max_year is not None
    return {*({c.YEAR} if has_years else ()), *settings.allow_values, *settings.deny_values}


def require_columns(settings: RecommendConfig, known: Collection[str]) -> None:
    """Check that `movies` has the columns of the settings.

    Raises:
        ConfigError: It lacks one.
    """
    for setting in ("allow_values", "deny_values"):
        missing = [name for name in getattr(settings, setting) if name not in known]
        if missing:
            raise ConfigError(
                describe(
                    f"recommend.{setting}",
                    found=f"{', '.join(missing)}, which movies does not have",
                    expected=f"some of {', '.join(known)}",
                    remedy="Correct the name, or name the attribute in ingest.movie_attributes "
                    "and ingest again.",
                )
            )


def has_value(column: pa.Array, values: Collection[Value], name: str) -> Mask:
    """Return which movies have one of the values; text is compared without regard to case.

    Args:
        column: [movies], text or numbers; a movie may have several genres.
        values: What is asked for. A value that no movie has is told in the log.
        name: Name of the column.
    """
    genres = split_genres(column) if name == c.GENRES else None
    given = genres or [[] if one is None else [one] for one in column.to_pylist()]
    own = [{_text(value) for value in one} for one in given]
    wanted = {_text(value) for value in values}
    absent = wanted.difference(*own)
    if absent:
        logger.warning("recommend: no movie has %s in %s", ", ".join(sorted(absent)), name)
    return np.array([not wanted.isdisjoint(one) for one in own], bool)


def _text(value: Value) -> str:
    return (value if isinstance(value, str) else f"{value:.15g}").strip().casefold()


def _holds(found: pa.Array) -> Mask:
    holds: Mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return holds


def _in_file(path: str, setting: str, movie_ids: Ids) -> Mask:
    """Return which movies a file names; the log counts ids that the run does not have."""
    ids = read_id_list(path, setting, are_text=is_text(movie_ids))
    found = Lookup.of(movie_ids).find(ids)
    unknown = int((found < 0).sum())
    if unknown:
        logger.warning(
            "recommend: %s of %s movies of %s are not in this run",
            *(f"{unknown:,}", f"{len(ids):,}", path),
        )
    named = np.zeros(len(movie_ids), bool)
    named[found[found >= 0]] = True
    return named
