"""The row solver in batched torch, for GPUs: the same sums, equations and noise.

Products of ratings are float32 and sums float64, as in the compiled loops. Only `solve` runs on the
device. The process over time, interactions, priors and weights stay on the CPU, where the tables
are; a call copies the ratings and rows that it needs.

Shape legend: R rows, N ratings, O counterparts, K factors, D columns of a row, E = D + 1, P pieces
of a batch, L their length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from recspark.arrays.compiled import Threads
from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.training.group import Group
from recspark.training.row_batches import Batch, Chunk, cut_into_chunks
from recspark.training.row_solver import Doubles, RowPrior, RowSolver
from recspark.training.row_table import MEAN_TIME, SLOPE, WEIGHT, Floats, RowTable
from recspark.training.torch_noise import make_normals


@dataclass(frozen=True)
class _Layout:
    """What stays the same of a table, on the device: 4 bytes a rating, with drift 8.

    Attributes:
        table: Kept, so that no other one gets its identity.
        chunks: Of its rows.
        others: int32 [N].
        times: int32 [N]; empty without drift.
        names: int64 [R].
        counts: int64 [R].
    """

    table: RowTable
    chunks: list[Chunk]
    others: Tensor
    times: Tensor
    names: Tensor
    counts: Tensor


@dataclass(frozen=True)
class _Half:
    """One half-sweep on the device.

    Attributes:
        layout: Of the rows to solve for.
        ratings: float32 [N], minus the mean; in a table that is weighted, the weights.
        mean_times: float32 [R], of the rows.
        theirs: float32 [O, E + 4], of the counterparts: factors, 1, with drift 0, and 0; and then
            their bias, slope, mean time and weight.
    """

    layout: _Layout
    ratings: Tensor
    mean_times: Tensor
    theirs: Tensor

    def sums(self, chunk: Chunk) -> Tensor:
        """Return float64 [rows, E, E], Σ w [v, y] [v, y]ᵀ of each row, see `gram_loops`."""
        found = [self._multiply(batch) for batch in chunk.batches]
        return chunk.add_pieces(found, self.theirs.shape[1] - 4)

    def _multiply(self, batch: Batch) -> Tensor:
        """Return float32 [P, E, E]."""
        steps = torch.arange(batch.longest, device=batch.begins.device)
        is_inside = steps < batch.lengths[:, None]
        at = batch.begins[:, None] + steps.where(is_inside, 0)
        others = self.layout.others[at].flatten()
        rows = self.theirs.index_select(0, others).unflatten(0, at.shape)
        right = rows[..., :-4]  # [P, L, E]
        bias, slope, mean_time, weight = rows[..., -4:].unbind(-1)
        weight = weight * is_inside
        if self.layout.table.is_weighted:
            left = right * (weight * self.ratings[at])[..., None]
            return torch.bmm(left.mT, right)
        target = self.ratings[at] - bias
        if self.layout.table.has_drift:
            years = self.layout.times[at].double() / SECONDS_PER_YEAR
            right[..., -2] = years - self.mean_times[batch.rows, None]
            target -= slope * (years - mean_time).float()
        right[..., -1] = target
        left = right * weight[..., None]
        return torch.bmm(left.mT, right)


@dataclass(frozen=True)
class TorchRowSolver(RowSolver):
    """See `RowSolver`; `solve` computes on the group's device."""

    _layouts: dict[int, _Layout] = field(default_factory=dict, init=False)

    def solve(
        self,
        mine: RowTable,
        others: RowTable,
        prior: RowPrior,
        *,
        mean: float = 0.0,
        scale: float = 1.0,
        key: int | None = None,
        centers: Floats | None = None,
    ) -> Doubles:
        """See `RowSolver.solve`."""
        device, size = self.group.device, mine.num_columns
        layout = self._layout(mine)
        values = torch.empty(len(mine.counts), size, device=device)
        around = torch.empty_like(values)
        errors = values.new_empty(len(values), 3, dtype=torch.float64)
        scales = torch.from_numpy(np.float32(scale) * mine.weights).to(device)
        known = [torch.from_numpy(one).to(device) for one in (prior.precision, prior.means)]
        per_rating = torch.from_numpy(prior.per_rating).to(device)
        half = self._start(layout, others, mean)
        with _full_float32():
            for chunk in layout.chunks:
                rows = slice(chunk.first, chunk.stop)
                sums = half.sums(chunk)
                if mine.is_shared and self.group.num_ranks > 1:
                    sums = self.group.sum(sums)
                counts, means = layout.counts[rows], known[1]
                means = means[rows] if len(means) == len(values) else means
                noise = make_normals(key, layout.names[rows], size) if key is not None else None
                found = _solve(
                    *(sums, scales[rows], counts, known[0], per_rating, means),
                    *(mine.num_factors, noise),
                )
                values[rows], around[rows], errors[rows] = found
        mine.rows[:] = values.cpu().numpy()
        if centers is not None:
            centers[:] = around.cpu().numpy()
        return errors.cpu().numpy()

    def _layout(self, table: RowTable) -> _Layout:
        if id(table) not in self._layouts:
            device = self.group.device
            arrays = table.others, table.drift_times, table.names, table.counts
            parts = (torch.from_numpy(one).to(device) for one in arrays)
            self._layouts[id(table)] = _Layout(table, cut_into_chunks(table, device), *parts)
        return self._layouts[id(table)]

    def _start(self, layout: _Layout, others: RowTable, mean: float) -> _Half:
        device, mine, width = self.group.device, layout.table, others.num_factors
        ratings = torch.from_numpy(mine.ratings).to(device)
        if not mine.is_weighted:
            ratings = ratings - mean
        mean_times = torch.from_numpy(mine.mean_times.copy()).to(device)
        values = torch.from_numpy(others.values).to(device)
        theirs = values.new_zeros(len(values), mine.num_columns + 5)
        theirs[:, :width] = values[:, :width]
        theirs[:, width] = 1
        columns = [width, width + SLOPE, width + MEAN_TIME, width + WEIGHT]
        theirs[:, -4:] = values[:, columns]
        return _Half(layout, ratings, mean_times, theirs)


