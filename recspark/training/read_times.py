"""The times of a rank's ratings, for models that change over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from recspark.arrays.user_buckets import Shard, rows_of
from recspark.contract import columns as c
from recspark.errors import TrainingError, describe
from recspark.files import storage
from recspark.training.feed import folders_of, list_files


def read_times(
    paths: tuple[str, ...], bucket_rows: Mapping[int, int], shard: Shard
) -> npt.NDArray[np.int32]:
    """Return the times of all ratings of a rank's buckets, in the order of `read_ratings`.

    pyarrow reads them, whatever `train.reader` is: petastorm turns a column that may be null into
    another type.

    Args:
        paths: Data sets partitioned by bucket.
        bucket_rows: Rows by bucket, from the manifests.
        shard: The rank's buckets.

    Returns:
        int32 [N], seconds since 1970-01-01 UTC.

    Raises:
        TrainingError: A rating has no time.
    """
    times = np.empty(rows_of(shard, bucket_rows), np.int32)
    start = 0
    for bucket in shard.buckets:
        if not bucket_rows.get(bucket, 0):
            continue
        for file in list_files(folders_of(paths, bucket)):
            with storage.local_copy(file) as local:
                column = pq.read_table(local, columns=[c.RATED_AT], partitioning=None)[0]
            if column.null_count:
                raise TrainingError(
                    describe(
                        file,
                        found=f"{column.null_count:,} of {len(column):,} ratings without a time",
                        expected="a time for each, as train.sampler.drift needs it",
                        remedy="Set train.sampler.drift false, or give ingest the times.",
                    )
                )
            times[start : start + len(column)] = column.to_numpy()
            start += len(column)
    return times
