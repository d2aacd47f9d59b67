"""What valid says of a model: RMSE before clipping, or NDCG@10 where it predicts no ratings.

A rating whose user or movie has no rating in train is "cold": the model would answer with random
start rows, and scoring answers with the fallback instead. So it is counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recspark.training.batches import Ratings
from recspark.training.group import Group
from recspark.training.learner import Learner
from recspark.training.list_sample import ListSample


@dataclass(frozen=True)
class Measured:
    """A validation, the same on every rank."""

    rmse: float | None
    """Rating units; None without warm ratings, or if the model predicts no ratings."""
    num_cold: int
    """Ratings left out."""
    ndcg: float | None = None
    """See `ListSample.measure`; None if the model predicts ratings, or nobody can be measured."""


@torch.no_grad()
def predict_warm(learner: Learner, user_rows: Tensor, ratings: Ratings, group: Group) -> Tensor:
    """Return the model's prediction of each rating, float32 [N], NaN where it is cold.

    All ranks call it together. Arguments as for `measure`.
    """
    found = torch.full((len(ratings),), math.nan)
    for span, predicted, is_warm in _predict(learner, user_rows, ratings, group):
        found[span] = torch.where(is_warm, predicted, math.nan).cpu()
    return found


@torch.no_grad()
def measure(learner: Learner, user_rows: Tensor, ratings: Ratings, group: Group) -> Measured:
    """Measure the model on all ranks' ratings; all ranks call it together.

    Args:
        learner: Its model is left in evaluation mode.
        user_rows: [R, U], what `learner.user_rows` returned.
        ratings: This rank's validation ratings.
        group: The ranks.
    """
    if learner.lists is not None:
        return _measure_lists(learner, learner.lists, user_rows, ratings, group)
    sums = torch.zeros(3, dtype=torch.float64, device=group.device)
    for span, predicted, is_warm in _predict(learner, user_rows, ratings, group):
        error = torch.where(is_warm, predicted - ratings.ratings[span], 0.0)
        sums[0] += error.double().square().sum()
        sums[1] += is_warm.sum()
        sums[2] += len(predicted)
    squares, warm, count = group.sum(sums).tolist()
    return Measured(math.sqrt(squares / warm) if warm else None, round(count - warm))


def _measure_lists(
    learner: Learner, lists: ListSample, user_rows: Tensor, ratings: Ratings, group: Group
) -> Measured:
    seen = learner.seen_users, group.max(learner.seen_movies.byte()).bool()
    users, movies = ratings.user_rows.long(), ratings.movie_index.long()
    num_cold = (~(seen[0][users] & seen[1][movies])).sum().double()
    ndcg = lists.measure(learner.model, user_rows, ratings, seen, group)
    return Measured(None, round(float(group.sum(num_cold))), ndcg)


def _predict(
    learner: Learner, user_rows: Tensor, ratings: Ratings, group: Group
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield some places of the ratings, their predictions, and whether they are warm."""
    seen_movies = group.max(learner.seen_movies.byte()).bool()
    start = 0
    for predicted in learner.predictions(ratings, user_rows):
        span = slice(start, start + len(predicted))
        users, movies = ratings.user_rows[span].long(), ratings.movie_index[span].long()
        yield span, predicted, learner.seen_users[users] & seen_movies[movies]
        start = span.stop
