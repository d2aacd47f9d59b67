"""Raw ids to dense indexes in StringIndexer's order."""

from __future__ import annotations

import posixpath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.ml.feature import StringIndexerModel
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, TextIds, from_arrow, to_column
from recspark.contract import columns as c
from recspark.files import parquet, storage


def order_ids(ids: Ids, counts: npt.NDArray[np.int64]) -> pa.Table:
    """Return `id, index, num_ratings`, ordered by index; ids int64 or string, the others int32.

    The order is StringIndexer's `frequencyDesc`: most ratings first, ties by id as text, compared
    by its bytes in UTF-8. (Spark 3.5 compares UTF-16, which sorts emoji before U+E000.) The counts
    are given, so no rating has to be looked up by a string.

    Args:
        ids: Distinct ids, any order.
        counts: Number of ratings of each id.
    """
    column = to_column(ids)
    text = column.cast(pa.string())
    keyed = pa.table({"count": pa.array(counts), "text": text})
    order = pc.sort_indices(keyed, [("count", "descending"), ("text", "ascending")])
    return pa.table(
        {
            c.ID: column.take(order),
            c.INDEX: pa.array(np.arange(len(ids), dtype=np.int32)),
            c.NUM_RATINGS: pa.array(counts.astype(np.int32)).take(order),
        }
    )


def ids_of(table: pa.Table) -> Ids:
    """Return the ids of an index table, in its order."""
    ids = from_arrow(table.column(c.ID))
    if isinstance(ids, TextIds):
        return TextIds(np.arange(len(ids), dtype=np.int32), table.column(c.ID).combine_chunks())
    return ids


def save_indexer(spark: SparkSession, table: pa.Table, path: str) -> None:
    """Save the StringIndexerModel that maps ids (as text) as an index table does.

    Spark saves a model of one label, and its file of labels is then replaced: a model of millions
    of labels would take the JVM half a minute and its memory.

    Args:
        spark: The session.
        table: `id, index, num_ratings`, ordered by index.
        path: Where to save it.
    """
    context: Any = spark.sparkContext
    labels = context._gateway.new_array(context._jvm.java.lang.String, 1)
    labels[0] = ""
    model: StringIndexerModel = StringIndexerModel._create_from_java_class(
        "org.apache.spark.ml.feature.StringIndexerModel", labels
    )
    model.setInputCol(c.ID).setOutputCol(c.INDEX).setHandleInvalid("skip").write().save(path)
    [file] = parquet.parquet_files(posixpath.join(path, "data"))
    fs, stripped = storage.filesystem(file)
    with fs.open(stripped, "rb") as opened:
        name = pq.ParquetFile(opened).schema_arrow.names[0]
    texts = table.column(c.ID).cast(pa.string()).combine_chunks()
    inner = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    outer = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), inner)
    # Spark looks for a checksum of its own beside a local file.
    checksum = posixpath.join(posixpath.dirname(file), f".{posixpath.basename(file)}.crc")
    storage.remove(checksum)
    with fs.open(stripped, "wb") as opened:
        pq.write_table(pa.table({name: outer}), opened)
