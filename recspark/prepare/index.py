"""Raw ids to dense indexes in StringIndexer's order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.ml.feature import StringIndexerModel
from pyspark.sql import SparkSession

from recspark.contract import columns as c


def order_ids(ids: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return `id, index, num_ratings` (int32), ordered by index.

    The order is StringIndexer's `frequencyDesc`: most ratings first, ties by id as text. The counts
    are given, so no rating has to be looked up by a string.

    Args:
        ids: Distinct ids, any order.
        counts: Number of ratings of each id.
    """
    order = np.lexsort((ids.astype("U"), -counts))
    return pd.DataFrame(
        {
            c.ID: ids[order].astype(np.int32),
            c.INDEX: np.arange(len(ids), dtype=np.int32),
            c.NUM_RATINGS: counts[order].astype(np.int32),
        }
    )


def make_indexer(spark: SparkSession, table: pd.DataFrame) -> StringIndexerModel:
    """Return the StringIndexerModel that maps ids (as text) as the table does.

    The labels pass through the driver's memory, about 60 bytes each.

    Args:
        spark: The session whose JVM holds the model.
        table: `id, index, num_ratings`, ordered by index.
    """
    # StringIndexerModel.from_labels calls the JVM once per label (57 s for 480,189 users), so the
    # labels are passed as one string that the JVM splits; the rest is as in from_labels.
    jvm: Any = spark.sparkContext._jvm
    text = "\n".join(str(value) for value in table[c.ID])
    labels = jvm.java.util.regex.Pattern.compile("\n").split(text)
    model: StringIndexerModel = StringIndexerModel._create_from_java_class(
        "org.apache.spark.ml.feature.StringIndexerModel", labels
    )
    return model.setInputCol(c.ID).setOutputCol(c.INDEX).setHandleInvalid("skip")
