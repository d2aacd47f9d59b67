from __future__ import annotations

import numpy as np
import pytest
import torch

from recspark.training.order import make_key, order_by_tensors, random_order

CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 1000, 1024, 1025, 100_003])
def test_every_number_comes_once_and_both_ways_agree(count: int) -> None:
    order = random_order(count, CPU, 5, "order", 1, 2)
    assert order.dtype == torch.int32
    assert torch.equal(order.sort().values, torch.arange(count, dtype=torch.int32))
    if count:
        num_bits = max(1, (count - 1).bit_length())
        by_tensors = order_by_tensors(count, num_bits, make_key(5, "order", 1, 2), CPU)
        assert torch.equal(by_tensors, order)


def test_seed_and_purpose_give_another_order() -> None:
    orders = [random_order(1000, CPU, *key) for key in ((5, "a", 1), (6, "a", 1), (5, "a", 2))]
    assert len({tuple(order.tolist()) for order in orders}) == 3


def test_orders_look_random() -> None:
    """Counts in a grid of place by value, and of differences, are spread as chance spreads them."""
    count, repeats, grid = 20_000, 60, 10
    by_place, by_difference, correlations = [], [], []
    for seed in range(repeats):
        order = random_order(count, CPU, seed, "looks").numpy().astype(np.int64)
        cells = np.histogram2d(np.arange(count), order, bins=grid)[0]
        by_place.append(((cells - count / grid**2) ** 2 / (count / grid**2)).sum())
        steps = np.histogram(np.diff(order) % count, 20, (0, count))[0]
        by_difference.append(((steps - count / 20) ** 2 / (count / 20)).sum())
        correlations.append(np.corrcoef(order[:-1], order[1:])[0, 1])
    # means of chi-square with 81 and 19 degrees of freedom, within 4 standard errors
    assert np.mean(by_place) == pytest.approx(81, abs=4 * np.sqrt(2 * 81 / repeats))
    assert np.mean(by_difference) == pytest.approx(19, abs=4 * np.sqrt(2 * 19 / repeats))
    assert abs(np.mean(correlations)) < 4 / np.sqrt(count * repeats)
