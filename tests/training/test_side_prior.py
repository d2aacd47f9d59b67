"""The prior of rows with side data, against its densities written down term by term."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from scipy import stats

from recspark.arrays.compiled import Threads
from recspark.training import side_prior
from recspark.training.side_prior import (
    Features,
    PriorDraw,
    RowSums,
    draw_prior,
    draw_wishart,
    first_prior,
    posterior,
    prior_means,
    sum_gram,
    sum_rows,
)

GROUPS = np.array([0, 0, 1])
ROWS, WIDTH = 40, 2
ONE = Threads(1)


def alone(values: np.ndarray) -> np.ndarray:
    return values


def make_features(num_rows: int = ROWS, seed: int = 1) -> Features:
    values = np.random.default_rng(seed).normal(size=(num_rows, 3)).astype(np.float32)
    is_rated = np.ones(num_rows, np.bool_)
    is_rated[::7] = False
    return Features(values, GROUPS, is_rated)


def make_rows(num_rows: int = ROWS, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal([0.5, -1], [1, 0.4], (num_rows, WIDTH))


def log_joint(
    features: Features,
    rows: np.ndarray,
    weights: np.ndarray,
    precision: np.ndarray,
    lam: np.ndarray,
) -> float:
    """Return log p(rows, weights, precision, λ) as the module's docstring states the model."""
    covariance = np.linalg.inv(precision)
    total = 0.0
    for x, row, is_rated in zip(features.values, rows, features.is_rated, strict=True):
        if is_rated:
            mean = weights[0] + sum(a * w for a, w in zip(x, weights[1:], strict=True))
            total += stats.multivariate_normal.logpdf(row, mean, covariance)
    for strength, w in zip([2.0, *lam[GROUPS]], weights, strict=True):
        total += stats.multivariate_normal.logpdf(w, np.zeros(WIDTH), covariance / strength)
    scale = np.eye(WIDTH) / (0.1 * (WIDTH + 1))
    total += stats.wishart.logpdf(precision, WIDTH + 1, scale)
    return float(total + stats.gamma.logpdf(lam, 1).sum())


def sums_of(features: Features, rows: np.ndarray) -> RowSums:
    return sum_rows(features, sum_gram(features, alone), rows, alone, ONE)


def test_posterior_is_the_joint_density_up_to_a_constant() -> None:
    features, rows, lam = make_features(), make_rows(), np.array([0.7, 3.0])
    inverse_scale, degrees, factor, mean = posterior(sums_of(features, rows), lam, GROUPS)
    rng = np.random.default_rng(3)
    constants = []
    for _ in range(5):
        precision = stats.wishart.rvs(5, np.eye(WIDTH), random_state=rng)
        weights = rng.normal(size=(4, WIDTH))
        conditional = stats.wishart.logpdf(precision, degrees, np.linalg.inv(inverse_scale))
        conditional += stats.matrix_normal.logpdf(
            *(weights, mean, np.linalg.inv(factor @ factor.T), np.linalg.inv(precision))
        )
        constants.append(log_joint(features, rows, weights, precision, lam) - conditional)
    np.testing.assert_allclose(constants, constants[0], atol=1e-6)


def test_draws_have_the_moments_of_the_posterior() -> None:
    features, rows, lam = make_features(), make_rows(), np.array([0.7, 3.0])
    sums = sums_of(features, rows)
    inverse_scale, degrees, factor, mean = posterior(sums, lam, GROUPS)
    rng = np.random.default_rng(4)
    before = PriorDraw(mean, np.eye(WIDTH), lam)
    draws = [draw_prior(sums, before, GROUPS, rng) for _ in range(4000)]
    precisions = np.array([one.precision for one in draws])
    expected = degrees * np.linalg.inv(inverse_scale)
    np.testing.assert_allclose(precisions.mean(axis=0), expected, atol=0.02 * expected.max())
    weights = np.array([one.weights for one in draws])
    np.testing.assert_allclose(weights.mean(axis=0), mean, atol=0.01)
    # W without Λ: covariance A⁻¹ ⊗ inverse_scale / (degrees - D - 1)
    noise = inverse_scale / (degrees - WIDTH - 1)
    expected = np.kron(np.linalg.inv(factor @ factor.T), noise)
    np.testing.assert_allclose(np.cov(weights.reshape(len(draws), -1).T), expected, atol=2e-3)


