"""Top-N lists of the users of one task, known to the run or not, ranked and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recspark.arrays.ids import Ids, to_column
from recspark.cluster.tasks import PartFile, write_batches
from recspark.contract import columns as c
from recspark.recommend.caps import rank_capped
from recspark.recommend.listing import Listing
from recspark.recommend.rank import Ranked, Ranker
from recspark.recommend.reasons import Explainer, no_reasons
from recspark.recommend.top_n import USER_BLOCK
from recspark.scoring.item_model import Reasons


@dataclass(frozen=True)
class ListedUsers:
    """Users to list for."""

    ids: Ids
    """Raw id of each."""
    ranker: Ranker
    explainer: Explainer | None
    """None for lists without reasons."""


@dataclass(frozen=True)
class WrittenLists:
    """What one task wrote."""

    file: PartFile
    num_lists: int
    """Users with a list, which holds at least one movie."""
    num_users: int
    """Users to list for."""
    num_short: int = 0
    """Users whose list is shorter than asked for."""


def write_lists(listing: Listing, users: ListedUsers, root: str, name: str) -> WrittenLists:
    """Write the lists of users as one file.

    Memory: one block of scores.

    Args:
        listing: What to list.
        users: For whom.
        root: Staging folder.
        name: Name of the file.
    """
    num_lists = num_short = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal num_lists, num_short
        for batch in list_batches(listing, users):
            rank = batch.column(c.RANK).to_numpy()
            lengths = rank[np.append(rank[1:] == 1, True)[: len(rank)]]
            num_lists += len(lengths)
            num_short += int((lengths < listing.count).sum())
            yield batch

    schema = schema_of(listing, users.ids)
    file = write_batches(batches(), schema, root, name, distinct=[c.SCORE])
    return WrittenLists(file, num_lists, users.ranker.num_users, num_short)


def list_batches(listing: Listing, users: ListedUsers) -> Iterator[pa.RecordBatch]:
    """Yield the lists, some users after others, each by rank, in the schema of `schema_of`.

    Args:
        listing: What to list.
        users: For whom.
    """
    ranker = users.ranker
    for start in range(0, ranker.num_users, USER_BLOCK):
        block = np.arange(start, min(start + USER_BLOCK, ranker.num_users))
        scorer = ranker.open_scorer(block)
        if listing.caps is None:
            lists = iter(ranker.rank(scorer, block, listing.count))
        else:
            lists = rank_capped(ranker, scorer, block, listing.caps)
        for owners, rank, places, scores in lists:
            movies = listing.candidates[places]
            reasons = no_reasons(len(movies))
            if users.explainer is not None:
                reasons = users.explainer.explain(scorer, block, owners, movies)
            yield _to_batch(listing, users.ids, (block[owners], rank, movies, scores), reasons)


def schema_of(listing: Listing, ids: Ids) -> pa.Schema:
    """Return the schema of lists for users with ids of that type."""
    none = np.zeros(0, np.int64)
    nothing = none, none, none, none.astype(np.float32)
    return _to_batch(listing, ids, nothing, no_reasons(0)).schema


def _to_batch(listing: Listing, ids: Ids, ranked: Ranked, reasons: Reasons) -> pa.RecordBatch:
    """Return entries, movies by index, with the columns of `recommendations`."""
    users, rank, movies, scores = ranked
    columns = {
        c.USER_ID: to_column(ids[users]),
        c.RANK: pa.array(rank.astype(np.int32)),
        c.MOVIE_ID: to_column(listing.movie_ids[movies]),
        c.SCORE: pa.array(scores),
    }
    if listing.titles is not None:
        columns[c.TITLE] = listing.titles.take(pa.array(movies))
    if listing.num_reasons:
        columns[c.REASONS] = _to_structs(listing.movie_ids, reasons)
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _to_structs(movie_ids: Ids, reasons: Reasons) -> pa.ListArray:
    parts = [to_column(movie_ids[reasons.movies]), pa.array(reasons.values)]
    found = pa.StructArray.from_arrays(parts, [c.MOVIE_ID, c.CONTRIBUTION])
    return pa.ListArray.from_arrays(pa.array(reasons.starts.astype(np.int32)), found)
