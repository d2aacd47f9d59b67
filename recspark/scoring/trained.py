"""A model that PyTorch trained, opened for scoring: weights are mapped, movies embedded once.

The only module of scoring that imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor

from recspark.cluster.tasks import is_in_task
from recspark.contract.paths import USES_TIMES
from recspark.errors import DataError, describe
from recspark.models import saved
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.factors import fold_movies, fold_users
from recspark.models.rating_model import RatingModel
from recspark.saved import weights
from recspark.saved.moments import OverTime, add_keys
from recspark.saved.over_time import load_movies, load_users
from recspark.scoring.predictors import FactorModel, Floats, Ints, PairModel, keep_few

# Pairs that a network computes at a time: bounds its activations (4 KB a pair at 1,000 units).
BATCH_PAIRS = 65_536
# The same for samples, whose draws take some KB a pair.
SAMPLED_PAIRS = 4096
# Movies of a block whose sums over the samples stay in the processor's cache.
SAMPLED_MOVIES = 256


def open_model(folder: str, card: Mapping[str, Any]) -> PairModel:
    """Return the model, as inner products if the architecture has them.

    Raises:
        DataError: Weights are missing or damaged.
    """
    if is_in_task():
        torch.set_num_threads(1)  # Spark runs a task on every core already
    model, seen_movies = _load(folder, card)
    with torch.no_grad():
        factors = model.movie_factors()
        if factors is not None:
            masked = mask_unseen(factors, seen_movies)
            users = keep_few(lambda bucket: _factors(model, folder, bucket))
            if isinstance(model, BayesianMF):
                times = None
                if card.get(USES_TIMES):
                    moments = keep_few(lambda bucket: add_keys(load_users(folder, bucket)))
                    times = OverTime(load_movies(folder), moments)
                return SampledModel(masked, users, model, folder, times)
            return FactorModel(masked, users)
        movies = model.embed_movies(torch.arange(len(seen_movies)))
    return ModuleModel(model, mask_unseen(movies, seen_movies), folder)


def open_vectors(folder: str, card: Mapping[str, Any]) -> Floats:
    """Return `movie_vectors` of all movies, [M, any]; NaN for movies not in train.

    Raises:
        DataError: Weights are missing or damaged.
    """
    model, seen = _load(folder, card)
    with torch.no_grad():
        return mask_unseen(model.movie_vectors(torch.arange(len(seen))), seen)


def _load(folder: str, card: Mapping[str, Any]) -> tuple[RatingModel, Tensor]:
    try:
        return saved.load_module(folder, card)
    # The last three mean a card or tensors of another version of recspark.
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise _damaged(folder, error) from error


@dataclass(frozen=True)
class ModuleModel:
    """Any architecture: its `combine` over batches of pairs."""

    model: RatingModel
    movies: Floats
    """[M, V]: every movie embedded; NaN for movies not in train."""
    folder: str

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        users, seen = open_users(self.folder, bucket)
        table = torch.from_numpy(self.movies)
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), BATCH_PAIRS):
            part = slice(start, start + BATCH_PAIRS)
            user = torch.from_numpy(rows[part].astype(np.int64))
            movie = torch.from_numpy(movies[part].astype(np.int64))
            with torch.no_grad():
                found[part] = self.model.combine(users[user], table[movie]).numpy()
            found[part][~seen[user].numpy()] = np.nan
        found[np.isnan(self.movies[:, 0])[movies]] = np.nan
        return found


@dataclass(frozen=True)
class SampledModel(FactorModel):
    """Samples of a posterior: the mean of their predictions is one inner product."""

    model: BayesianMF
    folder: str
    times: OverTime | None = None

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        found = super().predict(bucket, rows, movies)
        if self.times is not None:
            found += self.times.add(bucket, rows, movies, times)[0]
        return found

    def spread(
        self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None
    ) -> tuple[Floats, Floats]:
        """See `UncertainModel`; the first is the standard deviation over the samples."""
        users, seen = open_users(self.folder, bucket)
        of_mean, of_rating = (np.empty(len(rows), np.float32) for _ in range(2))
        for start in range(0, len(rows), SAMPLED_PAIRS):
            part = slice(start, start + SAMPLED_PAIRS)
            user = users[torch.from_numpy(rows[part].astype(np.int64))]
            movie = self.model.embed_movies(torch.from_numpy(movies[part].astype(np.int64)))
            with torch.no_grad():
                variance = self.model.score_draws(user, movie).var(dim=1, correction=0)
                noise = user[:, -1] * movie[:, -1]
            scale = self.model.spec.target.scale
            of_mean[part] = scale * variance.sqrt().numpy()
            of_rating[part] = scale * (variance + noise).sqrt().numpy()
        if self.times is not None:
            moving = self.times.add(bucket, rows, movies, times)[1]
            of_mean, of_rating = (np.sqrt(one**2 + moving) for one in (of_mean, of_rating))
        is_unseen = ~seen.numpy()[rows] | np.isnan(self.movies[movies, 0])
        of_mean[is_unseen] = of_rating[is_unseen] = np.nan
        return of_mean, of_rating

    @torch.no_grad()
    def block_spread(self, bucket: int, rows: Ints, movies: Ints) -> npt.NDArray[np.float32]:
        """See `UncertainModel`: a matrix product for each sample."""
        users, _ = open_users(self.folder, bucket)
        draws = self.model.draws(users[torch.from_numpy(rows.astype(np.int64))])
        target, moving = self.model.spec.target, np.zeros(1, np.float32)
        left = [fold_users(one, target).T.contiguous() for one in draws.unbind(1)]
        if self.times is not None:
            moving = self.times.add(bucket, rows[:1], movies[:1], None)[1]
        found = np.empty((len(movies), len(rows)), np.float32)
        for start in range(0, len(movies), SAMPLED_MOVIES):
            part = slice(start, start + SAMPLED_MOVIES)
            table = self.model.embed_movies(torch.from_numpy(movies[part].astype(np.int64)))
            right = [fold_movies(one) for one in self.model.samples(table).unbind(1)]
            found[part] = np.sqrt(_variance(right, left).numpy() + moving)
        return found


def open_first_fit(folder: str, bucket: int) -> tuple[Floats, Floats]:
    """Return the first fit's predictions of a bucket of train and valid; NaN where it had none."""
    found = weights.load_first_fit(folder, bucket)
    if found is None:
        raise _damaged(folder, FileNotFoundError(f"predictions of the first fit, bucket {bucket}"))
    return found[0].numpy(), found[1].numpy()