def test_strengths_have_their_conditional_distribution() -> None:
    rng = np.random.default_rng(5)
    weights, precision = rng.normal(size=(3, WIDTH)), np.array([[2.0, 0.5], [0.5, 1.0]])
    drawn = np.array(
        [side_prior._draw_strengths(weights, precision, GROUPS, rng) for _ in range(4000)]
    )
    for group, size in ((0, 2), (1, 1)):
        length = sum(w @ precision @ w for w, g in zip(weights, GROUPS, strict=True) if g == group)
        law = stats.gamma(1 + size * WIDTH / 2, scale=1 / (1 + length / 2))
        assert stats.kstest(drawn[:, group], law.cdf).pvalue > 1e-3


def test_wishart_draws() -> None:
    rng = np.random.default_rng(6)
    inverse_scale = np.array([[2.0, 0.6], [0.6, 1.0]])
    drawn = np.array([draw_wishart(rng, 4.5, inverse_scale) for _ in range(20_000)])
    law = stats.wishart(4.5, np.linalg.inv(inverse_scale))
    np.testing.assert_allclose(drawn.mean(axis=0), law.mean(), atol=0.06)
    np.testing.assert_allclose(drawn.var(axis=0), law.var(), rtol=0.08)


def test_means_are_a_regression() -> None:
    features = Features(np.array([[1, 0, 2]], np.float32), GROUPS, np.array([True]))
    weights = np.array([[0.5, 1.0], [1.0, 0.0], [9.0, 9.0], [0.0, -1.0]])
    found = prior_means(features, PriorDraw(weights, np.eye(2), np.ones(2)))
    np.testing.assert_allclose(found, [[1.5, -1.0]])


def test_ranks_change_nothing_beyond_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    features, rows = make_features(), make_rows()
    whole = sums_of(features, rows)
    monkeypatch.setattr(side_prior, "_ROWS", 5)
    shares = [
        Features(features.values[rank::3], GROUPS, features.is_rated[rank::3]) for rank in range(3)
    ]
    grams: list[np.ndarray] = []
    for share in shares:
        sum_gram(share, lambda a: grams.append(a) or a)  # type: ignore[func-returns-value]
    np.testing.assert_allclose(reduce(np.add, grams), whole.gram, atol=1e-9)
    parts: list[np.ndarray] = []
    for rank, share in enumerate(shares):
        sum_rows(share, whole.gram, rows[rank::3], lambda a: parts.append(a) or a, Threads(2))  # type: ignore[func-returns-value]
    total = reduce(np.add, parts)
    np.testing.assert_allclose(total, np.concatenate([whole.cross, whole.squares]), atol=1e-9)


@pytest.mark.parametrize("num_groups", [0, 2])
def test_geweke_joint_distribution(num_groups: int) -> None:
    """Rows drawn given the prior and the prior given the rows, in turn, keep the prior's law.

    Geweke 2004, "Getting it right": otherwise one of the two conditionals is wrong.
    """
    features = make_features(8)
    groups = GROUPS if num_groups else GROUPS[:0]
    features = Features(features.values[:, : len(groups)], groups, features.is_rated)
    gram = sum_gram(features, alone)
    rng = np.random.default_rng(7)
    at = first_prior(WIDTH, groups)
    chain = []
    for sweep in range(12_500):
        rows = prior_means(features, at) + rng.normal(size=(8, WIDTH)) @ half(at.precision)
        at = draw_prior(sum_rows(features, gram, rows, alone, ONE), at, groups, rng)
        if sweep >= 500 and sweep % 4 == 0:
            chain.append(summary(at))
    direct = []
    for _ in range(3000):
        precision = stats.wishart.rvs(WIDTH + 1, np.eye(WIDTH) / 0.3, random_state=rng)
        strengths = rng.gamma(1, size=num_groups)
        scales = np.sqrt([2.0, *strengths[groups]])[:, None]
        weights = rng.normal(size=(len(scales), WIDTH)) / scales @ half(precision)
        direct.append(summary(PriorDraw(weights, precision, strengths)))
    for mine, theirs in zip(np.transpose(chain), np.transpose(direct), strict=True):
        assert stats.ks_2samp(mine, theirs).pvalue > 1e-3


def half(precision: np.ndarray) -> np.ndarray:
    """Return H with Hᵀ H = precision⁻¹."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(precision)))


def summary(prior: PriorDraw) -> list[float]:
    first, second = np.diag(prior.precision)
    values = [first, second, prior.precision[0, 1], *prior.weights.ravel(), *prior.strengths]
    return [*values, prior.weights[0] @ prior.precision @ prior.weights[0]]
