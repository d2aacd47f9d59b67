"""Lists of the run's own users, one bucket of them a task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.ids import Ids
from recspark.arrays.user_buckets import locate
from recspark.contract import columns as c
from recspark.datasets.train_buckets import read_bucket
from recspark.recommend.explainers import open_explainer
from recspark.recommend.listing import Listing
from recspark.recommend.lists import ListedUsers, WrittenLists, write_lists
from recspark.recommend.rank import Ranker
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.load import open_model
from recspark.scoring.predictors import Ints


@dataclass(frozen=True)
class ListJob:
    """What the tasks need; broadcast to them."""

    listing: Listing
    rated: tuple[str, ...]
    """Paths of data sets of ratings, train first; what a user rated in them is seen."""
    user_ids: Ids
    """Raw id of each `user_index`."""
    wanted: npt.NDArray[np.bool_] | None = None
    """[users], whether a user gets a list; None for all."""
    caution: float = 0.0
    """See `RecommendConfig`."""


def write_bucket(job: ListJob, bucket: int, root: str) -> WrittenLists:
    """Write the lists of one bucket.

    Lists are for users with a rating in train. Memory: the bucket's ratings, 40 bytes each (60 with
    reasons), and one block of scores.

    Args:
        job: What to list for whom.
        bucket: The bucket.
        root: Staging folder.
    """
    listing, model = job.listing, job.listing.model
    columns = [c.USER_INDEX, c.MOVIE_INDEX]
    rated = [read_bucket(path, bucket, columns) for path in job.rated]
    listed = np.unique(rated[0][0])  # train comes first: the model knows its users
    if job.wanted is not None:
        listed = listed[job.wanted[listed]]
    if listing.include_seen:
        rated = [[column[:0] for column in rated[0]]]
    rows = locate(listed, model.num_buckets)[1]
    scorers = ScorerFactory(open_model(model), listing.candidates, job.caution)
    owners, hidden = _seen(listed, rated, listing.find_places())
    explainer = None
    if listing.num_reasons and len(listed):
        explainer = open_explainer(model, bucket, rows, len(job.user_ids), listing.num_reasons)
    users = ListedUsers(
        ids=job.user_ids[listed],
        ranker=Ranker(
            open_scorer=lambda places: scorers.for_users(bucket, rows[places]),
            num_users=len(listed),
            num_candidates=len(listing.candidates),
            owners=owners,
            hidden=hidden,
        ),
        explainer=explainer,
    )
    return write_lists(listing, users, root, f"part-{bucket:05d}.parquet")


def _seen(
    listed: Ints, rated: list[list[npt.NDArray[np.int32]]], position: npt.NDArray[np.int32]
) -> tuple[Ints, Ints]:
    """Return (place in `listed`, place among candidates) of the movies they rated, by user."""
    users = np.concatenate([columns[0] for columns in rated])
    movies = position[np.concatenate([columns[1] for columns in rated])]
    place = np.searchsorted(listed, users)
    is_listed = np.take(listed, place, mode="clip") == users if len(listed) else users < 0
    chosen = is_listed & (movies >= 0)
    place, movies = place[chosen], movies[chosen]
    # 16-bit keys are radix-sorted, which is several times as fast.
    keys = place.astype(np.uint16) if len(listed) <= 2**16 else place
    order = np.argsort(keys, kind="stable")
    return place[order], movies[order]
