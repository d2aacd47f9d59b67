"""Raw ids to dense indexes: StringIndexer's order, applied by a join instead of row by row."""

from __future__ import annotations

from pyspark.ml.feature import StringIndexerModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.schemas import USER_INDEX

# Above this many rows an index table is joined by shuffling instead of broadcasting (rows).
MAX_BROADCAST_ROWS = 5_000_000


def count_ratings(ratings: DataFrame, column: str) -> DataFrame:
    """Return one row per value of `column`: `id, num_ratings`."""
    return ratings.groupBy(F.col(column).alias(c.ID)).agg(
        F.count(F.lit(1)).cast("int").alias(c.NUM_RATINGS)
    )


def fit_indexer(counts: DataFrame, min_ratings: int) -> StringIndexerModel:
    """Return a StringIndexerModel over the ids with at least `min_ratings` ratings.

    The order is StringIndexer's `frequencyDesc`: most ratings first, ties by id as text. The
    labels pass through the driver's memory: about 60 bytes each.

    Args:
        counts: `id, num_ratings`, one row per id.
        min_ratings: Fewest ratings with which an id is kept.
    """
    ordered = (
        counts.where(F.col(c.NUM_RATINGS) >= min_ratings)
        .select(F.col(c.ID).cast("string"), c.NUM_RATINGS)
        .orderBy(F.col(c.NUM_RATINGS).desc(), F.col(c.ID).asc())
    )
    labels = [row[0] for row in ordered.select(c.ID).collect()]
    return StringIndexerModel.from_labels(
        labels, inputCol=c.ID, outputCol=c.INDEX, handleInvalid="skip"
    )


def index_table(counts: DataFrame, indexer: StringIndexerModel) -> DataFrame:
    """Return `id, index, num_ratings` for the ids that the indexer knows, ordered by index.

    Args:
        counts: `id, num_ratings`, one row per id; ids the indexer lacks are left out.
        indexer: As `fit_indexer` returns it.
    """
    as_text = counts.select(F.col(c.ID).cast("string").alias(c.ID), c.NUM_RATINGS)
    return (
        indexer.transform(as_text)
        .select(*(F.col(name).cast(kind) for name, kind in USER_INDEX.columns.items()))
        .orderBy(c.INDEX)
        .coalesce(1)
    )


def attach_index(ratings: DataFrame, index: DataFrame, id_column: str, name: str) -> DataFrame:
    """Return the ratings whose id is in `index`, with the index added as column `name`.

    Args:
        ratings: Any rows with `id_column`.
        index: `id, index, …`, one row per id; broadcast unless it is very large.
        id_column: The raw id to look up.
        name: Name of the added column.
    """
    lookup = index.select(F.col(c.ID).alias(id_column), F.col(c.INDEX).alias(name))
    if index.count() <= MAX_BROADCAST_ROWS:
        lookup = F.broadcast(lookup)
    return ratings.join(lookup, on=id_column, how="inner")
