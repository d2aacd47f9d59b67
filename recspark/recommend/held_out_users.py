"""Lists for the users that prepare.split held_out_users keeps out of train, from their fold_in.

Nothing but fold_in is known of them. Their movies of fold_in are seen; those of test are not.
"""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession

from recspark.cluster.tasks import broadcast, spread
from recspark.contract import columns as c
from recspark.datasets.histories import Histories
from recspark.datasets.train_buckets import read_bucket
from recspark.recommend.history_lists import open_users
from recspark.recommend.lists import WrittenLists, write_lists
from recspark.recommend.own_lists import ListJob


def list_held_out_users(
    spark: SparkSession, job: ListJob, fold_in: str, root: str
) -> list[WrittenLists]:
    """Write the lists of these users, one file for each bucket, and return what was written.

    Args:
        spark: The session whose tasks write.
        job: What to list for whom.
        fold_in: Path of fold_in.
        root: Staging folder.
    """
    buckets = range(job.listing.model.num_buckets)
    with broadcast(spark.sparkContext, job) as shared:
        return (
            spread(spark, buckets, len(buckets))
            .map(lambda bucket: _write(shared.value, bucket, fold_in, root))
            .collect()
        )


def _write(job: ListJob, bucket: int, fold_in: str, root: str) -> WrittenLists:
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
    users, movies, ratings = read_bucket(fold_in, bucket, columns)
    if job.wanted is not None:
        chosen = job.wanted[users]
        users, movies, ratings = users[chosen], movies[chosen], ratings[chosen]
    listed, rows = np.unique(users, return_inverse=True)
    histories = Histories.group(rows.reshape(-1), movies, ratings.astype(np.float32), len(listed))
    asked = open_users(job.listing, histories, job.user_ids[listed])
    return write_lists(job.listing, asked, root, f"fold-in-{bucket:05d}.parquet")
