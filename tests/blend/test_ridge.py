from __future__ import annotations

import numpy as np
import pytest

from recspark.blend import ridge

ROWS, MEMBERS, FOLDS = 400, 3, 4
RNG = np.random.default_rng(8)
TRUTH = RNG.normal(0, 1, ROWS)
X = np.column_stack([TRUTH + RNG.normal(0, noise, ROWS) for noise in (0.5, 0.8, 3.0)])
Y = TRUTH + RNG.normal(0.1, 0.3, ROWS)
FOLD = RNG.integers(0, FOLDS, ROWS)
SUMS = ridge.sum_products(X, Y, FOLD, FOLDS)


def dense_weights(x: np.ndarray, y: np.ndarray, reg: float) -> np.ndarray:
    """Ridge by least squares over extra rows √(n·reg)·I, an unpenalised constant last."""
    width = x.shape[1]
    extra = np.hstack([np.sqrt(len(y) * reg) * np.eye(width), np.zeros((width, 1))])
    rows = np.vstack([np.column_stack([x, np.ones(len(y))]), extra])
    return np.linalg.lstsq(rows, np.append(y, np.zeros(width)), rcond=None)[0]


def dense_rmse(x: np.ndarray, reg: float) -> float:
    """Cross-validated RMSE, fold by fold over the rows themselves."""
    error = np.empty(ROWS)
    for fold in range(FOLDS):
        *weights, constant = dense_weights(x[fold != FOLD], Y[fold != FOLD], reg)
        chosen = fold == FOLD
        error[chosen] = Y[chosen] - x[chosen] @ weights - constant
    return float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("reg", [0.0, 0.01, 1.0])
def test_weights_and_errors_are_those_of_numpy_over_the_rows(reg: float) -> None:
    assert ridge.solve(SUMS.sum(axis=0), reg) == pytest.approx(dense_weights(X, Y, reg), abs=1e-9)
    assert ridge.cross_validate(SUMS, reg) == pytest.approx(dense_rmse(X, reg), abs=1e-9)


@pytest.mark.parametrize("member", range(MEMBERS))
def test_leaving_a_member_out_equals_a_fit_without_it(member: int) -> None:
    without = ridge.with_members(SUMS, [one for one in range(MEMBERS) if one != member])
    expected = dense_rmse(np.delete(X, member, axis=1), 0.01)
    assert ridge.cross_validate(without, 0.01) == pytest.approx(expected, abs=1e-9)
    alone = np.sqrt(np.mean((X[:, member] - Y) ** 2))
    assert ridge.member_rmse(SUMS, member) == pytest.approx(alone, abs=1e-9)


def test_reg_is_the_best_of_the_choice() -> None:
    regs = (0.0, 0.3, 5.0)
    expected = min(regs, key=lambda reg: dense_rmse(X, reg))
    assert ridge.choose_reg(SUMS, regs) == expected


def test_the_same_model_twice_shares_its_weight() -> None:
    twice = np.column_stack([X[:, 0], X[:, 0]])
    sums = ridge.sum_products(twice, Y, FOLD, FOLDS).sum(axis=0)
    first, second, _ = ridge.solve(sums, 0.0)
    assert first == pytest.approx(second)
    assert first + second == pytest.approx(dense_weights(X[:, :1], Y, 0.0)[0])


def test_a_fold_without_rows_is_harmless() -> None:
    folds = ridge.sum_products(X, Y, FOLD, FOLDS + 1)
    assert ridge.cross_validate(folds, 0.01) == pytest.approx(dense_rmse(X, 0.01), abs=1e-9)
