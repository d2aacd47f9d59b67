"""Compiled loop that orders cells of a table by row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.integer[Any]]
Longs = npt.NDArray[np.int64]


@compiled
def order_cells(rows: Ints, columns: Ints, num_rows: int, num_columns: int) -> tuple[Longs, Longs]:
    """Return where each row starts [num_rows + 1], and the places of the cells in order [N].

    By row, then by column; equal cells keep their order. Two counting sorts: linear in N.

    Args:
        rows: [N], each below `num_rows`.
        columns: [N], each below `num_columns`.
        num_rows: Rows of the table.
        num_columns: Columns of the table.
    """
    free = np.zeros(num_columns + 1, np.int64)
    for place in range(len(columns)):
        free[columns[place] + 1] += 1
    for column in range(num_columns):
        free[column + 1] += free[column]
    by_column = np.empty(len(columns), np.int64)
    for place in range(len(columns)):
        column = columns[place]
        by_column[free[column]] = place
        free[column] += 1
    starts = np.zeros(num_rows + 1, np.int64)
    for place in range(len(rows)):
        starts[rows[place] + 1] += 1
    for row in range(num_rows):
        starts[row + 1] += starts[row]
    free = starts.copy()
    order = np.empty(len(rows), np.int64)
    for number in range(len(rows)):
        place = by_column[number]
        row = rows[place]
        order[free[row]] = place
        free[row] += 1
    return starts, order
