"""Rows for users who were not there at training, from their histories alone ("fold-in").

Every movie keeps what it learned. A user's row is then what training would give it:

- ials and mf_als: the solution for the user given the movies, as in a half-sweep of users. Training
  ends with one, so a user's own history of train gives the row that was trained.
- mult_vae: the encoding, as after training.
- bayesian_mf: the conditional mean given the movies of each stored sample. The prior of a sample is
  not stored; it is taken to be a normal with the mean and the covariance of the users drawn in it,
  without side data, and the user's noise to be the average one. Change over time is left out.

Shape legend: U users, M movies, N ratings, K columns of the factors, F factors, D columns that are
solved for, T samples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import users_of
from recspark.contract.paths import SIGNAL_WEIGHTS
from recspark.datasets.histories import Histories
from recspark.datasets.signal import Signal
from recspark.errors import ConfigError, describe
from recspark.models import saved
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.mult_vae import MultVAE
from recspark.models.rated_cells import RatedCells
from recspark.models.rating_model import RatingModel
from recspark.saved import weights
from recspark.training.group import Group
from recspark.training.ials_learner import gram, ials_prior
from recspark.training.row_solver import RowPrior, RowSolver
from recspark.training.row_table import Floats, Ints, Longs, RowTable, table_width

FoldIn = Callable[[Histories], Floats]
"""Returns the rows of users, [U, K]; NaN for a user without a rating that the model can use."""

# Users of train whose draws give the prior of bayesian_mf.
_PRIOR_USERS = 20_000
# Users encoded at a time.
_ENCODED = 512


def open_fold_in(folder: str, card: Mapping[str, Any]) -> FoldIn:
    """Return the fold-in of a trained model: its rows go with the model's `movie_factors`.

    Args:
        folder: The model's folder.
        card: Its card.

    Raises:
        ConfigError: The model has none.
        DataError: Weights are missing or damaged.
    """
    model, seen = saved.load_module(folder, card)
    if isinstance(model, MultVAE):
        return _rows_by(model, seen, card, lambda known: _encode(model, known))
    if card["settings"]["optimizer"] == "ials":
        prior = find_ials_prior(model, seen, card)
        movies = model.get_parameter("movies").detach().numpy()
        solve = functools.partial(_solve, movies=movies, prior=prior, weighted=True)
        return _rows_by(model, seen, card, solve)
    if card["settings"]["optimizer"] == "als":
        return _rows_by(model, seen, card, _als(model, card["settings"]))
    if isinstance(model, BayesianMF):
        return _rows_by(model, seen, card, _sampled(model, folder, card))
    raise ConfigError(
        describe(
            folder,
            found=f"{card['architecture']} by {card['settings']['optimizer']}",
            expected="a model that answers for unknown users: ials, mult_vae, mf_als, bayesian_mf",
            remedy="Name another model.",
        )
    )


def find_ials_prior(model: RatingModel, seen: Tensor, card: Mapping[str, Any]) -> RowPrior:
    """Return what ials knows of a user before the ratings."""
    settings = card["settings"]
    return ials_prior(
        gram(model.get_parameter("movies").detach().numpy()),
        float(seen.sum()),
        reg=settings["reg"],
        unobserved=settings["unobserved_weight"],
    )


def keep_known(histories: Histories, seen: Tensor, card: Mapping[str, Any]) -> Histories:
    """Return what a model learns from: of movies that it knows, ratings or their weights."""
    if SIGNAL_WEIGHTS in card:
        histories = histories.weigh(Signal.of_card(card[SIGNAL_WEIGHTS]))
    kept = seen.numpy()[histories.movies]
    starts = np.concatenate([[0], np.cumsum(kept)])[histories.starts]
    return Histories(starts, histories.movies[kept], histories.ratings[kept])


def _rows_by(
    model: RatingModel,
    seen: Tensor,
    card: Mapping[str, Any],
    make_rows: Callable[[Histories], Floats],
) -> FoldIn:
    """Return a fold-in whose rows of the user table `make_rows` computes, [U, any]."""

    def fold_in(histories: Histories) -> Floats:
        known = keep_known(histories, seen, card)
        with torch.no_grad():
            factors = model.user_factors(torch.from_numpy(make_rows(known)))
        assert factors is not None
        factors[torch.from_numpy(np.diff(known.starts) == 0)] = torch.nan
        rows: Floats = factors.numpy()
        return rows

    return fold_in


def _encode(model: MultVAE, known: Histories) -> Floats:
    rows = [np.empty((0, model.user_width), np.float32)]
    for first in range(0, known.num_users, _ENCODED):
        part = known.take(np.arange(first, min(first + _ENCODED, known.num_users)))
        users = np.repeat(np.arange(part.num_users), np.diff(part.starts))
        starts, owners = (torch.from_numpy(one.astype(np.int32)) for one in (part.starts, users))
        movies, values = torch.from_numpy(part.movies), torch.from_numpy(part.ratings)
        cells = RatedCells(starts, owners, movies, values, model.spec.num_movies)
        rows.append(model.encode(cells, torch.zeros(part.num_users)).numpy())
    return np.concatenate(rows)


def _als(model: RatingModel, settings: Mapping[str, Any]) -> Callable[[Histories], Floats]:
    movies = model.get_parameter("movies").detach().numpy()
    size, target = movies.shape[1], model.spec.target
    per_rating = np.full(size, settings["reg"])
    if settings["bias_reg"] is not None:
        per_rating[-1] = settings["bias_reg"]
    prior = RowPrior(np.zeros((size, size)), per_rating, np.zeros((1, size)))
    return lambda known: _solve(
        Histories(known.starts, known.movies, (known.ratings - target.shift) / target.scale),
        movies=movies,
        prior=prior,
    )


def _sampled(
    model: BayesianMF, folder: str, card: Mapping[str, Any]
) -> Callable[[Histories], Floats]:
    drawn = _read_draws(folder, card)
    draws, noise = model.draws(drawn).double().numpy(), float(drawn[:, -1].mean())
    samples, target = model.samples().numpy(), model.spec.target
    precisions = 1 / (noise * np.maximum(model.movies[:, -1].numpy(), 1e-12))
    priors = [_moments(draws[:, number]) for number in range(model.spec.samples)]

    def make_rows(known: Histories) -> Floats:
        ratings = (known.ratings - target.shift) / target.scale
        known = Histories(known.starts, known.movies, ratings)
        rows = np.zeros((known.num_users, model.user_width), np.float32)
        centers = model.centers(torch.from_numpy(rows)).numpy()
        for number, prior in enumerate(priors):
            movies = samples[:, number]
            centers[:, number] = _solve(known, movies=movies, prior=prior, precisions=precisions)
        return rows

    return make_rows


def _read_draws(folder: str, card: Mapping[str, Any]) -> Tensor:
    """Return the rows of some users of train, at most about `_PRIOR_USERS`."""
    found: list[Tensor] = []
    for bucket in range(card["num_buckets"]):
        if sum(map(len, found)) >= _PRIOR_USERS:
            break
        if len(users_of(bucket, card["num_users"], card["num_buckets"])):
            rows, seen = weights.load_users(folder, bucket)
            found.append(rows[seen][:_PRIOR_USERS])
    return torch.cat(found)


def _moments(rows: npt.NDArray[np.float64]) -> RowPrior:
    """Return a normal prior from users [R, D] and one more, at one unit from their mean."""
    mean = rows.mean(axis=0)
    size = len(mean)
    covariance = ((rows - mean).T @ (rows - mean) + np.eye(size)) / (len(rows) + 1)
    return RowPrior(np.linalg.inv(covariance), np.zeros(size), mean[None])


def _solve(
    known: Histories,
    *,
    movies: Floats,
    prior: RowPrior,
    precisions: Floats | None = None,
    weighted: bool = False,
) -> Floats:
    """Return the users' rows given the movies, [U, D].

    Args:
        known: Ratings in units of the model's output, or weights.
        movies: [M, D], factors and, unless `weighted`, biases.
        prior: Of the users.
        precisions: [M], of the movies' ratings; 1 if None.
        weighted: Whether ratings are weights of targets of 1.
    """
    num_factors = movies.shape[1] - (not weighted)

    def make(num_rows: int, starts: Longs, others: Ints, ratings: Floats) -> RowTable:
        table = RowTable(
            values=np.zeros((num_rows, table_width(num_factors)), np.float32),
            num_factors=num_factors,
            has_drift=False,
            starts=starts,
            others=others,
            ratings=ratings,
            times=np.empty(0, np.int32),
            counts=np.diff(starts),
            names=np.arange(num_rows),
            is_shared=False,
            is_weighted=weighted,
        )
        table.weights[:] = 1
        return table

    users = make(known.num_users, known.starts, known.movies, known.ratings.astype(np.float32))
    nothing = np.zeros(len(movies) + 1, np.int64)
    theirs = make(len(movies), nothing, known.movies[:0], known.ratings[:0])
    theirs.rows[:] = movies
    if precisions is not None:
        theirs.weights[:] = precisions
    alone = Group(0, 1, torch.device("cpu"), None)
    RowSolver(Threads(1), alone).solve(users, theirs, prior)
    return users.rows.copy()
