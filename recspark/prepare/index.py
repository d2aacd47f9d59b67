"""Raw ids to dense indexes in StringIndexer's order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.ml.feature import StringIndexerModel

from recspark import columns as c


def order_ids(ids: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return `id, index, num_ratings` (int32), ordered by index.

    The order is StringIndexer's `frequencyDesc`: most ratings first, ties by id as text. Counting
    is done elsewhere, so no row of the ratings is looked up as a string.

    Args:
        ids: Distinct ids, any order.
        counts: Ratings of each.
    """
    order = np.lexsort((ids.astype("U"), -counts))
    return pd.DataFrame(
        {
            c.ID: ids[order].astype(np.int32),
            c.INDEX: np.arange(len(ids), dtype=np.int32),
            c.NUM_RATINGS: counts[order].astype(np.int32),
        }
    )


def make_indexer(table: pd.DataFrame) -> StringIndexerModel:
    """Return the StringIndexerModel that maps ids (as text) as the table does.

    Spark must be running. The labels pass through the driver's memory, about 60 bytes each.

    Args:
        table: `id, index, num_ratings`, ordered by index.
    """
    labels = [str(value) for value in table[c.ID]]
    return StringIndexerModel.from_labels(
        labels, inputCol=c.ID, outputCol=c.INDEX, handleInvalid="skip"
    )
