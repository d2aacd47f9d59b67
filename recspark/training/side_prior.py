"""The prior of the sampler's rows: a normal distribution whose mean may depend on side data.

Row P_r [D] of a user or movie ~ N(x_r W, Λ⁻¹). Here x_r = [1, features of the row], and W holds the
mean of all rows and below it a row for each feature; without features this is the usual prior of
Bayesian matrix factorisation (Salakhutdinov and Mnih 2008). The features' rows are those of Macau
(Simm et al. 2017). Priors of the prior:

    Λ ~ Wishart with D + 1 degrees of freedom and inverse scale 0.1 (D + 1) I
    W | Λ, λ: independent rows N(0, (λ_f Λ)⁻¹), with λ_0 = 2 for the mean, and one λ_g per group
    λ_g ~ Gamma(shape 1, rate 1)

Macau draws Λ given W, then W given Λ. Both are drawn together here, Λ with W integrated out, which
moves the chain further and takes less: this is Bayesian linear regression (Minka 2000, "Bayesian
linear regression"). Macau adds noise to each row to draw W: Xᵀ(P + E₁) + √λ E₂ with rows of E₁ and
E₂ ~ N(0, Λ⁻¹). That noise is matrix normal with row covariance XᵀX + diag λ, so it is drawn from
that matrix' Cholesky factor and a seed that the ranks share. Rows enter through three sums alone.

Shape legend: R rows of the rank, D columns of a row, F features, G groups of features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import Threads

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Sum = Callable[[Doubles], Doubles]
"""Sums an array over all ranks; every rank gets the same result."""

_ROWS = 4096  # rows that are multiplied at a time
B0 = 2.0
"""λ_0, the strength of the mean."""
SPREAD = 0.1


@dataclass(frozen=True)
class Features:
    """Side data of the rank's rows.

    Attributes:
        values: float32 [R, F].
        groups: int64 [F], the group of each feature, from 0.
        is_rated: bool [R]; rows without ratings take no part in the sums.
    """

    values: Floats
    groups: npt.NDArray[np.int64]
    is_rated: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PriorDraw:
    """A draw of everything that the prior of the rows depends on; the same on every rank.

    Attributes:
        weights: W, float64 [1 + F, D]; the first row is the mean of all rows.
        precision: Λ, float64 [D, D].
        strengths: λ, float64 [G].
    """

    weights: Doubles
    precision: Doubles
    strengths: Doubles


@dataclass(frozen=True)
class RowSums:
    """What the draws take from the rows of all ranks, X including the column of ones.

    Attributes:
        gram: XᵀX [1 + F, 1 + F].
        cross: XᵀP [1 + F, D].
        squares: PᵀP [D, D].
    """

    gram: Doubles
    cross: Doubles
    squares: Doubles


def first_prior(width: int, groups: npt.NDArray[np.int64]) -> PriorDraw:
    """Return where a chain starts: means 0, a unit precision and unit strengths."""
    weights = np.zeros((1 + len(groups), width))
    return PriorDraw(weights, np.eye(width), np.ones(_num_groups(groups)))


def sum_gram(features: Features, sum_over_ranks: Sum) -> Doubles:
    """Return XᵀX over all ranks, which stays the same in all sweeps."""
    size = 1 + len(features.groups)
    total = np.zeros((size, size))
    for start in range(0, len(features.values), _ROWS):
        block = _block(features, start)
        total += block.T @ block
    return sum_over_ranks(total)


def sum_rows(
    features: Features,
    gram: Doubles,
    rows: npt.NDArray,
    sum_over_ranks: Sum,
    threads: Threads,
) -> RowSums:
    """Return the sums of a sweep, over all ranks, which call it together.

    Args:
        features: Of the rank's rows.
        gram: From `sum_gram`.
        rows: P, float32 or float64 [R, D].
        sum_over_ranks: Sums over all ranks; called once.
        threads: Those that add.
    """
    size, width = len(gram), rows.shape[1]
    totals = np.zeros((threads.count, size + width, width))

    def add(part: int) -> None:
        for start in range(part * _ROWS, len(rows), threads.count * _ROWS):
            mine = _rated(features, rows, start)
            totals[part, :size] += _block(features, start).T @ mine
            totals[part, size:] += mine.T @ mine

    threads.run(add)
    total = sum_over_ranks(totals.sum(axis=0))
    return RowSums(gram, total[:size], total[size:])


def draw_prior(
    sums: RowSums, before: PriorDraw, groups: npt.NDArray[np.int64], generator: np.random.Generator
) -> PriorDraw:
    """Return Λ and W drawn given the rows and λ, and then λ given them.

    Args:
        sums: Of all rows.
        before: The last draw, of which λ matters.
        groups: [F], the group of each feature.
        generator: In the same state on every rank.
    """
    inverse_scale, degrees, factor, mean = posterior(sums, before.strengths, groups)
    precision = draw_wishart(generator, degrees, inverse_scale)
    noise = generator.standard_normal(mean.shape)
    # Cov(A⁻ᵀ Z L⁻¹) = (A Aᵀ)⁻¹ ⊗ (L Lᵀ)⁻¹
    below = np.linalg.solve(factor.T, noise)
    weights = mean + np.linalg.solve(np.linalg.cholesky(precision).T, below.T).T
    return PriorDraw(weights, precision, _draw_strengths(weights[1:], precision, groups, generator))


def posterior(
    sums: RowSums, strengths: Doubles, groups: npt.NDArray[np.int64]
) -> tuple[Doubles, float, Doubles, Doubles]:
    """Return the distribution of Λ and W given the rows and λ.

    Returns:
        Λ ~ Wishart: its inverse scale [D, D] and degrees of freedom. W | Λ is matrix normal: the
        Cholesky factor of its row precision [1 + F, 1 + F], and its mean [1 + F, D].
    """
    width = len(sums.squares)
    ridge = np.concatenate([[B0], strengths[groups]])
    row_precision = sums.gram + np.diag(ridge)
    factor = np.asarray(np.linalg.cholesky(row_precision), np.float64)
    mean = np.asarray(np.linalg.solve(row_precision, sums.cross), np.float64)
    explained = np.linalg.solve(factor, sums.cross)
    inverse_scale = SPREAD * (width + 1) * np.eye(width) + sums.squares - explained.T @ explained
    return np.asarray(inverse_scale), width + 1 + float(sums.gram[0, 0]), factor, mean


def draw_wishart(rng: np.random.Generator, freedom: float, inverse_scale: Doubles) -> Doubles:
    """Return a draw from Wishart(freedom, inverse_scale⁻¹), [D, D], by Bartlett's decomposition."""
    size = len(inverse_scale)
    lower = np.tril(rng.standard_normal((size, size)), -1)
    lower[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    # scale = C⁻ᵀ C⁻¹ for inverse_scale = C Cᵀ
    factor = np.linalg.solve(np.linalg.cholesky(inverse_scale).T, lower)
    drawn = np.asarray(factor @ factor.T, np.float64)
    return (drawn + drawn.T) / 2


def prior_means(features: Features, prior: PriorDraw) -> Doubles:
    """Return the prior means of the rank's rows, float64 [R, D]; without features [1, D]."""
    if not len(features.groups):
        return prior.weights
    influence = features.values @ prior.weights[1:].astype(np.float32)
    return np.asarray(influence + prior.weights[0])


def _draw_strengths(
    weights: Doubles,
    precision: Doubles,
    groups: npt.NDArray[np.int64],
    generator: np.random.Generator,
) -> Doubles:
    count, width = _num_groups(groups), len(precision)
    sizes = np.bincount(groups, minlength=count)
    lengths = ((weights @ precision) * weights).sum(axis=1)
    lengths = np.bincount(groups, weights=lengths, minlength=count)
    drawn = generator.standard_gamma(1 + sizes * width / 2) / (1 + lengths / 2)
    return np.asarray(drawn)


def _num_groups(groups: npt.NDArray[np.int64]) -> int:
    return int(groups.max()) + 1 if len(groups) else 0


def _rated(features: Features, values: npt.NDArray, start: int) -> Doubles:
    """Return the values of some rated rows, float64."""
    span = slice(start, start + _ROWS)
    return np.asarray(values[span][features.is_rated[span]], np.float64)


def _block(features: Features, start: int) -> Doubles:
    """Return X of some rated rows: [1, features]."""
    mine = _rated(features, features.values, start)
    return np.column_stack([np.ones(len(mine)), mine])
