"""The prior of rows without side information: normal, with normal-Wishart hyper-parameters.

A row is drawn from N(mean, precision⁻¹), with mean ~ N(0, (b0 · precision)⁻¹) and precision ~
Wishart(nu0, W0), where b0 = 2, nu0 = D + 1 and W0⁻¹ = 0.1 nu0 I (Salakhutdinov and Mnih 2008).

Shape legend: D columns of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

B0 = 2.0
SPREAD = 0.1


@dataclass(frozen=True)
class Moments:
    """Sums over rows.

    Attributes:
        count: The rows.
        total: [D], their sum.
        squares: [D, D], the sum of their outer products.
    """

    count: float
    total: Doubles
    squares: Doubles


def draw_normal_wishart(moments: Moments, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Return (mean [D], precision [D, D]) drawn from their distribution given rows."""
    size, count = len(moments.total), moments.count
    freedom = size + 1 + count
    average = moments.total / max(count, 1)
    scatter = moments.squares - count * np.outer(average, average)
    inverse = SPREAD * (size + 1) * np.eye(size) + scatter
    inverse += (B0 * count / (B0 + count)) * np.outer(average, average)
    precision = draw_wishart(rng, freedom, inverse)
    factor = np.linalg.cholesky((B0 + count) * precision)
    mean = moments.total / (B0 + count)
    return mean + np.linalg.solve(factor.T, rng.standard_normal(size)), precision


def draw_wishart(rng: np.random.Generator, freedom: float, inverse_scale: Doubles) -> Doubles:
    """Return a draw from Wishart(freedom, inverse_scale⁻¹), [D, D], by Bartlett's decomposition."""
    size = len(inverse_scale)
    lower = np.tril(rng.standard_normal((size, size)), -1)
    lower[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    # scale = C⁻ᵀ C⁻¹ for inverse_scale = C Cᵀ
    factor = np.linalg.solve(np.linalg.cholesky(inverse_scale).T, lower)
    drawn: Doubles = factor @ factor.T
    return (drawn + drawn.T) / 2
