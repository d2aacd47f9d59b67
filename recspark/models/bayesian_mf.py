"""Bayesian matrix factorisation: the mean of predictions over samples of the posterior.

    target = 1/T · Σ_t (b_ut + c_mt + p_ut · q_mt)

(Salakhutdinov and Mnih 2008, equation 10.) The mean of inner products is one inner product of the
samples' factors side by side, so scoring, lists and neighbours treat it as any factor model.

Shape legend: B rows of a batch, F factors, M movies, T samples, U and V columns of the tables. A
row of users is T times the center of the sample (F factors and a bias), T times its draw, and then
the mean of 1 / h. A row of movies is T times its draw and then the mean of 1 / (alpha · g). The
product of these two is the variance of a rating's noise, in squared units of the output. A center
is the mean of users given the movies of the same sample: predictions take it instead of the draw,
as their mean over samples is the same and less noisy; the draws give the spread.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recspark.models.factors import fold_movies, fold_users
from recspark.models.rating_model import RatingModel
from recspark.models.spec import ModelSpec


class BayesianMF(RatingModel):
    """Samples of factors and of a bias for each user and each movie."""

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with empty samples."""
        super().__init__(spec)
        self._width = spec.samples * (spec.embedding_size + 1)
        self.user_width = 2 * self._width + 1
        self.movies: Tensor
        self.register_buffer("movies", torch.zeros(spec.num_movies, self._width + 1))

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return empty rows, [num_users, U]; the sampler fills them."""
        return torch.zeros(num_users, self.user_width)

    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, V]."""
        return functional.embedding(movie_index, self.movies)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return the mean over samples of b_u + c_m + p · q, [B], from rows [B, U] and [B, V]."""
        users, movies = self.centers(user_rows), self.samples(movie_rows)
        return sample_outputs(users, movies).mean(dim=1)

    def score_draws(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return each sample's output by the users' draws, [B, T], from rows as in `score`."""
        return sample_outputs(self.draws(user_rows), self.samples(movie_rows))

    def user_factors(self, user_rows: Tensor) -> Tensor:
        """Return the users' factors, [B, T · F + 2]; see factors.py."""
        centers = _flatten(self.centers(user_rows))
        centers[:, :-1] /= self.spec.samples
        return fold_users(centers, self.spec.target)

    def movie_factors(self) -> Tensor | None:
        """Return the factors of all movies, [M, T · F + 2]."""
        return fold_movies(_flatten(self.samples()))

    def movie_vectors(self, movie_index: Tensor) -> Tensor:
        """Return the factors of all samples without the biases, [B, T · F]."""
        return self.samples(self.embed_movies(movie_index))[..., :-1].flatten(1)

    def centers(self, user_rows: Tensor) -> Tensor:
        """Return a view of the users' centers, [B, T, F + 1]."""
        return self._view(user_rows[:, : self._width])

    def draws(self, user_rows: Tensor) -> Tensor:
        """Return a view of the users' draws, [B, T, F + 1]."""
        return self._view(user_rows[:, self._width : -1])

    def samples(self, movie_rows: Tensor | None = None) -> Tensor:
        """Return a view of the movies' draws, [B, T, F + 1], by default of all movies."""
        return self._view((self.movies if movie_rows is None else movie_rows)[:, :-1])

    def _view(self, rows: Tensor) -> Tensor:
        return rows.unflatten(1, (self.spec.samples, -1))


def sample_outputs(users: Tensor, movies: Tensor) -> Tensor:
    """Return b_u + c_m + p · q of each sample, [B, T], from [B, T, F + 1] each."""
    biases = users[..., -1] + movies[..., -1]
    return biases + (users[..., :-1] * movies[..., :-1]).sum(dim=2)


def _flatten(samples: Tensor) -> Tensor:
    """Return the factors side by side and the mean bias, [B, T · F + 1], from [B, T, F + 1]."""
    return torch.cat([samples[..., :-1].flatten(1), samples[..., -1].mean(1, keepdim=True)], dim=1)
