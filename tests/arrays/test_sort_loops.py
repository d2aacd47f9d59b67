from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.sort_loops import order_cells

CELLS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=40)


@given(CELLS)
def test_cells_are_sorted_by_row_and_column_and_ties_keep_their_order(
    cells: list[tuple[int, int]],
) -> None:
    rows, columns = np.array(cells, np.int32).reshape(-1, 2).T.copy()
    starts, order = order_cells(rows, columns, 5, 7)
    expected = sorted(range(len(cells)), key=lambda place: (*cells[place], place))
    assert order.tolist() == expected
    assert starts.tolist() == [sum(row < k for row, _ in cells) for k in range(6)]
