"""The raw ids behind the indexes of a run."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.ids import Ids, from_arrow, is_text
from recspark.contract import columns as c
from recspark.contract.catalog import USER_INDEX
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.errors import DataError, describe
from recspark.files import parquet, storage


def id_type(ids: Ids) -> str:
    """Return the Spark SQL type of ids."""
    return "STRING" if is_text(ids) else "BIGINT"


def read_index_ids(path: str, train: Manifest) -> Ids:
    """Return the raw id at each index, [ids], of `user_index` or `movie_index`.

    Raises:
        DataError: The index is missing, or another run of prepare than that of train made it.
    """
    manifest = require_manifest(path, USER_INDEX)
    if manifest.id != train.id:
        raise DataError(
            describe(
                path,
                found=f"an index of {manifest.id}",
                expected=f"the one made with train, {train.id}",
                remedy="Run jobs/prepare.py with --force, then fit the models again.",
            )
        )
    tables = []
    for name in parquet.parquet_files(path):
        fs, stripped = storage.filesystem(name)
        with fs.open(stripped, "rb") as opened:
            tables.append(pq.ParquetFile(opened).read([c.ID, c.INDEX]))
    return from_arrow(pa.concat_tables(tables).sort_by(c.INDEX).column(c.ID))
