"""Bayesian matrix factorisation: the mean of predictions over samples of the posterior.

    target = 1/T · Σ_t (b_ut + c_mt + p_ut · q_mt)

(Salakhutdinov and Mnih 2008, equation 10.) The mean of inner products is one inner product of the
samples' factors side by side, so scoring, lists and neighbours treat it as any factor model.

Shape legend: B rows of a batch, F factors, M movies, T samples. A row of either table is T times F
factors and a bias, then the mean variance of the noise: of users 1 / h, of movies 1 / (alpha · g)
in squared units of the output, whose product is that of a rating.
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
        self.user_width = spec.samples * (spec.embedding_size + 1) + 1
        self.movies: Tensor
        self.register_buffer("movies", torch.zeros(spec.num_movies, self.user_width))

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return empty rows, [num_users, U]; the sampler fills them."""
        return torch.zeros(num_users, self.user_width)

    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, U]."""
        return functional.embedding(movie_index, self.movies)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return the mean over samples of b_u + c_m + p · q, [B], from rows [B, U] each."""
        return self.sample_scores(user_rows, movie_rows).mean(dim=1)

    def sample_scores(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return each sample's output, [B, T], from rows [B, U] each."""
        users, movies = self._samples(user_rows), self._samples(movie_rows)
        biases = users[..., -1] + movies[..., -1]
        return biases + (users[..., :-1] * movies[..., :-1]).sum(dim=2)

    def user_factors(self, user_rows: Tensor) -> Tensor:
        """Return the users' factors, [B, T · F + 2]; see factors.py."""
        return fold_users(self._flatten(user_rows, 1 / self.spec.samples), self.spec.target)

    def movie_factors(self) -> Tensor | None:
        """Return the factors of all movies, [M, T · F + 2]."""
        return fold_movies(self._flatten(self.movies, 1.0))

    def movie_vectors(self, movie_index: Tensor) -> Tensor:
        """Return the factors of all samples without the biases, [B, T · F]."""
        return self._flatten(self.embed_movies(movie_index), 1.0)[:, :-1]

    def _samples(self, rows: Tensor) -> Tensor:
        """Return rows [B, U] as [B, T, F + 1]."""
        return rows[:, :-1].unflatten(1, (self.spec.samples, -1))

    def _flatten(self, rows: Tensor, scale: float) -> Tensor:
        """Return the factors times `scale`, and then the mean bias, [B, T · F + 1]."""
        samples = self._samples(rows)
        factors = samples[..., :-1].flatten(1) * scale
        return torch.cat([factors, samples[..., -1].mean(dim=1, keepdim=True)], dim=1)
