from __future__ import annotations

import pytest
import torch

from recspark.models import rated_cells
from recspark.models.rated_cells import Products, RatedCells, SumByUser


def make_cells(dense: torch.Tensor, rated: torch.Tensor) -> RatedCells:
    users, movies = rated.nonzero().int().unbind(1)
    counts = rated.sum(1)
    starts = torch.cat([torch.zeros(1), counts.cumsum(0)]).int()
    return RatedCells(starts, users, movies, dense[rated], dense.shape[1])


@pytest.fixture
def sample() -> tuple[torch.Tensor, torch.Tensor, RatedCells]:
    rng = torch.Generator().manual_seed(1)
    rated = torch.rand(9, 14, generator=rng) < 0.4
    rated[3] = False  # a user without ratings
    rated[:, 5] = False  # a movie without ratings
    dense = torch.randn(9, 14, generator=rng) * rated
    return dense, rated, make_cells(dense, rated)


def test_sums_are_the_product_with_a_dense_matrix(
    sample: tuple[torch.Tensor, torch.Tensor, RatedCells],
) -> None:
    dense, _, cells = sample
    table = torch.randn(14, 6, generator=torch.Generator().manual_seed(2), requires_grad=True)
    weight = torch.randn(9, 6, generator=torch.Generator().manual_seed(3))
    found = SumByUser.apply(cells, cells.ratings, table)
    (found * weight).sum().backward()
    torch.testing.assert_close(found, dense @ table)
    torch.testing.assert_close(table.grad, dense.t() @ weight)


@pytest.mark.parametrize("size", [3, 4096])
def test_products_are_the_rated_cells_of_a_dense_product(
    sample: tuple[torch.Tensor, torch.Tensor, RatedCells],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rated_cells, "CPU_CELLS", size)
    _, rated, cells = sample
    rng = torch.Generator().manual_seed(4)
    users, movies = (torch.randn(n, 5, generator=rng).requires_grad_() for n in (9, 14))
    weight = torch.randn(len(cells.ratings), generator=rng)
    found = Products.apply(cells, users, movies)
    found_gradients = torch.autograd.grad((found * weight).sum(), (users, movies))
    expected = (users @ movies.t())[rated]
    torch.testing.assert_close(found, expected)
    for mine, other in zip(
        found_gradients,
        torch.autograd.grad((expected * weight).sum(), (users, movies)),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_no_users_and_no_cells() -> None:
    for num_users in (0, 2):
        rated = torch.zeros(num_users, 4, dtype=torch.bool)
        cells = make_cells(torch.zeros(num_users, 4), rated)
        table = torch.ones(4, 3, requires_grad=True)
        found = SumByUser.apply(cells, cells.ratings, table)
        assert torch.equal(found, torch.zeros(num_users, 3))
        found.sum().backward()
        assert torch.equal(table.grad, torch.zeros(4, 3))
        assert Products.apply(cells, torch.ones(num_users, 3), table).shape == (0,)
