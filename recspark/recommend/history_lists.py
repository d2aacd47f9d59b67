"""Users known by their histories alone, ready to be listed for."""

from __future__ import annotations

import numpy as np

from recspark.arrays.ids import Ids
from recspark.datasets.histories import Histories
from recspark.recommend.explainers import explain_histories
from recspark.recommend.listing import Listing
from recspark.recommend.lists import ListedUsers
from recspark.recommend.rank import Ranker
from recspark.scoring.block_scorers import ByHistory
from recspark.scoring.fold_in import open_history_model
from recspark.scoring.predictors import BlockScorer, Ints


def open_users(listing: Listing, histories: Histories, ids: Ids) -> ListedUsers:
    """Return the users of histories; those without a movie that the model knows get no list.

    Args:
        listing: What to list; movies of a user's history are hidden, or seen movies are included.
        histories: What they rated, [U].
        ids: Their raw ids, [U].
    """
    model = open_history_model(listing.model)
    owners = np.repeat(np.arange(histories.num_users), np.diff(histories.starts))
    hidden = listing.find_places()[histories.movies]
    is_hidden = (hidden >= 0) & (not listing.include_seen)

    def open_scorer(places: Ints) -> BlockScorer:
        return ByHistory(model, histories.take(places), listing.candidates)

    return ListedUsers(
        ids=ids,
        ranker=Ranker(
            open_scorer=open_scorer,
            num_users=histories.num_users,
            num_candidates=len(listing.candidates),
            owners=owners[is_hidden],
            hidden=hidden[is_hidden],
        ),
        explainer=explain_histories(listing.model, histories, listing.num_reasons)
        if listing.num_reasons
        else None,
    )
