"""How figures are written, the same on every page, and grids that leave no tile alone."""

from __future__ import annotations

import pytest

from recspark.page.render import count_columns
from recspark.page.tables import Column, make_table, number, percent, plain, rmse, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0%"),
        (1, "100.0%"),
        (0.5, "50.0%"),
        (0.998, "99.8%"),
        (0.001, "0.1%"),
        (0.00012, "0.012%"),
        (0.99988, "99.988%"),
        (0.999996, "99.99960%"),
        (1 - 1e-15, "100.0%"),
    ],
)
def test_percent_has_one_form_and_hides_no_rest(value: float, text: str) -> None:
    assert percent(value) == text


def test_minus_is_a_minus_sign() -> None:
    assert number(-0.0286, "+.4f") == "−0.0286"
    assert number(0.25, "+.2f") == "+0.25"
    assert number(1e-5, ".2g") == "1e−05"
    assert whole(-1234) == "−1,234"
    assert rmse(None) == "–"


@pytest.mark.parametrize("count", range(1, 41))
def test_no_tile_stands_alone(count: int) -> None:
    columns = count_columns([0] * count)
    assert 1 <= columns <= 5
    assert count == 1 or count % columns != 1 or columns == 1


def test_eight_and_ten_tiles_fill_their_rows() -> None:
    assert count_columns([0] * 8) == 4
    assert count_columns([0] * 10) == 5


def test_rows_of_few_are_marked() -> None:
    rows = [{"n": 3}, {"n": 300}]
    table = make_table("t", rows, Column("n", "N", plain), is_few=lambda row: row["n"] < 200)
    assert table.few == {0}
