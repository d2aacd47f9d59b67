"""Ridge regression of ratings on the members' predictions, from sums that add up over tasks.

Source: Hoerl and Kennard 1970; blending as Töscher and Jahrer 2008 did for the Netflix Prize,
with weights fitted on ratings that no member was fitted on.

Legend: M members, F folds of users, P = M + 1 columns: the members' predictions minus the mean
rating, then a constant 1. X [rows, P] are these columns and y the ratings minus the mean. The
weights w = (XᵀX + n·reg·I)⁻¹ Xᵀy depend on the rows only through XᵀX, Xᵀy and yᵀy. So does the
squared error of any weights: Σ (y − Xw)² = yᵀy − 2 wᵀXᵀy + wᵀXᵀX w. The constant is not shrunk.
So one pass over valid serves every reg, every fold and every set of members.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Candidates for blend.reg if it is null, per rating.
REGS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def sum_products(
    predictions: FloatArray, ratings: FloatArray, folds: npt.NDArray[np.integer], num_folds: int
) -> FloatArray:
    """Return [F, P + 1, P + 1], for each fold ZᵀZ of Z = [X, y].

    Args:
        predictions: [rows, M], minus the mean rating.
        ratings: [rows], minus the mean rating.
        folds: [rows], each row's fold, below `num_folds`.
        num_folds: F.
    """
    columns = np.column_stack([predictions, np.ones(len(ratings)), ratings])
    return np.stack(
        [columns[folds == fold].T @ columns[folds == fold] for fold in range(num_folds)]
    )


def solve(products: FloatArray, reg: float) -> FloatArray:
    """Return the weights [P], that of the constant last.

    Args:
        products: [P + 1, P + 1], ZᵀZ of the rows to fit.
        reg: L2 weight on the members' weights, per row.
    """
    gram, target = products[:-1, :-1].copy(), products[:-1, -1]
    num_rows = gram[-1, -1]
    members = np.arange(len(gram) - 1)
    gram[members, members] += reg * num_rows
    # Two members can be the same model: lstsq then returns the weights of the smallest norm.
    weights: FloatArray = np.linalg.lstsq(gram, target, rcond=None)[0].astype(np.float64)
    return weights


def squared_error(products: FloatArray, weights: FloatArray) -> float:
    """Return Σ (y − Xw)² over the rows that `products` were summed over."""
    signed = np.append(-weights, 1.0)
    return max(float(signed @ products @ signed), 0.0)  # rounding may give less than 0


def cross_validate(folds: FloatArray, reg: float) -> float:
    """Return the RMSE over all folds, each predicted by weights fitted on the others.

    Args:
        folds: [F, P + 1, P + 1]
        reg: L2 weight on the members' weights, per row.
    """
    total = folds.sum(axis=0)
    squares = sum(squared_error(fold, solve(total - fold, reg)) for fold in folds)
    return float(np.sqrt(squares / total[-2, -2]))


def choose_reg(folds: FloatArray, regs: Sequence[float] = REGS) -> float:
    """Return the reg with the lowest cross-validated RMSE; of equal ones the largest."""
    return min(sorted(regs, reverse=True), key=lambda reg: cross_validate(folds, reg))


def with_members(folds: FloatArray, members: Sequence[int]) -> FloatArray:
    """Return the products of some members alone, in their order: [F, m + 2, m + 2]."""
    width = folds.shape[1]
    chosen = [*members, width - 2, width - 1]
    return folds[:, chosen][:, :, chosen]


def member_rmse(folds: FloatArray, member: int) -> float:
    """Return the RMSE of a member's predictions as they are."""
    total = folds.sum(axis=0)
    weights = np.zeros(len(total) - 1)
    weights[member] = 1.0
    return float(np.sqrt(squared_error(total, weights) / total[-2, -2]))