def make_solver(threads: Threads, group: Group) -> RowSolver:
    """Return the solver in compiled loops on the CPU, and the one in torch elsewhere."""
    return (RowSolver if group.device.type == "cpu" else TorchRowSolver)(threads, group)


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
    """Keep products from being rounded to TF32, which `train.precision` may ask of layers."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _solve(
    sums: Tensor,
    scales: Tensor,
    counts: Tensor,
    precision: Tensor,
    per_rating: Tensor,
    means: Tensor,
    bias: int,
    noise: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows [rows, D], what they are drawn around [rows, D], and their errors [rows, 3].

    Args:
        sums: float64 [rows, E, E].
        scales: float32 [rows], what the weights of each row's ratings are multiplied by.
        counts: int64 [rows], ratings of each row.
        precision: [D, D], of the prior.
        per_rating: [D], added to the diagonal for each rating.
        means: [rows, D] or [1, D], of the prior.
        bias: The column of the bias, where every v is 1.
        noise: [rows, D]; without it, rows are solved for, and those without ratings get the mean.
    """
    gram, cross = sums[:, :-1, :-1], sums[:, :-1, -1]
    matrix = precision + scales[:, None, None] * gram
    matrix += torch.diag_embed(counts[:, None] * per_rating)
    side = means @ precision + scales[:, None] * cross
    if noise is None:  # the prior may be improper
        is_empty = counts == 0
        unit = torch.eye(len(precision), dtype=matrix.dtype, device=matrix.device)
        matrix = torch.where(is_empty[:, None, None], unit, matrix)
        side = torch.where(is_empty[:, None], means, side)
    factor, info = torch.linalg.cholesky_ex(matrix)
    factor = torch.where((info == 0)[:, None, None], factor, torch.nan)
    left = torch.linalg.solve_triangular(factor, side[..., None], upper=False)
    center = torch.linalg.solve_triangular(factor.mT, left, upper=True)
    rows = center
    if noise is not None:
        rows = torch.linalg.solve_triangular(factor.mT, left + noise[..., None], upper=True)
    rounded = rows.squeeze(-1).float()
    exact = rounded.double()
    moved = (gram @ exact[..., None]).squeeze(-1)
    squares = sums[:, -1, -1] - 2 * (exact * cross).sum(1) + (exact * moved).sum(1)
    plain = sums[:, bias, -1] - (sums[:, bias, :-1] * exact).sum(1)
    errors = torch.stack([squares.clamp(min=0), plain, sums[:, bias, bias]], dim=1)
    return rounded, center.squeeze(-1).float(), errors
