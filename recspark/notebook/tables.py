"""Stored data sets and figures as pandas or Spark frames, with raw ids and titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ids import to_column
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import Schema
from recspark.datasets.id_maps import read_index_ids
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.errors import DataError, describe
from recspark.evaluation.leaderboard import REFERENCE_MODEL
from recspark.evaluation.yardstick import YARDSTICK
from recspark.files import parquet
from recspark.notebook.raw_ids import read_id
from recspark.redact import shown

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

# The columns that users see, in this order.
PREDICTION_COLUMNS = (
    *(c.USER_ID, c.MOVIE_ID, c.RATING, c.RATED_AT),
    *(c.PREDICTION, c.PREDICTION_STD, c.FALLBACK),
)
_LIST_FIGURES = (
    *("recall", "capped_recall", "precision", "map", "mrr", "hit_rate"),
    *("catalogue_coverage", "novelty", "concentration", "popularity_lift", "diversity"),
    *("num_users", "num_users_without_list", "unmeasured"),
)
RECOMMENDATION_COLUMNS = (c.USER_ID, c.RANK, c.MOVIE_ID, c.TITLE, c.SCORE)


def read_table(path: str, schema: Schema) -> pa.Table:
    """Return a data set as one table, in stored order and without its partition column."""
    columns = [name for name in schema.columns if name != schema.partition_by]
    batches = list(parquet.read_batches(path, columns))
    return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in columns})


def read_predictions(paths: RunPaths, model: str, train: Manifest) -> pd.DataFrame:
    """Return predictions with raw ids, one row per test rating, in stored order."""
    table = read_table(paths.predictions(model), schemas.PREDICTIONS)
    ids = {
        raw: to_column(read_index_ids(path, train)[table.column(index).to_numpy()])
        for raw, index, path in (
            (c.USER_ID, c.USER_INDEX, paths.user_index),
            (c.MOVIE_ID, c.MOVIE_INDEX, paths.movie_index),
        )
    }
    seconds = table.column(c.RATED_AT).cast(pa.int64())
    columns = {**ids, c.RATED_AT: seconds.cast(pa.timestamp("s"))}
    kept = (c.RATING, c.PREDICTION, c.PREDICTION_STD, c.FALLBACK)
    columns |= {name: table.column(name) for name in kept}
    return pa.table({name: columns[name] for name in PREDICTION_COLUMNS}).to_pandas()


def read_predictions_in_spark(paths: RunPaths, model: str, spark: SparkSession) -> DataFrame:
    """Return the same as a Spark frame."""
    from pyspark.sql import functions as F

    frame = parquet.read_dataset(spark, paths.predictions(model), schemas.PREDICTIONS)
    for raw, index, path, schema in (
        (c.USER_ID, c.USER_INDEX, paths.user_index, schemas.USER_INDEX),
        (c.MOVIE_ID, c.MOVIE_INDEX, paths.movie_index, schemas.MOVIE_INDEX),
    ):
        ids = parquet.read_dataset(spark, path, schema)
        ids = ids.select(F.col(c.INDEX).alias(index), F.col(c.ID).alias(raw))
        frame = frame.join(ids, on=index, how="left")
    rated_at = F.timestamp_seconds(c.RATED_AT)
    return frame.withColumn(c.RATED_AT, rated_at).select(*PREDICTION_COLUMNS)


def read_recommendations(paths: RunPaths, model: str) -> pd.DataFrame:
    """Return the lists by user and rank, with titles; null if the titles file has none."""
    table = read_table(paths.recommendations(model), schemas.RECOMMENDATIONS)
    frame = table.to_pandas().sort_values([c.USER_ID, c.RANK], ignore_index=True)
    titles: dict[Any, Any] = {}
    if _has_titles(paths):
        movies = read_table(paths.movies, schemas.MOVIES)
        names = (c.MOVIE_ID, c.TITLE)
        titles = dict(zip(*(movies.column(name).to_pylist() for name in names), strict=True))
    found = pa.array([titles.get(movie) for movie in frame[c.MOVIE_ID].tolist()], pa.string())
    frame[c.TITLE] = found.to_pandas()
    return frame[list(RECOMMENDATION_COLUMNS)]


def read_recommendations_in_spark(paths: RunPaths, model: str, spark: SparkSession) -> DataFrame:
    """Return the same as a Spark frame, in no order."""
    from pyspark.sql import functions as F

    frame = parquet.read_dataset(spark, paths.recommendations(model), schemas.RECOMMENDATIONS)
    if not _has_titles(paths):
        return frame.withColumn(c.TITLE, F.lit(None).cast("string")).select(*RECOMMENDATION_COLUMNS)
    movies = parquet.read_dataset(spark, paths.movies, schemas.MOVIES)
    titles = movies.select(c.MOVIE_ID, c.TITLE)
    return frame.join(titles, on=c.MOVIE_ID, how="left").select(*RECOMMENDATION_COLUMNS)


def read_similar(path: str, movie_id: int | str | None, n: int) -> pd.DataFrame:
    """Return up to n rows of each movie's list, or of one movie's, by movie and rank.

    Raises:
        DataError: There is no list for the movie, or its id is not of the run's kind.
    """
    table, movie = _open_similar(path, movie_id)
    table = table.filter(pc.less_equal(table[c.RANK], n))
    if movie is not None:
        table = table.filter(pc.equal(table[c.MOVIE_ID], movie))
    return table.sort_by([(c.MOVIE_ID, "ascending"), (c.RANK, "ascending")]).to_pandas()


def read_similar_in_spark(
    path: str, movie_id: int | str | None, n: int, spark: SparkSession
) -> DataFrame:
    """Return the same as a Spark frame, in no order."""
    _, movie = _open_similar(path, movie_id)
    frame = parquet.read_dataset(spark, path, schemas.SIMILAR_MOVIES)
    frame = frame.where(frame[c.RANK] <= n)
    return frame if movie is None else frame.where(frame[c.MOVIE_ID] == movie)


def _open_similar(path: str, movie_id: int | str | None) -> tuple[pa.Table, int | str | None]:
    """Return the lists of similar movies, and the id of the movie that is asked for."""
    table = read_table(path, schemas.SIMILAR_MOVIES)
    if movie_id is None:
        return table, None
    listed = table[c.MOVIE_ID]
    movie = read_id(c.MOVIE_ID, movie_id, is_text=not pa.types.is_integer(listed.type))
    if not pc.any(pc.equal(listed, movie)).as_py():
        raise DataError(
            describe(
                path,
                found=f"no list for movie {shown(str(movie))}",
                expected=f"one of the {pc.count_distinct(listed).as_py():,} movies with a list",
                remedy="Name another movie: this one has fewer ratings in train than "
                "similar.min_ratings, or its id does not occur in the data.",
            )
        )
    return table, movie


def make_leaderboard(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of `leaderboard.json` with flat columns; see `Run.leaderboard`."""
    import pandas as pd

    return pd.DataFrame([_flatten(row) for row in rows])


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["rmse_interval"]
    best, reference = (row["versus"].get(name, {}) for name in ("best", REFERENCE_MODEL))
    return {
        "model": row["model"],
        "rmse": row["rmse"],
        "rmse_low": low,
        "rmse_high": high,
        "mae": row["mae"],
        "coverage": row["coverage"],
        "num_fallbacks": row["num_fallbacks"],
        "seconds": row["seconds"],
        "vs_best": best.get("difference", float("nan")),
        f"vs_{REFERENCE_MODEL}": reference.get("difference", float("nan")),
        "is_tie": best.get("is_tie", False),
        "num_rows": row["num_rows"],
        "protocol": row["protocol"],
    }


def make_lists_leaderboard(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of `lists.json` with flat columns; see `Run.lists_leaderboard`."""
    import pandas as pd

    return pd.DataFrame([_flatten_lists(row) for row in rows])


def _flatten_lists(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["intervals"]["ndcg"] or (None, None)
    best, yardstick = (row["versus"].get(name, {}).get("ndcg", {}) for name in ("best", YARDSTICK))
    return {
        "model": row["model"],
        "k": row["k"],
        "ndcg": row["ndcg"],
        "ndcg_low": low,
        "ndcg_high": high,
        "vs_best": best.get("difference", float("nan")),
        f"vs_{YARDSTICK}": yardstick.get("difference", float("nan")),
        "is_tie": best.get("is_tie", False),
        f"is_above_{YARDSTICK}": yardstick["low"] > 0 if yardstick else None,
        **{name: row[name] for name in _LIST_FIGURES},
        "protocol": row["protocol"],
    }


def _has_titles(paths: RunPaths) -> bool:
    movies = read_manifest(paths.movies)
    return movies is not None and movies.num_rows > 0