def _variance(movies: Sequence[Tensor], users: Sequence[Tensor]) -> Tensor:
    """Return the variance over samples of products, [M, U], from [M, K] and [K, U] of each."""
    first = movies[0] @ users[0]
    total, squares, product = (torch.zeros_like(first) for _ in range(3))
    for left, right in zip(movies, users, strict=True):
        torch.mm(left, right, out=product)
        product -= first  # or the difference of large squares would lose digits
        total += product
        squares.addcmul_(product, product)
    return (squares / len(users) - (total / len(users)).square()).clamp_(min=0)


def open_users(folder: str, bucket: int) -> tuple[Tensor, Tensor]:
    """Return (rows, seen) of a bucket, mapped; a DataError names a damaged file."""
    try:
        return weights.load_users(folder, bucket)
    except SafetensorError as error:
        raise _damaged(weights.users_file(folder, bucket), error) from error


def mask_unseen(table: Tensor, seen: Tensor) -> Floats:
    """Return a copy of `table` as an array, with rows of NaN if not seen."""
    rows: Floats = table.detach().clone().numpy()
    rows[~seen.numpy()] = np.nan
    return rows


def _factors(model: RatingModel, folder: str, bucket: int) -> Floats:
    rows, seen = open_users(folder, bucket)
    with torch.no_grad():
        factors = model.user_factors(rows)
    assert factors is not None  # because there are movie factors
    return mask_unseen(factors, seen)


def _damaged(path: str, error: Exception) -> DataError:
    return DataError(
        describe(
            path,
            found=f"damaged weights ({error!r})",
            expected="weights of a trained model",
            remedy="Train the model again: jobs/train.py with --force.",
        )
    )
